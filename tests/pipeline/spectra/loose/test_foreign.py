"""Foreign spectra: what says that they are no quasars, or others, is asked as in a tree."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from desi_tree import make_quasars, write_coadd, write_table
from lake_runs import ingest_files

from catalog_schema.vocabulary import ShardState
from pipeline.flow.report import Report
from pipeline.lake.store import Store
from pipeline.ledger.books import Ledger
from pipeline.spectra.science.bricks import find_bricks

RA, DEC = np.linspace(150.0, 150.8, 5), np.linspace(2.0, 2.3, 5)
IDS = (9010 << 42) | (find_bricks(RA, DEC) << 22) | np.arange(1, 6)
Z = np.array([1.5, 1.6, 1.7, 1.8, 1.9])
ROWS = {"TARGETID": IDS, "Z": Z, "SPECTYPE": "QSO", "ZWARN": 0, "OBJTYPE": "TGT"}
PLACES = {"TARGET_RA": RA, "TARGET_DEC": DEC}


def table(n: int | None = None, **columns: object) -> dict[str, np.ndarray]:
    every = ROWS | columns
    n = n or len(every["TARGETID"])
    return {name: np.broadcast_to(np.asarray(values), (n,)) for name, values in every.items()}


@pytest.fixture
def score(tmp_path: Path, store: Store) -> Callable:
    """Ingest five quasars with a FIBERMAP, and redshifts handed over or beside them."""

    def run(
        redshifts: dict | None = None, redrock: dict | None = None, fibermap: dict | None = None
    ) -> Report:
        folder = tmp_path / "in"
        rows = {"TARGETID": IDS, **PLACES, **(fibermap or {})}
        rows = {name: np.broadcast_to(np.asarray(v), (5,)) for name, v in rows.items()}
        write_coadd(folder / "coadd-a.fits", IDS, *make_quasars(Z), fibermap=rows)
        if redrock is not None:
            write_table(folder / "redrock-a.fits", REDSHIFTS=redrock)
        given = None
        if redshifts is not None:
            given = write_table(tmp_path / "z.fits", ZCAT=redshifts)
        report = ingest_files(store, folder, given)
        outcomes = Ledger(store.lake.ledger).outcomes()
        assert all(o.imbalance == 0 for o in outcomes if o.state == ShardState.DONE)
        return report

    return run


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize(
    ("column", "values", "gate"),
    [
        ("SPECTYPE", ["GALAXY", "STAR", "QSO", "QSO", "qso"], "not_quasar"),
        ("ZWARN", [4, 1, 0, 0, 0], "redshift_warning"),
        ("OBJTYPE", ["SKY", "BAD", "TGT", "TGT", "TGT"], "not_a_target"),
        ("Z", [np.nan, np.nan, *Z[2:]], "no_redshift"),
        ("Z", [0.0, 8.0, *Z[2:]], "redshift_outside_range"),
    ],
)
def test_what_is_no_quasar_is_dropped_by_the_gate_of_a_tree(
    score: Callable, beside: bool, column: str, values: list, gate: str
) -> None:
    rows = table(**{column: np.array(values)})
    report = score(redrock=rows) if beside else score(rows)
    assert {g: n for g, n in report.dropped.items() if n} == {gate: 2}
    assert report.n_made == 3


@pytest.mark.parametrize(
    ("column", "value", "gate"),
    [("OBJTYPE", "SKY", "not_a_target"), ("COADD_FIBERSTATUS", 1 << 16, "bad_fiberstatus")],
)
def test_fibres_are_asked_too(score: Callable, column: str, value: object, gate: str) -> None:
    good = "TGT" if column == "OBJTYPE" else 0
    report = score(table(), fibermap={column: np.array([value, good, good, good, good])})
    assert report.dropped[gate] == 1


def test_file_without_a_quasar_says_so(score: Callable) -> None:
    report = score(redrock=table(SPECTYPE="GALAXY"))
    assert report.n_made == 0
    assert any(
        "none of its 5 spectra is left by redrock-a.fits: not_quasar 5" in note
        for note in report.notes
    )


def test_several_rows_of_a_target(score: Callable, store: Store) -> None:
    """The row that passes counts; two that pass and differ contradict each other."""
    ids = [*IDS, IDS[0], IDS[1], IDS[2], IDS[3]]
    rows = table(
        TARGETID=ids,
        Z=[*Z, 0.3, 1.6, 2.7, 0.9],
        ZWARN=[0, 0, 0, 0, 0, 4, 0, 0, 0],
        SPECTYPE=["QSO"] * 8 + ["GALAXY"],
    )
    report = score(rows)
    assert {g: n for g, n in report.dropped.items() if n} == {"ambiguous_redshift": 2}
    assert any("2 targets have rows of different Z" in note for note in report.notes)
    [outcome] = Ledger(store.lake.ledger).outcomes("extract")
    kept = store.read(store.lake.shard("targets", outcome.shard))
    assert kept["Z"].to_pylist() == [1.5, 1.6, 1.9]


@pytest.mark.parametrize(
    ("redshifts", "words"),
    [
        (table(Z=np.roll(Z, 1)), "redshifts of z.fits for"),
        (table(**PLACES) | {"TARGETID": np.roll(IDS, 1)}, "lie elsewhere in z.fits"),
        (table(TARGET_RA=np.radians(RA), TARGET_DEC=np.radians(DEC)), "not degrees"),
    ],
)
def test_rows_of_others_are_refused(score: Callable, redshifts: dict, words: str) -> None:
    report = score(redshifts, redrock=table())
    [failed] = report.failed
    assert failed.state == ShardState.FAILED
    assert words in (failed.error or "")


def test_fibermap_of_other_spectra_is_refused(score: Callable) -> None:
    report = score(table(), fibermap={"TARGETID": np.roll(IDS, 2)})
    assert "5 of 5" in (report.failed[0].error or "")
    assert "brick" in (report.failed[0].error or "")


def test_positions_in_radians_are_told_by_the_targetids(tmp_path: Path, store: Store) -> None:
    folder = tmp_path / "in"
    write_coadd(folder / "coadd-a.fits", IDS, *make_quasars(Z))
    rows = table(TARGET_RA=np.radians(RA), TARGET_DEC=np.radians(DEC))
    report = ingest_files(store, folder, write_table(tmp_path / "z.fits", ZCAT=rows))
    assert "look like radians" in (report.failed[0].error or "")


def test_other_redshifts_than_redrocks_are_told(score: Callable) -> None:
    report = score(table(Z=[2.4, *Z[1:]]), redrock=table())
    assert report.n_made == 5
    assert any("1 of 5 redshifts differ from those of redrock-a.fits" in n for n in report.notes)


def test_real_galaxy_beside_its_redrock_file(real_data: Path, tmp_path: Path, store: Store) -> None:
    for kind in ("coadd", "redrock"):
        shutil.copy(real_data / "desi" / f"{kind}-4-80613-thru20210324.fits", tmp_path)
    report = ingest_files(store, tmp_path / "coadd-4-80613-thru20210324.fits", None)
    assert report.n_made == 0
    assert report.dropped["not_quasar"] == 1


def test_real_quasars_shuffled(real_data: Path, tmp_path: Path, store: Store) -> None:
    """Of two bricks: with the TARGETIDs in another order most are in the wrong one."""
    source = real_data / "desi" / "coadd-1-80693-thru20210204.fits"
    redshifts = real_data / "desi" / "QSO_cat_fuji_dark_healpix.fits.gz"
    with fits.open(source) as hdus:
        ids = hdus["FIBERMAP"].data["TARGETID"].copy()
        for name in ("FIBERMAP", "SCORES"):
            hdus[name].data["TARGETID"] = np.roll(ids, 2)
        hdus.writeto(tmp_path / source.name)
    [failed] = ingest_files(store, tmp_path / source.name, redshifts).failed
    assert "lie elsewhere" in (failed.error or "")
