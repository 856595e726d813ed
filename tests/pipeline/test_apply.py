"""A finished model on other spectra: arrays, files and trees."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from desi_tree import make_quasars
from lake_runs import read_all

from pipeline.apply import RESULT, AnomalyModel, apply
from pipeline.config import Config, ScoreSettings
from pipeline.errors import QadError, UserError
from pipeline.extract import finished_shards
from pipeline.preprocess import to_matrix
from pipeline.store import Store
from pipeline.train import find_model_id

Z = np.array([1.5, 1.7, 1.9])


@pytest.fixture(scope="session")
def model(finished: Store, config: Config) -> AnomalyModel:
    folder = finished.lake.model(find_model_id(finished, config))
    return AnomalyModel(folder, config.score, config.calibrate)


@pytest.fixture(scope="session")
def spectra() -> tuple[np.ndarray, np.ndarray]:
    return make_quasars(Z, seed=9)


def test_arrays_are_scored(model: AnomalyModel, spectra) -> None:
    table = model.score(*spectra, Z)
    assert table["row"].to_pylist() == [0, 1, 2]
    assert {"anomaly_score", "p_value", "q_value", "tier", "latent"} <= set(table.column_names)
    assert np.isfinite(table["anomaly_score"].to_numpy()).all()
    one = model.score(spectra[0][1], spectra[1][1], 1.7)
    assert one["chi2"][0].as_py() == pytest.approx(table["chi2"][1].as_py(), rel=1e-4)


def test_bad_values_are_missing_pixels(model: AnomalyModel, spectra) -> None:
    flux, ivar = (values.copy() for values in spectra)
    masked = ivar.copy()
    masked[:, 100:200] = 0
    flux[:, 100:150], ivar[:, 150:180], ivar[:, 180:200] = np.nan, -1, np.inf
    one, two = model.score(flux, ivar, Z), model.score(spectra[0], masked, Z)
    for name in ("chi2", "kl_divergence", "anomaly_score", "snr"):
        np.testing.assert_array_equal(one[name].to_numpy(), two[name].to_numpy())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_redshift_outside_is_left_out(model: AnomalyModel, spectra) -> None:
    table = model.score(*spectra, np.array([1.5, 5.0, np.nan]))
    assert table["row"].to_pylist() == [0]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nothing_left_is_an_empty_table(model: AnomalyModel, spectra) -> None:
    outside = model.score(*spectra, np.array([0.1, 5.0, np.nan]))
    dead = model.score(spectra[0], spectra[1] * 0, Z)
    none = model.score(np.zeros((0, 7781)), np.zeros((0, 7781)), np.zeros(0))
    full = model.score(*spectra, Z)
    for table in (outside, dead, none):
        assert table.num_rows == 0
        assert table.column_names == full.column_names


@pytest.mark.parametrize(
    ("flux", "ivar", "z"),
    [
        ((3, 7780), (3, 7780), 3),
        ((3, 7781), (2, 7781), 3),
        ((3, 7781), (3, 7781), 2),
        ((7,), (7,), 1),
    ],
)
def test_wrong_shapes_are_named(model: AnomalyModel, flux, ivar, z) -> None:
    with pytest.raises(UserError, match=r"\(n, 7781\)"):
        model.score(np.ones(flux), np.ones(ivar), np.ones(z))


def test_folder_that_is_no_model(tmp_path: Path, lake: Store, config: Config, spectra) -> None:
    with pytest.raises(UserError, match="is no model"):
        AnomalyModel.load(tmp_path)
    folder = lake.lake.model(find_model_id(lake, config))
    (folder / "null.parquet").unlink()
    with pytest.raises(QadError, match=r"null\.parquet"):
        AnomalyModel(folder, ScoreSettings(min_support=3)).score(*spectra, Z)


def test_scores_of_arrays_are_those_of_the_lake(model: AnomalyModel, finished: Store) -> None:
    shard = finished_shards(finished, "score")[0]
    coadds = finished.read(finished.lake.shard("coadds", shard))[:4]
    scores = finished.read(finished.lake.shard("scores", shard))[:4]
    targets = {row["TARGETID"]: row for row in
               read_all(finished, "targets").to_pylist()}  # fmt: skip
    from pipeline.preprocess import OBSERVED_GRID
    from pipeline.science.extinction import transmission

    ids = coadds["TARGETID"].to_pylist()
    dust = transmission(OBSERVED_GRID.wave, [targets[i]["EBV"] for i in ids], 3.1)
    table = model.score(
        to_matrix(coadds["flux"]) / dust, to_matrix(coadds["ivar"]) * dust**2,
        np.array([targets[i]["Z"] for i in ids]), np.array(ids),
    )  # fmt: skip
    np.testing.assert_allclose(table["chi2"].to_numpy(), scores["chi2"].to_numpy(), rtol=1e-3)


def test_own_tree_gets_its_own_scores(lake: Store, config: Config) -> None:
    model_id = find_model_id(lake, config)
    path, reports = apply(lake.root, config, model_id, None)
    assert path.name == RESULT
    assert all(report.failed == () for report in reports)
    rows = pq.read_table(path).sort_by("TARGETID")
    assert rows.num_rows == 45
    own = lake.read(lake.lake.table("tiers")).sort_by("TARGETID")
    np.testing.assert_allclose(
        rows["anomaly_score"].to_numpy(), own["anomaly_score"].to_numpy(), rtol=1e-4, atol=1e-4
    )
    again, reports = apply(lake.root, config, model_id, None)
    assert again == path
    assert reports[3].made == reports[4].made == 0


def test_source_that_is_not_there(lake: Store, config: Config, tmp_path: Path) -> None:
    away = config.model_copy(
        update={"run": config.run.model_copy(update={"source": str(tmp_path / "no")})}
    )
    with pytest.raises(UserError, match="no such file or folder"):
        apply(lake.root, away, find_model_id(lake, config), None)
