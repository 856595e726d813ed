"""CSV files of prospect: its columns, ours behind them, and every way a file can be wrong."""

import csv
from pathlib import Path

import pyarrow as pa
import pytest
from astropy.table import Table
from example_reviews import (
    HOSTILE,
    PUBLISHED,
    SAMPLE,
    SHARD,
    TARGETIDS,
    make_review,
    publish,
)

from catalog_schema.vocabulary import AnomalyClass, Verdict
from catalog_schema.waist import ROW_KEY
from pipeline.errors import UserError
from pipeline.reviews.prospect import COLUMNS, read_csv, write_csv
from pipeline.reviews.published import Published
from pipeline.reviews.review_ledger import ReviewLedger

HEADER = "TARGETID,EXPID,VI_scanner,VI_quality,VI_issue,VI_z,VI_spectype,VI_comment\n"
ROW = f"{TARGETIDS[0]},-1,ABC,4,R,2.3000,QSO,fine\n"
REVIEWS = [
    make_review(
        quality=4,
        issues="RS",
        corrected_z=1.5,
        corrected_spectype="STAR",
        comment=HOSTILE,
        anomaly_class=AnomalyClass.STAR,
        is_blinded=False,
        seconds_spent=2.5,
    ),
    make_review(1, verdict=Verdict.ORDINARY),
    make_review(2, "XYZ", verdict=None, quality=0),
]


def test_the_plain_file_is_what_prospect_reads(tmp_path: Path) -> None:
    path = tmp_path / "vi.csv"
    events = [*REVIEWS, REVIEWS[1].retract()]
    assert write_csv(path, events, PUBLISHED) == 2
    # As prospect's read_vi does, which takes exactly these columns.
    rows = Table.read(path, format="ascii.csv", names=COLUMNS)
    assert list(rows["TARGETID"]) == [TARGETIDS[0], TARGETIDS[2]]
    assert rows["VI_issue"][0] == "RS"
    assert rows["VI_comment"][0] == REVIEWS[0].comment


def test_the_full_file_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "vi.csv"
    events = [*REVIEWS, REVIEWS[1].retract()]
    assert write_csv(path, events, PUBLISHED, is_full=True) == 4
    assert read_csv(path, PUBLISHED) == events
    ledger = ReviewLedger(tmp_path / "ledger.sqlite")
    assert ledger.append(read_csv(path, PUBLISHED)) == 4
    assert ledger.append(read_csv(path, PUBLISHED)) == 0
    assert ledger.load(SAMPLE) == events


def test_a_plain_file_may_be_imported_twice(tmp_path: Path) -> None:
    path = tmp_path / "vi.csv"
    path.write_text(f"{HEADER}{ROW}{TARGETIDS[1]},-1,ABC,-1,,,,\n")
    ledger = ReviewLedger(tmp_path / "ledger.sqlite")
    assert ledger.append(read_csv(path, PUBLISHED)) == 2
    assert ledger.append(read_csv(path, PUBLISHED)) == 0
    first, second = ledger.load(SAMPLE)
    assert (first.quality, first.issues, first.corrected_z) == (4, "R", 2.3)
    assert first.verdict is None
    assert (second.quality, second.corrected_spectype) == (None, None)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (HEADER + ROW.replace(str(TARGETIDS[0]), "17"), "row 1: TARGETID 17 is not in release"),
        (
            HEADER + ROW.replace(str(TARGETIDS[0]), "9" * 30),
            "row 1: '9{30}' does not fit into 64 bits",
        ),
        (
            HEADER + ROW.replace(str(TARGETIDS[0]), "3.9e16"),
            "TARGETID holds floating-point numbers",
        ),
        (HEADER + ROW + ROW.replace(",4,", ",9,"), "row 2: .*quality 9"),
        (HEADER + ROW.replace(",R,", ",RX,"), "row 1: VI_issue 'RX'"),
        (HEADER + ROW.replace("2.3000", "high"), "row 1: could not convert"),
        (HEADER + ROW.replace("ABC", " "), "row 1: .*reviewer"),
        (HEADER + ROW.replace(",fine", ""), "row 1 has 7 cells where the header has 8"),
        (HEADER + ROW.replace("fine", '"never closed'), "never closed"),
        (ROW, "line 1 holds values"),
        ("TARGETID,VI_z\n", "VI_scanner, VI_quality is missing"),
        ("", "the file is empty"),
    ],
)
def test_a_wrong_file_is_one_line(tmp_path: Path, content: str, fault: str) -> None:
    path = tmp_path / "vi.csv"
    path.write_text(content)
    with pytest.raises(UserError, match=fault) as caught:
        read_csv(path, PUBLISHED)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "vi.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read"):
        read_csv(path, PUBLISHED)
    with pytest.raises(UserError, match="no such file"):
        read_csv(tmp_path / "absent.csv", PUBLISHED)


@pytest.mark.parametrize("code", ["utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_file_of_a_spreadsheet_is_read_alike(tmp_path: Path, code: str, delimiter: str) -> None:
    path = tmp_path / "vi.csv"
    text = (HEADER + ROW).replace(",", delimiter).replace("\n", "\r\n").replace("fine", "très")
    path.write_bytes(text.replace("VI_quality", "vi_quality").encode(code))
    [review] = read_csv(path, PUBLISHED)
    assert (review.targetid, review.quality, review.comment) == (TARGETIDS[0], 4, "très")


def test_objects_of_other_releases_are_not_written(tmp_path: Path) -> None:
    path = tmp_path / "vi.csv"
    assert write_csv(path, REVIEWS, publish("0.2.0", TARGETIDS[:1])) == 1
    with path.open() as file:
        assert [row["TARGETID"] for row in csv.DictReader(file)] == [str(TARGETIDS[0])]


def test_redshift_and_type_of_the_catalogue_are_told_as_far_as_there_are_any(
    tmp_path: Path,
) -> None:
    rows = [
        dict(zip((*ROW_KEY, "Z", "SPECTYPE"), (*SHARD, targetid, z, spectype), strict=True))
        for targetid, z, spectype in zip(
            TARGETIDS, (0.0, 2.34567, None), ("QSO", "GALAXY", None), strict=True
        )
    ]
    published = Published("0.1.0", SAMPLE, "spectra", pa.Table.from_pylist(rows))
    path = tmp_path / "vi.csv"
    reviews = [make_review(row, quality=4, verdict=None) for row in range(3)]
    assert write_csv(path, reviews, published) == 3
    with path.open(newline="") as file:
        told = [(row["Redrock_z"], row["Redrock_spectype"]) for row in csv.DictReader(file)]
    assert told == [("0.0000", "QSO"), ("2.3457", "GALAXY"), ("-1", "")]


def test_a_row_without_an_object_is_named(tmp_path: Path) -> None:
    path = tmp_path / "vi.csv"
    path.write_text(f"{HEADER}{ROW},-1,ABC,4,R,2.3000,QSO,fine\n")
    with pytest.raises(UserError, match=r"vi\.csv, row 2: TARGETID is missing"):
        read_csv(path, PUBLISHED)
