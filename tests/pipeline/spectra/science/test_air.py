"""Wavelengths in air and vacuum: against published pairs, and there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.science.air import to_air, to_vacuum

# Air and vacuum, Å: [OII], Hβ, [OIII], Hα and the Ca triplet, of NIST's and SDSS's lists.
PAIRS = {
    3728.815: 3729.875,
    4861.333: 4862.691,
    5006.843: 5008.240,
    6562.80: 6564.61,
    8542.091: 8544.438,
}


@pytest.mark.parametrize(("air", "vacuum"), PAIRS.items())
def test_published_pairs(air: float, vacuum: float) -> None:
    assert to_vacuum(np.array([air]))[0] == pytest.approx(vacuum, abs=0.02)
    assert to_air(np.array([vacuum]))[0] == pytest.approx(air, abs=0.02)


@given(wave=st.floats(3000, 24_000))
def test_there_and_back(wave: float) -> None:
    back = to_vacuum(to_air(np.array([wave])))[0]
    assert back == pytest.approx(wave, rel=1e-8)
    # The refractive index of air.
    assert 1.00025 < wave / to_air(np.array([wave]))[0] < 1.00035
