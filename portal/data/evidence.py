"""Where and why a spectrum is strange: its matched-filter peaks and its departures by reason."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.statistics import FILTER_WIDTHS, REASONS, STATISTICS

_KINDS = {"emission": "excess", "absorption": "lack"}
PEAK_COLUMNS = ("kind", "width", "wave", "low", "high", "departure")


@dataclass(frozen=True)
class Evidence:
    """What one object's row says about its strangeness.

    Attributes
    ----------
    departures : ndarray, shape (n statistics,)
        In units of the spread of spectra alike, in the order of `STATISTICS`.
    emission_wave, absorption_wave : ndarray, shape (n widths,)
        Rest wavelengths (Angstrom) of the strongest peaks, NaN without one.
    """

    departures: NDArray[np.float64]
    emission_wave: NDArray[np.float64]
    absorption_wave: NDArray[np.float64]


def list_peaks(evidence: Evidence, z: float, log10_step: float | None) -> pd.DataFrame:
    """Return the matched filters' peaks in the observed frame, strongest first.

    Parameters
    ----------
    evidence : Evidence
    z : float
    log10_step : float or None
        Step of the rest-frame grid on whose pixels the filters have their widths; None where the
        release does not tell it: then a peak has no extent.

    Returns
    -------
    pandas.DataFrame
        kind, width (pixels), wave, low, high (observed Angstrom: the filter's extent), departure.
    """
    strength = {
        statistic.name: value
        for statistic, value in zip(STATISTICS, evidence.departures, strict=False)
    }
    waves = {"emission": evidence.emission_wave, "absorption": evidence.absorption_wave}
    rows = [
        (
            word,
            width,
            wave * (1 + z),
            *_extent(wave * (1 + z), width * (log10_step or 0.0)),
            strength[f"{kind}_{width}"],
        )
        for kind, word in _KINDS.items()
        for width, wave in zip(FILTER_WIDTHS, waves[kind], strict=False)
        if np.isfinite(wave) and np.isfinite(strength.get(f"{kind}_{width}", np.nan))
    ]
    peaks = pd.DataFrame(rows, columns=list(PEAK_COLUMNS))
    return peaks.sort_values("departure", ascending=False, ignore_index=True)


def sum_reasons(evidence: Evidence) -> pd.DataFrame:
    """Return the strongest departure for each reason: reason, statistic, departure, meaning."""
    strongest: dict[str, tuple[str, float]] = {}
    for statistic, value in zip(STATISTICS, evidence.departures, strict=False):
        strength = abs(float(value)) if statistic.two_sided else float(value)
        held = strongest.get(statistic.reason)
        if np.isfinite(strength) and (held is None or strength > held[1]):
            strongest[statistic.reason] = (statistic.name, strength)
    rows = [(reason, *found, REASONS[reason]) for reason, found in strongest.items()]
    table = pd.DataFrame(rows, columns=["reason", "statistic", "departure", "meaning"])
    return table.sort_values("departure", ascending=False, ignore_index=True)


def measure_velocity(wave: float, line: float) -> float:
    """Return the velocity in km/s of a wavelength relative to a line's, receding positive."""
    return LIGHT_SPEED * (wave / line - 1)


def _extent(wave: float, width: float) -> tuple[float, float]:
    """Return the ends of what is so wide (dex) around a wavelength."""
    factor = 10 ** (width / 2)
    return wave / factor, wave * factor
