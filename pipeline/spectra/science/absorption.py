"""Measurements of absorption: broad troughs, their indices, damped Lyman-alpha."""

import numpy as np
from numpy.typing import NDArray

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES, LYMAN_SERIES, waves
from pipeline.science.measured import Measured
from pipeline.spectra.science.residuals import Residuals, divide, slide_sum

# Lines that absorb together, with their depth relative to the first.
_FAMILIES = {
    "hibal": {"civ": 1.0, "si_iv_1397": 0.5, "nv": 0.8, "lya": 0.4},
    "lobal": {"mgii": 1.0, "aliii": 0.7},
    "iron_trough": {
        "feii_2600": 1.0,
        "feii_2587": 0.7,
        "feii_2383": 1.0,
        "feii_2374": 0.6,
        "feii_2344": 0.8,
        "feii_uv_2750": 0.5,
    },
}
# The same as pairs of rest wavelength (Å) and depth.
TROUGHS = {
    name: tuple((LINES[key].wave, depth) for key, depth in family.items())
    for name, family in _FAMILIES.items()
}
_FASTEST = 25_000.0
_TROUGH_WIDTHS = (1500.0, 3500.0, 7000.0)
_SMOOTHING = 7
_LYA = LYMAN_SERIES["lya"]
_LOG_COLUMNS = np.array([20.3, 20.7, 21.1, 21.5])
_DLA_SPEEDS = np.arange(-1500.0, 45_000.0, 300.0)
# How far the wings of one reach.
_DLA_REACH = 6000.0


def measure_troughs(spectra: Residuals) -> dict[str, Measured]:
    """Fit one trough at one speed to all lines of a family at once.

    Each of ``hibal`` (CIV, SiIV, NV, Lyman-alpha), ``lobal`` (MgII, AlIII) and ``iron_trough``
    (FeII) is the depth, as a share of the model, of the most significant of the troughs 1500,
    3500 and 7000 km/s wide at outflow speeds up to 25,000 km/s; ``_speed`` is the speed (km/s).
    """
    found = {}
    for name, lines in TROUGHS.items():
        offsets = -np.arange(int(_FASTEST / spectra.pixel_velocity))
        signal = np.zeros((len(spectra), len(offsets)))
        power = np.zeros_like(signal)
        for wave, share in lines:
            cut = spectra.cut(spectra.find_pixel(wave), offsets)
            signal -= share * cut.weight * cut.residual * cut.model
            power += share**2 * cut.weight * cut.model**2
        depth, error, offset = _find_trough(signal, power, spectra.pixel_velocity)
        place = lines[0][0] * np.exp(-offset * spectra.pixel_velocity / LIGHT_SPEED)
        unknown = np.full(len(spectra), np.nan)
        speed = np.where(np.isnan(depth), np.nan, offset * spectra.pixel_velocity)
        found[name] = Measured(depth, error, place)
        found[f"{name}_speed"] = Measured(speed, unknown, place)
    return found


def measure_indices(spectra: Residuals) -> dict[str, Measured]:
    """Return balnicity and absorption index of CIV, and balnicity of MgII, in km/s.

    The balnicity index (Weymann et al. 1991) is ∫ (1 − f/0.9) dv from 3000 to 25,000 km/s over
    what lies beyond 2000 km/s of a trough below 0.9 of the continuum; the absorption index (Hall
    et al. 2002) begins at 0 and counts troughs of 450 km/s and more. The model is the continuum,
    lines included; the spectrum is smoothed over 7 pixels.
    """
    civ, mgii = waves("civ", "mgii")
    return {
        "bi_civ": _measure_index(spectra, civ, 3000.0, 2000.0),
        "ai_civ": _measure_index(spectra, civ, 0.0, 450.0),
        "bi_mgii": _measure_index(spectra, mgii, 1000.0, 1000.0),
    }


def measure_damped(spectra: Residuals) -> dict[str, Measured]:
    """Fit damped Lyman-alpha absorption, at the quasar or anywhere up to 45,000 km/s blueward.

    ``dla`` is the depth of the most significant profile relative to a black one (1 for a true
    damped absorber whose model is right), ``dla_column`` its log10 N(HI) in cm⁻². Profiles of which
    half of what is more than half black has no pixels are not tried.
    """
    blue, red = _DLA_SPEEDS[-1] + _DLA_REACH, _DLA_SPEEDS[0] - _DLA_REACH
    offsets = np.arange(-int(blue / spectra.pixel_velocity), -int(red / spectra.pixel_velocity))
    cut = spectra.cut(spectra.find_pixel(_LYA.wave), offsets)
    velocity = LIGHT_SPEED * np.expm1(offsets * spectra.pixel_velocity / LIGHT_SPEED)
    shapes = np.stack(
        [
            1 - np.exp(-damp(velocity + speed, 10**column))
            for speed in _DLA_SPEEDS
            for column in _LOG_COLUMNS
        ]
    )
    core = (shapes > 0.5).astype(np.float64)
    is_seen = (cut.weight > 0) @ core.T > 0.5 * core.sum(1)
    signal = -(cut.weight * cut.residual * cut.model) @ shapes.T
    power = np.where(is_seen, (cut.weight * cut.model**2) @ (shapes**2).T, 0.0)
    significance = np.nan_to_num(divide(signal, np.sqrt(power)))
    best = np.argmax(significance, axis=1)
    rows = np.arange(len(spectra))
    depth = divide(signal[rows, best], power[rows, best])
    error = divide(np.ones(1), np.sqrt(power[rows, best]))
    speed = _DLA_SPEEDS[best // len(_LOG_COLUMNS)]
    wave = _LYA.wave * (1 - speed / LIGHT_SPEED)
    column = np.where(np.isnan(depth), np.nan, _LOG_COLUMNS[best % len(_LOG_COLUMNS)])
    return {
        "dla": Measured(depth, error, wave),
        "dla_column": Measured(column, np.full(len(spectra), np.nan), wave),
    }


def _find_trough(
    signal: NDArray, power: NDArray, pixel_velocity: float
) -> tuple[NDArray, NDArray, NDArray]:
    """Return depth, its error and the pixel offset of the most significant trough, each (n,)."""
    rows = np.arange(len(signal))
    best = np.zeros(len(signal))
    depth, error, offset = np.full((3, len(signal)), np.nan)
    for width in _TROUGH_WIDTHS:
        n_pixels = int(width / pixel_velocity)
        top, below = slide_sum(signal, n_pixels), slide_sum(power, n_pixels)
        # Rounding of the running sums is not information.
        below = np.where(below > 1e-9 * power.max(initial=1e-30), below, 0.0)
        significance = np.nan_to_num(divide(top, np.sqrt(below)), nan=-np.inf)
        place = np.argmax(significance, axis=1)
        height = significance[rows, place]
        is_better = np.isfinite(height) & (np.isnan(depth) | (height > best))
        best = np.where(is_better, height, best)
        depth = np.where(is_better, divide(top[rows, place], below[rows, place]), depth)
        error = np.where(is_better, divide(np.ones(1), np.sqrt(below[rows, place])), error)
        offset = np.where(is_better, place + n_pixels // 2, offset)
    return depth, error, offset


def _measure_index(spectra: Residuals, line: float, slowest: float, narrowest: float) -> Measured:
    step = spectra.pixel_velocity
    offsets = -np.arange(int(slowest / step), int(_FASTEST / step))
    cut = spectra.cut(spectra.find_pixel(line), offsets)
    weight = cut.weight * np.maximum(cut.model, 0) ** 2
    half = _SMOOTHING // 2
    top, below = (
        slide_sum(np.pad(values, ((0, 0), (half, half))), _SMOOTHING)
        for values in (weight * np.nan_to_num(divide(cut.flux, cut.model)), weight)
    )
    ratio = divide(top, below)
    lack = np.where(np.isnan(ratio), 0.0, 1 - ratio / 0.9)
    n_narrowest = int(np.ceil(narrowest / step))
    run = np.zeros(len(spectra))
    index, variance = np.zeros((2, len(spectra)))
    deepest = np.zeros(len(spectra))
    place = np.full(len(spectra), np.nan)
    # Absorption is followed from the line outward, as the definition does.
    for k in range(lack.shape[1]):
        run = np.where(lack[:, k] > 0, run + 1, 0)
        counts = run > n_narrowest
        index += np.where(counts, lack[:, k] * step, 0)
        noise = np.nan_to_num(divide(np.ones(1), below[:, k]))
        variance += np.where(counts, (step / 0.9) ** 2 * noise, 0)
        is_deeper = counts & (lack[:, k] > deepest)
        deepest = np.where(is_deeper, lack[:, k], deepest)
        place = np.where(is_deeper, line * np.exp(offsets[k] * step / LIGHT_SPEED), place)
    is_seen = (cut.weight > 0).mean(axis=1) > 0.5
    # Smoothed pixels share their noise.
    error = np.sqrt(_SMOOTHING * variance)
    return Measured(
        np.where(is_seen, index, np.nan), np.where(is_seen & (error > 0), error, np.nan), place
    )


def damp(velocity: NDArray, column: float) -> NDArray:
    """Damping wing of Lyman-alpha at some velocities (km/s) for N(HI) in cm⁻²."""
    cross_section = 0.02654
    frequency = LIGHT_SPEED * 1e5 / (_LYA.wave * 1e-8)
    detuning = frequency * velocity / LIGHT_SPEED
    profile = _LYA.damping / (4 * np.pi**2) / (detuning**2 + (_LYA.damping / (4 * np.pi)) ** 2)
    depth: NDArray = column * cross_section * _LYA.strength * profile
    return depth
