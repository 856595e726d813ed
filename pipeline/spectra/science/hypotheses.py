"""Named explanations of a residual, each tested against what the model itself could absorb.

A smooth template t is partly degenerate with the model's own components V (unit prior variance).
With C = N + V Vᵀ, noise plus the model's prior scatter, tᵀC⁻¹r is what of the template they cannot
explain (Rao's score; C⁻¹ by Woodbury's identity). The network's latent lies near the best one, not
at it, so that r still holds some of V; C⁻¹ takes it off, or it would look like every template that
resembles it. With the latent at its best the residual of a normal spectrum is r = N C⁻¹ y, where y
has covariance C, and the score over √(tᵀ C⁻¹ N C⁻¹ N C⁻¹ t) is a unit Gaussian at any
signal-to-noise ratio. Everything here is smooth, so it is computed in bins.
"""

import math

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from catalog_schema.constants import SECOND_RADIATION_CONSTANT
from catalog_schema.grids import Sampling
from catalog_schema.lines import LINES
from catalog_schema.statistics import HYPOTHESES, SOURCES
from catalog_schema.vocabulary import Arm
from pipeline.spectra.science.envelope import find_envelope
from pipeline.spectra.science.pca import AMPLITUDE_SPREAD, LinearBasis, free_amplitude
from pipeline.spectra.science.score_tests import (
    Bank,
    join_banks,
    scan_bank,
    score_templates,
)
from pipeline.spectra.science.second_light import make_bank

_BIN = 16
_KELVIN = np.array([3200.0, 4000.0, 5000.0, 7000.0])
# Light of fixed shape in the rest frame, and shapes by which the model is multiplied.
_ADDED = ("lines", "blue_lines", "flat", "iron")
_FACTORS = ("slope", "curvature", "reddening")
# The order in which the templates are made.
_ORDER = (
    *(f"{arm}_offset" for arm in Arm.values()),
    *(f"{arm}_tilt" for arm in Arm.values()),
    "sky",
    *_ADDED,
    *_FACTORS,
    *(f"blackbody_{kelvin:.0f}" for kelvin in _KELVIN),
)
_PLACES = [_ORDER.index(name) for name in HYPOTHESES]
# Ultraviolet and optical iron bands: width (rest Å) and relative height; a sketch of the templates
# of Vestergaard & Wilkes (2001) and Boroson & Green (1992).
_IRON_BANDS = {
    "feii_uv_2480": (110.0, 1.0),
    "feii_uv_2950": (80.0, 0.5),
    "feii_4570": (70.0, 0.6),
    "feii_5270": (80.0, 0.5),
}
_NOISE_CEILING = 50.0
# Windows that are tested together: their matrices stay in the processor's cache.
_BLOCK = 16


class Hypotheses:
    """The templates of one model.

    Parameters
    ----------
    basis : LinearBasis
        Mean and components of unit prior variance on the global grid, or on bins of it.
    wave : Tensor, shape (g,)
        Rest wavelengths in Å.
    sampling : Sampling
        Of the observed spectra. What a window does not show, as an arm that it lacks, scores NaN.
    amplitude_spread : float
        Fraction of the mean by which the amplitude, which is fitted too, is free.
    """

    def __init__(
        self,
        basis: LinearBasis,
        wave: Tensor,
        sampling: Sampling,
        amplitude_spread: float = AMPLITUDE_SPREAD,
    ) -> None:
        nothing = (0.0, 0.0)
        self._arms = np.array(
            [
                (*sampling.spans.get(arm, nothing), *sampling.reaches.get(arm, nothing))
                for arm in Arm.values()
            ]
        )
        absent = [
            f"{arm}_{fault}"
            for arm in Arm.values()
            if arm not in sampling.spans
            for fault in ("offset", "tilt")
        ]
        self._is_absent = torch.tensor([name in absent for name in HYPOTHESES])
        self._low, _ = sampling.grid.ends
        self._wave = wave.reshape(-1, _BIN).mean(1)
        binned = free_amplitude(basis, len(self._wave), amplitude_spread)
        self._components, self._mean = binned.components.contiguous(), binned.mean
        self._bin_dex = float(torch.log10(self._wave[-1] / self._wave[0])) / (len(self._wave) - 1)
        self._banks: dict[int, Bank] = {}
        mean = self._mean.numpy()
        continuum = find_envelope(mean)
        lines = torch.from_numpy(np.clip(mean - continuum, 0, None))
        iron = torch.from_numpy(continuum) * sum(
            height * torch.exp(-0.5 * ((self._wave - LINES[key].wave) / width) ** 2)
            for key, (width, height) in _IRON_BANDS.items()
        )
        added = {
            "lines": lines,
            "blue_lines": lines * (self._wave < 2000.0),
            "flat": torch.ones_like(lines),
            "iron": iron,
        }
        tilt = torch.log(self._wave / 3000.0)
        factors = {
            "slope": tilt,
            "curvature": tilt**2,
            # Small dust at the quasar dims by a power law of wavelength (SMC; Prevot et al. 1984).
            "reddening": (1e4 / self._wave) ** 1.2,
        }
        self._added = torch.stack([added[name] for name in _ADDED])
        self._factors = torch.stack([factors[name] for name in _FACTORS])

    def test(
        self, residual: Tensor, weight: Tensor, model: Tensor, start: Tensor, z: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the scores of the hypotheses, (n, h), and of the second sources, (n, s).

        Of the templates of a second source, at any redshift, the largest score counts.

        Parameters
        ----------
        residual, weight, model : Tensor, shape (n, m)
            Flux minus the model, weight (0 where missing) and the model.
        start : Tensor of int64, shape (n,)
            First pixel of each window on the grid.
        z : Tensor, shape (n,)
        """
        n = len(residual)
        binned = _bin(residual.numpy(), weight.numpy(), model.numpy())
        # Blocks of one size: how a product is rounded depends on how many matrices there are.
        filled = torch.arange(-(-n // _BLOCK) * _BLOCK) % n
        blocks = (each[filled].split(_BLOCK) for each in (*binned, start // _BIN, z))
        tested = [self._test_block(*block) for block in zip(*blocks, strict=True)]
        scores, sources = (torch.cat(parts)[:n] for parts in zip(*tested, strict=True))
        return scores.masked_fill(self._is_absent, torch.nan), sources

    def _test_block(
        self, residual: Tensor, weight: Tensor, model: Tensor, first: Tensor, z: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Do as `test` with bins, `first` that of each window."""
        templates = self._make_templates(model, weight, first, z)
        scores, rows = score_templates(self._components, first, residual, weight, templates)
        return scores[:, _PLACES], scan_bank(self._get_bank(residual.shape[1]), rows, weight)

    def _get_bank(self, n_bins: int) -> Bank:
        """Return the templates of the second sources in windows of so many bins."""
        if n_bins not in self._banks:
            bank = make_bank(self._low, self._bin_dex, n_bins, self._mean)
            self._banks[n_bins] = join_banks([bank[name] for name in SOURCES])
        return self._banks[n_bins]

    def _make_templates(self, model: Tensor, weight: Tensor, first: Tensor, z: Tensor) -> Tensor:
        """Return the template of every hypothesis in each window, in `_ORDER`, shape (n, h, b)."""
        templates = torch.empty(len(model), len(_ORDER), model.shape[1])
        inputs = (model, weight, first, z, self._wave, self._added, self._factors)
        arrays = [*(each.numpy() for each in inputs), self._arms, _KELVIN, templates.numpy()]
        _fill_templates(*arrays)
        return templates


@njit(cache=True, fastmath={"contract"}, error_model="numpy")
def _fill_templates(  # type: ignore[no-untyped-def]
    model, weight, first, z, wave, added, factors, arms, kelvin, templates
):
    n, n_bins = model.shape
    observed = np.empty(n_bins)
    for i in range(n):
        rows = templates[i]
        for b in range(n_bins):
            observed[b] = wave[first[i] + b] * (1 + z[i])
        for arm in range(len(arms)):
            low, high, blue, red = arms[arm]
            for b in range(n_bins):
                is_inside = (observed[b] >= low) & (observed[b] < high)
                light = model[i, b] if is_inside else np.float32(0)
                rows[arm, b] = light
                tilt = (2 * observed[b] - blue - red) / max(red - blue, 1.0)
                rows[len(arms) + arm, b] = light * np.float32(tilt)
        row = 2 * len(arms)
        for b in range(n_bins):
            # Sky light raises the noise: where the variance is large, so is the sky.
            noise = np.float32(_BIN) / max(weight[i, b], np.float32(1e-6))
            ceiling = min(noise, np.float32(_NOISE_CEILING))
            rows[row, b] = ceiling if weight[i, b] > 0 else np.float32(0)
        row += 1
        for t in range(len(added)):
            rows[row + t] = added[t, first[i] : first[i] + n_bins]
        row += len(added)
        for t in range(len(factors)):
            for b in range(n_bins):
                rows[row + t, b] = model[i, b] * factors[t, first[i] + b]
        row += len(factors)
        for t in range(len(kelvin)):
            for b in range(n_bins):
                inverse = 5000.0 / observed[b]
                # Photons here have more than twice the energy kT: minus 1 costs no digits.
                boltzmann = math.exp(SECOND_RADIATION_CONSTANT / 5000.0 / kelvin[t] * inverse)
                rows[row + t, b] = inverse**5 / (boltzmann - 1)
            rows[row + t] /= rows[row + t].max()


def _bin(residual: NDArray, weight: NDArray, model: NDArray) -> tuple[Tensor, Tensor, Tensor]:
    """Return residual (mean by weight), weight (sum) and model (mean) in bins, (n, b) each."""
    shape = len(residual), residual.shape[1] // _BIN
    mean, total, smooth = (torch.empty(shape) for _ in range(3))
    _fill_bins(residual, weight, model, mean.numpy(), total.numpy(), smooth.numpy())
    return mean, total, smooth


@njit(cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _fill_bins(residual, weight, model, mean, total, smooth):  # type: ignore[no-untyped-def]
    for i in range(mean.shape[0]):
        for b in range(mean.shape[1]):
            power, product, light = np.float32(0), np.float32(0), np.float32(0)
            for p in range(b * _BIN, (b + 1) * _BIN):
                power += weight[i, p]
                product += weight[i, p] * residual[i, p]
                light += model[i, p]
            total[i, b], smooth[i, b] = power, light / np.float32(_BIN)
            mean[i, b] = product / power if power > 0 else np.float32(0)
