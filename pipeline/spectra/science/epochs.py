"""What changed between two spectra of one object: flux scale, continuum and broad lines.

Both lie on the same pixels. Every flux is one linear estimator of those that are good in both, so a
change is the estimator of the difference, whatever either spectrum lacks.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from catalog_schema.lines import LINES

Limits = tuple[float, float]
# What may come of a comparison.
MEASURED, NO_OVERLAP, NO_SIGNAL = "measured", "no_overlap", "no_signal"


class LineWindows(NamedTuple):
    """Rest wavelengths in Å (vacuum): a line's own range and the continuum on both sides.

    Within its range the line is a Gaussian about `centre` with a standard deviation of `sigma`.
    """

    core: Limits
    blue: Limits
    red: Limits
    centre: float
    sigma: float


# Widths are those of the mean quasar (Vanden Berk et al. 2001, table 2) times 1.3: broad lines have
# wings, and some are broader than the mean.
LINE_WINDOWS = {
    name: LineWindows(*limits, LINES[name].wave, 1.3 * width)
    for name, limits, width in (
        ("civ", ((1500, 1600), (1430, 1470), (1680, 1720)), 14.33),
        ("ciii", ((1840, 1970), (1790, 1830), (1985, 2030)), 23.58),
        ("mgii", ((2735, 2865), (2650, 2700), (2900, 2950)), 34.95),
        ("hbeta", ((4780, 4935), (4720, 4765), (5080, 5120)), 40.44),
        ("halpha", ((6430, 6700), (6370, 6420), (6760, 6830)), 47.39),
    )
}
_OIII = LineWindows((4992, 5024), (4970, 4986), (5030, 5050), LINES["oiii"].wave, 5.0)
_CONTINUUM: tuple[Limits, ...] = (
    (1275, 1290), (1350, 1365), (1430, 1470), (1680, 1720), (1790, 1830), (1985, 2030),
    (2170, 2230), (2650, 2700), (2900, 2950), (3020, 3080), (3450, 3700), (4000, 4060),
    (4150, 4260), (4420, 4520), (4720, 4765), (5080, 5120), (5400, 5650), (5980, 6200),
    (6370, 6420), (6760, 6830), (7450, 7700), (8000, 8300),
)  # fmt: skip
# Parts of a line's range, and of the continuum on each side, that must be good in both spectra.
_MIN_CORE, _MIN_SIDE = 0.8, 0.5
# So many errors make light, and a narrow line that can tell the scale.
_SEEN, _ANCHORING = 3.0, 5.0
# Relative error of a scale by [OIII]: fibres of 3, 2 and 1.5 arcsec see unequal parts of it.
_ANCHOR_ERROR = 0.1


class Epoch(NamedTuple):
    """One spectrum: flux and its weight (0 where a pixel is bad), shape (m,)."""

    flux: NDArray
    weight: NDArray


class Value(NamedTuple):
    """A number and its standard error, NaN where unknown."""

    value: float
    error: float


_UNKNOWN = Value(np.nan, np.nan)


class LineChange(NamedTuple):
    """A line's flux now and then, and the significance of the difference.

    `then` is multiplied by the flux scale, whose error is in `change` alone; `ratio` is now / then.
    """

    now: Value
    then: Value
    change: float
    ratio: Value

    @property
    def left(self) -> float:
        """Part of the brighter flux that is in the fainter spectrum."""
        faint, bright = sorted((self.now.value, self.then.value))
        return faint / bright if bright > 0 else 1.0


@dataclass(frozen=True)
class Comparison:
    """What `compare_epochs` finds.

    Attributes
    ----------
    state : str
        `MEASURED`; or `NO_OVERLAP` or `NO_SIGNAL`, then all else is unknown.
    scale : Value
        Factor by which the earlier flux is multiplied.
    is_anchored : bool
        Whether [OIII] tells it.
    continuum, colour : Value
        Ratio of the continua, and the power of wavelength by which it runs.
    lines : dict of str to LineChange
    """

    state: str
    scale: Value = _UNKNOWN
    is_anchored: bool = False
    continuum: Value = _UNKNOWN
    colour: Value = _UNKNOWN
    lines: dict[str, LineChange] = field(default_factory=dict)

    @property
    def strongest(self) -> str | None:
        """The line whose change is the most significant."""
        return max(self.lines, key=lambda name: abs(self.lines[name].change), default=None)


def compare_epochs(wave: NDArray, now: Epoch, then: Epoch, grey_error: float) -> Comparison:
    """Compare two spectra of an object.

    Parameters
    ----------
    wave : ndarray, shape (m,)
        Rest wavelengths (vacuum, Å) in equal steps of their logarithm.
    now, then : Epoch
        In the same units; their weights add up over pixels to the inverse variance of the mean.
    grey_error : float
        Relative error, one sigma, of the factor between the two flux scales before [OIII] is seen.
    """
    common = _join_weights(now.weight, then.weight)
    now, then = (
        Epoch(epoch.flux, np.where(common > 0, epoch.weight, 0.0)) for epoch in (now, then)
    )
    estimators = {
        name: estimator
        for name, windows in {**LINE_WINDOWS, "oiii": _OIII}.items()
        if (estimator := _make_estimator(wave, common, windows)) is not None
    }
    fluxes = {name: (e.apply(now), e.apply(then)) for name, e in estimators.items()}
    levels = [
        (centre, _average(now, inside), _average(then, inside))
        for centre, inside in _find_windows(wave, common)
    ]
    pairs = [*fluxes.values(), *((after, before) for _, after, before in levels)]
    if not pairs:
        return Comparison(NO_OVERLAP)
    if not all(any(_is_seen(pair[k], _SEEN) for pair in pairs) for k in range(2)):
        return Comparison(NO_SIGNAL)
    anchor = fluxes.pop("oiii", None)
    scale, is_anchored = _find_scale(anchor, grey_error)
    continuum, colour = _compare_continua(levels, scale.value)
    lines = {name: _compare_line(*fluxes[name], scale) for name in fluxes}
    return Comparison(MEASURED, scale, is_anchored, continuum, colour, lines)


@dataclass(frozen=True)
class _Estimator:
    """Flux of a line on a straight continuum: the sum of `factors` times the pixels.

    `side` are the pixels of the side windows, `design` constant and slope of the straight line.
    """

    factors: NDArray
    side: NDArray
    design: NDArray

    def apply(self, epoch: Epoch) -> Value:
        """Return flux and error; pixels that scatter more than their weights say count for more."""
        good = self.factors != 0
        variance = float((self.factors[good] ** 2 / epoch.weight[good]).sum())
        return Value(
            float(self.factors @ epoch.flux), np.sqrt(variance * max(self._scatter(epoch), 1.0))
        )

    def _scatter(self, epoch: Epoch) -> float:
        """Return the reduced chi-squared of the straight continuum."""
        rows = np.flatnonzero(self.side)
        root = np.sqrt(epoch.weight[rows])
        design, flux = self.design[rows] * root[:, None], epoch.flux[rows] * root
        left = flux - design @ np.linalg.lstsq(design, flux, rcond=None)[0]
        return float(left @ left) / max(len(rows) - design.shape[1], 1)


def _make_estimator(wave: NDArray, weight: NDArray, windows: LineWindows) -> _Estimator | None:
    width = wave * np.log(wave[1] / wave[0])
    ranges = (windows.core, windows.blue, windows.red)
    masks = [_find_good(wave, weight, limits) for limits in ranges]
    covered = [
        width[mask].sum() / (high - low) for mask, (low, high) in zip(masks, ranges, strict=True)
    ]
    if covered[0] < _MIN_CORE or min(covered[1:]) < _MIN_SIDE:
        return None
    profile = np.exp(-0.5 * ((wave - windows.centre) / windows.sigma) ** 2)
    tilt = wave / windows.centre - 1
    design = np.stack([np.ones_like(wave), tilt, profile], axis=1)
    fitted = design.T * np.where(np.any(masks, axis=0), weight, 0.0)
    height = np.linalg.solve(fitted @ design, fitted)[2]
    return _Estimator(height * (profile @ width), masks[1] | masks[2], design[:, :2])


def _find_windows(wave: NDArray, weight: NDArray) -> Iterable[tuple[float, NDArray[np.bool_]]]:
    """Yield centre and good pixels of every window of the continuum that both spectra cover."""
    for low, high in _CONTINUUM:
        inside = _find_good(wave, weight, (low, high))
        if inside.any() and np.count_nonzero(inside) >= _MIN_SIDE * np.count_nonzero(
            (wave >= low) & (wave < high)
        ):
            yield (low + high) / 2, inside


def _average(epoch: Epoch, inside: NDArray[np.bool_]) -> Value:
    weight = epoch.weight[inside]
    return Value(float(weight @ epoch.flux[inside] / weight.sum()), float(weight.sum() ** -0.5))


def _find_scale(anchor: tuple[Value, Value] | None, grey_error: float) -> tuple[Value, bool]:
    """Return the factor for the earlier flux: 1, or what [OIII] and the usual losses make of it."""
    if anchor is None or not all(_is_seen(value, _ANCHORING) for value in anchor):
        return Value(1.0, grey_error), False
    ratio = _divide(*anchor)
    by_line, by_rule = 1 / (ratio.error**2 + (_ANCHOR_ERROR * ratio.value) ** 2), 1 / grey_error**2
    total = by_line + by_rule
    return Value((ratio.value * by_line + by_rule) / total, total**-0.5), True


def _compare_line(now: Value, then: Value, scale: Value) -> LineChange:
    then = Value(then.value * scale.value, then.error * scale.value)
    # Had nothing changed, either flux would carry the scale's error: the brighter one is safe.
    grey = scale.error / scale.value * max(now.value, then.value, 0.0)
    error = np.sqrt(now.error**2 + then.error**2 + grey**2)
    ratio = _UNKNOWN
    if _is_seen(then, 1.0):
        ratio = _divide(now, then)
        ratio = Value(ratio.value, np.hypot(ratio.error, ratio.value * scale.error / scale.value))
    return LineChange(now, then, float((now.value - then.value) / error), ratio)


def _compare_continua(
    levels: list[tuple[float, Value, Value]], scale: float
) -> tuple[Value, Value]:
    """Fit a power law to the ratios of continuum levels; see `Comparison`."""
    seen = [
        (centre, _divide(after, before))
        for centre, after, before in levels
        if _is_seen(after, _SEEN) and _is_seen(before, _SEEN)
    ]
    if not seen:
        return _UNKNOWN, _UNKNOWN
    ratio = np.array([pair[1].value for pair in seen])
    weight = (ratio / [pair[1].error for pair in seen]) ** 2
    x, y = np.log([pair[0] for pair in seen]), np.log(ratio / scale)
    x = x - weight @ x / weight.sum()
    level, spread = weight @ y / weight.sum(), weight @ x**2
    slope = weight @ (x * y) / spread if len(seen) > 1 else 0.0
    left = y - level - slope * x
    scatter = np.sqrt(max(weight @ left**2 / max(len(seen) - 2, 1), 1.0))
    continuum = Value(float(np.exp(level)), float(np.exp(level) * scatter * weight.sum() ** -0.5))
    if len(seen) < 2:
        return continuum, _UNKNOWN
    return continuum, Value(float(slope), float(scatter * spread**-0.5))


def _join_weights(weight: NDArray, other: NDArray) -> NDArray:
    """Return the inverse variance of the difference; 0 where either is bad."""
    total = weight + other
    return np.divide(weight * other, total, out=np.zeros_like(total), where=total > 0)


def _find_good(wave: NDArray, weight: NDArray, limits: Limits) -> NDArray[np.bool_]:
    return (wave >= limits[0]) & (wave < limits[1]) & (weight > 0)


def _divide(above: Value, below: Value) -> Value:
    ratio = above.value / below.value
    return Value(ratio, np.hypot(above.error, ratio * below.error) / abs(below.value))


def _is_seen(value: Value, errors: float) -> bool:
    return value.value > errors * value.error
