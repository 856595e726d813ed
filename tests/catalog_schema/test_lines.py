"""The one list of lines: its wavelengths agree with atomic physics, and nobody states another."""

import ast
from itertools import pairwise
from pathlib import Path

import pytest

import catalog_schema
from catalog_schema.changes import CHANGED_LINES
from catalog_schema.lines import BALMER, LINES, LYMAN_SERIES, LineKind, waves, waves_of
from catalog_schema.measurements import BROAD_LINES, NARROW_LINES

RYDBERG = 911.7535  # Å, ionisation limit of hydrogen
ROOT = Path(catalog_schema.__file__).parents[1]
# Templates of what blends: each pixel of theirs lies near some line.
TEMPLATES = {"iron.py", "instrument.py"}


def test_hydrogen_follows_rydberg() -> None:
    lyman = [RYDBERG / (1 - upper**-2) for upper in range(2, 7)]
    balmer = [RYDBERG / (1 / 4 - upper**-2) for upper in range(3, 13)]
    assert [line.wave for line in LYMAN_SERIES.values()] == pytest.approx(lyman, rel=1e-5)
    assert waves(*BALMER) == pytest.approx(balmer, rel=1e-5)
    assert waves("lyman_limit", "balmer_edge") == pytest.approx((RYDBERG, 4 * RYDBERG), rel=1e-5)


@pytest.mark.parametrize(
    ("blend", "parts", "weights"),
    [
        ("civ", ("civ_1548", "civ_1551"), (2, 1)),
        ("aliii", ("aliii_1855", "aliii_1863"), (2, 1)),
        ("mgii", ("mgii_2796", "mgii_2804"), (2, 1)),
        ("oii", ("oii_3727", "oii_3729"), (1, 1)),
        ("s_ii", ("s_ii_6718", "s_ii_6732"), (1, 1)),
    ],
)
def test_doublets_are_means_of_their_lines(
    blend: str, parts: tuple[str, ...], weights: tuple[int, ...]
) -> None:
    mean = sum(w * wave for w, wave in zip(weights, waves(*parts), strict=True)) / sum(weights)
    assert LINES[blend].wave == pytest.approx(mean, abs=0.03)


@pytest.mark.parametrize("kind", list(LineKind))
def test_no_line_is_stated_twice(kind: LineKind) -> None:
    found = sorted(waves_of(kind))
    assert found
    assert all(high - low > 0.5 for low, high in pairwise(found))


def test_keys_are_unique_and_titles_ascii() -> None:
    assert sum(len(waves_of(kind)) for kind in LineKind) == len(LINES)
    assert all(key == line.key and line.title.isascii() for key, line in LINES.items())
    assert {LINES[key].kind for key in BROAD_LINES} == {LineKind.BROAD}
    assert {LINES[key].kind for key in NARROW_LINES} == {LineKind.NARROW}
    assert set(CHANGED_LINES) <= set(BROAD_LINES)
    assert waves("mgii", "civ") == (LINES["mgii"].wave, LINES["civ"].wave)
    with pytest.raises(KeyError):
        waves("no such line")


def test_nobody_else_states_a_wavelength() -> None:
    known = [line.wave for line in LINES.values() if line.wave % 1]
    stated = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for room in ("catalog_schema", "pipeline", "portal", "release")
        for path in (ROOT / room).rglob("*.py")
        if (path.name not in TEMPLATES and path.name != "lines.py") or path.parent.name == "data"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, float)
        and node.value % 1
        and any(abs(node.value - wave) < 0.6 for wave in known)
    ]
    assert not stated
