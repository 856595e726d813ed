"""Templates of second sources: the light of stars, and of galaxies and quasars at any redshift.

On a logarithmic grid a redshift is a shift, so one set of templates in the observed frame serves
every window: each begins at the blue end of the spectrograph.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.spectra.science.templates import galaxy_light, star_light

_TEMPERATURES = (2900.0, 3300.0, 3800.0, 4500.0, 5500.0, 6500.0, 8000.0, 11_000.0, 16_000.0)
# Age and equivalent width of [OII] (Å): an old galaxy and one that forms stars.
_GALAXIES = ((1.0, 0.0), (0.4, 15.0))
_NEAREST, _FARTHEST = 0.02, 1.3
# Bins between two redshifts that are tried: half the width of a broad line or a break.
_STRIDE = 2


def make_bank(low: float, bin_dex: float, n_bins: int, mean: Tensor) -> dict[str, Tensor]:
    """Return the templates by name of their statistic, each of shape (templates, n_bins).

    Parameters
    ----------
    low : float
        Observed wavelength (Å) of the first bin.
    bin_dex : float
        Width of a bin.
    n_bins : int
        Of a window.
    mean : Tensor, shape (g,)
        Mean quasar on the same bins of the rest-frame grid.
    """
    wave = low * 10 ** (bin_dex * np.arange(n_bins))
    shifts = _list_shifts(bin_dex)
    stars = [star_light(wave, temperature) for temperature in _TEMPERATURES]
    galaxies = [
        galaxy_light(wave / 10**shift, age, nebular)
        for age, nebular in _GALAXIES
        for shift in shifts
    ]
    return {
        "star": _normalise(torch.from_numpy(np.stack(stars)).float()),
        "galaxy": _normalise(torch.from_numpy(np.stack(galaxies)).float()),
        "second_quasar": _normalise(mean.unfold(0, n_bins, _STRIDE)),
    }


def name_template(
    source: str, k: int, bin_dex: float, observed: float, low: float, rest: float
) -> tuple[float, str]:
    """Return redshift, NaN of a star, and name of the k-th template of a source in one window.

    Parameters
    ----------
    source : str
    k : int
    bin_dex : float
        Width of a bin.
    observed, low : float
        Observed wavelength (Å) of the window's first bin, and of the bank's.
    rest : float
        Rest wavelength (Å) of the first bin of the mean quasar.
    """
    if source == "star":
        return np.nan, f"star of {_TEMPERATURES[k]:,.0f} K"
    if source == "galaxy":
        shifts = _list_shifts(bin_dex)
        z = 10 ** shifts[k % len(shifts)] * observed / low - 1
        nebular = _GALAXIES[k // len(shifts)][1]
        return z, f"{'star-forming' if nebular else 'old'} galaxy at z = {z:.2f}"
    z = observed / (rest * 10 ** (bin_dex * _STRIDE * k)) - 1
    return z, f"second quasar at z = {z:.2f}"


def _list_shifts(bin_dex: float) -> NDArray[np.float64]:
    """Return log10(1 + z) of the redshifts at which galaxies are tried."""
    return np.arange(np.log10(1 + _NEAREST), np.log10(1 + _FARTHEST), _STRIDE * bin_dex)


def _normalise(templates: Tensor) -> Tensor:
    return templates / templates.square().mean(1, keepdim=True).sqrt()
