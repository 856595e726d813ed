"""What the statistics found: amplitude, error and place of what each is the significance of."""

import numpy as np
import torch
from numpy.typing import NDArray

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.statistics import FILTER_WIDTHS, HYPOTHESES, SOURCES, STATISTICS
from pipeline.science.measured import Finds
from pipeline.spectra.science.anomaly import Fit
from pipeline.spectra.science.filters import measure_boxes, scan_widths
from pipeline.spectra.science.hypotheses import Hypotheses
from pipeline.spectra.science.line_sets import locate_line_sets
from pipeline.spectra.science.restframe import RestFrameGrid
from pipeline.spectra.science.ripples import Ripples


def locate_statistics(
    fit: Fit,
    weight: NDArray,
    hypotheses: Hypotheses,
    ripples: Ripples,
    start: NDArray,
    z: NDArray,
    norm: NDArray,
    grid: RestFrameGrid,
) -> Finds:
    """Return what each statistic of `catalog_schema.statistics` found, arrays of shape (n, k).

    Of those that are no significance of an amplitude (`Statistic.amplitude`) nothing.

    Parameters
    ----------
    fit, weight, hypotheses, ripples, start, z, grid
        As of `measure_statistics`.
    norm : ndarray, shape (n,)
        Flux density by which the windows are divided.
    """
    wave = grid.wave[start[:, None] + np.arange(weight.shape[1])]
    residual, weights, model = map(torch.from_numpy, (fit.residual, weight, fit.model))
    starts, shifts = torch.from_numpy(start.astype(np.int64)), torch.from_numpy(z)
    tested = hypotheses.locate(residual, weights, model, starts, shifts.float())
    found = {
        **_locate_boxes(fit, weight, wave, grid.log10_step),
        **ripples.locate(residual, weights, model, shifts),
        **locate_line_sets(fit.residual, weight, fit.model, wave, z, norm),
        **{
            name: Finds(*(each[:, k] for each in tested))
            for k, name in enumerate((*HYPOTHESES, *SOURCES))
        },
    }
    nothing = Finds.nothing(len(z))
    parts = zip(*(found.get(statistic.name, nothing) for statistic in STATISTICS), strict=True)
    return Finds(*(np.stack(part, axis=1) for part in parts))


def _locate_boxes(fit: Fit, weight: NDArray, wave: NDArray, log10_step: float) -> dict[str, Finds]:
    """Return equivalent widths of the strongest excess and lack of every width of the filters."""
    scan = scan_widths(fit.residual, weight, FILTER_WIDTHS)
    found = {}
    for k, width in enumerate(FILTER_WIDTHS):
        velocity = width * log10_step * np.log(10) * LIGHT_SPEED
        for kind, what, pixels, sign in (
            ("emission", "excess", scan.emission_pixel, 1),
            ("absorption", "lack", scan.absorption_pixel, -1),
        ):
            excess, error = measure_boxes(fit.residual, weight, fit.model, pixels[:, k], width)
            finds = Finds.nothing(len(excess))
            rows = np.arange(len(excess))
            place = np.where(pixels[:, k] >= 0, wave[rows, pixels[:, k]], np.nan)
            extent = place * width * log10_step * np.log(10)
            name = f"{what} of flux {velocity:,.0f} km/s wide at "
            names = np.array([f"{name}{each:,.1f} Å" for each in place], object)
            found[f"{kind}_{width}"] = finds._replace(
                value=sign * excess * extent, error=error * extent, wave=place, name=names
            )
    return found
