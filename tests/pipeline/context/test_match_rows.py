"""Rows of `matches`, against the same put together one object at a time."""

import json
import math
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.tables import MATCHES
from catalog_schema.validate import find_violations
from catalog_schema.vocabulary import MatchState
from pipeline.context.catalogues.search import Found
from pipeline.context.match_rows import make_rows
from pipeline.context.scored_objects import Objects
from pipeline.settings.context import CatalogueSettings

N = 5
RADIUS = 3.0
OWN_ERROR = 0.3
FIRST = 39627000000000001


class Pair(NamedTuple):
    """A source beside an object."""

    row: int
    separation: float
    error: float
    text: str | None


# No two at the same distance, so that their order is told.
PAIRS = st.lists(
    st.builds(
        Pair,
        st.integers(0, N - 1),
        st.integers(0, 400).map(lambda k: k / 100),
        st.sampled_from([0.0, 0.4, math.nan]),
        st.sampled_from([None, "{}", '{"kind": "QSO", "n": 3}', '{"kind": null, "n": 0}']),
    ),
    max_size=14,
    unique_by=lambda pair: (pair.row, pair.separation),
)
FLAGS = st.lists(st.booleans(), min_size=N, max_size=N)


def make_objects() -> Objects:
    keys = {
        "SURVEY": ["main", "sv1", "main", "main", "sv3"],
        "PROGRAM": ["dark", "bright", "dark", "other", "dark"],
        "HEALPIX": pa.array([5, 4, 3, 2, 1], pa.int32()),
        "TARGETID": [FIRST + 2 * row for row in range(N)],
    }
    place = np.arange(float(N))
    return Objects(pa.table(keys), place, place, np.ones(N, bool))


def find(pairs: list[Pair], errors: dict[int, str], rate: tuple[int, int] = (0, 0)) -> Found:
    sources = {
        "ra": pa.array([100.0 + k for k in range(len(pairs))], pa.float64()),
        "dec": pa.array([-float(k) for k in range(len(pairs))], pa.float64()),
        "error": pa.array([pair.error for pair in pairs], pa.float64()),
        "match_id": pa.array([f"{pair.row}@{pair.separation}" for pair in pairs], pa.string()),
        "attributes": pa.array([pair.text for pair in pairs], pa.string()),
    }
    return Found(
        np.array([pair.row for pair in pairs], np.int64),
        np.array([pair.separation for pair in pairs], float),
        pa.table(sources),
        errors,
        *rate,
        "2026-01-02",
    )


def make(
    found: Found, asked: list[bool] | None = None, covered: list[bool] | None = None, **rest: Any
) -> pa.Table:
    return make_rows(
        make_objects(),
        "mine",
        CatalogueSettings(radius=RADIUS, **rest),
        found,
        is_asked=np.array(asked or [True] * N),
        is_covered=np.array(covered or [True] * N),
        position_error=OWN_ERROR,
    )


def by_object(rows: pa.Table) -> dict[int, list[dict[str, Any]]]:
    told: dict[int, list[dict[str, Any]]] = {row: [] for row in range(N)}
    for row in rows.to_pylist():
        told[(row["TARGETID"] - FIRST) // 2].append(row)
    return told


@given(pairs=PAIRS, asked=FLAGS, covered=FLAGS, failed=st.sets(st.integers(0, N - 1)))
def test_each_object_has_its_counterparts_and_one_state(
    pairs: list[Pair], asked: list[bool], covered: list[bool], failed: set[int]
) -> None:
    errors = {row: f"fault {row}" for row in failed}
    rows = make(find(pairs, errors), asked, covered)
    assert not find_violations(rows, MATCHES)
    for row, told in by_object(rows).items():
        mine = sorted(
            (pair for pair in pairs if pair.row == row and pair.separation <= RADIUS),
            key=lambda pair: pair.separation,
        )
        assert [each["match_rank"] for each in told] == list(range(1, max(len(mine), 1) + 1))
        assert {each["n_candidates"] for each in told} == {len(mine)}
        names = [f"{pair.row}@{pair.separation}" for pair in mine] or [None]
        assert [each["match_id"] for each in told] == names
        assert [each["separation"] for each in told] == pytest.approx(
            [pair.separation for pair in mine] or [None]
        )
        (state,) = {each["match_state"] for each in told}
        assert (state == MatchState.NOT_QUERIED) == (not asked[row])
        assert {each["query_date"] for each in told} == {"2026-01-02" if asked[row] else None}
        fault = f"fault {row}" if state == MatchState.SERVICE_ERROR else None
        assert {each["service_error"] for each in told} == {fault}
        assert all(each["chance_probability"] is None for each in told)


@given(pairs=PAIRS, seed=st.integers(0, 99))
def test_the_order_in_which_sources_were_found_tells_nothing(pairs: list[Pair], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(pairs)).tolist()
    turned = find([pairs[k] for k in order], {})
    names = ["TARGETID", "match_rank", "match_id", "separation", "normalised_separation"]
    assert make(find(pairs, {})).select(names).equals(make(turned).select(names))


@given(pairs=PAIRS, most=st.sampled_from([1.0, 2.5, 8.0]))
def test_what_lies_beyond_its_error_is_no_counterpart_and_what_has_none_is(
    pairs: list[Pair], most: float
) -> None:
    told = by_object(make(find(pairs, {}), max_normalised_separation=most))
    for row, mine in told.items():
        wanted = {
            f"{pair.row}@{pair.separation}": pair
            for pair in pairs
            if pair.row == row
            and pair.separation <= RADIUS
            and not pair.separation / math.hypot(OWN_ERROR, pair.error) > most
        }
        assert {each["match_id"] for each in mine} == (set(wanted) or {None})
        for each in mine:
            pair = wanted.get(each["match_id"])
            if pair is None or math.isnan(pair.error):
                assert each["normalised_separation"] is None
            else:
                ratio = pair.separation / math.sqrt(OWN_ERROR**2 + pair.error**2)
                assert each["normalised_separation"] == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize(("n_shifted", "n_chance"), [(100, 7), (4, 40), (50, 0)])
def test_chance_is_that_of_a_random_sky_of_the_same_density(n_shifted: int, n_chance: int) -> None:
    pairs = [Pair(0, separation, 0.4, None) for separation in (0.5, 1.5, 3.0)]
    rows = by_object(make(find(pairs, {}, (n_shifted, n_chance))))
    per_area = n_chance / n_shifted / (math.pi * RADIUS**2)
    wanted = [1 - math.exp(-per_area * math.pi * pair.separation**2) for pair in pairs]
    assert [each["chance_probability"] for each in rows[0]] == pytest.approx(wanted, rel=1e-5)
    assert rows[1][0]["chance_probability"] is None


def test_positions_of_counterparts_stay_with_them() -> None:
    pairs = [Pair(2, 2.0, 0.4, None), Pair(0, 1.0, 0.4, None), Pair(2, 1.0, 0.4, None)]
    told = by_object(make(find(pairs, {})))
    assert [(each["match_ra"], each["match_dec"]) for each in told[2]] == [(102.0, -2.0), (100, 0)]
    assert [(each["match_ra"], each["match_dec"]) for each in told[0]] == [(101.0, -1.0)]
    assert told[1][0]["match_ra"] is None


@given(PAIRS)
def test_literature_is_read_from_what_is_kept_or_left_open(pairs: list[Pair]) -> None:
    rows = make(find(pairs, {}), object_type="kind", references="n", keep=["kind", "n"])
    plain = make(find(pairs, {}), keep=["kind", "n"])
    for told, bare in zip(rows.to_pylist(), plain.to_pylist(), strict=True):
        kept = json.loads(told["attributes"] or "{}")
        assert (told["object_type"], told["n_references"]) == (kept.get("kind"), kept.get("n"))
        assert (bare["object_type"], bare["n_references"]) == (None, None)
        assert bare["attributes"] == told["attributes"]


def test_every_row_has_the_key_of_its_object_and_the_catalogues_name() -> None:
    rows = make(find([Pair(3, 1.0, 0.4, None), Pair(3, 0.5, 0.4, None)], {}))
    objects = make_objects().keys
    order = pa.array([0, 1, 2, 3, 3, 4])
    for name in ("SURVEY", "PROGRAM", "HEALPIX", "TARGETID"):
        assert rows[name].to_pylist() == objects[name].take(order).to_pylist()
    assert set(rows["catalogue"].to_pylist()) == {"mine"}
