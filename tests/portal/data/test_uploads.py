"""Visitors' lists: real files of each kind, and files that are none."""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from portal_release import N_ROWS, row_id

from portal.data import uploads
from portal.data.database import Connection, connect
from portal.data.uploads import Columns, UploadError, guess_columns, read_list
from portal.export import formats


@pytest.fixture(scope="module")
def con(release: Path) -> Connection:
    return connect(release)


@pytest.fixture(scope="module")
def table(release: Path) -> Table:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas().dropna(subset="TARGET_RA")
    table = Table.from_pandas(rows[["TARGETID", "TARGET_RA", "TARGET_DEC"]].head(20))
    table["latent"] = np.zeros((20, 3))
    return table


def write(table: Table, kind: str) -> bytes:
    if kind == "ascii.csv":
        target = io.StringIO()
        table[table.colnames[:3]].write(target, format=kind)
        return target.getvalue().encode()
    target = io.BytesIO()
    table.write(target, format=kind)
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", "ascii.csv"), ("a.vot", "votable"), ("a.fits", "fits"), ("anything", "fits")],
)
def test_each_kind_is_read_and_matched(con: Connection, table: Table, name: str, kind: str) -> None:
    rows = read_list(name, write(table, kind))
    assert guess_columns(rows) == Columns("TARGETID", "TARGET_RA", "TARGET_DEC")
    by_id = uploads.match_ids(con, rows, "TARGETID", ("TARGETID", "tier"))
    assert by_id["desi_TARGETID"].to_pylist() == table["TARGETID"].tolist()
    by_place = uploads.match_places(con, rows, "TARGET_RA", "TARGET_DEC", 1.0, ("TARGETID",))
    assert by_place["desi_TARGETID"].to_pylist() == table["TARGETID"].tolist()
    assert max(by_place["desi_separation"].to_pylist()) < 0.01
    for written in (*formats.FORMATS, formats.FITS):
        assert formats.write(by_id, written)


def test_zipped_fits_is_read_below_the_limit(table: Table) -> None:
    content = gzip.compress(write(table, "fits"))
    assert len(read_list("a.fits.gz", content)) == 20
    with pytest.raises(UploadError, match="unpacks to more"):
        read_list("a.fits.gz", gzip.compress(bytes(uploads.MAX_BYTES + 1)))


def test_rows_without_a_counterpart_stay(con: Connection) -> None:
    rows = pd.DataFrame(
        {
            "my id": ["x", "y", "z"],
            "TARGETID": [str(row_id(1)), "12", "no"],
            "desi_tier": list("abc"),
        }
    )
    matched = uploads.match_ids(con, rows, "TARGETID", ("TARGETID", "tier"))
    assert matched["my id"].to_pylist() == ["x", "y", "z"]
    assert matched["desi_TARGETID"].to_pylist() == [row_id(1), None, None]
    assert matched["desi_tier_of_list"].to_pylist() == ["a", "b", "c"]


def test_positions_match_across_zero_pole_and_zones(con: Connection) -> None:
    rows = pd.DataFrame(
        {"ra": ["0.0005", "359.9995", "17", "400", None], "dec": ["10.0002", "10", "90", "1", "2"]}
    )
    matched = uploads.match_places(con, rows, "ra", "dec", 2.0, ("TARGETID",))
    expected = [row_id(0), row_id(1), row_id(2), None, None]
    found = matched["desi_TARGETID"].to_pylist()
    assert found[:2] == expected[:2]
    assert found[2] in (row_id(2), row_id(3))
    assert found[3:] == expected[3:]
    shifted = uploads.match_places(con, rows, "ra", "dec", 0.5, ("TARGETID",))
    assert shifted["desi_TARGETID"].to_pylist()[0] is None


def test_positions_are_read_as_the_search_box_reads_them(con: Connection) -> None:
    rows = pd.DataFrame(
        {"ra": ["00:00:00.12", "0h0m0.12s", "x", None], "dec": 2 * ["+10:00:00", "10"]}
    )
    matched = uploads.match_places(con, rows, "ra", "dec", 5.0, ("TARGETID",))
    assert matched["desi_TARGETID"].to_pylist() == [row_id(0), row_id(0), None, None]


def test_positions_may_have_decimal_commas(con: Connection) -> None:
    rows = read_list("a.csv", b"ra;dec\n0,0005;10,0002\n")
    matched = uploads.match_places(con, rows, "ra", "dec", 2.0, ("TARGETID",))
    assert matched["desi_TARGETID"].to_pylist() == [row_id(0)]


def test_names_of_columns_are_only_names(con: Connection) -> None:
    rows = pd.DataFrame({'"; DROP VIEW catalogue; --': ["1"], "<script>": [str(row_id(0))]})
    matched = uploads.match_ids(con, rows, "<script>", ("TARGETID",))
    assert matched["desi_TARGETID"].to_pylist() == [row_id(0)]
    assert formats.write(matched, formats.VOTABLE)
    assert con.cursor().execute("SELECT count(*) FROM catalogue").fetchall()[0][0] == N_ROWS


LINES = "TARGETID,ra,dec\n12,1.5,2.5\n13,3.5,4.5\n"


@pytest.mark.parametrize(
    "content",
    [
        LINES.encode(),
        b"# " + LINES.encode(),
        b"# a list\n" + LINES.encode(),
        LINES.encode("utf-16"),
        LINES.replace(",", ";").encode(),
        LINES.replace(",", "  ").encode(),
        b"\xef\xbb\xbf" + LINES.encode(),
        gzip.compress(LINES.encode(), mtime=0),
        LINES.replace("TARGETID,ra,dec", "Target ID, RA (deg), _DEJ2000").encode(),
        LINES.replace("ra,dec", "ra,dec,name").replace(".5\n", ".5,Jos\xe9\n").encode("latin-1"),
    ],
)
def test_text_is_read_however_it_is_written(content: bytes) -> None:
    rows = read_list("a.csv", content)
    guessed = guess_columns(rows)
    assert None not in (guessed.targetid, guessed.ra, guessed.dec)
    assert [rows[guessed.targetid].tolist(), rows[guessed.ra].tolist()] == [
        ["12", "13"],
        ["1.5", "3.5"],
    ]
    assert rows[guessed.dec].tolist() == ["2.5", "4.5"]


def test_the_table_with_the_objects_counts(table: Table) -> None:
    meta = fits.BinTableHDU(Table({"KEY": ["a"]}))
    target = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), meta, fits.BinTableHDU(table)]).writeto(target)
    assert len(read_list("a.fits", target.getvalue())) == 20


@pytest.mark.parametrize(
    "lie", ["NAXIS   =  999999999", "TFIELDS =  999999999", "NAXIS1  =       -360"]
)
def test_counts_that_lie_are_refused_at_once(table: Table, lie: str) -> None:
    content = write(table, "fits")
    start = content.rindex(lie[:9].encode())
    damaged = content[:start] + lie.ljust(30).encode() + content[start + 30 :]
    with pytest.raises(UploadError, match="cannot be true"):
        read_list("a.fits", damaged)


def test_columns_of_one_name_and_of_none_are_kept() -> None:
    rows = read_list("a.csv", b",a,a\n1,2,3\n")
    assert list(rows.columns) == ["column 1", "a", "a 2"]


def test_an_identifier_is_never_a_float(con: Connection) -> None:
    for ids in ([float(row_id(0))], [repr(float(row_id(0)))], [f"{row_id(0)}.0"]):
        with pytest.raises(UploadError, match="column id holds floating-point numbers"):
            uploads.match_ids(con, pd.DataFrame({"id": ids}), "id", ("TARGETID",))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"  \n ", "empty"),
        ("a.csv", b"ra,dec\n", "no rows"),
        ("a.csv", b"\x00\x01\x02", "binary"),
        ("a.csv", b'ra,dec\n"1,2\n', "row 1 has 1 cells"),
        ("a.csv", b"ra\n" + b"1\n" * (uploads.MAX_ROWS + 1), "rows"),
        ("a.csv", b"," * 599 + b"\n" + b"," * 599, "columns"),
        ("a.xlsx", b"PK\x03\x04abc", "Excel"),
        ("a.fits", b"SIMPLE  = nonsense", "read as FITS"),
        ("a.vot", b"<?xml version='1.0'?><VOTABLE", "read as VOTable"),
        (
            "a.vot",
            b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>"
            b"<VOTABLE>&a;</VOTABLE>",
            "read as VOTable",
        ),
        ("../../etc/passwd", b"\xff\xfe\x00", "cannot be read"),
        ("a.csv", bytes(uploads.MAX_BYTES + 1).replace(b"\0", b"1"), "larger than"),
    ],
)
def test_what_is_no_list_is_one_line(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(UploadError, match=reason) as fault:
        read_list(name, content)
    assert "\n" not in str(fault.value)


def test_columns_without_meaning_are_one_line(con: Connection) -> None:
    rows = pd.DataFrame({"a": ["x"], "b": ["y"]})
    with pytest.raises(UploadError, match="TARGETID"):
        uploads.match_ids(con, rows, "a", ("TARGETID",))
    with pytest.raises(UploadError, match="degrees"):
        uploads.match_places(con, rows, "a", "b", 1, ("TARGETID",))
    with pytest.raises(UploadError, match="radius"):
        uploads.match_places(con, rows, "a", "b", 1e9, ("TARGETID",))


def test_an_answer_may_be_matched_again_and_again(con: Connection) -> None:
    rows = pd.DataFrame({"TARGETID": [str(row_id(1)), "12"], "mine": ["a", "b"]})
    ours = ("TARGETID", "tier")
    for times in range(1, 5):
        answer = uploads.match_ids(con, rows, "TARGETID", ours)
        rows = read_list("again.csv", formats.write(answer, formats.CSV))
        assert len(set(rows.columns)) == len(rows.columns) == 2 + 3 * times
        assert rows["mine"].tolist() == ["a", "b"]
        assert answer["desi_TARGETID"].to_pylist() == [row_id(1), None]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_columns_that_stand_aside_keep_their_values(con: Connection, order: list[int]) -> None:
    names = ["desi_tier", "desi_tier_of_list", "desi_tier_of_list_of_list"]
    mine = {names[place]: [f"v{place}"] for place in order}
    rows = pd.DataFrame({"TARGETID": [str(row_id(1))], **mine})
    answer = uploads.match_ids(con, rows, "TARGETID", ("tier",)).to_pydict()
    assert [answer.pop("desi_tier"), answer.pop("desi_separation")] == [["gold"], [None]]
    assert sorted(map(str, answer.values())) == sorted(map(str, rows.to_dict("list").values()))
    # Only what had the name of one of ours has another.
    assert {name: answer[name] for name in names[1:]} == {name: mine[name] for name in names[1:]}


@pytest.mark.parametrize("seed", range(3))
def test_of_objects_at_one_place_the_first_is_found_whatever_their_order(
    own_release: Path, seed: int
) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    for name, value in (("TARGET_RA", 80.0), ("TARGET_DEC", -20.0)):
        place = rows.column_names.index(name)
        values = [
            value if 100 <= row < 140 else old for row, old in enumerate(rows[name].to_pylist())
        ]
        rows = rows.set_column(place, rows.schema.field(name), [values])
    order = np.random.default_rng(seed).permutation(N_ROWS)
    pq.write_table(rows.take(order), path, row_group_size=64)
    mine = pd.DataFrame({"ra": [80.0], "dec": [-20.0]})
    found = uploads.match_places(connect(own_release), mine, "ra", "dec", 2.0, ("TARGETID",))
    assert found["desi_TARGETID"].to_pylist() == [row_id(100)]


NAMES = st.sampled_from("xy").flatmap(
    lambda name: st.integers(0, 4).map(lambda times: name + times * "_of_list")
)


@given(st.lists(NAMES, unique=True), st.sets(NAMES))
def test_no_column_of_a_list_has_the_name_of_another(names: list[str], taken: set[str]) -> None:
    made = uploads._set_apart(names, taken)
    assert len(set(made)) == len(names) == len(made)
    assert not set(made) & taken
    assert [new for new, old in zip(made, names, strict=True) if old not in taken] == [
        name for name in names if name not in taken
    ]
