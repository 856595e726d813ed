"""Several narrow lines at one redshift of their own: emitters and absorbers before the quasar."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from catalog_schema.lines import LINES

# Relative heights of the lines of an H II region, and equivalent widths of intervening systems.
_EMITTERS = ({"oii": 1.0, "hbeta": 0.5, "oiii_4960": 0.4, "oiii": 1.2, "halpha": 1.1},)
_ABSORBERS = (
    {
        "feii_2344": 0.5,
        "feii_2383": 0.8,
        "feii_2587": 0.5,
        "feii_2600": 0.8,
        "mgii_2796": 1.0,
        "mgii_2804": 0.9,
    },
    {"civ_1548": 1.0, "civ_1551": 0.8, "si_iv_1394": 0.6, "si_iv_1403": 0.5, "alii_1671": 0.5},
)
# Pixels of a line's box, and between two redshifts that are tried.
_WIDTH, _STRIDE = 5, 2
# One line may not make a redshift: no more of it counts, in standard deviations.
_CEILING = 5.0
_MIN_LINES = 2


def scan_line_sets(
    residual: NDArray, weight: NDArray, model: NDArray, log10_step: float
) -> dict[str, NDArray[np.float32]]:
    """Return the significance of the best emitter and the best absorber, each of shape (n,).

    At every place the lines of a set are matched filters of 5 pixels; their significances, each
    limited to ±5, are added up as lines of fixed relative strength ask for. Emission adds to the
    spectrum, absorption takes from the model. At least two lines must be seen.

    Parameters
    ----------
    residual, weight, model : ndarray, shape (n, m)
        Flux minus model, weight (0 where missing) and model.
    log10_step : float
        Width of a pixel.
    """
    found = {}
    for name, sets, sign in (("emitter", _EMITTERS, 1.0), ("absorber", _ABSORBERS, -1.0)):
        best = np.zeros(len(residual), np.float32)
        for lines in sets:
            waves = np.array([LINES[key].wave for key in lines])
            offsets = np.rint(np.log10(waves / waves.min()) / log10_step).astype(np.int64)
            strengths = np.array(list(lines.values()))
            shape = np.ones_like(model) if sign > 0 else -model
            best = np.maximum(best, _scan_set(residual, weight, shape, offsets, strengths))
        found[name] = best
    return found


@njit(cache=True, error_model="numpy")
def _scan_set(residual, weight, shape, offsets, strengths):  # type: ignore[no-untyped-def]
    n, m = residual.shape
    best = np.zeros(n, np.float32)
    signal, size = np.zeros(m + 1), np.zeros(m + 1)
    height, scale = np.zeros(m), np.zeros(m)
    for k in range(n):
        for i in range(m):
            signal[i + 1] = signal[i] + weight[k, i] * residual[k, i] * shape[k, i]
            size[i + 1] = size[i] + weight[k, i] * shape[k, i] ** 2
        for i in range(m - _WIDTH):
            power = size[i + _WIDTH] - size[i]
            scale[i] = np.sqrt(max(power, 0.0))
            ratio = (signal[i + _WIDTH] - signal[i]) / scale[i] if power > 0 else 0.0
            height[i] = min(max(ratio, -_CEILING), _CEILING)
        # The bluest line may lie before the window.
        for i in range(-offsets.max(), m, _STRIDE):
            total, square, seen = 0.0, 0.0, 0
            for j in range(len(offsets)):
                place = i + offsets[j]
                if 0 <= place < m - _WIDTH and scale[place] > 0:
                    expected = strengths[j] * scale[place]
                    total += expected * height[place]
                    square += expected * expected
                    seen += 1
            if seen >= _MIN_LINES and total > 0:
                best[k] = max(best[k], total / np.sqrt(square))
    return best
