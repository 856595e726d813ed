"""Windows of a plain quasar with known things planted in it."""

import numpy as np

from catalog_schema.desi import SAMPLING
from catalog_schema.measurements import MEASUREMENTS
from pipeline.science.measured import find_significance
from pipeline.spectra.science.hosts import Host
from pipeline.spectra.science.measurements import take_measurements
from pipeline.spectra.science.residuals import Residuals
from pipeline.spectra.science.restframe import RestFrameGrid, find_window_starts, make_grid

GRID: RestFrameGrid = make_grid(SAMPLING.grid, 0.05, 6.8, 1e-4, 16)
LINES = ((1215.67, 0.9), (1549.06, 0.6), (1908.73, 0.3), (2799.1, 0.4), (4862.7, 0.4))


def shine(rest: np.ndarray) -> np.ndarray:
    """A power law with five broad lines, 1 at 3000 Å."""
    lines = sum(h * np.exp(-0.5 * ((rest / w - 1) / 0.008) ** 2) for w, h in LINES)
    return (rest / 3000) ** -1.5 * (1 + lines)


def make_residuals(
    z: float,
    change=lambda rest, observed, model: np.zeros_like(rest),
    *,
    sigma: float = 0.05,
    n: int = 1,
    seed: int = 0,
    noisy: bool = True,
) -> Residuals:
    """Return n windows of the quasar with something added to it; the model knows it not.

    Without noise they still have the weights that noise of sigma leads to.
    """
    rng = np.random.default_rng(seed)
    start, _ = find_window_starts(GRID, SAMPLING.grid, np.full(n, z))
    rest = GRID.wave[start[0] : start[0] + GRID.window]
    observed = rest * (1 + z)
    model = shine(rest)
    weight = np.where((observed > 3600) & (observed < 9824), sigma**-2, 0.0)
    noise = noisy * sigma * rng.standard_normal((n, len(rest)))
    flux = np.where(weight > 0, model + change(rest, observed, model) + noise, 0)
    many = np.ones((n, 1))
    return Residuals(
        flux,
        many * model,
        many * weight,
        many * weight,
        start.astype(int),
        np.full(n, z),
        GRID,
        SAMPLING,
    )


def make_host(z: float = 1.8) -> Host:
    """Return the quasar as something in which phenomena are planted."""
    spectra = make_residuals(z)
    first = spectra.start[0]
    rest = spectra.grid.wave[first : first + spectra.flux.shape[1]]
    spans = tuple(spectra.sampling.spans.values())
    return Host(rest, spectra.observed_wave[0], spectra.model[0], spectra.weight[0], z, spans)


def measure(spectra: Residuals) -> dict[str, tuple[float, float, float]]:
    """Return value, significance and wavelength of the first spectrum by name."""
    found = take_measurements(spectra)
    significance = find_significance(found)
    return {
        name: (found.value[0, k], significance[0, k], found.wave[0, k])
        for k, name in enumerate(m.name for m in MEASUREMENTS)
    }
