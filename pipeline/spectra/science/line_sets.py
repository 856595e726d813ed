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
# Places that are looked at together: their sums stay in the processor's nearest memory.
_BLOCK = 512


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
    for name, sets, is_absorber in (("emitter", _EMITTERS, False), ("absorber", _ABSORBERS, True)):
        offsets = [_find_offsets(lines, log10_step) for lines in sets]
        ends = np.cumsum([0, *map(len, offsets)])
        strengths = np.concatenate([list(lines.values()) for lines in sets]).astype(np.float32)
        found[name] = np.zeros(len(residual), np.float32)
        _scan_sets(
            residual,
            weight,
            model,
            is_absorber,
            np.concatenate(offsets),
            strengths,
            ends,
            found[name],
        )
    return found


def _find_offsets(lines: dict[str, float], log10_step: float) -> NDArray[np.int64]:
    """Return how many pixels each line lies redward of the bluest."""
    waves = np.array([LINES[key].wave for key in lines])
    return np.rint(np.log10(waves / waves.min()) / log10_step).astype(np.int64)


@njit(cache=True)
def _scan_sets(  # type: ignore[no-untyped-def]
    residual, weight, model, is_absorber, offsets, strengths, ends, best
):
    n, m = residual.shape
    # The bluest line may lie before the window, the others beyond it: no line is seen there.
    margin = offsets.max() + offsets.max() % _STRIDE
    halves = 2, (m + 2 * margin) // 2 + 1
    # Arrays of their own each: of parts of one the compiler could not tell that they lie apart.
    pulls, pull = np.zeros(halves, np.float32), np.zeros(m, np.float32)
    powers, power = np.zeros(halves, np.float32), np.zeros(m, np.float32)
    shape, signal, size = np.ones(m, np.float32), np.empty(m, np.float32), np.empty(m, np.float32)
    total, square = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    seen, highest = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.float32)
    inside = slice(margin // 2, margin // 2 + (m + 1) // 2)
    for k in range(n):
        if is_absorber:
            shape[:] = -model[k]
        _sum_boxes(residual[k], weight[k], shape, signal, size, pull, power)
        # Places that are tried lie two pixels apart: even and odd ones, each in one piece.
        _split(pull, pulls[0, inside], pulls[1, inside])
        _split(power, powers[0, inside], powers[1, inside])
        for s in range(len(ends) - 1):
            lines = slice(ends[s], ends[s + 1])
            reach = offsets[lines].max()
            strength, firsts = strengths[lines], offsets[lines] + (margin - reach)
            n_places = (m + reach + 1) // _STRIDE
            highest[:] = 0
            for begin in range(0, n_places, _BLOCK):
                together = min(_BLOCK, n_places - begin)
                total[:], square[:], seen[:] = 0, 0, 0
                for j in range(len(firsts)):
                    parity, place = firsts[j] % _STRIDE, firsts[j] // _STRIDE + begin
                    places = slice(place, place + together)
                    _add_line(
                        pulls[parity, places],
                        powers[parity, places],
                        strength[j],
                        total,
                        square,
                        seen,
                    )
                _keep_highest(total, square, seen, highest)
            best[k] = max(best[k], np.sqrt(highest.max()))


# Free of branches, sums in any order: so the compiler turns the loops into vector instructions.
@njit(cache=True, fastmath={"reassoc", "contract", "nnan", "nsz"}, error_model="numpy")
def _sum_boxes(residual, weight, shape, signal, size, pull, power):  # type: ignore[no-untyped-def]
    """Write Σ w r s of each box, limited to `_CEILING` standard deviations, and Σ w s²."""
    m = residual.shape[0]
    for i in range(m):
        weighted = weight[i] * shape[i]
        signal[i] = weighted * residual[i]
        size[i] = weighted * shape[i]
    for i in range(m - _WIDTH):
        height, square = signal[i], size[i]
        for j in range(1, _WIDTH):
            height += signal[i + j]
            square += size[i + j]
        limit = np.float32(_CEILING) * np.sqrt(square)
        pull[i] = min(max(height, -limit), limit)
        power[i] = square


@njit(cache=True)
def _split(values, even, odd):  # type: ignore[no-untyped-def]
    half = len(values) // 2
    for i in range(half):
        even[i] = values[2 * i]
    for i in range(half):
        odd[i] = values[2 * i + 1]
    if len(values) % 2:
        even[half] = values[-1]


@njit(cache=True, fastmath={"reassoc", "contract"}, error_model="numpy")
def _add_line(pull, power, strength, total, square, seen):  # type: ignore[no-untyped-def]
    for i in range(len(pull)):
        total[i] += strength * pull[i]
        square[i] += strength * strength * power[i]
    # By itself: for more arrays at a time the compiler would not prove that they lie apart.
    for i in range(len(pull)):
        seen[i] += np.float32(1) if power[i] > 0 else np.float32(0)


@njit(cache=True, fastmath={"reassoc", "contract", "nnan", "nsz"}, error_model="numpy")
def _keep_highest(total, square, seen, highest):  # type: ignore[no-untyped-def]
    """Keep the square of the largest significance, of enough lines that add up to more than 0."""
    for i in range(len(total)):
        height = max(total[i], np.float32(0))
        height = height if seen[i] >= _MIN_LINES else np.float32(0)
        highest[i] = max(highest[i], height * height / max(square[i], np.float32(1e-30)))
