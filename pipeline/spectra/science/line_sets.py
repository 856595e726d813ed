"""Several narrow lines at one redshift of their own: emitters and absorbers before the quasar."""

from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from catalog_schema.lines import LINES
from pipeline.science.measured import Finds

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


_SETS = (("emitter", _EMITTERS, False), ("absorber", _ABSORBERS, True))


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
    for name, sets, is_absorber in _SETS:
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


def locate_line_sets(
    residual: NDArray, weight: NDArray, model: NDArray, wave: NDArray, z: NDArray, norm: NDArray
) -> dict[str, Finds]:
    """Return amplitude, redshift and lines of the best emitter and the best absorber.

    At the place that `scan_line_sets` finds, the amplitude is Σ e_j p_j / Σ e_j² q_j with p_j the
    box Σ w r s of a line, unlimited, q_j = Σ w s² and e_j its relative strength, the error one over
    the root of the divisor: their ratio is the significance where no line is beyond its limit, and
    larger where one is. Of an absorber it is given as the equivalent width, in its rest frame, of a
    line of strength 1 (MgII 2796, CIV 1548), of an emitter as the flux of [OII]. The place is that
    of the line that tells most.

    Parameters
    ----------
    residual, weight, model : ndarray, shape (n, m)
        As of `scan_line_sets`.
    wave : ndarray, shape (n, m)
        Rest wavelengths of the quasars' pixels, Å.
    z : ndarray, shape (n,)
    norm : ndarray, shape (n,)
        Flux density by which the windows are divided.
    """
    found = {name: Finds.nothing(len(z)) for name, _, _ in _SETS}
    for name, sets, is_absorber in _SETS:
        for row, (left, power, light) in enumerate(zip(residual, weight, model, strict=True)):
            shape = -light if is_absorber else np.ones_like(light)
            system = _find_system(left, power, shape, wave[row], sets)
            if system is not None:
                _write_system(found[name], row, name, system, z[row], norm[row])
    return found


class _System(NamedTuple):
    """Lines at one redshift.

    Attributes
    ----------
    amplitude, error : float
    ratio : float
        Wavelength in the quasar's rest frame over that in the system's.
    wave : float
        Of the line that tells most, in the quasar's rest frame, Å.
    width : float
        Of a box over its wavelength.
    lines : tuple of str
        Keys of those that are seen.
    strongest : str
        Key of the line of strength 1.
    """

    amplitude: float
    error: float
    ratio: float
    wave: float
    width: float
    lines: tuple[str, ...]
    strongest: str


def _find_system(
    residual: NDArray,
    weight: NDArray,
    shape: NDArray,
    wave: NDArray,
    sets: tuple[dict[str, float], ...],
) -> _System | None:
    """Return the best system of one window, None where there is none."""
    step, m = float(np.log10(wave[-1] / wave[0])) / (len(wave) - 1), len(wave)
    signal, size, pull, power = np.zeros((4, m), np.float32)
    _sum_boxes(residual, weight, shape, signal, size, pull, power)
    scanned = [(*_scan_set(pull, power, lines, step), lines) for lines in sets]
    height, place, lines = max(scanned, key=itemgetter(0))
    if height <= 0:
        return None
    offsets = _find_offsets(lines, step)
    pixels = place + offsets
    is_seen = (pixels >= 0) & (pixels < m) & (power[np.clip(pixels, 0, m - 1)] > 0)
    keys = tuple(key for key, seen in zip(lines, is_seen, strict=True) if seen)
    boxes = pixels[is_seen][:, None] + np.arange(_WIDTH)
    strength = np.array([lines[key] for key in keys])
    top, bottom = (values[boxes].astype(np.float64).sum(1) for values in (signal, size))
    information = (strength**2 * bottom).sum()
    middle = wave[boxes[:, _WIDTH // 2]]
    ratio = float(np.mean(middle / [LINES[key].wave for key in keys]))
    return _System(
        float((strength * top).sum() / information),
        float(1 / np.sqrt(information)),
        ratio,
        float(middle[np.argmax(strength**2 * bottom)]),
        _WIDTH * step * np.log(10),
        keys,
        max(lines, key=lambda key: lines[key] == 1),
    )


def _scan_set(
    pull: NDArray, power: NDArray, lines: dict[str, float], step: float
) -> tuple[float, int]:
    """Return the squared significance of the best place of a set, and its bluest line's pixel."""
    offsets = _find_offsets(lines, step)
    reach = int(offsets.max())
    n_places = (len(pull) + reach + 1) // _STRIDE
    padded = [np.pad(values, (reach, reach + _STRIDE)) for values in (pull, power)]
    total, square, seen, height = np.zeros((4, n_places), np.float32)
    for offset, strength in zip(offsets, lines.values(), strict=True):
        pulls, powers = (np.ascontiguousarray(each[offset::_STRIDE][:n_places]) for each in padded)
        _add_line(pulls, powers, np.float32(strength), total, square, seen)
    _keep_highest(total, square, seen, height)
    best = int(np.argmax(height))
    return float(height[best]), _STRIDE * best - reach


def _write_system(
    found: Finds, row: int, name: str, system: _System, z: float, norm: float
) -> None:
    z_system = system.ratio * (1 + z) - 1
    line = LINES[system.strongest].wave
    # Of an emitter flux per Å as observed, of an absorber a part of the light.
    scale = system.width * line
    scale *= norm * (1 + z_system) if name == "emitter" else 1.0
    *species, last = dict.fromkeys(LINES[key].name.replace(" ", "") for key in system.lines)
    named = f"{', '.join(species)} and {last}" if species else last
    found.value[row], found.error[row] = scale * system.amplitude, scale * system.error
    found.wave[row], found.z[row] = system.wave, z_system
    found.name[row] = f"{name} at z = {z_system:.3f}, {named}"


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
