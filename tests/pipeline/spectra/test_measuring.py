"""Windows are measured and scored each by the member that has not seen its object."""

import numpy as np
import pyarrow as pa
import pytest

from catalog_schema.kinds import SPECTRA
from catalog_schema.validate import find_violations
from catalog_schema.waist import ROW_KEY
from pipeline.config import Config
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root
from pipeline.lake.store import to_matrix
from pipeline.run import Run
from pipeline.spectra.measuring import (
    fit_residuals,
    measure_table,
    measure_windows,
    move_windows,
    score_rows,
)
from pipeline.spectra.model.models import load_model


@pytest.fixture(scope="module")
def run(finished: Root, config: Config) -> Run:
    return start_run(finished, config)


@pytest.fixture(scope="module")
def windows(run: Run) -> pa.Table:
    """Windows of the scored spectra of one shard."""
    shard = run.list_shards("scores")[0]
    scores = run.read_shards("scores", [shard], list(ROW_KEY))[shard]
    return run.read_rows("restframe", scores.slice(0, 8))


def test_rows_scored_again_are_those_of_the_stage(run: Run, windows: pa.Table) -> None:
    scores, rows = score_rows(run.model, run.config, windows)
    assert rows.tolist() == list(range(windows.num_rows))
    for name in ROW_KEY:
        assert scores[name].to_pylist() == windows[name].to_pylist()
    own = run.read_rows("scores", scores.select(ROW_KEY))
    np.testing.assert_allclose(
        to_matrix(scores["statistics"]), to_matrix(own["statistics"]), rtol=2e-3, atol=1e-3
    )


def test_measured_in_any_company(run: Run, windows: pa.Table) -> None:
    """What is measured of a spectrum does not depend on the others of its table, or their order."""
    model = load_model(run.model)
    order = np.random.default_rng(0).permutation(windows.num_rows)
    together = measure_windows(model, run.config, windows)
    turned = measure_windows(model, run.config, windows.take(pa.array(order)))
    for one, other in zip(together, turned, strict=True):
        np.testing.assert_allclose(one[order], other, rtol=1e-3, atol=1e-3)


def test_rivals_are_tried_for_what_is_strange_alone(run: Run, windows: pa.Table) -> None:
    n, level = windows.num_rows, run.config.classify.rival_p_value
    p_value = np.where(np.arange(n) % 2, level / 2, level * 2)
    p_value[0] = np.nan
    rows = measure_table(run.model, run.config, windows, p_value)
    assert find_violations(rows, SPECTRA["measurements"]) == []
    tried = rows["rival_z"].is_valid().to_numpy()
    assert not tried[~(p_value < level)].any()
    assert (tried == rows["rival_p_value"].is_valid().to_numpy()).all()
    # A rival is another redshift than the row's own.
    own, rival = windows["Z"].to_numpy(), rows["rival_z"].to_numpy(zero_copy_only=False)
    assert (np.abs(rival - own)[tried] > 1e-4).all()


def test_an_empty_table_is_measured_to_an_empty_one(run: Run, windows: pa.Table) -> None:
    rows = measure_table(run.model, run.config, windows.slice(0, 0), np.zeros(0))
    assert rows.num_rows == 0
    assert find_violations(rows, SPECTRA["measurements"]) == []


def test_moved_there_and_back_a_window_has_its_redshift_again(run: Run, windows: pa.Table) -> None:
    model = load_model(run.model)
    step = model.grid.align
    room = model.grid.size - model.grid.window - windows["window_start"].to_numpy()
    shift = np.where(room >= step, step, -step)
    there = move_windows(windows, shift, model)
    assert (there["Z"].to_numpy() != windows["Z"].to_numpy()).all()
    ratio = (1 + windows["Z"].to_numpy()) / (1 + there["Z"].to_numpy())
    np.testing.assert_allclose(np.log10(ratio), shift * model.grid.log10_step, rtol=1e-6)
    back = move_windows(there, -shift, model)
    np.testing.assert_allclose(back["Z"].to_numpy(), windows["Z"].to_numpy(), rtol=1e-12)
    assert back["window_start"].to_pylist() == windows["window_start"].to_pylist()


def test_residuals_have_the_flux_of_the_windows_and_no_more_weight(
    run: Run, windows: pa.Table
) -> None:
    spectra = fit_residuals(load_model(run.model), run.config, windows)
    np.testing.assert_array_equal(spectra.flux, to_matrix(windows["rest_flux"]))
    assert len(spectra) == windows.num_rows
    # The model's own scatter takes weight away, and gives none to a pixel that has none.
    assert (spectra.weight <= spectra.noise_weight * (1 + 1e-6)).all()
    assert (spectra.weight[to_matrix(windows["rest_weight"]) == 0] == 0).all()
