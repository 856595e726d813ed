"""Columns of binary tables: the variants that writers make, and what no value may become."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pipeline.errors import DataError
from pipeline.fits.tables import read_columns
from pipeline.transport.sources import local_file

IDS = np.array([39633559463397282, 39633559463398815, -5])


def write(path: Path, *columns: fits.Column, **keywords: object) -> Path:
    hdu = fits.BinTableHDU.from_columns(columns, name="T")
    hdu.header.update(keywords)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, overwrite=True)
    return path


def read(path: Path, *names: str) -> dict[str, np.ndarray]:
    return read_columns(local_file(path), "T", names)


def change(path: Path, key: str, word: str) -> None:
    """Replace the card of a keyword."""
    raw = path.read_bytes()
    card = f"{key:8}= ".encode()
    assert raw.count(card) == 1
    at = raw.index(card)
    path.write_bytes(raw[:at] + (card + word.encode()).ljust(80) + raw[at + 80 :])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.fits"


def test_unsigned_and_short_integers_are_the_same_numbers(path: Path) -> None:
    for form, zero in (("K", 2**63), ("J", 2**31), ("I", 2**15), ("B", 0)):
        values = np.array([1, 2, 100], np.uint64 if zero else np.uint8)
        write(path, fits.Column("DESI_TARGET", form, bzero=zero or None, array=values))
        found = read(path, "DESI_TARGET")["DESI_TARGET"]
        assert found.dtype == np.int64
        assert found.tolist() == [1, 2, 100]
    high = np.array([1 << 60 | 4, 1 << 62, 1], np.uint64)
    write(path, fits.Column("DESI_TARGET", "K", bzero=2**63, array=high))
    assert read(path, "DESI_TARGET")["DESI_TARGET"].tolist() == high.tolist()


@pytest.mark.parametrize("name", ["TARGETID", "DESI_TARGET", "SV1_DESI_TARGET", "SCND_TARGET"])
@pytest.mark.parametrize("form", ["D", "E"])
def test_bits_and_identifiers_are_never_floats(path: Path, name: str, form: str) -> None:
    write(path, fits.Column(name, form, array=IDS.astype(float)))
    with pytest.raises(DataError, match=f"column {name} holds float"):
        read(path, name)


def test_identifiers_are_integers_that_fit(path: Path) -> None:
    write(path, fits.Column("TARGETID", "K", bzero=2**63, array=np.array([2**63], np.uint64)))
    with pytest.raises(DataError, match="more than an identifier can be"):
        read(path, "TARGETID")
    write(path, fits.Column("TARGETID", "20A", array=IDS.astype("U20")))
    with pytest.raises(DataError, match="column TARGETID holds str"):
        read(path, "TARGETID")
    write(path, fits.Column("TARGETID", "2K", array=np.ones((3, 2), int)))
    with pytest.raises(DataError, match="2 values a row"):
        read(path, "TARGETID")


def test_whole_numbers_in_floats_are_taken_and_others_refused(path: Path) -> None:
    write(path, fits.Column("ZWARN", "D", array=np.array([0, 4, 2.0**40])))
    assert read(path, "ZWARN")["ZWARN"].tolist() == [0, 4, 2**40]
    for bad in (0.5, np.nan, 2.0**60):
        write(path, fits.Column("ZWARN", "D", array=np.array([0, bad])))
        with pytest.raises(DataError, match="ZWARN holds float64, not integers"):
            read(path, "ZWARN")


def test_text_is_no_redshift(path: Path) -> None:
    write(path, fits.Column("Z", "5A", array=["1.5", "NaN", ""]))
    with pytest.raises(DataError, match=r"column Z holds str.*not numbers"):
        read(path, "Z")
    write(path, fits.Column("SPECTYPE", "J", array=[1, 2]))
    with pytest.raises(DataError, match="SPECTYPE holds int32, not text"):
        read(path, "SPECTYPE")


def test_undefined_integers_are_no_numbers(path: Path) -> None:
    ids, warn, z = np.array([1, -99, 3]), np.array([0, 4, 7]), np.array([1, 2, 9])
    write(
        path,
        fits.Column("TARGETID", "K", null=-99, array=ids),
        fits.Column("ZWARN", "J", null=7, array=warn),
        fits.Column("Z", "I", null=9, array=z),
        fits.Column("EBV", "J", null=9, array=z),
        TSCAL4=0.5,
    )
    found = read(path, "TARGETID", "ZWARN", "Z", "EBV")
    assert found["TARGETID"].tolist() == [1, -1, 3]
    assert found["ZWARN"].tolist() == [0, 4, -1]
    np.testing.assert_array_equal(found["Z"], [1, 2, np.nan])
    np.testing.assert_array_equal(found["EBV"], [0.5, 1, np.nan])


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_text_of_any_encoding_is_read(path: Path, encoding: str) -> None:
    names = [word.encode(encoding) for word in ("José", "DESI J¶", "plain ")]
    write(path, fits.Column("DESINAME", "12A", array=np.array(names)))
    assert read(path, "DESINAME")["DESINAME"].tolist() == ["José", "DESI J¶", "plain"]


def test_columns_that_are_not_read_keep_the_others_in_place(path: Path) -> None:
    bits = np.array([[True, False, True] * 3] * 2)
    write(
        path,
        fits.Column("BITS", "9X", array=bits),
        fits.Column("LIST", "PE()", array=np.array([np.ones(2), np.ones(3)], object)),
        fits.Column("C", "C", array=np.ones(2, complex)),
        fits.Column("NOTE", "1A", array=np.array(["", ""])),
        fits.Column("NONE", "0D", array=np.zeros((2, 0))),
        fits.Column("flag", "L", array=np.array([True, False])),
        fits.Column("TARGETID", "K", array=IDS[:2]),
    )
    found = read(path, "TARGETID", "FLAG", "NOTE")
    assert found["TARGETID"].tolist() == IDS[:2].tolist()
    assert found["FLAG"].tolist() == [True, False]
    assert found["NOTE"].tolist() == ["", ""]


def test_two_columns_of_one_name_are_refused(path: Path) -> None:
    write(path, fits.Column("Z", "D", array=np.ones(2)), fits.Column("A", "D", array=np.zeros(2)))
    change(path, "TTYPE2", "'Z'")
    with pytest.raises(DataError, match="has 2 columns Z"):
        read(path, "Z")
    change(path, "TTYPE2", "'z'")
    assert read(path, "Z")["Z"].tolist() == [1, 1]


def test_only_table_may_have_lost_its_name(path: Path) -> None:
    column = fits.Column("TARGETID", "K", array=IDS)
    tables = [fits.BinTableHDU.from_columns([column]) for _ in range(2)]
    fits.HDUList([fits.PrimaryHDU(), tables[0]]).writeto(path)
    assert read(path, "TARGETID")["TARGETID"].tolist() == IDS.tolist()
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path, overwrite=True)
    with pytest.raises(DataError, match="no HDU T"):
        read(path, "TARGETID")


def test_empty_table(path: Path) -> None:
    write(path, fits.Column("TARGETID", "K", array=np.zeros(0, int)))
    assert read(path, "TARGETID")["TARGETID"].shape == (0,)


@pytest.mark.parametrize(
    ("key", "word", "told"),
    [
        ("TFIELDS", "1000000000", "TFIELDS is"),
        ("TFIELDS", "1", "columns of 8 bytes in rows of 16"),
        ("TFIELDS", "3", "column 3 has no format"),
        ("TFORM1", "'999999999D'", "columns of 8000000000 bytes"),
        ("TFORM1", "'Y'", "column 1 has no format"),
        ("TFORM1", "'E'", "columns of 12 bytes in rows of 16"),
        ("TZERO1", "NAN", "TZERO1 is 'NAN'"),
        ("TNULL1", "'-'", "TNULL1 is '-'"),
        ("NAXIS1", "0", "a table of shape"),
        ("TTYPE2", "7", "no column B"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(path: Path, key: str, word: str, told: str) -> None:
    write(
        path,
        fits.Column("A", "K", array=np.ones(3), null=5),
        fits.Column("B", "D", array=np.ones(3)),
        TZERO1=0,
    )
    change(path, key, word)
    with pytest.raises(DataError, match=told) as caught:
        read(path, "A", "B")
    assert str(path) in str(caught.value)
