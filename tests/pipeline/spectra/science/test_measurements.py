"""All measurements together: nothing in ordinary light, nothing that is not a number."""

from dataclasses import replace

import numpy as np
import pytest
from quasar_windows import make_residuals

from catalog_schema.measurements import MEASUREMENTS
from pipeline.spectra.science.measurements import find_significance, take_measurements

NAMES = [measurement.name for measurement in MEASUREMENTS]


def test_ordinary_quasar_shows_nothing() -> None:
    found = take_measurements(make_residuals(2.3, n=40))
    significance = find_significance(found)
    for name in ("civ_strength", "mgii_shift", "step_br", "step_rz", "star_molecules"):
        assert np.nanstd(significance[:, NAMES.index(name)]) < 1.6, name
    assert np.nanmax(found.value[:, NAMES.index("bi_civ")]) == 0
    assert np.nanmax(significance[:, NAMES.index("unidentified_line")]) < 7


@pytest.mark.parametrize("spoil", ["nan", "one pixel", "nothing", "zero", "negative", "infinite"])
@pytest.mark.parametrize("z", [0.05, 1.0, 6.7])
def test_bad_spectra_give_no_number_that_is_not_finite(spoil: str, z: float) -> None:
    spectra = make_residuals(z)
    flux, weight = spectra.flux.copy(), spectra.weight.copy()
    if spoil == "nan":
        flux[:] = np.nan
    elif spoil == "one pixel":
        weight[:, np.arange(weight.shape[1]) != 2000] = 0
    elif spoil == "nothing":
        weight[:] = 0
    elif spoil == "infinite":
        flux[:, ::3] = np.inf
    else:
        flux = flux * {"zero": 0.0, "negative": -1.0}[spoil]
    found = take_measurements(replace(spectra, flux=flux, weight=weight, noise_weight=weight))
    assert not np.isinf(found.value).any()
    assert not np.isinf(found.error).any()
    if spoil in ("nan", "nothing"):
        assert np.isnan(found.value).all()
    if spoil == "one pixel":
        assert np.isfinite(found.value).sum() < 12


def test_repeats_to_the_bit_whatever_the_company() -> None:
    spectra = make_residuals(1.5, n=5)
    together = take_measurements(spectra)
    arrays = ("flux", "model", "weight", "noise_weight", "start", "z")
    alone = take_measurements(
        replace(spectra, **{name: getattr(spectra, name)[2:3] for name in arrays})
    )
    np.testing.assert_allclose(alone.value[0], together.value[2], rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(take_measurements(spectra).value, together.value)
