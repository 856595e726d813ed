"""The continuum below the lines of a spectrum."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import percentile_filter, uniform_filter1d

# Pixels of a bin, for which the widths below are meant.
BIN = 16
# Width (bins) and percentile of the lower envelope, and width over which it is smoothed.
_WIDTH, _LOW, _SMOOTHING = 37, 20, 21


def find_envelope(binned: NDArray) -> NDArray:
    """Return the smoothed lower envelope of spectra in bins, shape (..., b) as theirs."""
    size = (*(1,) * (np.ndim(binned) - 1), _WIDTH)
    smooth: NDArray = uniform_filter1d(percentile_filter(binned, _LOW, size=size), _SMOOTHING)
    return smooth
