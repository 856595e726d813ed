"""The order of versions, and the lowest one that a change allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserError
from release.versions import Change, bump, check_bump, find_previous, parse_version

numbers = st.tuples(*[st.integers(0, 20)] * 3)
changes = st.sampled_from(Change)


def spell(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


@pytest.mark.parametrize(
    ("previous", "change", "right"),
    [
        ("0.1.4", Change.PATCH, "0.1.5"),
        ("0.1.4", Change.MINOR, "0.1.5"),
        ("0.1.4", Change.MAJOR, "0.2.0"),
        ("1.2.3", Change.PATCH, "1.2.4"),
        ("1.2.3", Change.MINOR, "1.3.0"),
        ("1.2.3", Change.MAJOR, "2.0.0"),
    ],
)
def test_lowest_version_that_is_right(previous: str, change: Change, right: str) -> None:
    assert str(bump(parse_version(previous), change)) == right
    check_bump(previous, right, change, "it")


@given(numbers, changes)
def test_bump_goes_up_and_no_further_than_needed(version: tuple[int, ...], change: Change) -> None:
    before = parse_version(spell(version))
    after = bump(before, change)
    assert after > before
    assert sum(after.release) <= sum(version) + 1
    assert [bump(before, c) for c in Change] == sorted(bump(before, c) for c in Change)
    assert str(after) == spell(after.release)


@given(numbers, numbers)
def test_versions_are_ordered_as_numbers(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    assert (parse_version(spell(one)) < parse_version(spell(other))) == (one < other)


@given(numbers, numbers, changes)
def test_what_promises_less_is_refused(
    previous: tuple[int, ...], version: tuple[int, ...], change: Change
) -> None:
    right = bump(parse_version(spell(previous)), change)
    if version < right.release:
        with pytest.raises(UserError, match=f"give --version {right} or higher"):
            check_bump(spell(previous), spell(version), change, "rescored")
    else:
        check_bump(spell(previous), spell(version), change, "rescored")


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0rc1", "1.0.0.dev1", "v1.0.0", "1.0.0+x", "١.0.0"],
)
def test_what_packaging_would_take_and_we_do_not(text: str) -> None:
    with pytest.raises(UserError, match=r"is not of the form X.Y.Z"):
        parse_version(text)


@given(st.sets(numbers, max_size=6), numbers)
def test_previous_is_the_next_lower_one(
    tmp_path_factory: pytest.TempPathFactory, others: set[tuple[int, ...]], own: tuple[int, ...]
) -> None:
    folder = tmp_path_factory.mktemp("releases")
    for version in {own, *others}:
        (folder / spell(version)).mkdir()
    for name in ("1.0.0.journal.json", ".9.9.9.partial", "21.0.0rc1", "latest.json"):
        (folder / name).touch()
    found = find_previous(folder / spell(own))
    lower = [version for version in others if version < own]
    assert found == (folder / spell(max(lower)) if lower else None)
