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
from pipeline.science.measured import Finds
from pipeline.spectra.science.envelope import find_envelope
from pipeline.spectra.science.pca import AMPLITUDE_SPREAD, LinearBasis, free_amplitude
from pipeline.spectra.science.score_tests import (
    LEAST_LEFT,
    Bank,
    find_best_templates,
    join_banks,
    measure_response,
    scan_bank,
    score_templates,
)
from pipeline.spectra.science.second_light import make_bank, name_template

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
# What the hypotheses are called beside a number; arms are named with their limits.
_NAMES = {
    "sky": "light that follows the noise, as the sky's does",
    "lines": "emission lines beyond what the continuum leads to expect",
    "blue_lines": "emission lines below 2,000 Å beyond what the continuum leads to expect",
    "slope": "slope of the continuum",
    "curvature": "curvature of the continuum",
    "reddening": "dust as in the SMC",
    "flat": "light as bright at all wavelengths",
    "iron": "iron blends",
    **{f"blackbody_{kelvin:.0f}": f"black body of {kelvin:,.0f} K" for kelvin in _KELVIN},
}
# Of a factor 1 + a (1 µm/λ)^1.2, E(B−V) over a, to first order: A = 1.39 E(B−V) (1 µm/λ)^1.2.
_DUST = -1 / (0.4 * math.log(10) * 1.39)
_FACTOR_SCALES = {"slope": 1.0, "curvature": 1.0, "reddening": _DUST}
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
        self._reaches, self._spans = sampling.reaches, sampling.spans
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
        blocks = _cut(residual, weight, model, start, z)
        tested = [self._test_block(*block) for block in blocks]
        scores, sources = (torch.cat(parts)[: len(z)] for parts in zip(*tested, strict=True))
        return scores, sources

    def locate(
        self, residual: Tensor, weight: Tensor, model: Tensor, start: Tensor, z: Tensor
    ) -> Finds:
        """Return the amplitudes of hypotheses and second sources, arrays of shape (n, h + s).

        Value over error is what `test` returns, but of dust, which dims, its negative. Of added
        light the value is its share of the mean flux of the bins that are seen, of what multiplies
        the model that factor, of slope and curvature the coefficient of ln λ and its square, of
        dust E(B−V). The place is the edge of an arm towards its neighbour; for others where the
        template, as far as the model cannot absorb it, is seen best.

        Parameters
        ----------
        residual, weight, model, start, z : Tensor
            As of `test`.
        """
        blocks = _cut(residual, weight, model, start, z)
        located = [self._locate_block(*block) for block in blocks]
        found = (np.concatenate(parts)[: len(z)] for parts in zip(*located, strict=True))
        scores, error, place, share, best = found
        shifts, first = z.numpy().astype(np.float64), (start // _BIN).numpy()
        finds = Finds.nothing(*scores.shape)
        for k, name in enumerate((*HYPOTHESES, *SOURCES)):
            arm = name[0] if name.endswith(("_offset", "_tilt")) else ""
            scale = _FACTOR_SCALES.get(name, 1.0 if arm else share[:, k])
            finds.value[:, k] = scale * error[:, k] * scores[:, k]
            finds.error[:, k] = np.abs(scale) * error[:, k]
            finds.wave[:, k] = self._wave.numpy()[first + place[:, k]]
            if arm in self._spans:
                low, high = self._spans[arm]
                finds.wave[:, k] = (low or high) / (1 + shifts)
                finds.name[:, k] = self._name_arm(name, arm)
            elif name in _NAMES:
                finds.name[:, k] = _NAMES[name]
        self._name_sources(finds, best, shifts, first)
        finds.wave[np.isnan(finds.error)] = np.nan
        # Arms are named with their limits already.
        is_told = np.array([name in _NAMES or name in SOURCES for name in (*HYPOTHESES, *SOURCES)])
        for row, k in np.argwhere(is_told & np.isfinite(finds.wave)):
            finds.name[row, k] += f", seen best at {finds.wave[row, k]:,.0f} Å"
        return finds

    def _name_arm(self, name: str, arm: str) -> str:
        low, high = self._reaches[arm]
        what = f"arm {arm}, {low:,.0f} to {high:,.0f} Å observed, against the others"
        return what if name.endswith("_offset") else f"tilt of {what}"

    def _name_sources(self, finds: Finds, best: NDArray, z: NDArray, first: NDArray) -> None:
        """Write which template of each source is the best, and its redshift."""
        wave = self._wave.numpy().astype(np.float64)
        for j, source in enumerate(SOURCES, len(HYPOTHESES)):
            for row, k in enumerate(best[:, j - len(HYPOTHESES)]):
                observed = wave[first[row]] * (1 + z[row])
                finds.z[row, j], finds.name[row, j] = name_template(
                    source, int(k), self._bin_dex, observed, self._low, wave[0]
                )

    def _locate_block(
        self, residual: Tensor, weight: Tensor, model: Tensor, first: Tensor, z: Tensor
    ) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
        """Return score, error, bin and share of the mean flux, (n, h + s), and which of a bank."""
        templates = self._make_templates(model, weight, first, z)
        scores, rows = score_templates(self._components, first, residual, weight, templates)
        bank = self._get_bank(residual.shape[1])
        best = find_best_templates(bank, rows, weight)
        lights = templates[:, _PLACES], bank.templates.matrix[torch.from_numpy(best)]
        found = [
            measure_response(self._components, first, weight, light, least)
            for light, least in zip(lights, (0.0, LEAST_LEFT), strict=True)
        ]
        error, place = (np.hstack(parts) for parts in zip(*found, strict=True))
        is_used = weight > 0
        flux = ((model + residual) * is_used).sum(1, keepdim=True)
        share = torch.where(
            flux > 0, (torch.cat(lights, 1) * is_used[:, None]).sum(2) / flux, np.nan
        )
        scored = torch.cat([scores[:, _PLACES], scan_bank(bank, rows, weight)], 1)
        return scored.numpy(), error, place, share.numpy(), best - bank.ends[:-1]

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


def _cut(
    residual: Tensor, weight: Tensor, model: Tensor, start: Tensor, z: Tensor
) -> list[tuple[Tensor, ...]]:
    """Return bins of the windows, the first bin and the redshift of each, in blocks of one size.

    How a product is rounded depends on how many matrices there are: the last block is filled up.
    """
    n = len(residual)
    binned = _bin(residual.numpy(), weight.numpy(), model.numpy())
    filled = torch.arange(-(-n // _BLOCK) * _BLOCK) % n
    blocks = (each[filled].split(_BLOCK) for each in (*binned, start // _BIN, z))
    return list(zip(*blocks, strict=True))


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
