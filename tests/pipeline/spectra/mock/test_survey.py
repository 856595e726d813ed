import csv
import hashlib
import warnings
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.coordinates import Latitude, Longitude
from astropy.io import fits
from cdshealpix.nested import lonlat_to_healpix

from pipeline.spectra.mock import plan
from pipeline.spectra.mock.anomalies import FAMILIES
from pipeline.spectra.mock.survey import make_survey
from pipeline.spectra.sdss.spec_file import read_spectrum
from pipeline.transport.sources import local_file

REAL = Path(__file__).parents[5] / "shared" / "data" / "desi" / "coadd-sv3-dark-26065.fits"


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def make_twice(tmp_path, seeds):
    trees = []
    for number, seed in enumerate(seeds):
        parent = tmp_path / str(number)
        parent.mkdir()
        make_survey(parent / "dr1", n_quasars=2, n_pixels=1, seed=seed)
        trees.append(digests(parent))
    return trees


def test_same_seed_gives_the_same_bytes(tmp_path):
    first, second = make_twice(tmp_path, (5, 5))
    assert first == second


def test_another_seed_gives_another_survey(tmp_path):
    first, second = make_twice(tmp_path, (5, 6))
    assert set(first) != set(second)


def test_what_has_changed_was_seen_before(made):
    past = made.root.parents[2] / "external"
    with (past / "earlier.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert {row["file"] for row in rows} == {path.name for path in (past / "earlier").iterdir()}
    position = {
        (round(row["TARGET_RA"], 6), round(row["TARGET_DEC"], 6)): row["TARGETID"]
        for row in made.zcatalog
    }
    seen = {position[round(float(row["ra"]), 6), round(float(row["dec"]), 6)] for row in rows}
    changed = made.truth.filter(pc.field("family") == "changing_look")["TARGETID"].to_pylist()
    assert changed
    assert set(changed) <= seen
    assert (made.zcatalog["MEAN_MJD"].min() - max(int(row["mjd"]) for row in rows)) > 2000
    for row in rows:
        spectrum = read_spectrum(local_file(past / "earlier" / row["file"]))
        assert (spectrum.ivar > 0).all()


def test_tree_is_that_of_dr1(made):
    shards = {tuple(path.parts[-5:-3]) for path in made.files("coadd")}
    assert shards == {("main", "dark"), ("main", "bright"), ("sv3", "dark")}
    for path in made.files("coadd"):
        survey, program, group, pixel = path.parts[-5:-1]
        assert int(group) == int(pixel) // 100
        names = {
            f"{kind}-{survey}-{program}-{pixel}.fits"
            for kind in ("coadd", "redrock", "qso_mgii", "qso_qn")
        }
        assert {file.name for file in path.parent.iterdir()} == names


def test_checksums_hold(made):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in made.root.rglob("*.fits"):
            with fits.open(path, checksum=True) as hdus:
                assert all("CHECKSUM" in hdu.header for hdu in hdus)


@pytest.mark.skipif(not REAL.exists(), reason="the real coadd of shared/data is not here")
def test_coadd_has_the_layout_of_a_real_one(made):
    path = next(path for path in made.files("coadd") if "sv3" in path.name)
    with fits.open(path) as ours, fits.open(REAL) as real:
        assert [hdu.name for hdu in ours] == [hdu.name for hdu in real]
        for hdu in real:
            other = ours[hdu.name]
            if isinstance(hdu, fits.BinTableHDU):
                expected = [(c.name, c.format, c.unit) for c in hdu.columns]
                assert [(c.name, c.format, c.unit) for c in other.columns] == expected
            elif hdu.data is not None:
                assert other.data.shape[1:] == hdu.data.shape[1:]
                for key in ("BITPIX", "BZERO", "BUNIT"):
                    assert other.header.get(key) == hdu.header.get(key)
        for key in ("SPGRP", "HPXNSIDE", "HPXNEST", "SURVEY", "PROGRAM"):
            assert ours[0].header[key] == real[0].header[key]


def test_zcatalog_has_the_columns_of_dr1(made):
    assert len(made.zcatalog.dtype) == 136
    assert made.zcatalog.dtype.itemsize == 787
    with fits.open(made.root / "zcatalog" / "v1" / "zall-pix-iron.fits") as hdus:
        units_of = {column.name: column.unit for column in hdus["ZCATALOG"].columns}
    assert units_of["FLUX_G"] == "nanomaggy"
    assert units_of["PMRA"] == "mas yr^-1"
    assert units_of["TARGETID"] is None


def test_tables_of_a_shard_are_row_matched(made):
    for coadd, redrock in zip(made.files("coadd"), made.files("redrock"), strict=True):
        with fits.open(coadd) as spectra, fits.open(redrock) as fit:
            targetid = spectra["FIBERMAP"].data["TARGETID"]
            for hdu in (spectra["SCORES"], fit["REDSHIFTS"], fit["FIBERMAP"], fit["TSNR2"]):
                np.testing.assert_array_equal(hdu.data["TARGETID"], targetid)
            assert len(set(targetid.tolist())) == targetid.size


def test_afterburners_are_a_subset(made):
    for kind, name in (("qso_mgii", "MGII"), ("qso_qn", "QN_RR")):
        for path, coadd in zip(made.files(kind), made.files("coadd"), strict=True):
            chosen = set(fits.getdata(path, name)["TARGETID"].tolist())
            everyone = set(fits.getdata(coadd, "FIBERMAP")["TARGETID"].tolist())
            assert chosen < everyone


def test_positions_lie_in_their_pixel(made):
    z = made.zcatalog
    places = Longitude(z["TARGET_RA"], units.deg), Latitude(z["TARGET_DEC"], units.deg)
    np.testing.assert_array_equal(lonlat_to_healpix(*places, np.uint8(6)), z["HEALPIX"])


def test_targetids_are_large_and_skies_marked(made):
    targetid = made.zcatalog["TARGETID"]
    assert (np.abs(targetid[targetid > 0]) > 2**53).all()
    skies = made.zcatalog["OBJTYPE"] == "SKY"
    assert ((targetid[skies] >> 59 & 1 == 1) | (targetid[skies] < 0)).all()
    assert (targetid < 0).any()


def test_a_target_seen_in_two_programs_is_primary_once(made):
    z = made.zcatalog
    twice = z["TARGETID"][z["ZCAT_NSPEC"] == 2]
    assert twice.size >= 2
    for targetid in set(twice.tolist()):
        rows = z[z["TARGETID"] == targetid]
        assert set(rows["PROGRAM"].tolist()) == {"dark", "bright"}
        assert rows["ZCAT_PRIMARY"].sum() == 1
        assert np.ptp(rows["TARGET_RA"]) == 0
        known = made.truth.filter(pc.equal(made.truth["TARGETID"], targetid))
        assert len(set(known["z_true"].to_pylist())) == 1


def test_every_family_is_planted_and_recorded(made):
    planted = made.truth.filter(pc.is_valid(made.truth["family"]))
    assert set(planted["family"].to_pylist()) == set(FAMILIES)
    for row in planted.to_pylist():
        assert row["kind"] == FAMILIES[row["family"]].kind
        assert row["is_taught"] == FAMILIES[row["family"]].is_taught
        assert row["strength"] > 0
        assert row["true_class"] == "quasar"
    assert planted.num_rows == 30
    assert pc.all(
        pc.is_null(pc.filter(made.truth["is_taught"], pc.is_null(made.truth["family"])))
    ).as_py()


def test_truth_has_each_row_of_the_zcatalog(made):
    keys = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]
    ours = list(zip(*(made.truth[key].to_pylist() for key in keys), strict=True))
    theirs = list(zip(*(made.zcatalog[key].tolist() for key in keys), strict=True))
    assert ours == theirs
    assert sum(made.truth["true_class"].to_numpy() == "quasar") == 60


def test_wrong_redshifts_are_wrong_in_the_catalogue_only(made):
    truth = {row["TARGETID"]: row for row in made.truth.to_pylist()}
    for row in made.zcatalog[made.zcatalog["SPECTYPE"] == "QSO"]:
        known = truth[int(row["TARGETID"])]
        offset = abs(row["Z"] - known["z_true"]) / (1 + known["z_true"])
        assert (offset > 0.05) == (known["family"] == "wrong_redshift")


def test_bad_status_is_right_in_the_zcatalog_and_lost_in_files(made):
    in_files = np.concatenate(
        [fits.getdata(path, "FIBERMAP")["COADD_FIBERSTATUS"] for path in made.files("coadd")]
    )
    everywhere = [made.files("coadd")[n].parts[-5:-3] for n in range(4)]
    order = np.concatenate(
        [
            np.flatnonzero(
                (made.zcatalog["SURVEY"] == s)
                & (made.zcatalog["PROGRAM"] == p)
                & (made.zcatalog["HEALPIX"] == int(path.parts[-2]))
            )
            for (s, p), path in zip(everywhere, made.files("coadd"), strict=True)
        ]
    )
    true = made.zcatalog["COADD_FIBERSTATUS"][order]
    assert (in_files == 0)[true == 0].all()
    assert (in_files & ~true == 0).all()


def test_nothing_is_left_when_interrupted(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_survey(tmp_path / "dr1", n_quasars=2, n_pixels=1, seed=1, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_shards(tmp_path):
    calls = []
    make_survey(
        tmp_path / "dr1", n_quasars=2, n_pixels=2, seed=1, progress=lambda *c: calls.append(c)
    )
    assert calls == [(1, 2), (2, 2)]


def test_an_existing_destination_is_refused(tmp_path):
    (tmp_path / "dr1").mkdir()
    with pytest.raises(FileExistsError, match="exists: remove it"):
        make_survey(tmp_path / "dr1", n_quasars=4, n_pixels=2, seed=1)


def test_impossible_sizes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="n_pixels"):
        make_survey(tmp_path / "dr1", n_quasars=4, n_pixels=5, seed=1)


def test_targets_were_selected_for_several_reasons(made):
    bits = made.zcatalog["DESI_TARGET"] | made.zcatalog["SV3_DESI_TARGET"]
    classes = np.array(made.truth["true_class"].to_pylist())
    for true_class, bit, inside in (
        ("quasar", 2, True),
        ("star", 2, True),
        ("star", 61, True),
        ("galaxy", 0, True),
        ("standard", 33, True),
        ("sky", 32, True),
        ("standard", 2, False),
        ("sky", 2, False),
    ):
        assert (bits[classes == true_class] >> bit & 1).any() == inside, (true_class, bit)
    variable = made.zcatalog["SCND_TARGET"] >> 35 & 1 == 1
    assert (classes[variable] == "quasar").all()
    assert (bits[variable] >> 62 & 1 == 1).all()


def test_other_families_leave_ordinary_spectra_as_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(plan, "ANOMALY_SHARE", 0.3)
    made = []
    for number, families in enumerate((FAMILIES, {"fringing": FAMILIES["fringing"]})):
        monkeypatch.setattr(plan, "FAMILIES", families)
        destination = tmp_path / str(number) / "dr1"
        make_survey(destination, n_quasars=12, n_pixels=1, seed=2)
        truth = pq.read_table(destination.with_name("dr1-truth.parquet"))
        [coadd] = destination.rglob("coadd-*.fits")
        made.append((truth["family"].to_pylist(), fits.getdata(coadd, "R_FLUX")))
    (first, flux), (second, other) = made
    assert set(filter(None, second)) == {"fringing"} != set(filter(None, first))
    ordinary = np.array([family is None for family in first])
    np.testing.assert_array_equal(ordinary, [family is None for family in second])
    np.testing.assert_array_equal(flux[ordinary], other[ordinary])
    assert not np.array_equal(flux[~ordinary], other[~ordinary])


def test_without_resolution_all_else_is_the_same(tmp_path):
    files = []
    for has_resolution in (True, False):
        tree = tmp_path / str(has_resolution)
        make_survey(tree, n_quasars=2, n_pixels=1, seed=1, has_resolution=has_resolution)
        [path] = tree.rglob("coadd-*.fits")
        with fits.open(path) as hdus:
            files.append({h.name: h.data.tobytes() for h in hdus if h.data is not None})
    whole, small = files
    lost = {f"{arm}_RESOLUTION" for arm in "BRZ"}
    assert small == {name: data for name, data in whole.items() if name not in lost}
    assert lost <= set(whole)
