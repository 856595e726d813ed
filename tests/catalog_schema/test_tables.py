"""The registry: names, units, UCDs, keys, vocabularies and its Arrow rendering."""

import pyarrow as pa
import pytest
from astropy import units
from astropy.io.votable.ucd import parse_ucd
from each import each

from catalog_schema import vocabulary
from catalog_schema.column import Column, Table, arrow_schema
from catalog_schema.desi import ARM_PIXELS, WAVE_SIZE, WAVE_START, WAVE_STEP
from catalog_schema.tables import QUASARS, SPECTRA, TABLES
from catalog_schema.vocabulary import Described, Tier

SIZES = {"wave": 400, "window": 160, "latent": 4, "seed_statistic": 2}
COLUMNS = [column for table in TABLES for column in table.columns]
DISTINCT = list(dict.fromkeys(COLUMNS))
# Those of the schema: tests declare words of their own.
ENUMS = [enum for enum in Described.__subclasses__() if enum.__module__ == vocabulary.__name__]

each_column, each_table = each(DISTINCT), each(TABLES)


@each_column
def test_ucd_is_of_the_controlled_vocabulary(column: Column) -> None:
    assert parse_ucd(column.ucd, check_controlled_vocabulary=True, has_colon=False)


@each_column
def test_unit_is_a_vounit(column: Column) -> None:
    parsed = units.Unit(column.unit, format="vounit", parse_strict="raise")
    assert (parsed == units.dimensionless_unscaled) == (column.unit == "")


@each_column
def test_description_is_a_sentence(column: Column) -> None:
    assert column.description.endswith(".")
    assert len(column.description) > 8
    assert column.source
    assert column.ucd


@each_column
def test_bounds_are_an_interval_and_of_numbers(column: Column) -> None:
    if column.bounds is not None:
        low, high = column.bounds
        assert low < high
        assert pa.types.is_integer(column.type) or pa.types.is_floating(column.type)


@each_column
def test_case_says_whose_column_it_is(column: Column) -> None:
    is_desi = column.name.isupper()
    assert is_desi or column.name.islower()
    is_inherited = column.source.startswith(("zcatalog", "EXP_FIBERMAP"))
    assert is_desi == is_inherited or column.name.startswith("flux_")


@each_table
def test_names_differ_when_case_is_folded(table: Table) -> None:
    # DuckDB folds case.
    assert len({name.lower() for name in table.names}) == len(table.names)


@each_table
def test_key_columns_exist(table: Table) -> None:
    assert set(table.key) <= set(table.names)
    assert table.key


@each_table
def test_table_is_documented(table: Table) -> None:
    assert table.description.endswith(".")


def test_table_names_are_unique() -> None:
    assert len({table.name for table in TABLES}) == len(TABLES)


def test_a_name_means_one_thing_in_every_table() -> None:
    seen: dict[str, Column] = {}
    for column in COLUMNS:
        first = seen.setdefault(column.name, column)
        assert first.optional() == column.optional()


def test_columns_others_build_on_are_in_the_release() -> None:
    fixed = (
        "TARGETID SURVEY PROGRAM HEALPIX TARGET_RA TARGET_DEC Z ZWARN SPECTYPE parent snr "
        "anomaly_score p_value q_value tier chi2_b chi2_r chi2_z worst_arm kl_divergence "
        "isolation_score latent artefact_probability anomaly_class review_status"
    )
    assert set(fixed.split()) <= set(QUASARS.names)
    assert QUASARS["TARGETID"].type == pa.int64()
    assert QUASARS["tier"].vocabulary == ("gold", "silver", "bronze", "none")


def test_unknown_column_is_named() -> None:
    with pytest.raises(KeyError, match="spectra has no column nothing"):
        SPECTRA["nothing"]


@pytest.mark.parametrize("enum", ENUMS, ids=lambda enum: enum.__name__)
def test_words_are_documented_and_parse(enum: type[Described]) -> None:
    assert enum.__doc__
    assert len(set(enum.values())) == len(enum.values()) > 0
    for member in enum:
        assert member.meaning.endswith(".")
        assert enum.parse(member.value) is member
        assert str(member) == member.value
    with pytest.raises(ValueError, match=enum.values()[0]):
        enum.parse("no such word")


def test_every_enumeration_that_codes_a_column_is_whole() -> None:
    coded = {column.vocabulary for column in COLUMNS if column.vocabulary}
    assert {Tier.values(), vocabulary.Split.values(), vocabulary.Arm.values()} <= coded


@each_table
def test_arrow_schema_renders_every_column(table: Table) -> None:
    schema = arrow_schema(table, **SIZES)
    assert schema.names == table.names
    for field, column in zip(schema, table.columns, strict=True):
        assert field.metadata[b"ucd"].decode() == column.ucd
        assert field.metadata[b"description"].decode() == column.description
        assert field.metadata.get(b"unit", b"").decode() == column.unit
        assert field.nullable == column.nullable
        if column.array:
            assert field.type.value_type == column.type
            assert field.type.list_size == (column.size or SIZES[column.array])
        else:
            assert field.type == column.type


@each(t for t in TABLES if any(c.array and not c.size for c in t.columns))
def test_open_dimension_must_be_given(table: Table) -> None:
    with pytest.raises(ValueError, match="the size of dimension"):
        arrow_schema(table)


def test_arms_lie_on_the_joined_grid() -> None:
    """DESI's arms start and end at these wavelengths (data model of the coadd files)."""
    ends = {"b": (3600.0, 5800.0), "r": (5760.0, 7620.0), "z": (7520.0, 9824.0)}
    for arm, (first, last) in ARM_PIXELS.items():
        assert WAVE_START + WAVE_STEP * first == pytest.approx(ends[arm][0])
        assert WAVE_START + WAVE_STEP * (last - 1) == pytest.approx(ends[arm][1])
    assert ARM_PIXELS["z"][1] == WAVE_SIZE
