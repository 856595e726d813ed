"""The tables that follow from a declaration, whatever it declares."""

import string
from dataclasses import replace

from each import each
from hypothesis import given
from waists import KEY, make_waists

from catalog_schema.back_half import make_ledger_tables, make_tables
from catalog_schema.column import Column, Table, arrow_schema
from catalog_schema.kinds import KINDS, SPECTRA
from catalog_schema.waist import ROW_KEY, SHARD_KEY, Waist

# What is of no single candidate.
OTHERS = {"taxonomy", "catalogues", "reviews", "purity", "completeness", "gates", "effort"}
# The key of a candidate beside its place.
CANDIDATE = ("SURVEY", "PROGRAM", "TARGETID")


def find_fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@given(waist=make_waists())
def test_every_table_is_of_the_kind(waist: Waist) -> None:
    tables = {table.name: table for table in make_tables(waist)}
    assert len(tables) == len(make_tables(waist))
    for table in tables.values():
        assert find_fields(table.description) == set()
        assert set(table.key) <= set(table.names)
        assert len(set(table.names)) == len(table.names)
        assert all(column.size is not None for column in table.columns if column.array)
        # Braces that are left are those of an address with a place for the identifier.
        assert all(find_fields(column.description) <= {"id"} for column in table.columns)
        assert arrow_schema(table).names == table.names


@given(waist=make_waists())
def test_a_table_of_candidates_has_their_key_first(waist: Waist) -> None:
    for table in make_tables(waist):
        if table.name not in OTHERS:
            assert table.names[:4] == list(ROW_KEY)
            assert table.key[:3] == CANDIDATE


@given(waist=make_waists())
def test_conditions_stand_with_the_population_and_what_is_carried_with_what_is_judged(
    waist: Waist,
) -> None:

    waist = replace(
        waist, carried=(make("shown"),), told=(make("more"),), surroundings=(make("by"),)
    )
    tables = {table.name: table for table in make_tables(waist)}
    with_conditions = {n for n, t in tables.items() if set(waist.condition_names) <= set(t.names)}
    assert with_conditions == {"null", "norms"}
    assert {n for n, t in tables.items() if "shown" in t.names} == {"controls", "injections"}
    judged = {"judged", "classes", "controls", "injections"}
    assert {n for n, t in tables.items() if "more" in t.names} == judged
    assert {n for n, t in tables.items() if "by" in t.names} == {"classes"}
    assert {n for n, t in tables.items() if "anomaly_class" in t.names} == {
        *judged,
        "evidence",
        "reviews",
    }


def make(name: str) -> Column:
    return replace(KEY[0], name=name)


@each(make_tables(SPECTRA.waist))
def test_the_tables_of_a_kind_are_those_of_its_declaration(table: Table) -> None:
    assert SPECTRA[table.name] == table


@each(table for kind in KINDS.values() for table in kind.tables)
def test_nothing_is_left_to_fill_in(table: Table) -> None:
    assert find_fields(table.description) == set()
    for column in table.columns:
        assert find_fields(column.description) <= {"id"}


def test_the_books_are_by_shard_and_stage() -> None:
    tables = {table.name: table for table in make_ledger_tables(KEY[:-1])}
    assert set(tables) == {"completeness", "gates", "effort"}
    for name, table in tables.items():
        beside = ("gate",) if name == "gates" else ()
        assert table.key == (*SHARD_KEY, "stage", *beside)
        assert "TARGETID" not in table.names
