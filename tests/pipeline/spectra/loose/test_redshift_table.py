"""Redshift tables as strangers write them: every way read alike, or refused in one line."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from pipeline.errors import UserError
from pipeline.spectra.loose.redshift_table import Redshifts, read_redshifts

A, B = 39633559463397282, 39633559463398815
HEAD = "TARGETID,Z,TARGET_RA,TARGET_DEC\n"
TEXT = f"{HEAD}{A},2.25,10.5,-3\n{B},1.5,11,+4\n"
COLUMNS = {"TARGETID": [A, B], "Z": [2.25, 1.5], "TARGET_RA": [10.5, 11.0], "TARGET_DEC": [-3.0, 4]}


def swap(text: str, delimiter: str) -> str:
    return text.replace(",", delimiter)


def end(text: str, tail: str) -> str:
    return text.replace("\n", tail)


VARIANTS = {
    "plain": TEXT,
    "byte order mark": "\ufeff" + TEXT,
    "comment above": "# made by a program, version 4\n#\n" + TEXT,
    "comment below": TEXT + "# the end\n",
    "commented header": "# " + TEXT,
    "commented header without a space": "#" + TEXT,
    "commented header below comments": "# one\n# two, three\n## " + TEXT,
    "columns of numpy": "# TARGETID Z TARGET_RA TARGET_DEC\n" + swap(TEXT.removeprefix(HEAD), " "),
    "other delimiter in the comment": "# " + swap(HEAD, " ") + TEXT.removeprefix(HEAD),
    "semicolons": swap(TEXT, ";"),
    "decimal commas": swap(TEXT, ";").replace(".", ","),
    "tabs": swap(TEXT, "\t"),
    "bars": swap(TEXT, "|"),
    "spaces": swap(TEXT, "    "),
    "aligned": "  " + end(swap(TEXT, "    "), "   \n  "),
    "spaces after commas": swap(TEXT, ", "),
    "spaces before quotes": 'TARGETID, "Z", TARGET_RA, TARGET_DEC, note\n'
    f'{A}, "2.25", 10.5, -3, "a, b"\n{B}, 1.5, 11, +4, ""\n',
    "quotes": '"' + swap(TEXT, '","').replace("\n", '"\n"').removesuffix('"'),
    "lines of Windows": end(TEXT, "\r\n"),
    "lines of old Macs": end(TEXT, "\r"),
    "no last line end": TEXT.rstrip(),
    "blank lines": end("\n" + TEXT, "\n\n"),
    "delimiter at the end": end(TEXT, ",\n"),
    "delimiter at the end of rows": HEAD + end(TEXT.removeprefix(HEAD), ",\n"),
    "delimiter at the end of the header": TEXT.replace(HEAD, HEAD.replace("\n", ",\n")),
    "index of pandas": ",TARGETID,Z,TARGET_RA,TARGET_DEC\n"
    + "\n".join(f"{n},{line}" for n, line in enumerate(TEXT.splitlines()[1:])),
    "named delimiter": "sep=;\n" + swap(TEXT, ";"),
    "row of units": TEXT.replace(HEAD, HEAD + ",,deg,deg\n"),
    "units and rule": swap(TEXT.replace(HEAD, HEAD + ",,deg,deg\n---,---,---,---\n"), "\t"),
    "framed": "| "
    + end(swap(TEXT.replace(HEAD, HEAD + "---,---,---,---\n"), " | "), " |\n| ").removesuffix("| "),
    "printed by a database": "+--+--+\n| "
    + end(swap(TEXT, " | "), " |\n| ").removesuffix("| ")
    + "+--+--+\n",
    "printed by another one": " " + end(swap(TEXT, " | "), "\n ").rstrip() + "\n(2 rows)\n",
    "upper and lower case": TEXT.replace("TARGETID", "TargetId").replace("TARGET_RA", "Target_Ra"),
    "spelled with spaces": TEXT.replace(HEAD, "Target ID,red-shift,RA (deg),DEC [deg]\n"),
    "as VizieR spells": TEXT.replace(HEAD, "desi_targetid,z_spec,_RAJ2000,_DEJ2000\n"),
    "text of a spreadsheet": TEXT.replace(str(A), f'="{A}"').replace(str(B), f"'{B}"),
    "plus signs and zeros": TEXT.replace(str(A), f"+00{A}"),
    "no-break spaces": TEXT.replace(str(A), f"\u00a0{A} "),
    "exponents of Fortran": TEXT.replace("2.25", "0.225D+01"),
    "sexagesimal": TEXT.replace("10.5,-3", "00:42:00.0,-03:00:00"),
    "sexagesimal with marks": TEXT.replace("10.5,-3", "0h42m00.0s,-3d00m00s"),
}


def check(found: Redshifts) -> None:
    assert found.targetid == [A, B]
    assert found.z.tolist() == [2.25, 1.5]
    np.testing.assert_allclose(found.ra, [10.5, 11])
    np.testing.assert_allclose(found.dec, [-3, 4])


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS.keys())
def test_text_is_read_however_it_is_written(tmp_path: Path, text: str) -> None:
    (tmp_path / "z.csv").write_text(text, newline="")
    check(read_redshifts(tmp_path / "z.csv"))


@pytest.mark.parametrize("code", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "utf-8"])
def test_text_is_read_in_any_encoding(tmp_path: Path, code: str) -> None:
    text = TEXT.replace("\n", ",José\n").replace("José", "observer", 1)
    (tmp_path / "z.txt").write_bytes(text.encode(code))
    check(read_redshifts(tmp_path / "z.txt"))


def write_formats(folder: Path) -> None:
    """Write the table in every format with types."""
    table = Table(COLUMNS)
    table["TARGET_RA"].unit = table["TARGET_DEC"].unit = "deg"
    table.write(folder / "a.fits")
    fits.BinTableHDU(table).writeto(folder / "packed.fits.gz")
    fits.TableHDU.from_columns(
        [
            fits.Column("TARGETID", "A20", array=[str(A), str(B)]),
            *(fits.Column(n, "E15.7", array=COLUMNS[n]) for n in ("Z", "TARGET_RA", "TARGET_DEC")),
        ]
    ).writeto(folder / "text.fits")
    table.write(folder / "a.vot", format="votable")
    table.write(folder / "binary.vot", format="votable", tabledata_format="binary2")
    table.write(folder / "a.ecsv", format="ascii.ecsv")
    table.write(folder / "a.tbl", format="ascii.ipac")
    table.write(folder / "a.mrt", format="ascii.mrt")
    table.write(folder / "fixed.txt", format="ascii.fixed_width")
    arrow = pa.table(COLUMNS)
    ids = arrow["TARGETID"]
    pyarrow.feather.write_feather(arrow, folder / "a.feather", compression="uncompressed")
    for name, kind in {
        "plain": pa.int64(),
        "unsigned": pa.uint64(),
        "decimal": pa.decimal128(20, 0),
        "large": pa.large_string(),
        "string": pa.string(),
    }.items():
        pq.write_table(arrow.set_column(0, "TARGETID", ids.cast(kind)), folder / f"{name}.parquet")
    words = ids.cast(pa.string()).dictionary_encode()
    pq.write_table(arrow.set_column(0, "TARGETID", words), folder / "words.parquet")
    (folder / "z.csv.gz").write_bytes(gzip.compress(TEXT.encode()))


def test_formats_with_types_are_read_alike_whatever_their_name(tmp_path: Path) -> None:
    write_formats(tmp_path)
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 17
    for path in paths:
        check(read_redshifts(path))
        check(read_redshifts(path.rename(tmp_path / "anything.txt")))


def test_the_first_table_with_a_redshift_counts(tmp_path: Path) -> None:
    meta = fits.BinTableHDU(Table({"KEY": ["a"], "VALUE": ["b"]}), name="META")
    rows = fits.BinTableHDU(Table(COLUMNS), name="ZCATALOG")
    fits.HDUList([fits.PrimaryHDU(), meta, rows]).writeto(tmp_path / "z.fits")
    check(read_redshifts(tmp_path / "z.fits"))
    fits.HDUList([fits.PrimaryHDU(), meta, meta]).writeto(tmp_path / "no.fits")
    assert "table META: no column Z; it has KEY, VALUE; 1 more" in explain(tmp_path / "no.fits")


@pytest.mark.parametrize("word", ["José".encode(), "José".encode("latin-1"), b"a\0\0", b"\xff\xfe"])
def test_bytes_of_any_encoding_in_fits(tmp_path: Path, word: bytes) -> None:
    table = Table(COLUMNS)
    table["REMARK"] = [word] * 2
    table.write(tmp_path / "z.fits")
    check(read_redshifts(tmp_path / "z.fits"))


def test_what_says_that_it_is_no_quasar_is_kept(tmp_path: Path) -> None:
    (tmp_path / "z.csv").write_text(
        f"TARGETID,Z,SpecType,zwarn,ObjType\n{A},2, QSO,4,TGT\n{A},1,,,\n"
    )
    found = read_redshifts(tmp_path / "z.csv")
    assert (found.spectype, found.zwarn, found.objtype) == (["QSO", None], [4, None], ["TGT", None])
    assert found.rows_of == {A: [0, 1]}
    table = Table({"TARGETID": [A], "Z": [1.0], "SPECTYPE": [b"GALAXY "], "ZWARN": [0]})
    table.write(tmp_path / "z.fits")
    found = read_redshifts(tmp_path / "z.fits")
    assert (found.spectype, found.zwarn, found.objtype) == (["GALAXY"], [0], None)


@pytest.mark.parametrize("cell", ["", "NaN", "null", "None", "--", "N/A", "-", "-999", "-1", " "])
def test_a_row_without_redshift_is_one_row(tmp_path: Path, cell: str) -> None:
    (tmp_path / "z.csv").write_text(f"TARGETID,Z\n{A},{cell}\n{B},1.5\n")
    found = read_redshifts(tmp_path / "z.csv")
    assert np.isnan(found.z[0])
    assert found.z[1] == 1.5
    assert bool(found.notes) == (cell in ("-999", "-1"))


def test_masked_and_undefined_values_are_missing(tmp_path: Path) -> None:
    table = Table({"TARGETID": MaskedColumn([A, B], mask=[True, False]), "Z": [np.nan, 1.5]})
    for name, kind in (("z.fits", "fits"), ("z.vot", "votable"), ("z.ecsv", "ascii.ecsv")):
        table.write(tmp_path / name, format=kind)
        found = read_redshifts(tmp_path / name)
        assert found.targetid == [None, B]
        assert np.isnan(found.z[0])


@pytest.mark.parametrize(
    ("row", "dec", "note"),
    [(",", np.nan, 0), ("x,y", np.nan, 1), ("400,1", np.nan, 1), ("-10,5", 5.0, 0)],
)
def test_a_position_is_read_or_missing(tmp_path: Path, row: str, dec: float, note: int) -> None:
    (tmp_path / "z.csv").write_text(f"{HEAD}{A},2,{row}\n")
    found = read_redshifts(tmp_path / "z.csv")
    np.testing.assert_equal(found.dec, [dec])
    assert len(found.notes) == note


def test_one_position_of_many_targets_is_none(tmp_path: Path) -> None:
    place = "12:34:56.7,+01:02:03.4"
    (tmp_path / "z.csv").write_text(f"{HEAD}{A},2,{place}\n{B},2,{place}\n")
    found = read_redshifts(tmp_path / "z.csv")
    assert np.isnan(found.ra).all()
    assert "one position, which is left out" in found.notes[0]
    (tmp_path / "z.csv").write_text(f"{HEAD}{A},2,10,5\n{A},2,10,5\n")
    assert read_redshifts(tmp_path / "z.csv").dec.tolist() == [5, 5]


def explain(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_redshifts(path)
    text = str(caught.value)
    assert text.isprintable()
    assert path.name in text
    assert len(text) < 600
    return text


FLOATS = [f"{float(A)!r}", f"{A}.0", "3.96e16", "9007199254740992.0", "1.5"]


@pytest.mark.parametrize("cell", FLOATS)
def test_an_identifier_is_never_a_float(tmp_path: Path, cell: str) -> None:
    (tmp_path / "z.csv").write_text(f"TARGETID,Z\n1,1\n{cell},2\n")
    assert "column TARGETID holds floating-point numbers" in explain(tmp_path / "z.csv")


def test_an_identifier_is_never_a_float_in_files_with_types(tmp_path: Path) -> None:
    columns = {"TARGETID": np.array([A, B], float), "Z": [1.0, 2.0]}
    pq.write_table(pa.table(columns), tmp_path / "z.parquet")
    for name, kind in (("z.fits", "fits"), ("z.vot", "votable"), ("z.ecsv", "ascii.ecsv")):
        Table(columns).write(tmp_path / name, format=kind)
    single = {"TARGETID": np.array([2**24], np.float32), "Z": [1.0]}
    pq.write_table(pa.table(single), tmp_path / "single.parquet")
    for path in sorted(tmp_path.iterdir()):
        assert "column TARGETID holds floating-point numbers" in explain(path)
    # What a float keeps is no error: pandas makes floats of whole numbers beside empty cells.
    pq.write_table(pa.table({"TARGETID": [11.0, None], "Z": [1.0, 2.0]}), tmp_path / "z.parquet")
    assert read_redshifts(tmp_path / "z.parquet").targetid == [11, None]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"TARGETID,Z\n0xff,2\n", "row 1: '0xff' is no whole number"),
        (b'TARGETID,Z\n"39,633",2\n', "'39,633' is no whole number"),
        (b"TARGETID,Z\n39_633,2\n", "is no whole number"),
        ("TARGETID,Z\n１２,2\n".encode(), "is no whole number"),
        (b"TARGETID,Z\n18446744073709551615,2\n", "does not fit into 64 bits"),
        (b"TARGETID,Z\n" + b"9" * 5000 + b",2\n", "does not fit into 64 bits"),
        (b"TARGETID,Z\n1,2\n2,high\n", "column Z, row 2: 'high' is no number"),
        (b'TARGETID,Z\n1,"1,234.5"\n', "is no number"),
        (b"TARGETID;Z\n1;1,5\n2;1.5\n", "'1,5' is no number"),
        (b"TARGETID,Z\n1,2\n1,2,3\n", "row 2 has 3 cells where the header has 2"),
        (b"TARGETID,Z\n1,2,3\n1,2,3\n", "row 1 has 3 cells"),
        (b"TARGETID,Z\n1\n", "row 1 has 1 cells"),
        (b"TARGETID,Z,Z\n1,2,3\n", "'Z' and 'Z' could each be Z"),
        (b"TARGETID,z_best,redshift\n1,2,3\n", "could each be Z"),
        (b"TARGETID,Z,TargetID\n1,2,3\n", ""),
        (b"TARGETID,Z\n" + b"1,2,\n" * 99 + b"1,2,3\n", "a row has a cell more than the header"),
        (b"id,Z\n1,2\n", "no column TARGETID"),
        (b"TARGETID,zphot\n1,2\n", "no column Z; it has TARGETID, zphot"),
        (b"1,2\n3,4\n", "line 1 holds values"),
        (b"TARGETID,Z\n1,2\n#3,4\n", "begins with #"),
        (b'TARGETID,Z\n1,2\n2,"3\n4,5\n', "never closed"),
        (b'TARGETID,Z\n1,"' + b"x" * 20_000_000, "longer than"),
        (",".join(f"a{i}" for i in range(200_000)).encode() + b"\n1\n", "longer than"),
        (b"a," * 200_000 + b"\n1\n", "200,001 columns; 5,000 are allowed"),
        (bytes(range(256)) * 20, "binary"),
        (b"TARGETID,Z\n1,\x00\n", "binary"),
        (b"PK\x03\x04" + bytes(50), "Excel"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"file,Z\na.csv,1\nb/a.csv,2\n", "rows 1 and 2 give a.csv two redshifts"),
        (b"\x1f\x8b\x08 no", "cannot be read"),
        (b"PAR1 no", "cannot be read as Parquet"),
        (b"ARROW1 no", "cannot be read as Arrow"),
        (b"SIMPLE  = no", "z.csv"),
        (b"<?xml version='1.0'?><VOTABLE", "cannot be read as VOTable"),
        (b"# %ECSV 1.0\n# ---\n# nothing\n", "cannot be read as ECSV"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "z.csv").write_bytes(content)
    if not fault:
        # Our very name comes before its spellings.
        assert read_redshifts(tmp_path / "z.csv").targetid == [1]
        return
    assert fault in explain(tmp_path / "z.csv")


def test_absent_file_and_empty_folder(tmp_path: Path) -> None:
    assert "no such file" in explain(tmp_path / "z.csv")
    (tmp_path / "folder").mkdir()
    assert "no Parquet" in explain(tmp_path / "folder")


def test_a_table_without_rows_has_no_redshift(tmp_path: Path) -> None:
    (tmp_path / "z.csv").write_text(HEAD)
    (tmp_path / "commented.csv").write_text("# " + HEAD)
    Table({name: np.array(values)[:0] for name, values in COLUMNS.items()}).write(
        tmp_path / "z.fits"
    )
    for path in sorted(tmp_path.iterdir()):
        assert read_redshifts(path).targetid == []
