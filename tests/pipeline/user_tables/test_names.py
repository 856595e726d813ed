"""Strangers' names of our columns: however they are written; two that could be one are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.user_tables.names import SPELLINGS, find_column, find_sole_column, simplify

OURS = st.sampled_from(list(SPELLINGS))
OTHERS = ["flux", "name", "mag_g", "snr", "id"]


@given(ours=OURS, data=st.data())
def test_a_spelling_is_known_in_any_case_with_marks_and_a_unit(ours: str, data) -> None:
    spelling = data.draw(st.sampled_from(SPELLINGS[ours]))
    capitals = data.draw(st.lists(st.booleans(), min_size=len(spelling), max_size=len(spelling)))
    marks = data.draw(st.lists(st.sampled_from(["", "_", " ", "-", "."]), min_size=len(spelling)))
    unit = data.draw(st.sampled_from(["", " [deg]", "(J2000)", " (km/s)"]))
    name = "".join(
        (c.upper() if big else c) + mark
        for c, big, mark in zip(spelling, capitals, marks, strict=False)
    )
    assert simplify(name + unit) == spelling
    place = data.draw(st.integers(0, len(OTHERS)))
    names = [*OTHERS[:place], name + unit, *OTHERS[place:]]
    assert find_column(names, ours) == find_sole_column("it", names, ours) == place


def test_no_spelling_means_two_things() -> None:
    every = [spelling for spellings in SPELLINGS.values() for spelling in spellings]
    assert len(every) == len(set(every))
    assert all(spelling == simplify(spelling) for spelling in every)
    assert all(simplify(ours) in spellings for ours, spellings in SPELLINGS.items())


@given(ours=OURS, data=st.data())
def test_our_very_name_comes_first_then_spellings_in_their_order(ours: str, data) -> None:
    names = data.draw(st.permutations([*SPELLINGS[ours], *OTHERS]))
    likeliest = min((n for n in names if n in SPELLINGS[ours]), key=SPELLINGS[ours].index)
    assert find_column(names, ours) == names.index(likeliest)
    assert find_column([*names, ours], ours) == len(names)
    assert find_column(OTHERS, ours) is None
    assert find_sole_column("it", OTHERS, ours) is None


def test_of_the_same_spelling_twice_the_first_is_the_likelier() -> None:
    assert find_column(["RA_deg", "ra deg"], "TARGET_RA") == 0


@pytest.mark.parametrize("names", [["redshift", "z_spec"], ["Z", "Z"], ["z", "redshift", "x"]])
def test_what_could_be_two_columns_is_refused_by_name(names: list[str]) -> None:
    with pytest.raises(UserError, match="could each be Z; call the right one Z") as told:
        find_sole_column("my.csv", names, "Z")
    assert str(told.value).startswith(f"my.csv: {names[0]!r} and {names[1]!r}")


def test_one_of_our_very_name_settles_it() -> None:
    assert find_sole_column("it", ["redshift", "z", "Z"], "Z") == 2
