"""A kind of data: what is missing of it is told column by column; files of a release by table."""

from dataclasses import replace

import pytest
from each import each

from catalog_schema import contents
from catalog_schema.column import Table
from catalog_schema.kind import Kind
from catalog_schema.kinds import KINDS, SPECTRA
from catalog_schema.waist import ROW_KEY

# What the back half reads of the tables that a kind makes itself, beside what it declares.
READ = {
    "targets": {*ROW_KEY, "TARGET_RA", "TARGET_DEC"},
    "scores": {*ROW_KEY, "parent", "control", "statistics", "model_id"},
    "measurements": {*ROW_KEY, "measured", "measured_error", "measured_wave"},
    "quasars": {*ROW_KEY, "tier", "finding_p_value", "anomaly_score", "reason"},
}


def find_needed(kind: Kind, table: str) -> set[str]:
    more = {c.column.name for c in kind.waist.conditions} | {c.name for c in kind.waist.carried}
    return READ.get(table, set()) | (more if table == "scores" else set())


def leave_out(kind: Kind, table: str, *names: str) -> Kind:
    kept = tuple(column for column in kind[table].columns if column.name not in names)
    tables = (replace(t, columns=kept) if t.name == table else t for t in kind.tables)
    return replace(kind, tables=tuple(tables))


@each(KINDS.values())
def test_nothing_is_missing_of_the_kinds_there_are(kind: Kind) -> None:
    assert kind.find_slips() == []


@each(SPECTRA.tables)
def test_each_column_taken_away_is_missed_where_it_is_needed(table: Table) -> None:
    for name in table.names:
        wanted = {f"spectra: {table.name} has no column {name}"} & {
            f"spectra: {table.name} has no column {each}"
            for each in find_needed(SPECTRA, table.name)
        }
        assert set(leave_out(SPECTRA, table.name, name).find_slips()) == wanted


@pytest.mark.parametrize("table", READ)
def test_of_a_table_that_is_not_there_every_column_is_missed(table: str) -> None:
    without = replace(SPECTRA, tables=tuple(t for t in SPECTRA.tables if t.name != table))
    slips = without.find_slips()
    missed = {f"spectra: {table} has no column {name}" for name in find_needed(SPECTRA, table)}
    assert set(slips) == missed
    assert slips == leave_out(SPECTRA, table, *SPECTRA[table].names).find_slips()


def test_a_kind_that_measures_nothing_needs_no_measurements() -> None:
    waist = replace(SPECTRA.waist, measurements=())
    tables = tuple(table for table in SPECTRA.tables if table.name != "measurements")
    assert replace(SPECTRA, waist=waist, tables=tables).find_slips() == []


def test_a_condition_and_what_is_carried_must_be_scored() -> None:
    strange = replace(SPECTRA.waist.conditions[0].column, name="weight")
    condition = replace(SPECTRA.waist.conditions[0], column=strange)
    for waist in (
        replace(SPECTRA.waist, conditions=(*SPECTRA.waist.conditions, condition)),
        replace(SPECTRA.waist, carried=(*SPECTRA.waist.carried, strange)),
    ):
        slips = replace(SPECTRA, waist=waist).find_slips()
        assert slips == ["spectra: scores has no column weight"]


@each(KINDS.values())
def test_what_a_kind_names_is_there(kind: Kind) -> None:
    assert kind.main in kind
    assert all(name in kind for name in kind.joined)
    for name in (kind.longest, kind.label):
        assert not name or name in kind["targets"].names
    assert set(kind.watched) <= set(kind[kind.main].names)
    assert all(kind[table.name] is table for table in kind.tables)
    assert "no such table" not in kind
    with pytest.raises(KeyError):
        kind["no such table"]


@each(KINDS.values())
def test_files_of_a_release_are_of_its_tables(kind: Kind) -> None:
    assert kind.files[kind.main_file] is kind.files[contents.ANOMALIES] is kind[kind.main]
    for path, table in kind.files.items():
        assert table in kind.tables
        assert path == contents.ANOMALIES or contents.TABLES.get(path, kind.main) == table.name
    assert set(kind.files) <= {kind.main_file, contents.ANOMALIES, *contents.TABLES}


def test_a_table_that_a_kind_does_not_have_is_no_file_of_its_release() -> None:
    for path, name in contents.TABLES.items():
        kept = tuple(table for table in SPECTRA.tables if table.name != name)
        files = replace(SPECTRA, tables=kept).files
        assert set(SPECTRA.files) - set(files) == {path}
