"""Measurements of emission: broad lines one by one, narrow lines, lines that belong to none."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES, LineKind, waves_of
from catalog_schema.measurements import BROAD_LINES, NARROW_LINES
from pipeline.science.measured import Measured
from pipeline.spectra.science.line_width import measure_width
from pipeline.spectra.science.residuals import Residuals, divide, slide_sum

# Rest wavelengths (Å) of the lines measured.
BROAD_WAVES = {key: LINES[key].wave for key in BROAD_LINES}
_KNOWN_WAVES = np.array(waves_of(LineKind.BROAD, LineKind.NARROW))
LOW_IONISATION = ("mgii", "hgamma", "hbeta", "halpha")
_CORE, _REACH = 2200.0, 10_000.0
_NARROW_CORE, _NARROW_REACH = 250.0, 2000.0
# A line that lies this near a known one belongs to it.
_KNOWN_REACH = 1200.0
# Part of the core's pixels that must be good.
_MIN_GOOD = 0.5
_PEAK, _WING, _BASE = 3, 9, 61
_SPIKE, _APART = 5.0, 15


def measure_lines(spectra: Residuals) -> dict[str, Measured]:
    """Fit every line with a Gaussian and its derivatives on a straight continuum.

    ``<line>_ew`` is the equivalent width (Å) in the spectrum; of the residual, in units of the
    continuum, ``_strength`` (Å) is the Gaussian's, ``_shift`` and ``_width`` are the coefficients
    of its first and second derivative: a line moved to the blue has a negative shift; a wider
    or split one a positive width. ``low_ionisation_width`` is the mean of the widths of MgII and
    the Balmer lines, weighted by their inverse variances.
    """
    found: dict[str, Measured] = {}
    for name, wave in BROAD_WAVES.items():
        ew, strength, shift, width = _fit_line(spectra, wave, _CORE, _REACH)
        found |= {
            f"{name}_ew": ew,
            f"{name}_strength": strength,
            f"{name}_shift": shift,
            f"{name}_width": width,
        }
    for name in NARROW_LINES:
        found[f"{name}_ew"] = _fit_line(spectra, LINES[name].wave, _NARROW_CORE, _NARROW_REACH)[0]
    found["low_ionisation_width"] = _average([found[f"{name}_width"] for name in LOW_IONISATION])
    return found


def measure_narrow_lines(spectra: Residuals) -> dict[str, Measured]:
    """Find the strongest narrow excess away from all known lines.

    ``unidentified_line`` is its signal-to-noise ratio above the mean of its surroundings,
    ``line_sharpness`` the share of its flux in the central 3 of 9 pixels (a cosmic ray has all of
    it there), ``width_beyond_resolution`` its width against the instrument's (`measure_width`),
    ``line_noise`` how much noisier than its surroundings its pixels are (as on a sky
    line), ``n_spikes`` the number of excesses above 5 σ that lie 7 pixels apart.
    """
    raised = _raise_narrow(spectra)
    distance = np.abs(spectra.grid.wave[:, None] / _KNOWN_WAVES - 1).min(axis=1) * LIGHT_SPEED
    pixels = spectra.start[:, None] + np.arange(spectra.flux.shape[1])
    free = np.where((distance <= _KNOWN_REACH)[pixels], 0.0, raised)
    place = np.argmax(free, axis=1)
    signal = free[np.arange(len(spectra)), place]
    # A sum over 5 pixels is as large wherever among them a hit lies: the brightest is its place.
    five = spectra.cut(place, np.arange(-2, 3))
    place = place + np.argmax(np.where(five.weight > 0, five.residual, -np.inf), axis=1) - 2
    near = spectra.cut(place, np.arange(-(_WING // 2), _WING // 2 + 1))
    middle = slice((_WING - _PEAK) // 2, (_WING + _PEAK) // 2)
    sharpness = divide(near.residual[:, middle].sum(1), near.residual.sum(1))
    rows = np.arange(len(spectra))
    noise = divide(spectra.variance[rows, place], spectra.quiet_variance[rows, place])
    is_peak = (raised > _SPIKE) & (raised >= maximum_filter1d(raised, _APART, axis=1))
    is_seen = (spectra.weight > 0).any(axis=1)
    wave, unknown = spectra.to_wave(place), np.full(len(spectra), np.nan)
    found = {
        "unidentified_line": np.where(signal > 0, signal, np.nan),
        "line_sharpness": np.where(signal > 0, np.clip(sharpness, 0, 2), np.nan),
        "line_noise": np.where(signal > 0, noise, np.nan),
    }
    width = measure_width(spectra, place)
    return {name: Measured(value, unknown, wave) for name, value in found.items()} | {
        "width_beyond_resolution": width._replace(value=np.where(signal > 0, width.value, np.nan)),
        "n_spikes": Measured(np.where(is_seen, is_peak.sum(1), np.nan), unknown, unknown),
    }


def _fit_line(
    spectra: Residuals, wave: float, core: float, reach: float
) -> tuple[Measured, Measured, Measured, Measured]:
    """Return equivalent width, and strength, shift and width of the residual, in Å."""
    reach_pixels = int(reach / spectra.pixel_velocity)
    offsets = np.arange(-reach_pixels, reach_pixels + 1)
    x = offsets * spectra.pixel_velocity / core
    bell = np.exp(-0.5 * x**2)
    design = np.stack([np.ones_like(x), x / x.max(), bell, x * bell, (x**2 - 1) * bell], axis=1)
    cut = spectra.cut(spectra.find_pixel(wave), offsets)
    is_core = np.abs(x) < 2
    is_seen = (cut.weight[:, is_core] > 0).mean(axis=1) > _MIN_GOOD
    is_seen &= (cut.weight > 0).mean(axis=1) > _MIN_GOOD
    products = (design[:, :, None] * design[:, None, :]).reshape(len(x), -1)
    normal = (cut.weight @ products).reshape(-1, 5, 5)
    # A breath of regularisation keeps half-seen lines solvable.
    scale = 1e-6 * np.trace(normal, axis1=1, axis2=2)[:, None, None] + 1e-12
    normal += scale * np.eye(5)
    inverse = np.linalg.inv(normal)
    flux, residual = (
        np.einsum("nkl,nl->nk", inverse, (cut.weight * values) @ design)
        for values in (cut.flux, cut.residual)
    )
    sigma = np.sqrt(np.maximum(np.einsum("nkk->nk", inverse), 0))
    area = np.sqrt(2 * np.pi) * core / LIGHT_SPEED * wave
    level = np.where(is_seen, np.maximum(flux[:, 0], sigma[:, 0]), np.nan)
    place = np.full(len(spectra), wave)
    error = area * sigma / level[:, None]
    strength, shift, width = (
        Measured(area * residual[:, k] / level, error[:, k], place) for k in (2, 3, 4)
    )
    return Measured(area * flux[:, 2] / level, error[:, 2], place), strength, shift, width


def _average(parts: list[Measured]) -> Measured:
    value, error, wave = (np.stack([part[k] for part in parts]) for k in range(3))
    precision = np.nan_to_num(divide(np.ones(1), error**2))
    total = precision.sum(0)
    strongest = np.argmax(np.nan_to_num(np.abs(value)) * np.sqrt(precision), axis=0)
    return Measured(
        divide((precision * np.nan_to_num(value)).sum(0), total),
        np.sqrt(divide(np.ones(1), total)),
        np.where(total > 0, np.take_along_axis(wave, strongest[None], axis=0)[0], np.nan),
    )


def _raise_narrow(spectra: Residuals) -> NDArray:
    """Return the signal-to-noise ratio of 5-pixel excesses above 61 pixels around, (n, m)."""
    weighted, weight = spectra.weight * spectra.residual, spectra.weight
    inner, outer = (
        [_slide_same(values, width) for values in (weighted, weight)] for width in (5, _BASE)
    )
    base_weight = outer[1] - inner[1]
    base = np.nan_to_num(divide(outer[0] - inner[0], base_weight))
    excess = inner[0] - inner[1] * base
    variance = inner[1] + np.nan_to_num(divide(inner[1] ** 2, base_weight))
    return np.where(spectra.weight > 0, np.nan_to_num(divide(excess, np.sqrt(variance))), 0.0)


def _slide_same(values: NDArray, width: int) -> NDArray:
    half = width // 2
    return slide_sum(np.pad(values, ((0, 0), (half, half))), width)
