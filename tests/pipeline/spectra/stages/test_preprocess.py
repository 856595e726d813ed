"""Rest-frame windows of the lake: gates, norms and what carries over."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from desi_tree import make_quasars
from hypothesis import given
from hypothesis import strategies as st
from lake_runs import finished_shards, read_all, run_one

from catalog_schema.desi import SAMPLING
from catalog_schema.tables import RESTFRAME, TARGETS
from catalog_schema.validate import find_violations
from pipeline.config import Config
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store, to_matrix
from pipeline.settings.spectra import PreprocessSettings
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.science.coadd import Spectra
from pipeline.spectra.science.extinction import transmission
from pipeline.spectra.windows import make_windows

GRID = make_run_grid(Config())
SETTINGS = PreprocessSettings()


def make_input(flux, ivar, z, ebv=0.0) -> tuple[pa.Table, pa.Table]:
    n = len(z)
    spectra = Spectra(
        np.arange(n),
        np.asarray(flux, np.float32),
        np.asarray(ivar, np.float32),
        np.zeros(np.shape(flux), np.int32),
    )
    ebv = np.broadcast_to(np.asarray(ebv, np.float32), (n,))
    targets = pa.table(
        {
            "Z": np.asarray(z, float),
            "EBV": pa.array(ebv, from_pandas=True),
            "split": ["train"] * n,
            "parent": ["core"] * n,
            "control": pa.nulls(n, pa.string()),
        }
    )
    return spectra_to_table(Shard("main", "dark", 1), spectra, SAMPLING), targets


def test_window_holds_the_spectrum() -> None:
    z = np.array([0.1, 1.7, 4.0])
    flux, ivar = make_quasars(z, noise=1e-3)
    product = make_windows(*make_input(flux, ivar, z), SETTINGS, GRID)
    rows = product.tables[0]
    assert find_violations(rows, RESTFRAME) == []
    assert set(product.dropped.values()) == {0}
    rest, norm = to_matrix(rows["rest_flux"]), rows["norm"].to_numpy()
    weight = to_matrix(rows["rest_weight"])
    for k in range(3):
        start = rows["window_start"][k].as_py()
        wave = GRID.wave[start : start + GRID.window] * (1 + z[k])
        good = weight[k] > 0
        expected = np.interp(wave[good], SAMPLING.grid.wave, flux[k])
        np.testing.assert_allclose((rest[k] * norm[k])[good], expected, rtol=0.02)
        assert np.median(rest[k][good]) == pytest.approx(1, rel=1e-4)
    assert (rows["n_valid"].to_numpy() == (weight > 0).sum(1)).all()


def test_dust_is_taken_off_and_the_snr_kept() -> None:
    z = np.array([1.7, 1.7])
    flux, ivar = make_quasars(z[:1])
    ebv = np.array([0.0, 0.3])
    dust = transmission(SAMPLING.grid.wave, ebv, 3.1)
    both, weights = flux * dust, ivar / dust**2
    rows = make_windows(*make_input(both, weights, z, ebv), SETTINGS, GRID).tables[0]
    rest, weight = to_matrix(rows["rest_flux"]), to_matrix(rows["rest_weight"])
    np.testing.assert_allclose(rest[0], rest[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(weight[0], weight[1], rtol=1e-3)
    unknown = make_windows(*make_input(flux, ivar, z[:1], np.nan), SETTINGS, GRID).tables[0]
    np.testing.assert_array_equal(to_matrix(unknown["rest_flux"])[0], rest[0])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gates() -> None:
    z = np.array([1.0, 7.5, np.nan, 1.0, -0.5, 0.001, np.inf])
    flux, ivar = make_quasars(np.ones(len(z)))
    ivar[3, 500:] = 0
    product = make_windows(*make_input(flux, ivar, z), SETTINGS, GRID)
    assert product.tables[0]["TARGETID"].to_pylist() == [0]
    assert product.dropped == {"redshift_outside_grid": 5, "too_few_pixels": 1}


@given(
    level=st.sampled_from([-1e4, -1.0, 0.0, 1e-3, 1e4]),
    noise=st.sampled_from([1e-2, 1.0, 1e3]),
    z=st.floats(0.05, 6.8),
    bad=st.floats(0, 1),
    ebv=st.floats(0, 3),
)
def test_no_nan_and_no_row_lost(level: float, noise: float, z: float, bad: float, ebv: float):
    rng = np.random.default_rng(0)
    ivar = np.where(rng.random((1, 7781)) < bad, 0, 1 / noise**2)
    flux = np.where(ivar > 0, level + noise * rng.standard_normal((1, 7781)), 0)
    product = make_windows(*make_input(flux, ivar, [z], ebv), SETTINGS, GRID)
    assert product.tables[0].num_rows + sum(product.dropped.values()) == 1
    assert find_violations(product.tables[0], RESTFRAME) == []
    assert np.isfinite(to_matrix(product.tables[0]["rest_weight"])).all()


@pytest.mark.parametrize("ebv", [5.0, 50.0, 100.0])
def test_any_reddening_of_the_schema_gives_numbers(ebv: float) -> None:
    low, high = TARGETS["EBV"].bounds or (0, 0)
    assert low <= ebv <= high
    flux, ivar = make_quasars(np.array([1.0]))
    product = make_windows(*make_input(flux, ivar, [1.0], ebv), SETTINGS, GRID)
    assert product.tables[0].num_rows + sum(product.dropped.values()) == 1
    assert find_violations(product.tables[0], RESTFRAME) == []


def test_lake_carries_the_targets_over(finished: Store) -> None:
    shards = finished_shards(finished, "preprocess")
    assert len(shards) == 2
    rows, targets = read_all(finished, "restframe"), read_all(finished, "targets")
    keys = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID", "Z", "split", "parent", "control"]
    order = [("HEALPIX", "ascending"), ("TARGETID", "ascending")]
    assert rows.select(keys).sort_by(order).equals(targets.select(keys).sort_by(order))


def test_grid_change_remakes_every_shard(lake: Store, config: Config) -> None:
    assert run_one(lake, config, "preprocess").skipped == 2
    wider = config.model_copy(update={"target": config.target.model_copy(update={"z_max": 2.5})})
    assert run_one(lake, wider, "preprocess").made == 2


def test_blocks_of_rows_are_one_table() -> None:
    """More rows than are worked on at a time: each has what it has alone."""
    z = np.linspace(0.1, 4.0, 130)
    flux, ivar = make_quasars(z)
    ivar[[5, 100]] = 0
    coadds, targets = make_input(flux, ivar, z)
    product = make_windows(coadds, targets, SETTINGS, GRID)
    assert product.dropped == {"redshift_outside_grid": 0, "too_few_pixels": 2}
    assert product.tables[0]["TARGETID"].to_pylist() == [k for k in range(130) if k not in (5, 100)]
    for k in (0, 64, 129):
        alone = make_windows(coadds.slice(k, 1), targets.slice(k, 1), SETTINGS, GRID).tables[0]
        assert product.tables[0].filter(pc.equal(product.tables[0]["TARGETID"], k)).equals(alone)
