"""Every physical measurement of a batch of spectra, and how significant each is."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from catalog_schema.measurements import MEASUREMENTS
from pipeline.science.measured import Measured
from pipeline.spectra.science import absorption, alternatives, artefacts, emission, foreign_light
from pipeline.spectra.science.residuals import Residuals

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
    alternatives.measure_alternatives,
)


def take_measurements(spectra: Residuals) -> Measured:
    """Take every measurement of `catalog_schema.measurements`.

    Parameters
    ----------
    spectra : Residuals
        A pixel whose flux, model or weight is not finite counts as missing.

    Returns
    -------
    Measured
        Arrays of shape (n, number of measurements), in the order of the registry.
    """
    clean = _drop_invalid(spectra)
    found: dict[str, Measured] = {}
    for function in _MEASURES:
        found |= function(clean)
    return _stack(found)


def _drop_invalid(spectra: Residuals) -> Residuals:
    arrays = (spectra.flux, spectra.model, spectra.weight, spectra.noise_weight)
    is_valid = np.all([np.isfinite(array) for array in arrays], axis=0)
    flux, model, weight, noise_weight = (np.where(is_valid, array, 0.0) for array in arrays)
    return replace(spectra, flux=flux, model=model, weight=weight, noise_weight=noise_weight)


def _stack(found: Mapping[str, Measured]) -> Measured:
    parts = [found[measurement.name] for measurement in MEASUREMENTS]
    value, error, wave = (np.stack([part[k] for part in parts], axis=1) for k in range(3))
    has_value = np.isfinite(value)
    return Measured(*(np.where(has_value, array, np.nan) for array in (value, error, wave)))
