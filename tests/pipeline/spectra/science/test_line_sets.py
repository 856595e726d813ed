"""Line sets: systems of several lines found at any redshift, single lines limited."""

import numpy as np
import pytest

from catalog_schema.lines import LINES
from pipeline.spectra.science.line_sets import scan_line_sets

STEP, SIZE, LOW = 1e-4, 4368, 3600.0
WAVE = LOW * 10 ** (STEP * np.arange(SIZE))
ABSORBER = ("mgii_2796", "mgii_2804", "feii_2600", "feii_2383")
EMITTER = ("oii", "hbeta", "oiii")


def draw(n: int, lines: tuple[str, ...], z: float, height: float, seed: int = 0):
    """Return noise with lines of one height (standard deviations of 5 pixels) at a redshift."""
    residual = np.random.default_rng(seed).normal(size=(n, SIZE)).astype(np.float32)
    for key in lines:
        place = int(np.argmin(np.abs(WAVE / (1 + z) - LINES[key].wave)))
        residual[:, place - 2 : place + 3] += height / np.sqrt(5)
    return residual, np.ones((n, SIZE), np.float32), np.ones((n, SIZE), np.float32)


@pytest.mark.parametrize(
    ("name", "lines", "z", "sign"), [("absorber", ABSORBER, 1.1, -1), ("emitter", EMITTER, 0.4, 1)]
)
def test_lines_too_weak_alone_are_found_together(
    name: str, lines: tuple[str, ...], z: float, sign: int
) -> None:
    other = {"absorber": "emitter", "emitter": "absorber"}[name]
    noise = scan_line_sets(*draw(60, (), z, 0), STEP)
    found = scan_line_sets(*draw(60, lines, z, 4.5 * sign), STEP)
    assert np.median(found[name]) > np.quantile(noise[name], 0.99)
    assert np.median(found[other]) < np.quantile(noise[other], 0.9)


@pytest.mark.parametrize("height", [6.0, 60.0, 600.0])
def test_one_line_however_strong_makes_no_system(height: float) -> None:
    alone = scan_line_sets(*draw(40, ("mgii_2796",), 1.1, -height), STEP)["absorber"]
    system = scan_line_sets(*draw(40, ABSORBER, 1.1, -height), STEP)["absorber"]
    assert np.median(alone) < 6.5
    assert np.median(system) > np.median(alone) + 2


def test_without_pixels_there_is_no_system() -> None:
    residual, weight, model = draw(3, (), 1.0, 0)
    found = scan_line_sets(residual, 0 * weight, model, STEP)
    assert all((values == 0).all() for values in found.values())


def test_unit_of_the_flux_does_not_matter() -> None:
    residual, weight, model = draw(10, ABSORBER, 0.9, -5)
    one = scan_line_sets(residual, weight, model, STEP)
    ten = scan_line_sets(10 * residual, weight / 100, 10 * model, STEP)
    for name in one:
        np.testing.assert_allclose(one[name], ten[name], rtol=1e-4)
