"""Every physical measurement of a batch of spectra, and how significant each is."""

import numpy as np
from numpy.typing import NDArray

from pipeline.science import absorption, artefacts, emission, foreign_light
from pipeline.science.residuals import Measured, Residuals

_MEASURES = (
    emission.measure_lines,
    emission.measure_narrow_lines,
    absorption.measure_troughs,
    absorption.measure_indices,
    absorption.measure_damped,
    foreign_light.measure_continuum,
    foreign_light.measure_star,
    foreign_light.measure_host,
    foreign_light.measure_second_redshift,
    artefacts.measure_shares,
    artefacts.measure_sky,
    artefacts.measure_joins,
    artefacts.measure_ripples,
    artefacts.measure_bump,
)


def measure(spectra: Residuals) -> dict[str, Measured]:
    """Take every measurement of `catalog_schema.measurements`, in its order of names."""
    found: dict[str, Measured] = {}
    for function in _MEASURES:
        found |= function(spectra)
    return found
