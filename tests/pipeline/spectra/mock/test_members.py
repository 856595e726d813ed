"""Members of populations: called, selected and planted, and no quasar is another for them."""

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from lake_runs import extract_lake, read_all

from pipeline.spectra.mock import members, plan
from pipeline.spectra.mock.anomalies import ALL_FAMILIES, FAMILIES_OF
from pipeline.spectra.mock.members import draw_members
from pipeline.spectra.mock.plan import plan_shards
from pipeline.spectra.mock.survey import make_survey

N_GALAXIES, N_STARS, N_PIXELS = 90, 70, 3
# Columns of the zcatalog that are counted over all shards.
COUNTED = {"ZCAT_NSPEC", "MAIN_NSPEC", "SV_NSPEC", "ZCAT_PRIMARY", "MAIN_PRIMARY", "SV_PRIMARY"}


def read(folder: Path) -> tuple[np.ndarray, pd.DataFrame, dict[str, np.ndarray]]:
    root = folder / "spectro" / "redux" / "iron"
    flux = {}
    for path in sorted(root.rglob("coadd-*.fits")):
        ids = fits.getdata(path, "FIBERMAP")["TARGETID"]
        flux[path.name] = (ids, fits.getdata(path, "R_FLUX"), fits.getdata(path, "R_IVAR"))
    rows = fits.getdata(root / "zcatalog" / "v1" / "zall-pix-iron.fits")
    return rows, pd.read_parquet(folder.with_name(f"{folder.name}-truth.parquet")), flux


@pytest.fixture(scope="module")
def surveys(tmp_path_factory):
    """The same quasars without and with populations, of which a third is planted."""
    made = []
    for number, sizes in enumerate(({}, {"n_galaxies": N_GALAXIES, "n_stars": N_STARS})):
        folder = tmp_path_factory.mktemp("members") / str(number) / "dr1"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plan, "ANOMALY_SHARE", 0.5)
            make_survey(folder, n_quasars=12, n_pixels=N_PIXELS, seed=3, **sizes)
        made.append(read(folder))
    return made


def is_member(targetid: np.ndarray) -> np.ndarray:
    return (targetid > 0) & (targetid & 0x3FFFFF >= members._FIRST_OBJECT)


def test_populations_leave_the_others_byte_for_byte(surveys) -> None:
    (rows, truth, flux), (all_rows, all_truth, all_flux) = surveys
    kept = ~is_member(all_rows["TARGETID"])
    assert kept.sum() == len(rows)
    for name in set(rows.dtype.names) - COUNTED:
        np.testing.assert_array_equal(rows[name], all_rows[name][kept], err_msg=name)
    pd.testing.assert_frame_equal(truth, all_truth[kept].reset_index(drop=True))
    for name, (ids, light, ivar) in flux.items():
        of_all, all_light, all_ivar = all_flux[name]
        own = ~is_member(of_all)
        np.testing.assert_array_equal(ids, of_all[own])
        np.testing.assert_array_equal(light, all_light[own])
        np.testing.assert_array_equal(ivar, all_ivar[own])


def test_the_truth_counts_members_and_what_was_planted(surveys) -> None:
    _, (rows, truth, _) = surveys
    chosen = is_member(rows["TARGETID"])
    assert chosen.sum() == N_GALAXIES + N_STARS
    assert (truth["TARGETID"] == rows["TARGETID"]).all()
    spectype = rows["SPECTYPE"][chosen]
    assert Counter(spectype.tolist()) == {"GALAXY": N_GALAXIES, "STAR": N_STARS}
    for spectype, name in (("GALAXY", "galaxy"), ("STAR", "star")):
        told = truth[chosen & (rows["SPECTYPE"] == spectype)]
        planted = told[told["family"].notna()]
        # Dealt evenly: no family is twice ahead of another.
        counts = Counter(planted["family"])
        assert set(counts) == set(FAMILIES_OF[name])
        assert max(counts.values()) - min(counts.values()) <= 1
        assert counts.total() == round(0.5 * len(told))
        assert (planted["strength"] > 0).all()
        assert told["strength"].notna().sum() == len(planted)
        for row in planted.itertuples():
            assert row.kind == ALL_FAMILIES[row.family].kind
            assert row.is_taught == ALL_FAMILIES[row.family].is_taught
        ordinary = told[told["family"].isna()]
        assert set(ordinary["true_class"]) == {name}


def test_members_are_selected_and_called_as_desi_would(surveys) -> None:
    _, (rows, truth, _) = surveys
    chosen = is_member(rows["TARGETID"])
    bits = rows["DESI_TARGET"] | rows["SV3_DESI_TARGET"]
    is_star = rows["SPECTYPE"] == "STAR"
    assert (bits[chosen & is_star] == 1 << 61).all()
    selections = set(bits[chosen & ~is_star].tolist())
    assert selections == {1 << 60, 1 << 0 | 1 << 16, 1 << 1 | 1 << 17}
    bright = chosen & ~is_star & (rows["PROGRAM"] == "bright")
    assert set(bits[bright].tolist()) == {1 << 60}
    assert set(rows["SUBTYPE"][chosen & is_star].tolist()) <= {"B", "A", "F", "G", "K", "M", "WD"}
    ordinary = chosen & truth["family"].isna().to_numpy() & (rows["ZWARN"] == 0)
    offset = np.abs(rows["Z"] - truth["z_true"]) / (1 + truth["z_true"])
    assert (offset[ordinary] < 1e-3).mean() > 0.97


def test_only_faint_ones_get_a_warning(surveys) -> None:
    _, (rows, truth, _) = surveys
    ordinary = is_member(rows["TARGETID"]) & truth["family"].isna().to_numpy()
    seen = ordinary & (rows["COADD_NUMEXP"] > 0)
    is_unsure = rows["ZWARN"][seen] == 4
    assert (rows["DELTACHI2"][seen][is_unsure] < 9).all()
    assert (rows["ZWARN"][seen][~is_unsure] == 0).all()
    assert is_unsure.mean() < 0.25
    assert truth["snr_true"][seen][is_unsure].median() < truth["snr_true"][seen].median()


def test_the_tree_is_read(tmp_path) -> None:
    make_survey(tmp_path / "dr1", n_quasars=6, n_pixels=2, seed=3, n_galaxies=12, n_stars=8)
    store = extract_lake(tmp_path / "dr1", tmp_path / "root")
    rows = read_all(store, "candidates").num_rows
    assert rows >= 5
    assert read_all(store, "coadds").num_rows == read_all(store, "targets").num_rows


def test_an_emission_line_galaxy_in_a_hundred_has_a_wrong_line(monkeypatch) -> None:
    monkeypatch.setattr(members, "ELG_FAILURES", 1.0)
    monkeypatch.setattr(plan, "ANOMALY_SHARE", 0.0)
    [shard] = plan_shards(2, 1, 1, n_galaxies=60)
    _, sample = draw_members(shard, np.random.default_rng(0))
    elg = 1 << 1 | 1 << 17
    for target in sample:
        is_wrong = abs(target.z_catalog - target.z_true) > 0.05
        assert is_wrong == (target.selection.desi == elg)
        assert target.z_catalog > -0.01


def test_members_do_not_depend_on_each_other() -> None:
    def draw(**sizes: int) -> dict[str, list[float]]:
        [shard] = plan_shards(2, 1, 1, **sizes)
        _, sample = draw_members(shard, np.random.default_rng(0))
        found: dict[str, list[float]] = {}
        for target in sample:
            if target.family is None:
                found.setdefault(target.true_class, []).append(float(target.flux.sum()))
        return found

    alone, both = draw(n_galaxies=20), draw(n_galaxies=20, n_stars=15)
    assert alone["galaxy"] == both["galaxy"]
    assert len(both["star"]) == 15
