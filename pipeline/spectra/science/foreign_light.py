"""Measurements of the continuum and of light that is not the quasar's: stars, galaxies, dust."""

import numpy as np
from numpy.typing import NDArray

from catalog_schema.lines import LINES, waves
from pipeline.science.measured import Measured
from pipeline.spectra.science.residuals import Residuals, divide, slide_sum

# Rest windows (Å) without strong lines (Vanden Berk et al. 2001).
_CONTINUUM = (
    (1285, 1320), (1350, 1370), (1445, 1475), (1690, 1720), (2180, 2240), (3010, 3090),
    (3790, 3820), (4020, 4060), (4200, 4230), (5080, 5130), (5600, 5660), (6000, 6160),
    (6900, 7000),
)  # fmt: skip
_QUASAR_SLOPE = -1.56
# Bands (Å) that a star darkens, each with the sideband it is compared with.
_STELLAR = {
    "molecules": (((7054, 7130), (6960, 7050)), ((6159, 6230), (6080, 6150)),
                  ((8432, 8470), (8380, 8426)), ((4955, 5000), (4900, 4950)),
                  ((5168, 5210), (5115, 5160)), ((5448, 5490), (5395, 5440))),
    "metals": (((3925, 3945), (3890, 3920)), ((3960, 3980), (3990, 4020)),
               ((4290, 4318), (4250, 4285)), ((5160, 5195), (5205, 5240)),
               ((5886, 5903), (5860, 5880)), ((8490, 8508), (8515, 8532)),
               ((8532, 8556), (8560, 8590)), ((8652, 8676), (8620, 8645))),
    "balmer": (((6550, 6580), (6500, 6540)), ((4845, 4880), (4890, 4930)),
               ((4325, 4358), (4365, 4395)), ((4085, 4120), (4125, 4160)),
               ((3955, 3985), (3995, 4030)), ((3880, 3900), (3905, 3922))),
}  # fmt: skip
# A galaxy's own lines.
_GALAXY = {
    "second_emission": waves("oii", "hbeta", "oiii_4960", "oiii", "halpha", "s_ii"),
    "second_absorption": waves("caii_k", "caii_h", "g_band", "mgb", "nad"),
}
_HALF_WIDTH = {"second_emission": 2, "second_absorption": 6}
_NEAREST = 0.02
_FARTHEST = 1.2
# One line may not make a redshift.
_CEILING = 4.0
_MIN_LINES = 3


def measure_continuum(spectra: Residuals) -> dict[str, Measured]:
    """Return the power-law slope, and the reddening E(B−V) (mag) if the slope were ordinary.

    Both by least squares through the mean flux of 13 windows without lines. Dust is SMC-like,
    A = 1.39 E(B−V) (1 µm/λ)^1.2 (Prevot et al. 1984), before a power law of slope −1.56.
    """
    centres = np.array([0.5 * (low + high) for low, high in _CONTINUUM])
    means = [
        _average(spectra, spectra.residual + spectra.model, low, high) for low, high in _CONTINUUM
    ]
    flux, weight = np.stack([m[0] for m in means], 1), np.stack([m[1] for m in means], 1)
    positive = np.maximum(flux, divide(np.ones(1), np.sqrt(weight)))
    weight = np.where(weight > 0, weight * positive**2, 0.0)
    level = np.log(np.where(weight > 0, positive, 1.0))
    slope, slope_error = _fit_slope(np.log(centres), level, weight)
    dimming = -0.921 * 1.39 * (1e4 / centres) ** 1.2
    dust, dust_error = _fit_slope(dimming, level - _QUASAR_SLOPE * np.log(centres), weight)
    unknown = np.full(len(spectra), np.nan)
    return {
        "continuum_slope": Measured(slope, slope_error, unknown),
        "dust_reddening": Measured(dust, dust_error, unknown),
    }


def measure_star(spectra: Residuals) -> dict[str, Measured]:
    """Return how much of the flux stellar bands take away, at redshift 0.

    ``star_molecules`` (TiO, MgH), ``star_metals`` (CaII, G band, Mg b, NaI) and ``star_balmer``
    are the mean differences of residual between sideband and band, over the norm.
    """
    return {f"star_{name}": _measure_bands(spectra, bands) for name, bands in _STELLAR.items()}


def measure_host(spectra: Residuals) -> dict[str, Measured]:
    """Return what the host adds: the step at 4000 Å and CaII K of the residual, over the norm."""
    above = _average(spectra, spectra.residual, 4050, 4250)
    below = _average(spectra, spectra.residual, 3750, 3920)
    error = np.sqrt(divide(np.ones(1), above[1]) + divide(np.ones(1), below[1]))
    step = Measured(
        np.where(np.isnan(error), np.nan, above[0] - below[0]), error, np.full(len(spectra), 4000.0)
    )
    band = _measure_bands(spectra, (((3924, 3945), (3880, 3920)),), spectra.z)
    calcium = band._replace(wave=np.full(len(spectra), LINES["caii_k"].wave))
    return {"host_step": step, "host_calcium": calcium}


def measure_second_redshift(spectra: Residuals) -> dict[str, Measured]:
    """Search a foreground galaxy by its lines, in emission and in absorption.

    ``second_emission`` and ``second_absorption`` are the largest sums over at least three lines of
    their signal-to-noise ratios, each limited to 4, over the root of the number of lines;
    ``..._z`` is the redshift, 0.02 to 1.2 and below the quasar's.
    """
    found = {}
    unknown = np.full(len(spectra), np.nan)
    for (name, lines), sign in zip(_GALAXY.items(), (1.0, -1.0), strict=True):
        signal = sign * _contrast(spectra, _HALF_WIDTH[name])
        stride = _HALF_WIDTH[name]
        step = spectra.grid.log10_step
        first, last = (int(np.log10(1 + z) / step) for z in (_NEAREST, _FARTHEST))
        shifts = np.arange(first, last, stride)
        total, count = np.zeros((2, len(spectra), len(shifts)), np.float32)
        for wave in lines:
            places = spectra.find_pixel(wave, 0.0)[:, None] + shifts
            is_inside = (places >= 0) & (places < signal.shape[1])
            values = np.take_along_axis(signal, np.where(is_inside, places, 0), axis=1)
            is_seen = is_inside & ~np.isnan(values)
            total += np.where(is_seen, np.clip(values, -_CEILING, _CEILING), 0)
            count += is_seen
        z = 10 ** (shifts * spectra.grid.log10_step) - 1
        is_allowed = (count >= _MIN_LINES) & (z < (spectra.z[:, None] - _NEAREST))
        score = np.where(is_allowed, total / np.sqrt(np.maximum(count, 1)), -np.inf)
        best = np.argmax(score, axis=1)
        height = score[np.arange(len(spectra)), best]
        is_found = np.isfinite(height)
        wave = lines[0] * (1 + z[best]) / (1 + spectra.z)
        found[name] = Measured(
            np.where(is_found, height, np.nan), unknown, np.where(is_found, wave, np.nan)
        )
        found[f"{name}_z"] = Measured(np.where(is_found, z[best], np.nan), unknown, unknown)
    return found


def _average(
    spectra: Residuals, values: NDArray, low: float, high: float, z: NDArray | float | None = None
) -> tuple[NDArray, NDArray]:
    """Return the weighted mean over a band (Å at redshift z) and its weight, each (n,)."""
    middle = 0.5 * (low + high)
    half = int(0.5 * np.log10(high / low) / spectra.grid.log10_step)
    places = spectra.find_pixel(middle, z)[:, None] + np.arange(-half, half + 1)
    is_inside = (places >= 0) & (places < values.shape[1])
    places = np.where(is_inside, places, 0)
    weight = np.where(is_inside, np.take_along_axis(spectra.weight, places, axis=1), 0.0)
    total = weight.sum(1)
    is_seen = (weight > 0).mean(1) > 0.5
    mean = divide((weight * np.take_along_axis(values, places, axis=1)).sum(1), total)
    return np.where(is_seen, mean, np.nan), np.where(is_seen, total, 0.0)


def _measure_bands(
    spectra: Residuals,
    bands: tuple[tuple[tuple[float, float], tuple[float, float]], ...],
    z: NDArray | float = 0.0,
) -> Measured:
    top, total = np.zeros((2, len(spectra)))
    strongest = np.full(len(spectra), -np.inf)
    wave = np.full(len(spectra), np.nan)
    for band, side in bands:
        inside, inside_weight = _average(spectra, spectra.residual, *band, z)
        outside, outside_weight = _average(spectra, spectra.residual, *side, z)
        variance = divide(np.ones(1), inside_weight) + divide(np.ones(1), outside_weight)
        precision = np.nan_to_num(divide(np.ones(1), variance))
        lack = np.nan_to_num(outside - inside)
        top += precision * lack
        total += precision
        height = lack * np.sqrt(precision)
        is_stronger = (precision > 0) & (height > strongest)
        strongest = np.where(is_stronger, height, strongest)
        place = 0.5 * (band[0] + band[1]) * (1 + np.asarray(z)) / (1 + spectra.z)
        wave = np.where(is_stronger, place, wave)
    return Measured(divide(top, total), np.sqrt(divide(np.ones(1), total)), wave)


def _fit_slope(x: NDArray, y: NDArray, weight: NDArray) -> tuple[NDArray, NDArray]:
    total = weight.sum(1)
    centre = divide((weight * x).sum(1), total)
    spread = (weight * (x - centre[:, None]) ** 2).sum(1)
    spread = np.where((weight > 0).sum(1) >= 2, np.nan_to_num(spread), 0.0)
    slope = divide(np.nan_to_num(weight * (x - centre[:, None]) * y).sum(1), spread)
    return slope, np.sqrt(divide(np.ones(1), spread))


def _contrast(spectra: Residuals, half: int) -> NDArray[np.float32]:
    """Return the signal-to-noise ratio of 2 half + 1 pixels over their sidebands, (n, m)."""
    inner, outer = 2 * half + 1, 10 * half + 1
    sums, weighted = [], spectra.weight * spectra.residual
    for width in (inner, outer):
        pad = ((0, 0), (width // 2, width // 2))
        sums.append(
            [slide_sum(np.pad(values, pad), width) for values in (weighted, spectra.weight)]
        )
    (top, weight), (wide_top, wide_weight) = sums
    side = divide(wide_top - top, wide_weight - weight)
    variance = divide(np.ones(1), weight) + divide(np.ones(1), wide_weight - weight)
    is_good = (spectra.weight > 0) & (variance > 0)
    signal = divide(divide(top, weight) - side, np.sqrt(variance))
    return np.where(is_good, signal, np.nan).astype(np.float32)
