"""Measurements of what instrument and reduction leave behind, by observed wavelength."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from pipeline.science.measured import Measured
from pipeline.spectra.science.residuals import Residuals, divide

# Observed Å, vacuum: where the atmosphere absorbs.
TELLURIC = ((6865.0, 6960.0), (7160.0, 7340.0), (7590.0, 7720.0), (8120.0, 8370.0),
            (8940.0, 9240.0), (9280.0, 9700.0))  # fmt: skip
# Å of the grid that are called its blue and its red end.
_BLUE_END, _RED_END = 60.0, 64.0
# A pixel this much noisier than its surroundings lies on a sky line.
_SKY_NOISE = 1.5
_NEIGHBOURS = 3
_STEP_NEAR, _STEP_FAR = 20.0, 220.0
_FRINGE_BIN, _FRINGE_START = 3.0, 8000.0
# In steps of half a cycle over 1824 Å: between two of them a ripple is not lost.
_PERIODS = 1 / np.linspace(1 / 60, 1 / 14, 201)
_BUMP_BIN = 20.0
_BUMP_CENTRES = np.arange(3900.0, 9600.0, 100.0)
_BUMP_WIDTHS = (150.0, 300.0, 600.0)


def measure_shares(spectra: Residuals) -> dict[str, Measured]:
    """Return where the excess χ² lies: the share of it in each suspicious region.

    The excess of a region is Σ (w r² − 1); its share is of the whole excess, or of three standard
    deviations of it, whichever is larger; a share may be negative. Regions: sky lines (pixels
    with 1.5 times the variance of their surroundings), tellurics, arm joins, ends of the spectrum,
    pixels within 3 of a masked one.
    """
    used = spectra.weight > 0
    excess = np.where(used, spectra.weight * spectra.residual**2 - 1, 0.0)
    whole = np.maximum(excess.sum(1), 3 * np.sqrt(2 * np.maximum(used.sum(1), 1)))
    unknown = np.full(len(spectra), np.nan)
    found = {}
    for name, region in _find_regions(spectra).items():
        inside = used & region
        count = inside.sum(1)
        share = np.where(count > 0, np.where(inside, excess, 0).sum(1) / whole, np.nan)
        error = np.where(count > 0, np.sqrt(2 * count) / whole, np.nan)
        found[f"share_{name}"] = Measured(share, error, unknown)
    return found


def measure_sky(spectra: Residuals) -> dict[str, Measured]:
    """Return the residual's projection on sky lines: where the noise variance has its lines.

    ``sky_lines`` is positive for sky left in, negative for too much taken away.
    """
    lines = np.maximum(np.nan_to_num(spectra.variance - spectra.quiet_variance), 0)
    top = (spectra.weight * spectra.residual * lines).sum(1)
    power = (spectra.weight * lines**2).sum(1)
    unknown = np.full(len(spectra), np.nan)
    return {"sky_lines": Measured(divide(top, power), divide(np.ones(1), np.sqrt(power)), unknown)}


def measure_joins(spectra: Residuals) -> dict[str, Measured]:
    """Return the steps of residual over model, ``step_br`` and ``step_rz``, redward minus blueward.

    Compared are the 200 Å before and after a join of two arms, 20 Å from it; a join that the
    survey has not is not measured.
    """
    unknown = np.full(len(spectra), np.nan)
    found = dict.fromkeys(("step_br", "step_rz"), Measured(unknown, unknown, unknown))
    for (left, right), (low, high) in spectra.sampling.joins.items():
        name, middle = f"step_{left}{right}", 0.5 * (low + high)
        distance = spectra.observed_wave - middle
        sides = [
            _mean_ratio(spectra, (sign * distance > _STEP_NEAR) & (sign * distance < _STEP_FAR))
            for sign in (-1, 1)
        ]
        (blue, blue_variance), (red, red_variance) = sides
        found[name] = Measured(
            red - blue, np.sqrt(blue_variance + red_variance), middle / (1 + spectra.z)
        )
    return found


def measure_ripples(spectra: Residuals) -> dict[str, Measured]:
    """Return the relative amplitude of the strongest ripple in observed wavelength beyond 8000 Å.

    ``fringes``: periods of 14 to 60 Å, growing linearly with wavelength as fringes do.
    """
    unknown, end = np.full(len(spectra), np.nan), spectra.sampling.grid.ends[1]
    if end < _FRINGE_START + _FRINGE_BIN:
        return {"fringes": Measured(unknown, unknown, unknown)}
    top, power, wave = _bin_observed(spectra, _FRINGE_START, end, _FRINGE_BIN, spectra.model)
    growth = (wave - _FRINGE_START) / (end - _FRINGE_START)
    phase = 2 * np.pi * wave / _PERIODS[:, None]
    waves = [growth * function(phase) for function in (np.cos, np.sin)]
    amplitude = [divide(top @ shape.T, power @ (shape**2).T) for shape in waves]
    weight = [power @ (shape**2).T for shape in waves]
    gain = np.nan_to_num(amplitude[0] ** 2 * weight[0] + amplitude[1] ** 2 * weight[1])
    best = np.argmax(gain, axis=1)
    rows = np.arange(len(spectra))
    size = np.hypot(*(a[rows, best] for a in amplitude))
    error = np.sqrt(divide(size**2, gain[rows, best]))
    return {"fringes": Measured(size, error, 9200.0 / (1 + spectra.z))}


def measure_bump(spectra: Residuals) -> dict[str, Measured]:
    """Return the strongest smooth bump in observed wavelength, and how much it explains.

    ``bump`` is the height, over the norm, of a Gaussian of σ 150, 300 or 600 Å; ``bump_share``
    its Δχ² as a share of the χ² of the residual in bins of 20 Å above what noise would give.
    """
    top, power, wave = _bin_observed(spectra, *spectra.sampling.grid.ends, _BUMP_BIN)
    shapes = np.stack(
        [
            np.exp(-0.5 * ((wave - centre) / width) ** 2)
            for width in _BUMP_WIDTHS
            for centre in _BUMP_CENTRES
        ]
    )
    signal, weight = top @ shapes.T, power @ (shapes**2).T
    gain = np.nan_to_num(divide(signal**2, weight))
    best = np.argmax(gain, axis=1)
    rows = np.arange(len(spectra))
    chi2 = np.nan_to_num(divide(top**2, power)).sum(1)
    n_used = (power > 0).sum(1)
    excess = np.maximum(chi2 - n_used, 3 * np.sqrt(2 * np.maximum(n_used, 1)))
    place = _BUMP_CENTRES[best % len(_BUMP_CENTRES)] / (1 + spectra.z)
    height = divide(signal[rows, best], weight[rows, best])
    share = np.where(n_used > 0, gain[rows, best] / excess, np.nan)
    unknown = np.full(len(spectra), np.nan)
    return {
        "bump": Measured(height, divide(np.ones(1), np.sqrt(weight[rows, best])), place),
        "bump_share": Measured(share, unknown, place),
    }


def _find_regions(spectra: Residuals) -> dict[str, NDArray[np.bool_]]:
    observed, (first, last) = spectra.observed_wave, spectra.sampling.grid.ends
    is_end = (observed < first + _BLUE_END) | (observed >= last - _RED_END)
    with np.errstate(invalid="ignore"):
        is_noisy = spectra.variance > _SKY_NOISE * spectra.quiet_variance
    is_missing = spectra.weight <= 0
    is_near = np.zeros_like(is_missing)
    for shift in range(1, _NEIGHBOURS + 1):
        is_near[:, shift:] |= is_missing[:, :-shift]
        is_near[:, :-shift] |= is_missing[:, shift:]
    return {
        "sky": is_noisy,
        "telluric": _lies_in(observed, TELLURIC),
        "joins": _lies_in(observed, spectra.sampling.joins.values()),
        "edges": is_end,
        "masked": is_near & ~is_end,
    }


def _lies_in(wave: NDArray, bands: Iterable[tuple[float, float]]) -> NDArray[np.bool_]:
    found = np.zeros(wave.shape, bool)
    for low, high in bands:
        found |= (wave >= low) & (wave < high)
    return found


def _mean_ratio(spectra: Residuals, region: NDArray) -> tuple[NDArray, NDArray]:
    weight = np.where(region, spectra.weight, 0.0)
    power = (weight * spectra.model**2).sum(1)
    top = (weight * spectra.residual * spectra.model).sum(1)
    return divide(top, power), divide(np.ones(1), power)


def _bin_observed(
    spectra: Residuals, first: float, last: float, width: float, model: NDArray | None = None
) -> tuple[NDArray, NDArray, NDArray]:
    """Return Σ w r m and Σ w m² in bins of observed wavelength, (n, k), and the bins' centres."""
    n_bins = int((last - first) / width)
    place = ((spectra.observed_wave - first) / width).astype(np.intp)
    is_inside = (spectra.observed_wave >= first) & (place < n_bins) & (spectra.weight > 0)
    rows = np.broadcast_to(np.arange(len(spectra))[:, None], place.shape)[is_inside]
    index = rows * n_bins + place[is_inside]
    shape = np.ones(1) if model is None else model[is_inside]
    weight = spectra.weight[is_inside] * shape
    top = np.bincount(index, weight * spectra.residual[is_inside], len(spectra) * n_bins)
    power = np.bincount(index, weight * shape, len(spectra) * n_bins)
    centres = first + width * (np.arange(n_bins) + 0.5)
    return top.reshape(-1, n_bins), power.reshape(-1, n_bins), centres
