"""Labels, help and values are renderings of the schema."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema import kinds
from catalog_schema.tables import QUASARS
from portal.data.columns import explain, label, make_dictionary, word_meanings, write_value

COLUMNS = [column for table in kinds.SPECTRA.files.values() for column in table.columns]


@pytest.mark.parametrize("path", kinds.SPECTRA.files)
def test_every_column_of_every_table_has_a_label_and_help(path: str) -> None:
    for column in kinds.SPECTRA.files[path].columns:
        assert label(column).startswith(column.name)
        assert "**" not in label(column)
        assert explain(column).replace("\\", "").startswith(column.description.replace("\\", ""))
        for word in word_meanings(column):
            assert f"- **{word}**: " in explain(column)


def test_units_are_written_as_people_do() -> None:
    assert label(QUASARS["TARGET_RA"]) == "TARGET_RA (deg)"
    assert "⁻¹" in " ".join(map(label, COLUMNS))
    assert label(QUASARS["tier"]) == "tier"


def test_coded_columns_explain_exactly_their_words() -> None:
    meanings = word_meanings(QUASARS["tier"])
    assert tuple(meanings) == QUASARS["tier"].vocabulary
    assert all(meanings.values())
    assert word_meanings(QUASARS["Z"]) == {}


@pytest.mark.parametrize("path", kinds.SPECTRA.files)
def test_the_dictionary_has_every_column_once(path: str) -> None:
    table = kinds.SPECTRA.files[path]
    assert make_dictionary(table)["Column"].tolist() == table.names


@given(st.sampled_from(COLUMNS), st.integers(0, 20), st.integers(3, 12))
def test_a_piece_of_a_description_finds_its_column(column, start: int, length: int) -> None:
    piece = column.description[start : start + length]
    table = next(table for table in kinds.SPECTRA.files.values() if column in table.columns)
    assert column.name in make_dictionary(table, piece.upper())["Column"].tolist()


def test_what_nobody_mentions_finds_nothing() -> None:
    rows = make_dictionary(QUASARS, "xyzzy")
    assert rows.empty
    assert "Column" in rows


@given(st.floats(-1e300, 1e300))
def test_numbers_keep_the_digits_that_mean_something(value: float) -> None:
    assert float(write_value("snr", value)) == pytest.approx(value, rel=1e-4)
    assert math.isclose(float(write_value("TARGET_RA", value)), value, rel_tol=1, abs_tol=1e-5)


@given(st.integers())
def test_whole_numbers_keep_every_digit(value: int) -> None:
    if abs(value) < 10**400:
        assert int(write_value("TARGETID", value)) == value


def test_nothing_is_a_dash_and_texts_are_one_line() -> None:
    assert write_value("Z", None) == "–"
    assert write_value("DESINAME", "a\nb") == "a b"
    assert write_value("has_changed", True) == "True"
