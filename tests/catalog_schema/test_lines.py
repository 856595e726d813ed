"""The one list of lines: its wavelengths agree with atomic physics and with each other."""

from itertools import pairwise

import pytest

from catalog_schema.changes import CHANGED_LINES
from catalog_schema.lines import BALMER, LINES, LYMAN_SERIES, LineKind, waves, waves_of

RYDBERG = 911.7535  # Å, ionisation limit of hydrogen


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
    assert {LINES[key].kind for key in CHANGED_LINES} == {LineKind.BROAD}
    assert waves("mgii", "civ") == (LINES["mgii"].wave, LINES["civ"].wave)
    with pytest.raises(KeyError):
        waves("no such line")
