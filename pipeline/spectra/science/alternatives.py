"""What a whole spectrum could be instead: fits of other light, alone or with the quasar's model.

A feature tells what is added to a quasar; whether there is a quasar at all, only fits of the whole
spectrum tell. All are linear, on bins of four pixels, by the weights with the model's own scatter.
"""

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from catalog_schema.grids import Sampling
from pipeline.science.measured import Measured
from pipeline.spectra.science.envelope import BIN, find_envelope
from pipeline.spectra.science.residuals import Residuals
from pipeline.spectra.science.templates import galaxy_light, star_light

_BIN = 4
# Through fewer bins any of the fits goes.
_FEWEST = 64
# Bins beyond the ends of the observed spectrum to which a window may reach.
_MARGIN = 8
_TEMPERATURES = (2800, 3200, 3600, 4200, 5000, 6000, 8000, 10_000, 14_000, 20_000)
# Above it (K) a star may have lines in emission.
_HOT = 8000
# Redshifts of galaxies, and their steps in bins.
_NEAREST, _FARTHEST, _STEP = 0.02, 1.3, 2
# Share of its power by which a component must differ from those before it.
_NEW = 1e-9


def measure_alternatives(spectra: Residuals) -> dict[str, Measured]:
    """Fit each spectrum by eight kinds of light and compare the fits.

    The quasar's model; a star; a galaxy at a redshift of 0.02 to 1.3; the model with either of
    these; the model's continuum with a slope of its own; its continuum, its lines and a galaxy at
    its redshift, each as bright as may be; a cubic curve.

    Returns
    -------
    dict of str to Measured
        ``misfit_...`` is the root of what χ² exceeds that of the best of the eight by. NaN where
        the spectrum has fewer than 64 bins.
    """
    flux, weight, model, place = _bin(spectra)
    wave = np.arange(model.shape[1]) * _BIN * spectra.grid.log10_step
    curve = np.stack([wave**power for power in range(4)])
    tilts = np.broadcast_to(curve[:, None], (4, *model.shape))
    low = _find_continuum(model)
    bins = spectra.start[:, None] + _BIN * np.arange(model.shape[1])
    old, lit = (galaxy_light(spectra.grid.wave, 1.0, lines)[bins] for lines in (0.0, 10.0))
    explained = {
        "quasar": _explain(flux, weight, model[None]),
        "weak": _explain(flux, weight, low * tilts[:3]),
        "host": _explain(flux, weight, np.stack([old, lit - old, low, model - low])),
        "smooth": _explain(flux, weight, tilts),
    }
    stars, galaxies = _make_banks(spectra.sampling, spectra.grid.log10_step, model.shape[1])
    flux, weight, model = (_shift(values, place) for values in (flux, weight, model))
    for name, bank in (("star", stars), ("galaxy", galaxies)):
        found = _explain_by_bank(flux, weight, bank, model)
        explained[name], explained[f"quasar_{name}"] = found
    best = np.max(list(explained.values()), axis=0)
    unknown = np.full(len(spectra), np.nan)
    is_told = np.count_nonzero(weight, axis=1) >= _FEWEST
    return {
        f"misfit_{name}": Measured(
            np.where(is_told, np.sqrt(best - power), np.nan), unknown, unknown
        )
        for name, power in explained.items()
    }


def _bin(spectra: Residuals) -> tuple[NDArray, NDArray, NDArray, NDArray[np.intp]]:
    """Return flux, weight and model in bins, (n, bins), and the place of the first bin, (n,)."""
    n = len(spectra)
    weights = spectra.weight.reshape(n, -1, _BIN).astype(np.float64)
    weight = weights.sum(2)
    flux = (weights * spectra.flux.reshape(weights.shape)).sum(2)
    model = spectra.model.reshape(weights.shape).mean(2, dtype=np.float64)
    flux = np.divide(flux, weight, out=np.zeros_like(flux), where=weight > 0)
    first = spectra.grid.log10_start + spectra.start * spectra.grid.log10_step
    observed = first + np.log10(1 + spectra.z) - np.log10(spectra.sampling.grid.ends[0])
    place = np.rint(observed / (_BIN * spectra.grid.log10_step)).astype(np.intp) + _MARGIN
    return flux, weight, model, place


def _shift(values: NDArray, place: NDArray[np.intp]) -> NDArray[np.float64]:
    """Put bins where they lie on the observed grid, 0 elsewhere, (n, bins + 2 margins)."""
    n, size = values.shape
    shifted = np.zeros((n, size + 2 * _MARGIN))
    bins = place[:, None] + np.arange(size)
    is_inside = (bins >= 0) & (bins < shifted.shape[1])
    rows = np.broadcast_to(np.arange(n)[:, None], bins.shape)
    shifted[rows[is_inside], bins[is_inside]] = values[is_inside]
    return shifted


def _find_continuum(model: NDArray) -> NDArray[np.float64]:
    """Return the lower envelope of the models, shape (n, bins)."""
    coarse = BIN // _BIN
    low = find_envelope(model.reshape(len(model), -1, coarse).mean(axis=2))
    return np.minimum(np.repeat(low, coarse, axis=1), model)


@lru_cache(maxsize=4)
def _make_banks(sampling: Sampling, step: float, size: int) -> tuple[NDArray, NDArray]:
    """Return components of stars and of galaxies, shapes (kinds of them, components, bins)."""
    bins = np.arange(size + 2 * _MARGIN) - _MARGIN
    # At the middle of the bins.
    wave = sampling.grid.ends[0] * 10 ** (step * (_BIN * bins + 0.5 * (_BIN - 1)))
    stars = []
    for temperature in _TEMPERATURES:
        bare, dark, lit = (
            star_light(wave, temperature, *lines) for lines in ((0,), (0.3,), (0, 1))
        )
        emission = (lit - bare) * (temperature >= _HOT)
        stars.append([bare, bare * np.log(wave / wave[0]), bare - dark, emission])
    galaxies = []
    shift = _STEP * _BIN * step
    first, last = (int(np.log10(1 + z) / shift) for z in (_NEAREST, _FARTHEST))
    for stretch in 10 ** (np.arange(first, last) * shift):
        young, old, lit = (
            galaxy_light(wave / stretch, *kind) for kind in ((0.0, 0.0), (1.0, 0.0), (1.0, 10.0))
        )
        galaxies.append([young, old, lit - old])
    return np.array(stars), np.array(galaxies)


def _explain(flux: NDArray, weight: NDArray, own: NDArray) -> NDArray[np.float64]:
    """Return by how much components (c, n, bins) of each spectrum lower χ², shape (n,)."""
    gram = np.einsum("cnp,np,dnp->ncd", own, weight, own, optimize=True)
    return np.asarray(_lower(gram, np.einsum("cnp,np->nc", own, weight * flux))[:, -1])


def _explain_by_bank(
    flux: NDArray, weight: NDArray, bank: NDArray, model: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by how much the best of a bank lowers χ², alone and with the model, each (n,)."""
    (n, _), (k, c, _) = flux.shape, bank.shape
    gram, signal = np.empty((n, k, c + 1, c + 1)), np.empty((n, k, c + 1))
    for i in range(c):
        signal[:, :, i] = (weight * flux) @ bank[:, i].T
        gram[:, :, i, c] = gram[:, :, c, i] = (weight * model) @ bank[:, i].T
        for j in range(i, c):
            gram[:, :, i, j] = gram[:, :, j, i] = weight @ (bank[:, i] * bank[:, j]).T
    gram[:, :, c, c] = (weight * model**2).sum(axis=1, keepdims=True)
    signal[:, :, c] = (weight * flux * model).sum(axis=1, keepdims=True)
    lower = _lower(gram.reshape(n * k, c + 1, c + 1), signal.reshape(n * k, c + 1))
    best = lower.reshape(n, k, c + 1).max(axis=1)
    return best[:, c - 1], best[:, c]


@njit(cache=True)
def _lower(gram, signal):  # type: ignore[no-untyped-def]
    """Return signalᵀ gram⁻¹ signal of the first component, the first two and so on, (n, c).

    By Cholesky's factors; a component that is a sum of those before adds nothing.
    """
    n, size = signal.shape
    lower = np.zeros((n, size))
    root, part = np.zeros((size, size)), np.zeros(size)
    for row in range(n):
        total = 0.0
        for i in range(size):
            left, power = signal[row, i], gram[row, i, i]
            for j in range(i):
                value = gram[row, i, j]
                for m in range(j):
                    value -= root[i, m] * root[j, m]
                root[i, j] = value / root[j, j] if root[j, j] > 0 else 0.0
                left -= root[i, j] * part[j]
                power -= root[i, j] ** 2
            is_new = power > _NEW * gram[row, i, i]
            root[i, i] = np.sqrt(power) if is_new else 0.0
            part[i] = left / root[i, i] if is_new else 0.0
            total += part[i] ** 2
            lower[row, i] = total
    return lower
