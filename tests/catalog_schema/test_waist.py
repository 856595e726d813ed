"""A declaration of any kind of data: columns fitted to it, coordinates in which alike is near."""

from dataclasses import fields

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from waists import KEY, Blank, Pebble, make_column, make_waists

from catalog_schema.column import Column
from catalog_schema.waist import Condition, Waist

LENGTHS, VALUES = st.floats(0.01, 100), st.floats(0, 1e4)


def find_sizes(waist: Waist) -> dict[str, int]:
    return {
        "statistic": len(waist.statistics),
        "measurement": len(waist.measurements),
        "trait": len(waist.traits),
        "anomaly_class": 3,
        "feature": len(waist.statistics) + len(waist.measurements),
    }


@given(waist=make_waists())
def test_an_array_is_as_long_as_what_it_counts(waist: Waist) -> None:
    for dimension, size in find_sizes(waist).items():
        array = Column("many", pa.float32(), "Many.", "stat.value", array=dimension)
        assert waist.fit(array).size == size
    other = Column("many", pa.float32(), "Many.", "stat.value", array="wave", size=7)
    assert waist.fit(other).size == 7
    assert waist.fit(make_column("one")).size is None


@given(waist=make_waists())
def test_a_coded_column_has_the_words_of_the_kind_and_others_keep_theirs(waist: Waist) -> None:
    own = {
        "reason": tuple(waist.reasons),
        "anomaly_class": ("normal", "artefact", "crystal"),
        "artefact_kind": ("smeared",) if waist.faults else (),
        "control": ("sand", "brick"),
        "domain_reason": (
            *waist.condition_names,
            *waist.traits,
            *waist.reasons,
            "p_values",
            "few",
        ),
    }
    for name in (*own, "tier"):
        column = Column(name, pa.string(), "A word.", "meta.code", vocabulary=("other",))
        assert waist.fit(column).vocabulary == own.get(name, ("other",))


@given(waist=make_waists())
def test_a_description_is_in_the_words_of_the_kind(waist: Waist) -> None:
    text = (
        "{noun}/{nouns}/{member}/{members}/{alike}/{statistics}/{measurements}/{classes}/{traits}"
    )
    told = waist.fit(Column("c", pa.string(), text, "meta.code")).description.split("/")
    assert told[:5] == ["pebble", "pebbles", "stone", "stones", "weight and colour"]
    assert told[5].split(", ") == [s.name for s in waist.statistics]
    assert [name for name in told[6].split(", ") if name] == [m.name for m in waist.measurements]
    assert told[7] == "normal, artefact, crystal"
    assert [name for name in told[8].split(", ") if name] == list(waist.traits)
    assert waist.make_table("t", text, ("TARGETID",), ()).description == "/".join(told)


@given(waist=make_waists())
def test_fitting_changes_nothing_else_and_nothing_the_second_time(waist: Waist) -> None:
    column = Column(
        "reason", pa.int8(), "Of a {noun}.", "a", "m", "here", (0, 1), None, True, True, since="9"
    )
    fitted = waist.fit(column)
    changed = {f.name for f in fields(Column) if getattr(fitted, f.name) != getattr(column, f.name)}
    assert changed == {"description", "vocabulary"}
    assert waist.fit(fitted) == fitted


@given(waist=make_waists())
def test_a_table_begins_with_the_key_of_a_candidate(waist: Waist) -> None:
    table = waist.make_table("t", "Some.", ("TARGETID",), (make_column("a"), make_column("b")))
    assert table.names == [*(column.name for column in KEY), "a", "b"]
    assert (table.name, table.key) == ("t", ("TARGETID",))


@given(waist=make_waists())
def test_facts_of_statistics_are_in_their_order(waist: Waist) -> None:
    n = len(waist.statistics)
    assert waist.features[:n] == tuple(s.name for s in waist.statistics)
    assert waist.features[n:] == tuple(m.name for m in waist.measurements)
    assert waist.is_two_sided.tolist() == [s.two_sided for s in waist.statistics]
    assert waist.is_ratio.tolist() == [s.is_ratio for s in waist.statistics]
    assert waist.condition_names == tuple(f"condition_{k}" for k in range(len(waist.conditions)))
    assert list(waist.kinds) == sorted(waist.examples)


@given(waist=make_waists(), seed=st.integers(0, 999), n=st.integers(0, 5))
def test_each_condition_is_a_coordinate_of_its_own(waist: Waist, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    columns = {name: rng.uniform(0, 10, n) for name in waist.condition_names}
    placed = waist.locate(columns | {"another": np.zeros(n)})
    assert placed.shape == (n, len(waist.conditions))
    for k, name in enumerate(waist.condition_names):
        moved = waist.locate(columns | {name: columns[name] + 1})
        is_moved = np.arange(len(waist.conditions)) == k
        assert ((moved > placed) == is_moved).all()


@given(length=LENGTHS, first=VALUES, second=VALUES, is_log=st.booleans())
def test_order_is_kept_and_a_length_is_one(
    length: float, first: float, second: float, is_log: bool
) -> None:
    condition = Condition(make_column("c"), length, is_log)
    low, high = sorted((first, second))
    a, b = condition.scale(np.array([low, high]))
    assert a <= b
    step = (1 + low) * np.exp(length) - 1 if is_log and length < 50 else low + length
    if not is_log or length < 50:
        near, far = condition.scale(np.array([low, step]))
        np.testing.assert_allclose(far - near, 1, rtol=1e-6)


@given(factor=st.floats(0.01, 100), length=LENGTHS, value=VALUES)
def test_the_unit_of_a_condition_does_not_matter(
    factor: float, length: float, value: float
) -> None:
    column = make_column("c")
    values = np.array([value])
    np.testing.assert_allclose(
        Condition(column, length * factor).scale(values * factor),
        Condition(column, length).scale(values),
        rtol=1e-12,
    )


def test_numbers_of_any_type_are_located_alike() -> None:
    column = make_column("c")
    waist = Waist(
        "a", "b", "c", "d", "e", KEY, (Condition(column, 0.5, True),), (), {}, Pebble, Blank
    )
    narrow, wide = (waist.locate({"c": np.array([3, 5]).astype(t)}) for t in (np.int16, float))
    np.testing.assert_array_equal(narrow, wide)
    np.testing.assert_allclose(narrow[:, 0], [2 * np.log(4), 2 * np.log(6)])
