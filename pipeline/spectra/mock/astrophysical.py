"""Planted astrophysical anomalies: each changes a scene.

Every function returns the changed scene and the rest wavelength in Å where it acts, NaN when
everywhere.
"""

from dataclasses import replace

import numpy as np

from pipeline.spectra.mock.contaminants import galaxy, star
from pipeline.spectra.mock.dust import smc_transmission
from pipeline.spectra.mock.forest import dla
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.physics import BROAD_LINES, CORE_WIDTH, broad_equivalent_width, continuum
from pipeline.spectra.mock.population import LIGHT_SPEED
from pipeline.spectra.mock.profile import add_gaussian
from pipeline.spectra.mock.scene import R_BAND, Scene


def bal(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """Broad absorption blueward of CIV, SiIV, NV and Lyman alpha (Weymann et al. 1991)."""
    speed, width = rng.uniform(3000, 18000), rng.uniform(1500, 6000)
    depth = rng.uniform(0.1, 0.95)
    lines = ((1549.06, 1.0), (1398.0, 0.5), (1240.1, 0.9), (1215.7, 0.4))
    passed = scene.passed * _troughs(scene.rest, lines, speed, width, depth)
    return replace(scene, passed=passed), 1549.06 * (1 - speed / LIGHT_SPEED)


def felobal(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """Low-ionisation broad absorption: MgII, AlIII and the FeII UV multiplets (Hall 2002)."""
    speed, width = rng.uniform(1500, 9000), rng.uniform(1200, 3500)
    depth = rng.uniform(0.15, 0.95)
    lines = (
        (2800.0, 1.0), (2600.2, 0.8), (2586.7, 0.6), (2382.8, 0.8), (2374.5, 0.5), (2344.2, 0.7),
        (2750.0, 0.4), (1860.0, 0.8), (1608.5, 0.3), (1549.1, 1.0), (1398.0, 0.8),
    )  # fmt: skip
    passed = scene.passed * _troughs(scene.rest, lines, speed, width, depth)
    reddened = passed * smc_transmission(scene.rest, rng.uniform(0.02, 0.12))
    return replace(scene, passed=reddened), 2800.0 * (1 - speed / LIGHT_SPEED)


def dla_proximate(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """A damped absorber within 3000 km/s of the quasar (Ellison et al. 2010)."""
    z = (1 + scene.quasar.z) * (1 - rng.uniform(-500, 3000) / LIGHT_SPEED) - 1
    passed = scene.passed * dla(WAVE, z, rng.uniform(20.3, 21.8))
    return replace(scene, passed=passed), 1215.67 * (1 + z) / (1 + scene.quasar.z)


def strongly_reddened(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """Much dust at the quasar, E(B-V) 0.15 to 0.8; the wide narrow-line region sees half."""
    dust = smc_transmission(scene.rest, rng.uniform(0.15, 0.8))
    dimmed = {key: scene.parts[key] * dust for key in ("continuum", "iron", "broad")}
    return scene.changed(**dimmed, narrow=scene.parts["narrow"] * np.sqrt(dust)), np.nan


def weak_line(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """Broad lines nearly absent (Diamond-Stanic et al. 2009)."""
    left = 10 ** rng.uniform(-1.5, -0.25)
    return scene.changed(broad=scene.parts["broad"] * left), np.nan


def double_peaked(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """Two humps instead of one in Balmer lines and MgII (Eracleous & Halpern 1994)."""
    quasar, rest = scene.quasar, scene.rest
    speed, blue_share = rng.uniform(2500, 6500), rng.uniform(0.4, 0.65)
    broad = scene.parts["broad"].copy()
    dust = smc_transmission(rest, quasar.ebv_smc)
    for line in BROAD_LINES:
        if line.name not in ("MgII", "Hgamma", "Hbeta", "Halpha"):
            continue
        strength = broad_equivalent_width(quasar, line)
        strength *= continuum(quasar, np.array([line.wave]))[0]
        old, new = np.zeros_like(rest), np.zeros_like(rest)
        fwhm = CORE_WIDTH * quasar.fwhm_broad * line.width
        add_gaussian(old, rest, line.wave, fwhm, strength * quasar.core_share)
        for sign, share in ((-1, blue_share), (1, 1 - blue_share)):
            centre = line.wave * (1 + sign * speed / LIGHT_SPEED)
            add_gaussian(new, rest, centre, 1.1 * speed, strength * quasar.core_share * share)
        broad += (new - old) * dust
    return scene.changed(broad=broad), 2799.1 if quasar.z > 0.9 else 4862.7


def changing_look(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """Broad lines and blue continuum faded, host and narrow lines left (LaMassa et al. 2015)."""
    left = 10 ** rng.uniform(-1.7, -0.2)
    faded = {key: scene.parts[key] * left for key in ("continuum", "iron")}
    faded["broad"] = scene.parts["broad"] * left * 0.5
    # A changing look is seen where the host is bright enough to take over.
    growth = max(1.0, rng.uniform(0.25, 0.9) / scene.quasar.host_ratio)
    return scene.changed(**faded, host=scene.parts["host"] * growth), 4862.7


def narrow_line_unidentified(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """A narrow emission line where no quasar line is."""
    known = np.array([line.wave for line in BROAD_LINES]) * (1 + scene.quasar.z)
    wave = rng.uniform(4200, 9400)
    while np.min(np.abs(known / wave - 1)) < 0.015:
        wave = rng.uniform(4200, 9400)
    level = float(np.interp(wave, WAVE, scene.flux()))
    line = np.zeros(WAVE.size)
    strength = max(level, 0.3) * 10 ** rng.uniform(0.9, 2.1)
    add_gaussian(line, WAVE, wave, rng.uniform(200, 700), strength)
    return replace(scene, other=scene.other + line), wave / (1 + scene.quasar.z)


def star_blend(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """A cool star in the same fibre."""
    light = star(WAVE, rng.uniform(3100, 4800))
    return _blend(scene, light, 10 ** rng.uniform(-1.3, 0.4)), np.nan


def lens_blend(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """A foreground galaxy in the same fibre, at a second redshift."""
    z = rng.uniform(0.1, min(0.8, 0.8 * scene.quasar.z))
    light = galaxy(WAVE / (1 + z), rng.uniform(0.6, 1.0), 120.0, rng.uniform(2, 25))
    return _blend(scene, light, 10 ** rng.uniform(-1.3, 0.3)), 4000 * (1 + z) / (1 + scene.quasar.z)


def extreme_iron(scene: Scene, rng: np.random.Generator) -> tuple[Scene, float]:
    """Iron blends two to eight times as strong as the quasar would have."""
    return scene.changed(iron=scene.parts["iron"] * 10 ** rng.uniform(0.3, 0.9)), 2500.0


def _troughs(
    rest: np.ndarray,
    lines: tuple[tuple[float, float], ...],
    speed: float,
    width: float,
    depth: float,
) -> np.ndarray:
    passed = np.ones_like(rest)
    for line, share in lines:
        velocity = (1 - rest / line) * LIGHT_SPEED
        inside = np.exp(-(((velocity - speed) / width) ** 4))
        passed *= 1 - depth * share * inside
    return passed


def _blend(scene: Scene, light: np.ndarray, ratio: float) -> Scene:
    level = ratio * scene.flux()[R_BAND].mean() / light[R_BAND].mean()
    return replace(scene, other=scene.other + level * light)
