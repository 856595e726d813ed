"""Lines that are marked: those of the one list, moved by a redshift."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.lines import LINES
from portal.data.lines import place_lines

KINDS = ("emission", "absorption")


def test_lines_move_with_redshift() -> None:
    names = [line.name for line in place_lines(2.0, 3600, 9824, ("emission",))]
    assert "Lyα" in names
    assert "Hα" not in names
    assert place_lines(0.0, 3600, 9824, ()) == []


@given(st.floats(0, 7), st.sampled_from([("emission",), ("absorption",), KINDS]))
def test_what_is_placed_is_in_range_of_its_kind_and_of_the_list(
    z: float, kinds: tuple[str, ...]
) -> None:
    rest = [(line.name, pytest.approx(line.wave)) for line in LINES.values()]
    for line in place_lines(z, 3600, 9824, kinds):
        assert 3600 <= line.wave <= 9824
        assert line.kind in kinds
        assert any(name == line.name and line.wave / (1 + z) == wave for name, wave in rest)


@given(st.floats(0, 7))
def test_both_kinds_together_are_each_of_them(z: float) -> None:
    both = place_lines(z, 0, 1e9, KINDS)
    assert sorted(both) == sorted(
        line for kind in KINDS for line in place_lines(z, 0, 1e9, (kind,))
    )
    assert len(both) == len(place_lines(0.0, 0, 1e9, KINDS))
