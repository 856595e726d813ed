"""Draws the targets of a shard and observes them: true spectrum, noise, damage."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from pipeline.spectra.mock import anomalies, instrument
from pipeline.spectra.mock.contaminants import galaxy, star
from pipeline.spectra.mock.dust import galactic_transmission
from pipeline.spectra.mock.instrument import ARM_SLICES, ARM_WAVE, WAVE, Conditions
from pipeline.spectra.mock.population import (
    draw_magnitude,
    draw_quasar,
    draw_redshift,
    magnitude_to_flux,
)
from pipeline.spectra.mock.scene import R_BAND, Scene, compose

DEAD_FIBRE_SHARE = 0.012
# The family whose present state is the odd one.
CHANGING_LOOK = "changing_look"
DEAD_ARM_SHARE = 0.012
_ARM_PIXELS = tuple(ARM_SLICES.values())
# Chances of 1, 2, ... exposures in dark time.
_VISITS = {
    "single": (0.80, 0.20),
    "deep": (0.40, 0.30, 0.20, 0.10),
    "sv3": (0.30, 0.30, 0.20, 0.10, 0.05, 0.05),
}


class Selection(NamedTuple):
    """Bits of DESI_TARGET, BGS_TARGET and MWS_TARGET."""

    desi: int
    bgs: int = 0
    mws: int = 0


@dataclass
class Target:
    """One target as it is, before DESI sees it.

    Attributes
    ----------
    true_class : quasar, galaxy, star, standard, sky, or stuck (a sky fibre that cannot move).
    flux : (7781,) true flux, 1e-17 erg/s/cm2/Å.
    expected : (7781,) what it would be without its anomaly; the same array when normal.
    earlier : (7781,) what it was years before; the same array unless it has changed since.
    z_true, z_catalog : true redshift and the one the catalogue will give; NaN for sky.
    family : name of the planted anomaly, None when normal.
    wave_rest : where that acts, rest Å; NaN when everywhere.
    conditions : how it was observed.
    planting : the random stream of one with an anomaly or of a member of a population; None for
        those of the shard's stream.
    called : SPECTYPE and SUBTYPE that Redrock gives a member of a population; None where its
        class decides.
    selection : target bits of such a member.
    """

    true_class: str
    flux: np.ndarray
    expected: np.ndarray
    earlier: np.ndarray
    z_true: float
    z_catalog: float
    family: str | None = None
    wave_rest: float = np.nan
    conditions: Conditions = field(default_factory=lambda: Conditions(1000.0, 1, 1.0, 1.0))
    planting: np.random.Generator | None = None
    called: tuple[str, str] | None = None
    selection: Selection | None = None


@dataclass
class Coadd:
    """Observed spectra of a shard.

    Attributes
    ----------
    flux, ivar : (n, 7958) float32 arm pixels; ivar is that of the noise drawn.
    mask : (n, 7958) uint32, SPECMASK bits.
    snr : (n,) median of true flux over sigma, 0 for dead fibres.
    strength : (n,) departure of planted anomalies in sigma, NaN when normal.
    is_dead : (n,) the fibre gave nothing.
    detail : (n,) sum of squares of what lines and edges are in sigma, the continuum aside; of
        members of populations, NaN for others.
    """

    flux: np.ndarray
    ivar: np.ndarray
    mask: np.ndarray
    snr: np.ndarray
    strength: np.ndarray
    is_dead: np.ndarray
    detail: np.ndarray

    @classmethod
    def blank(cls, n: int, n_pixels: int) -> "Coadd":
        """Return spectra in which nothing has been observed yet."""
        flux, ivar = np.zeros((2, n, n_pixels), np.float32)
        return cls(
            flux,
            ivar,
            mask=np.zeros((n, n_pixels), np.uint32),
            snr=np.zeros(n),
            strength=np.full(n, np.nan),
            is_dead=np.zeros(n, bool),
            detail=np.full(n, np.nan),
        )


def draw_target(
    rng: np.random.Generator, true_class: str, ebv: float, family: str | None = None
) -> Target:
    """Draw a target of a class behind Galactic dust of `ebv` mag, with an anomaly if named."""
    if true_class == "quasar":
        return _draw_quasar_target(rng, ebv, family)
    if true_class == "galaxy":
        return _draw_galaxy(rng, ebv)
    if true_class in ("star", "standard"):
        return _draw_star(rng, ebv, true_class)
    nothing = np.zeros(WAVE.size)
    return Target(true_class, nothing, nothing, nothing, np.nan, np.nan)


def draw_conditions(rng: np.random.Generator, survey: str, program: str, z: float) -> Conditions:
    """Draw exposures: dark time revisits quasars at z > 2.1 up to four times (Schlafly 2023)."""
    efficiency = float(10 ** rng.normal(-0.015, 0.06))
    if program == "bright":
        n_exposures = int(rng.integers(1, 4))
        return Conditions(250.0 * n_exposures, n_exposures, rng.uniform(2.0, 5.0), efficiency)
    chances = _VISITS["sv3" if survey == "sv3" else "deep" if z > 2.1 else "single"]
    n_exposures = int(rng.choice(len(chances), p=chances)) + 1
    exptime = n_exposures * rng.uniform(600, 1000)
    return Conditions(exptime, n_exposures, rng.uniform(1.0, 1.9), efficiency)


def observe(rng: np.random.Generator, targets: list[Target]) -> Coadd:
    """Observe `targets` with DESI: blur, calibrate, add noise, lose pixels, arms and fibres."""
    coadd = Coadd.blank(len(targets), ARM_WAVE.size)
    for row, target in enumerate(targets):
        _observe_one(target.planting or rng, target, row, coadd)
    return coadd


def _observe_one(rng: np.random.Generator, target: Target, row: int, coadd: Coadd) -> None:
    calibration = instrument.telluric_residual(rng) * rng.normal(1.0, 0.02)
    true = instrument.split_arms(target.flux) * calibration
    sigma = instrument.noise_sigma(true, target.conditions)
    family = anomalies.ALL_FAMILIES[target.family] if target.family else None
    if family and family.change_arms:
        true, wave = family.change_arms(true, rng, **family.draw(rng))
        target.wave_rest = wave / (1 + target.z_true)
    mask = instrument.cosmic_mask(rng, target.conditions.n_exposures)
    kept = mask == 0
    if family:
        expected = instrument.split_arms(target.expected) * calibration
        coadd.strength[row] = anomalies.strength(true[kept], expected[kept], sigma[kept])
    coadd.snr[row] = np.median(true / sigma)
    if target.called:
        coadd.detail[row] = np.sum(((true - _smoothed(true)) / sigma)[kept] ** 2)
    noisy = true + sigma * rng.standard_normal(true.size)
    coadd.flux[row], coadd.ivar[row] = noisy * kept, kept / sigma**2
    coadd.mask[row] = mask
    _damage(rng, target, row, coadd)


def _damage(rng: np.random.Generator, target: Target, row: int, coadd: Coadd) -> None:
    # DESI leaves the mask at 0 where a fibre or an arm gave nothing: only ivar tells.
    chances = rng.random(2)
    arm = ("B", "R", "Z")[rng.integers(3)]
    if target.family is not None:
        return
    stuck = target.true_class == "stuck" and chances[1] < 0.5
    if stuck or chances[0] < DEAD_FIBRE_SHARE:
        coadd.is_dead[row] = True
        coadd.snr[row] = 0.0
        lost = slice(None)
    elif chances[1] < 3 * DEAD_ARM_SHARE:
        lost = ARM_SLICES[arm]
    else:
        return
    for values in (coadd.flux, coadd.ivar, coadd.mask):
        values[row, lost] = 0


def _smoothed(arms: np.ndarray) -> np.ndarray:
    # Over 80 Å, as a second-best redshift fits the continuum and no line.
    pieces = [gaussian_filter1d(arms[pixels], 100.0, mode="nearest") for pixels in _ARM_PIXELS]
    return np.concatenate(pieces)


def _draw_quasar_target(rng: np.random.Generator, ebv: float, name: str | None) -> Target:
    family = anomalies.FAMILIES[name] if name else None
    limits = (family.z_low, family.z_high) if family else (0.05, 4.6)
    quasar = draw_quasar(rng, draw_redshift(rng, *limits), draw_magnitude(rng))
    normal = compose(rng, quasar, ebv)
    scene, wave = normal, np.nan
    if family and family.change_scene:
        scene, wave = family.change_scene(normal, rng, **family.draw(rng))
    target = _as_target(normal, scene, name, wave)
    target.planting = rng if family else None
    return target


def _as_target(normal: Scene, scene: Scene, family: str | None, wave: float) -> Target:
    flux = scene.flux()
    expected = flux
    if family:
        expected = anomalies.expected_scene(
            normal if scene.z_catalog == normal.z_catalog else scene
        ).flux()
    # What has changed was once normal, at the same distance.
    earlier = normal.flux(scene.scale) if family == CHANGING_LOOK else flux
    z_true, z_catalog = scene.quasar.z, scene.z_catalog
    return Target("quasar", flux, expected, earlier, z_true, z_catalog, family, wave_rest=wave)


def _draw_galaxy(rng: np.random.Generator, ebv: float) -> Target:
    is_red = rng.random() < 0.45
    z = rng.uniform(0.3, 1.05) if is_red else rng.uniform(0.05, 1.5)
    age, lines = (
        (rng.uniform(0.75, 1), rng.exponential(2))
        if is_red
        else (rng.uniform(0.0, 0.5), rng.lognormal(3.4, 0.6))
    )
    light = galaxy(WAVE / (1 + z), age, rng.uniform(70, 220), lines)
    return _scaled("galaxy", light, z, rng.uniform(19.0, 23.0), ebv)


def _draw_star(rng: np.random.Generator, ebv: float, true_class: str) -> Target:
    temperature = rng.choice([rng.uniform(3000, 4500), rng.uniform(4500, 8500), 20000.0])
    r_mag = rng.uniform(17.5, 22.5)
    if true_class == "standard":
        temperature, r_mag = rng.uniform(6000, 6900), rng.uniform(16.0, 18.5)
    return _scaled(true_class, star(WAVE, temperature), rng.normal(0, 3e-4), r_mag, ebv)


def _scaled(true_class: str, light: np.ndarray, z: float, r_mag: float, ebv: float) -> Target:
    flux = light * galactic_transmission(WAVE, ebv)
    flux *= magnitude_to_flux(r_mag) / flux[R_BAND].mean()
    return Target(true_class, flux, flux, flux, z, z)
