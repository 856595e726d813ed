"""Joined spectra as rows: each block as if alone, places where known, arms that a survey has."""

import numpy as np
import pyarrow as pa
import pytest

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Arm, Grid, Sampling
from catalog_schema.tables import COADDS
from catalog_schema.validate import find_violations
from pipeline.errors import DataError
from pipeline.lake.layout import Shard
from pipeline.lake.store import to_matrix
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.coadd import Spectra

SHARD = Shard("main", "bright", 42)
SMALL = Sampling(Grid(4000.0, 1.0, 60), (Arm("b", 0, 30), Arm("r", 20, 60)))


def make_spectra(n: int, size: int = 60, seed: int = 0) -> Spectra:
    rng = np.random.default_rng(seed)
    flux = rng.normal(5, 1, (n, size)).astype(np.float32)
    ivar = rng.gamma(2, 1, (n, size)).astype(np.float32)
    ivar[rng.random((n, size)) < 0.2] = 0
    return Spectra(1000 + np.arange(n), flux, ivar, rng.integers(0, 9, (n, size), np.int32))


@pytest.mark.parametrize("n", [1, 63, 64, 65, 130])
def test_every_row_is_there_once_and_in_order(n: int) -> None:
    spectra = make_spectra(n)
    rows = spectra_to_table(SHARD, spectra, SMALL)
    assert find_violations(rows, COADDS) == []
    assert rows["TARGETID"].to_pylist() == spectra.targetid.tolist()
    np.testing.assert_array_equal(to_matrix(rows["flux"]), spectra.flux)
    np.testing.assert_array_equal(to_matrix(rows["ivar"]), spectra.ivar)
    np.testing.assert_array_equal(to_matrix(rows["mask"]), spectra.mask)
    for name, value in (("SURVEY", "main"), ("PROGRAM", "bright"), ("HEALPIX", 42)):
        assert set(rows[name].to_pylist()) == {value}


def test_ratio_and_coverage_are_of_the_good_pixels_of_each_arm() -> None:
    spectra = make_spectra(70)
    rows = spectra_to_table(SHARD, spectra, SMALL)
    chi = spectra.flux * np.sqrt(spectra.ivar)
    for name, pixels in (("snr", np.s_[:60]), ("snr_b", np.s_[:30]), ("snr_r", np.s_[20:60])):
        good = spectra.ivar[:, pixels] > 0
        expected = [np.median(c[g]) for c, g in zip(chi[:, pixels], good, strict=True)]
        np.testing.assert_allclose(rows[name], expected, rtol=1e-6)
        if name != "snr":
            share = rows[name.replace("snr", "coverage")].to_numpy()
            np.testing.assert_allclose(share, good.mean(axis=1), rtol=1e-6)


def test_of_an_arm_that_the_survey_has_not_nothing_is_known() -> None:
    rows = spectra_to_table(SHARD, make_spectra(3), SMALL)
    for measure in ("snr", "coverage", "noise", "ivar"):
        assert rows[f"{measure}_z"].to_pylist() == [None] * 3


def test_an_arm_without_a_good_pixel_has_no_ratio_and_no_coverage() -> None:
    spectra = make_spectra(2)
    spectra.ivar[1, 30:] = 0
    rows = spectra_to_table(SHARD, spectra, SMALL)
    assert rows["coverage_r"][1].as_py() == pytest.approx((spectra.ivar[1, 20:30] > 0).sum() / 40)
    spectra.ivar[1] = 0
    dark = spectra_to_table(SHARD, spectra, SMALL).slice(1, 1).to_pylist()[0]
    assert [dark[name] for name in ("snr", "snr_b", "snr_r")] == [None] * 3
    assert [dark[name] for name in ("coverage_b", "coverage_r")] == [0, 0]


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_noise_is_what_pixels_scatter_over_what_their_ivar_says(factor: float) -> None:
    rng, size = np.random.default_rng(0), SAMPLING.grid.size
    ivar = rng.gamma(20, 0.1, (5, size)).astype(np.float32)
    ivar[:, ::10] = 0
    # The object is smooth, and bright.
    sigma = factor / np.sqrt(np.where(ivar > 0, ivar, 1))
    flux = (np.linspace(900, 100, size) + sigma * rng.normal(size=(5, size))).astype(np.float32)
    ivar[0, SAMPLING.arms[2].first :] = 0
    spectra = Spectra(np.arange(5), flux, ivar, np.zeros((5, size), np.int32))
    rows = spectra_to_table(SHARD, spectra, SAMPLING)
    for arm in SAMPLING.arms:
        good = [each[each > 0] for each in ivar[:, arm.pixels]]
        is_known = np.array([len(each) > 300 for each in good])
        noise = rows[f"noise_{arm.name}"].to_numpy()
        np.testing.assert_allclose(noise[is_known], factor, rtol=0.1)
        assert np.isnan(noise[~is_known]).all()
        mean = [each.mean() if len(each) else np.nan for each in good]
        np.testing.assert_allclose(rows[f"ivar_{arm.name}"].to_numpy(), mean, rtol=1e-5)


def test_places_go_with_their_rows_and_minus_one_is_unknown() -> None:
    places = np.arange(3 * 130).reshape(3, 130)
    places[0, 5], places[1, 70], places[2, 129] = -1, -1, -1
    rows = spectra_to_table(SHARD, make_spectra(130), SMALL, places)
    for name, values in zip(("NIGHT", "PETAL_LOC", "FIBER"), places, strict=True):
        assert rows[name].to_pylist() == [v if v >= 0 else None for v in values.tolist()]
    unplaced = spectra_to_table(SHARD, make_spectra(2), SMALL)
    assert unplaced["FIBER"].to_pylist() == [None, None]


@pytest.mark.parametrize("sampling", [SMALL, SAMPLING], ids=["small", "desi"])
def test_rows_say_how_they_are_sampled(sampling: Sampling) -> None:
    for n in (0, 2):
        rows = spectra_to_table(SHARD, make_spectra(n, sampling.grid.size), sampling)
        assert rows.num_rows == n
        assert get_sampling(rows) == sampling
        assert get_sampling(rows.slice(0, 1)) == sampling


def test_rows_that_do_not_say_it_are_refused_in_one_line() -> None:
    rows = spectra_to_table(SHARD, make_spectra(1), SMALL).replace_schema_metadata(None)
    for spectra in (rows, pa.table({"flux": [1.0]})):
        with pytest.raises(DataError, match="spectra without their grid: made by an older"):
            get_sampling(spectra)
