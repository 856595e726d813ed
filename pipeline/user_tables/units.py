"""Units as tables write them."""

import re
import warnings
from typing import Any


def parse_unit(text: str) -> Any:
    """Return the astropy unit that a table's text names, also in plural or other case.

    A bare A is an ampere to the standards, and an ångström to whoever writes of spectra.

    Raises
    ------
    ValueError
        If it is none.
    """
    from astropy import units

    text = re.sub(r"(?<![A-Za-z])(A|Ang|ang)(?![A-Za-z])", "Angstrom", text.strip())
    with warnings.catch_warnings():
        # That a unit is written against the advice of a standard is no fault of the user's.
        warnings.simplefilter("ignore")
        for spelled in (text, text.removesuffix("s"), text.lower(), text.lower().removesuffix("s")):
            try:
                return units.Unit(spelled)
            except (ValueError, TypeError):
                continue
    raise ValueError(f"{text!r} is no unit")


def find_factor(text: str, wanted: str) -> float:
    """Return what values in a table's unit are multiplied by to be in another.

    Raises
    ------
    ValueError
        If it is no unit, or none of the same kind.
    """
    # That units are of different kinds is a ValueError of astropy's.
    return float(parse_unit(text).to(parse_unit(wanted)))
