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
from scipy.ndimage import percentile_filter, uniform_filter1d
from torch import Tensor

from catalog_schema.constants import SECOND_RADIATION_CONSTANT
from catalog_schema.grids import Sampling
from catalog_schema.lines import LINES
from catalog_schema.statistics import HYPOTHESES, SOURCES
from catalog_schema.vocabulary import Arm
from pipeline.spectra.science.pca import AMPLITUDE_SPREAD, LinearBasis, free_amplitude, rebin
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
_LEAST_LEFT = 1e-3


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
        self._components, self._mean = binned.components.T, binned.mean
        self._bin_dex = float(torch.log10(self._wave[-1] / self._wave[0])) / (len(self._wave) - 1)
        self._banks: dict[int, list[Tensor]] = {}
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
        if len(residual) == 1:
            # A product of one matrix is rounded otherwise than one of several.
            scores, sources = self.test(
                torch.cat([residual] * 2),
                torch.cat([weight] * 2),
                torch.cat([model] * 2),
                start.repeat(2),
                z.repeat(2),
            )
            return scores[:1], sources[:1]
        binned, weight_bins = rebin(residual, weight, _BIN)
        smooth = model.reshape(len(model), -1, _BIN).mean(2)
        places = (start // _BIN)[:, None] + torch.arange(smooth.shape[1])
        templates = self._make_templates(smooth, weight_bins, places, z)
        components = self._components[places]
        free = components * weight_bins[:, :, None]
        normal = torch.einsum("npk,npl->nkl", free, components)
        normal.diagonal(dim1=1, dim2=2).add_(1.0)
        solver = torch.linalg.cholesky(normal)
        absorbed = torch.cholesky_solve(torch.einsum("npk,npj->nkj", free, templates), solver)
        left = templates - components @ absorbed
        weighted = left * weight_bins[:, :, None]
        score = torch.einsum("npj,np->nj", weighted, binned)
        shared = (absorbed * torch.cholesky_solve(absorbed, solver)).sum(1)
        information = (weighted * left).sum(1) - shared
        scores = score / information.clamp(min=1e-6).sqrt()
        pulled = torch.einsum("npk,np->nk", free, binned)
        freed = binned * weight_bins - torch.einsum(
            "npk,nk->np", free, torch.cholesky_solve(pulled[:, :, None], solver)[:, :, 0]
        )
        best = [
            _scan_bank(bank, freed, weight_bins, free, solver)
            for bank in self._list_banks(smooth.shape[1])
        ]
        return scores, torch.stack(best, 1)

    def _list_banks(self, n_bins: int) -> list[Tensor]:
        """Return the templates of each second source in windows of so many bins."""
        if n_bins not in self._banks:
            bank = make_bank(self._low, self._bin_dex, n_bins, self._mean)
            self._banks[n_bins] = [bank[name] for name in SOURCES]
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
            made[f"blackbody_{kelvin:.0f}"] = planck / planck.median(1, keepdim=True).values
        made |= {"flat": torch.ones_like(rest), "iron": self._iron[places]}
        return torch.stack([made[name] for name in HYPOTHESES], 2)


def _scan_bank(
    templates: Tensor, freed: Tensor, weight: Tensor, free: Tensor, solver: Tensor
) -> Tensor:
    """Return the largest score of any template, shape (n,): see `Hypotheses.test`.

    Parameters
    ----------
    templates : Tensor, shape (t, b)
    freed : Tensor, shape (n, b)
        C⁻¹ r.
    weight : Tensor, shape (n, b)
    free : Tensor, shape (n, b, k)
        Components times weight.
    solver : Tensor, shape (n, k, k)
        Cholesky factor of 1 + VᵀN⁻¹V.
    """
    # Window by window: a product of all at once would round by how many there are.
    every = templates.T.expand(len(freed), -1, -1)
    score = torch.bmm(freed[:, None], every)[:, 0]
    shared = torch.bmm(free.transpose(1, 2), every)
    absorbed = torch.cholesky_solve(shared, solver)
    whole = torch.bmm(weight[:, None], every.square())[:, 0]
    information = whole - (
        absorbed * (shared + absorbed + torch.cholesky_solve(absorbed, solver))
    ).sum(1)
    # What the model explains almost wholly is left to rounding.
    information = torch.maximum(information, _LEAST_LEFT * whole).clamp(min=1e-6)
    return (score / information.sqrt()).amax(1)
