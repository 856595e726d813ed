"""Line sets: systems of several lines found at any redshift, single lines limited."""

import numpy as np
import pytest

from catalog_schema.lines import LINES
from pipeline.science.measured import Finds
from pipeline.spectra.science.line_sets import locate_line_sets, scan_line_sets

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


# Every line of each set with its relative strength.
SETS = {
    "absorber": {
        "feii_2344": 0.5,
        "feii_2383": 0.8,
        "feii_2587": 0.5,
        "feii_2600": 0.8,
        "mgii_2796": 1.0,
        "mgii_2804": 0.9,
    },
    "emitter": {"oii": 1.0, "hbeta": 0.5, "oiii_4960": 0.4, "oiii": 1.2, "halpha": 1.1},
}
LEVEL, NORM, Z_QUASAR = 5.0, 2.0, 2.0


def plant(name: str, z: float, depth: float, n: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Return windows of level 5 with a whole system, `depth` that of the box of strength 1."""
    residual, weight, model = draw(n, (), 0.0, 0.0, seed)
    for key, strength in SETS[name].items():
        place = int(np.argmin(np.abs(WAVE - LINES[key].wave * (1 + z))))
        sign = -1 if name == "absorber" else 1
        residual[:, place - 2 : place + 3] += sign * depth * strength
    return residual, weight, LEVEL * model


def locate(name: str, residual, weight, model) -> Finds:
    n = len(residual)
    wave = np.tile(WAVE / (1 + Z_QUASAR), (n, 1))
    given = (wave, np.full(n, Z_QUASAR), np.full(n, NORM))
    return locate_line_sets(residual, weight, model, *given)[name]


@pytest.mark.parametrize(("name", "z", "depth"), [("absorber", 1.1, 1.8), ("emitter", 0.4, 1.8)])
def test_a_system_is_recovered_at_its_redshift_within_its_error(
    name: str, z: float, depth: float
) -> None:
    finds = locate(name, *plant(name, z, depth, 300))
    is_found = np.abs(finds.z - z) < 5e-4
    assert is_found.mean() > 0.98
    box = 5 * STEP * np.log(10)
    truth = {
        "absorber": depth / LEVEL * box * LINES["mgii_2796"].wave,
        "emitter": depth * NORM * box * LINES["oii"].wave * (1 + z),
    }[name]
    off = np.abs(finds.value - truth)[is_found] / finds.error[is_found]
    assert 0.6 < np.mean(off < 1) < 0.78
    assert np.mean(off < 2) > 0.9
    keys = SETS[name]
    places = np.array([LINES[key].wave for key in keys]) * (1 + z) / (1 + Z_QUASAR)
    assert (np.abs(finds.wave[is_found, None] / places - 1).min(1) < 3 * STEP * np.log(10)).all()
    species = {"absorber": "FeII and MgII", "emitter": "[OII], Hβ, [OIII] and Hα"}[name]
    assert f"{name} at z = {z:.3f}, {species}" in set(finds.name)


@pytest.mark.parametrize("name", ["absorber", "emitter"])
def test_amplitude_over_error_is_the_significance_of_unlimited_lines(name: str) -> None:
    weak = plant(name, 0.7, 0.5, 40)
    found, finds = scan_line_sets(*weak, STEP)[name], locate(name, *weak)
    ratio = finds.value / finds.error
    residual = weak[0]
    boxes = np.abs(np.apply_along_axis(np.convolve, 1, residual, np.ones(5), "valid"))
    is_free = boxes.max(1) < 5 * np.sqrt(5)
    assert is_free.any()
    np.testing.assert_allclose(ratio[is_free], found[is_free], rtol=1e-4)
    strong = plant(name, 0.7, 20.0, 10)
    limited, finds = scan_line_sets(*strong, STEP)[name], locate(name, *strong)
    assert (finds.value / finds.error > 3 * limited).all()


def test_where_no_system_is_nothing_is_located() -> None:
    residual, weight, model = draw(3, (), 1.0, 0)
    finds = locate("absorber", residual, 0 * weight, model)
    assert np.isnan(finds.value).all()
    assert set(finds.name) == {""}


def test_lines_beyond_the_window_are_not_named() -> None:
    # MgII and the redder FeII alone.
    residual, weight, model = plant("absorber", 0.45, 2.0, 5)
    assert all(
        name.startswith("absorber at z = 0.450, ")
        for name in locate("absorber", residual, weight, model).name
    )
