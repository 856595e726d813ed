"""Named explanations of a residual, each tested against what the model itself could absorb.

A smooth template t is partly degenerate with the model's own components V (unit prior variance).
With C = N + V Vᵀ, noise plus the model's prior scatter, tᵀC⁻¹r is what of the template they cannot
explain (Rao's score; C⁻¹ by Woodbury's identity). The network's latent lies near the best one, not
at it, so that r still holds some of V; C⁻¹ takes it off, or it would look like every template that
resembles it. With the latent at its best the residual of a normal spectrum is r = N C⁻¹ y, where y
has covariance C, and the score over √(tᵀ C⁻¹ N C⁻¹ N C⁻¹ t) is a unit Gaussian at any
signal-to-noise ratio. Everything here is smooth, so it is computed in bins.
"""

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import percentile_filter, uniform_filter1d
from torch import Tensor

from catalog_schema.constants import SECOND_RADIATION_CONSTANT
from catalog_schema.grids import Sampling
from catalog_schema.lines import LINES
from catalog_schema.statistics import HYPOTHESES, SOURCES
from catalog_schema.vocabulary import Arm
from pipeline.spectra.science.pca import AMPLITUDE_SPREAD, LinearBasis, free_amplitude
from pipeline.spectra.science.score_tests import (
    Bank,
    find_absorption,
    join_banks,
    scan_bank,
    score_templates,
)
from pipeline.spectra.science.second_light import make_bank

_BIN = 16
_BLACKBODIES = (3200.0, 4000.0, 5000.0, 7000.0)
# Ultraviolet and optical iron bands: width (rest Å) and relative height; a sketch of the templates
# of Vestergaard & Wilkes (2001) and Boroson & Green (1992).
_IRON_BANDS = {
    "feii_uv_2480": (110.0, 1.0),
    "feii_uv_2950": (80.0, 0.5),
    "feii_4570": (70.0, 0.6),
    "feii_5270": (80.0, 0.5),
}
# Width (bins) over which the lower envelope of the mean spectrum is taken for its continuum.
_ENVELOPE, _SMOOTHING, _LOW = 37, 21, 20
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
        Of the observed spectra. A hypothesis on an arm that is not among theirs has score 0.
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
        self._spans = {arm: sampling.spans.get(arm, nothing) for arm in Arm.values()}
        self._reaches = {arm: sampling.reaches.get(arm, nothing) for arm in Arm.values()}
        self._low, _ = sampling.grid.ends
        self._wave = wave.reshape(-1, _BIN).mean(1)
        tilt = torch.log(self._wave / 3000.0)
        # Small dust at the quasar dims by a power law of wavelength (SMC; Prevot et al. 1984).
        self._shapes = {
            "slope": tilt,
            "curvature": tilt**2,
            "reddening": (1e4 / self._wave) ** 1.2,
        }
        binned = free_amplitude(basis, len(self._wave), amplitude_spread)
        self._components, self._mean = binned.components.contiguous(), binned.mean
        self._bin_dex = float(torch.log10(self._wave[-1] / self._wave[0])) / (len(self._wave) - 1)
        self._banks: dict[int, Bank] = {}
        mean = self._mean.numpy()
        continuum = uniform_filter1d(percentile_filter(mean, _LOW, size=_ENVELOPE), _SMOOTHING)
        self._lines = torch.from_numpy(np.clip(mean - continuum, 0, None))
        self._iron = torch.from_numpy(continuum) * sum(
            height * torch.exp(-0.5 * ((self._wave - LINES[key].wave) / width) ** 2)
            for key, (width, height) in _IRON_BANDS.items()
        )

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
        binned, weight_bins, smooth = _bin(residual.numpy(), weight.numpy(), model.numpy())
        # Blocks of one size: how a product is rounded depends on how many matrices there are.
        filled = torch.arange(-(-n // _BLOCK) * _BLOCK) % n
        places = (start // _BIN)[:, None] + torch.arange(smooth.shape[1])
        templates = self._make_templates(smooth, weight_bins, places, z)
        bank = self._get_bank(smooth.shape[1])
        values = [each[filled] for each in (start // _BIN, templates, binned, weight_bins)]
        scores, best = [], []
        for first, templates, *light in zip(*(each.split(_BLOCK) for each in values), strict=True):
            absorption = find_absorption(self._components, first, light[1])
            scores.append(score_templates(absorption, templates, *light))
            best.append(scan_bank(absorption, bank, *light))
        return torch.cat(scores)[:n], torch.cat(best)[:n]

    def _get_bank(self, n_bins: int) -> Bank:
        """Return the templates of the second sources in windows of so many bins."""
        if n_bins not in self._banks:
            bank = make_bank(self._low, self._bin_dex, n_bins, self._mean)
            self._banks[n_bins] = join_banks([bank[name] for name in SOURCES])
        return self._banks[n_bins]

    def _make_templates(self, model: Tensor, weight: Tensor, places: Tensor, z: Tensor) -> Tensor:
        rest = self._wave[places]
        observed = rest * (1 + z[:, None])
        lines = self._lines[places]
        inside = {
            arm: (observed >= low) & (observed < high) for arm, (low, high) in self._spans.items()
        }
        made = {f"{arm}_offset": model * inside[arm] for arm in inside}
        for arm, (low, high) in self._reaches.items():
            tilt = (2 * observed - low - high) / max(high - low, 1.0)
            made[f"{arm}_tilt"] = model * inside[arm] * tilt
        # Sky light raises the noise: where the variance is large, so is the sky.
        noise = _BIN / weight.clamp(min=1e-6)
        made["sky"] = torch.where(weight > 0, noise.clamp(max=_NOISE_CEILING), 0.0)
        made |= {"lines": lines, "blue_lines": lines * (rest < 2000.0)}
        made |= {name: model * shape[places] for name, shape in self._shapes.items()}
        # In single precision the last bit would depend on how many spectra are computed together.
        precise = observed.double()
        for kelvin in _BLACKBODIES:
            planck = (precise / 5000.0) ** -5 / torch.expm1(
                SECOND_RADIATION_CONSTANT / precise / kelvin
            )
            planck = planck.float()
            made[f"blackbody_{kelvin:.0f}"] = planck / planck.amax(1, keepdim=True)
        made |= {"flat": torch.ones_like(rest), "iron": self._iron[places]}
        return torch.stack([made[name] for name in HYPOTHESES], 1)


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
