"""Features in words with their numbers, as the evidence states them."""

import math

from catalog_schema.measurements import Measurement
from catalog_schema.statistics import Statistic

# What is written for VOUnit strings.
_UNITS = {
    "": "",
    "Angstrom": " Å",
    "km.s**-1": " km/s",
    "mag": " mag",
    "10**-17.erg.s**-1.cm**-2": " × 10⁻¹⁷ erg/s/cm²",
}


def state_amplitude(
    name: str, words: str, value: float, error: float, snr: float, unit: str = ""
) -> str:
    """State what was found, how large and how significant: `star: 0.310 ± 0.020 of it, 14 σ`.

    Parameters
    ----------
    name : str
        Of what was found.
    words : str
        About the amplitude, which takes the place of the braces.
    value, error, snr : float
        NaN where not known.
    unit : str
        VOUnit string.
    """
    parts = []
    if not math.isnan(value):
        parts.append(words.format(write_number(value, error) + _UNITS.get(unit, f" {unit}")))
    if not math.isnan(snr):
        parts.append(f"{abs(snr):.1f} σ" if abs(snr) < 10 else f"{abs(snr):,.0f} σ")
    return f"{name}: {', '.join(parts)}" if parts else name


def state_statistic(statistic: Statistic, reason: str, value: float) -> str:
    """State a statistic that is no significance of an amplitude: `chi2_b 1.32: what it means`."""
    return f"{statistic.name} {value:.3g}: {_begin_small(reason)}"


def state_measurement(
    measurement: Measurement, value: float, error: float, wave: float, snr: float
) -> str:
    """State a measurement: what it is, its value, where it lies and how significant it is."""
    place = "" if math.isnan(wave) else f" at {wave:,.1f} Å"
    return state_amplitude(
        f"{measurement.meaning.rstrip('.')}{place}", "{}", value, error, snr, measurement.unit
    )


def write_number(value: float, error: float) -> str:
    """Write a value with its error, both to the error's second digit: `0.310 ± 0.022`.

    Without an error above 0 the value has three digits.
    """
    if not error > 0 or math.isinf(error):
        return f"{value:.3g}"
    digits = 1 - int(f"{error:.1e}".partition("e")[2])
    value, error = round(value, digits), round(error, digits)
    places = max(digits, 0)
    return f"{value:,.{places}f} ± {error:,.{places}f}"


def _begin_small(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:].rstrip(".")
