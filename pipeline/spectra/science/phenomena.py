"""Known phenomena planted in ordinary spectra: from them the classifier learns what is what.

Each phenomenon draws its own physical parameters, and returns the flux that it adds to a window,
or None where the window cannot show it. What absorbs takes away from the model, not from the
spectrum, so that the noise stays what the weights say.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import percentile_filter, uniform_filter1d

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.science.absorption import TROUGHS, damp
from pipeline.spectra.science.emission import BROAD_WAVES, LOW_IONISATION
from pipeline.spectra.science.templates import galaxy_light, star_light

# Lines of an absorber on the line of sight.
_SYSTEM = ("civ_1548", "civ_1551", "feii_2383", "feii_2600", "mgii_2796", "mgii_2804")
# Bins and widths (bins) of the lower envelope that is taken for the continuum.
_BIN, _ENVELOPE, _SMOOTHING, _LOW = 16, 37, 21, 20


@dataclass(frozen=True)
class Host:
    """One ordinary spectrum in its window, arrays of shape (m,).

    Attributes
    ----------
    rest, observed : ndarray
        Wavelengths in Å.
    model : ndarray
        Noise-free reconstruction over the norm.
    weight : ndarray
        Inverse variance of the noise; 0 where there is no pixel.
    z : float
    spans : tuple of tuple of float
        Observed wavelengths in Å that each arm answers for.
    """

    rest: NDArray
    observed: NDArray
    model: NDArray
    weight: NDArray
    z: float
    spans: tuple[tuple[float, float], ...]

    def sees(self, wave: float, margin: float = 0.03) -> bool:
        """Tell whether a rest wavelength and its surroundings have pixels."""
        near = np.abs(self.rest / wave - 1) < margin
        return bool(near.any() and (self.weight[near] > 0).mean() > 0.8)

    @property
    def continuum(self) -> NDArray:
        """Lower envelope of the model, shape (m,)."""
        bins = self.model.reshape(-1, _BIN).mean(1)
        smooth = uniform_filter1d(percentile_filter(bins, _LOW, size=_ENVELOPE), _SMOOTHING)
        return np.minimum(np.repeat(smooth, _BIN), self.model)

    @property
    def level(self) -> float:
        """Median of the model over the good pixels."""
        return float(np.median(np.abs(self.model[self.weight > 0])))


Draw = Callable[[Host, np.random.Generator], NDArray | None]

# What each phenomenon draws evenly, or evenly in the logarithm if by `_draw_log`: wide ranges of
# rough shapes, so that the classifier learns a kind and not a recipe. Speeds and widths in km/s.
RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "bal": {"speed": (1000.0, 27_000.0), "width": (900.0, 8000.0), "depth": (0.1, 1.0)},
    "felobal": {"speed": (0.0, 16_000.0), "width": (600.0, 5000.0), "depth": (0.1, 0.95)},
    "dla": {"speed": (-1500.0, 5000.0), "log_column": (20.2, 22.0)},
    "reddened": {"ebv": (0.08, 1.0), "power": (0.9, 1.7)},
    "weak_line": {"lost": (0.4, 1.0)},
    "double_peaked": {"speed": (1800.0, 8000.0), "width": (0.3, 0.7), "share": (0.3, 0.7)},
    "changing_look": {"left": (0.01, 0.7), "host": (0.15, 1.2), "age": (0.4, 1.0)},
    "narrow_line": {"sigma": (70.0, 400.0), "significance": (6.0, 100.0)},
    "star_blend": {"temperature": (2800.0, 5800.0), "depth": (0.2, 0.7), "ratio": (0.05, 3.0)},
    "galaxy_blend": {"age": (0.2, 1.0), "nebular": (0.0, 30.0), "ratio": (0.04, 3.5)},
    "quasar_blend": {"shift": (0.02, 0.35), "ratio": (0.2, 1.5)},
    "absorber": {"velocity": (4000.0, 120_000.0), "width": (60.0, 350.0), "depth": (0.2, 1.0)},
    "iron": {"height": (0.15, 1.2)},
    "star": {"temperature": (2700.0, 9500.0), "depth": (0.15, 0.75)},
    "galaxy": {"redshift": (0.05, 1.3), "nebular": (0.0, 60.0)},
    "arm_offset": {"size": (0.025, 0.5), "fading": (0.0, 1.0)},
    "sky_residual": {"significance": (5.0, 120.0)},
    "cosmic_rays": {"count": (1.0, 6.0), "significance": (5.0, 60.0)},
    "scattered_light": {"centre": (4000.0, 9400.0), "width": (100.0, 900.0), "height": (0.05, 1.5)},
    "fringes": {"period": (12.0, 60.0), "amplitude": (0.04, 0.6)},
    "excess_noise": {"share": (0.05, 1.0), "significance": (20.0, 90.0)},
    "flux_calibration": {"period": (300.0, 3000.0), "amplitude": (0.02, 0.3)},
    "strange": {"width": (0.004, 0.04), "height": (0.1, 1.5)},
}


def _bal(host: Host, rng: np.random.Generator) -> NDArray | None:
    if not host.sees(1500.0):
        return None
    return _absorb(host, TROUGHS["hibal"], rng, RANGES["bal"])


def _felobal(host: Host, rng: np.random.Generator) -> NDArray | None:
    if not (host.sees(2550.0) or host.sees(2750.0)):
        return None
    lines = (*TROUGHS["lobal"], *TROUGHS["iron_trough"], *TROUGHS["hibal"][:2])
    return _absorb(host, lines, rng, RANGES["felobal"])


def _dla(host: Host, rng: np.random.Generator) -> NDArray | None:
    if not host.sees(1215.0, 0.015):
        return None
    drawn = _draw_even("dla", rng)
    velocity = (1 - host.rest / LINES["lya"].wave) * LIGHT_SPEED
    return -host.model * (1 - np.exp(-damp(velocity - drawn["speed"], 10 ** drawn["log_column"])))


def _reddened(host: Host, rng: np.random.Generator) -> NDArray:
    # As bright as its host: what dust makes too faint is not in the sample.
    drawn = _draw_even("reddened", rng)
    dimmed = host.model * _dim(host.rest, drawn["ebv"], drawn["power"])
    return dimmed * host.level / _median(host, dimmed) - host.model


def _weak_line(host: Host, rng: np.random.Generator) -> NDArray | None:
    if not any(host.sees(wave) for wave in BROAD_WAVES.values()):
        return None
    return -(host.model - host.continuum) * _draw_even("weak_line", rng)["lost"]


def _double_peaked(host: Host, rng: np.random.Generator) -> NDArray | None:
    lines = [BROAD_WAVES[n] for n in LOW_IONISATION if host.sees(BROAD_WAVES[n])]
    if not lines:
        return None
    speed, width, share = _draw_even("double_peaked", rng).values()
    light = np.clip(host.model - host.continuum, 0, None)
    added = np.zeros_like(light)
    for wave in lines:
        velocity = (host.rest / wave - 1) * LIGHT_SPEED
        core = light * np.exp(-((velocity / 6000) ** 4))
        area = np.trapezoid(core, velocity)
        humps = [
            part * np.exp(-0.5 * ((velocity - sign * speed) / (width * speed)) ** 2)
            for sign, part in ((-1, share), (1, 1 - share))
        ]
        added += sum(humps) * area / (width * speed * np.sqrt(2 * np.pi)) - core
    return added


def _changing_look(host: Host, rng: np.random.Generator) -> NDArray | None:
    if not host.sees(4000.0):
        return None
    left, bright, age = _draw_even("changing_look", rng).values()
    faded = -(1 - left) * host.continuum - (1 - 0.5 * left) * (host.model - host.continuum)
    light = galaxy_light(host.rest, age, rng.uniform(0, 5), rng.uniform(0.2, 0.6))
    return faded + light * host.level * bright


def _narrow_line(host: Host, rng: np.random.Generator) -> NDArray:
    place = rng.choice(np.flatnonzero(host.weight > 0))
    sigma = rng.uniform(*RANGES["narrow_line"]["sigma"])
    shape = np.exp(-0.5 * ((host.rest / host.rest[place] - 1) * LIGHT_SPEED / sigma) ** 2)
    return _scale(host, shape, _draw_log(rng, "narrow_line", "significance"))


def _star_blend(host: Host, rng: np.random.Generator) -> NDArray:
    ranges = RANGES["star_blend"]
    temperature, depth = rng.uniform(*ranges["temperature"]), rng.uniform(*ranges["depth"])
    light = star_light(host.observed, temperature, depth)
    return light * host.level / _median(host, light) * _draw_log(rng, "star_blend", "ratio")


def _galaxy_blend(host: Host, rng: np.random.Generator) -> NDArray | None:
    if host.z < 0.3:
        return None
    z = rng.uniform(0.05, min(0.9, host.z - 0.1))
    ranges = RANGES["galaxy_blend"]
    age, nebular = rng.uniform(*ranges["age"]), rng.uniform(*ranges["nebular"])
    light = galaxy_light(host.observed / (1 + z), age, nebular, rng.uniform(0.2, 0.6))
    return light * host.level / _median(host, light) * _draw_log(rng, "galaxy_blend", "ratio")


def _quasar_blend(host: Host, rng: np.random.Generator) -> NDArray:
    # Its own light, moved on the logarithmic grid: a quasar like it at another redshift.
    ranges, step = RANGES["quasar_blend"], np.log10(host.rest[1] / host.rest[0])
    shift = rng.choice([-1, 1]) * rng.uniform(*ranges["shift"]) / step
    pixel = np.arange(len(host.rest))
    light = np.interp(pixel - shift, pixel, host.model)
    return light * host.level / _median(host, light) * _draw_log(rng, "quasar_blend", "ratio")


def _absorber(host: Host, rng: np.random.Generator) -> NDArray | None:
    """A system on the line of sight: the same narrow lines, far blueward of the quasar's own."""
    velocity, width, depth = (rng.uniform(*limits) for limits in RANGES["absorber"].values())
    places = [LINES[key].wave * (1 - velocity / LIGHT_SPEED) for key in _SYSTEM]
    seen = [place for place in places if host.sees(place, 0.002)]
    if len(seen) < 2:
        return None
    left = np.ones_like(host.rest)
    for place in seen:
        offset = np.abs(host.rest / place - 1) * LIGHT_SPEED / width
        left *= 1 - depth * rng.uniform(0.4, 1) * np.clip(1 - offset, 0, 1)
    return -host.model * (1 - left)


def _iron(host: Host, rng: np.random.Generator) -> NDArray | None:
    if not (host.sees(2500.0, 0.06) or host.sees(4570.0)):
        return None
    blends = ((2330, 90, 0.8), (2500, 110, 1.0), (2950, 80, 0.4), (4570, 60, 0.7), (5270, 80, 0.6))
    shape = sum(
        height * np.exp(-0.5 * ((host.rest - centre) / width) ** 2)
        for centre, width, height in blends
    )
    return host.continuum * shape * _draw_even("iron", rng)["height"]


def _star(host: Host, rng: np.random.Generator) -> NDArray:
    # One in four is a white dwarf.
    temperature = 16_000.0 if rng.random() < 0.25 else _draw_log(rng, "star", "temperature")
    light = star_light(host.observed, temperature, rng.uniform(*RANGES["star"]["depth"]))
    return light * host.level / _median(host, light) - host.model


def _galaxy(host: Host, rng: np.random.Generator) -> NDArray:
    z, nebular = _draw_even("galaxy", rng).values()
    rest = host.observed / (1 + z)
    light = galaxy_light(rest, rng.random(), nebular, rng.uniform(0.2, 0.6))
    return light * host.level / _median(host, light) - host.model


def _arm_offset(host: Host, rng: np.random.Generator) -> NDArray:
    low, high = host.spans[rng.integers(len(host.spans))]
    inside = (host.observed >= low) & (host.observed < high)
    size = _draw_log(rng, "arm_offset", "size")
    # As large all along the arm, or less towards one of its ends.
    place = np.clip((host.observed - low) / max(min(high, 9900.0) - max(low, 3600.0), 1), 0, 1)
    place = place if rng.random() < 0.5 else 1 - place
    fading = 1 - rng.uniform(*RANGES["arm_offset"]["fading"]) * place
    return rng.choice([-1, 1]) * size * host.model * inside * fading


def _sky_residual(host: Host, rng: np.random.Generator) -> NDArray:
    good = host.weight > 0
    variance = np.divide(1.0, host.weight, out=np.zeros_like(host.weight), where=good)
    variance = np.minimum(variance, np.quantile(variance[good], 0.995))
    shape = variance + rng.normal(0, 0.5) * np.gradient(variance)
    significance = _draw_log(rng, "sky_residual", "significance")
    return rng.choice([-1, 1]) * _scale(host, shape, significance)


def _cosmic_rays(host: Host, rng: np.random.Generator) -> NDArray:
    added = np.zeros(len(host.rest))
    step = np.log10(host.rest[1] / host.rest[0])
    good = np.flatnonzero(host.weight > 0)
    count = int(rng.uniform(*RANGES["cosmic_rays"]["count"]))
    for pixel in rng.choice(good, count):
        # 1 to 4 detector pixels of 0.8 Å, on the logarithmic grid.
        width = 0.8 * rng.integers(1, 5) / (host.observed[pixel] * np.log(10) * step)
        distance = np.abs(np.arange(len(added)) - pixel)
        shape = np.clip(0.5 * width + 0.5 - distance, 0, 1)
        added += _scale(host, shape, _draw_log(rng, "cosmic_rays", "significance"))
    return added


def _scattered_light(host: Host, rng: np.random.Generator) -> NDArray:
    ranges = RANGES["scattered_light"]
    centre, width = rng.uniform(*ranges["centre"]), rng.uniform(*ranges["width"])
    shape = np.exp(-0.5 * ((host.observed - centre) / width) ** 2)
    height = _draw_log(rng, "scattered_light", "height")
    return rng.choice([-0.6, 1]) * host.level * height * shape


def _fringes(host: Host, rng: np.random.Generator) -> NDArray:
    period = rng.uniform(*RANGES["fringes"]["period"])
    phase = rng.uniform(0, 2 * np.pi)
    growth = np.clip((host.observed - 8000) / 1800, 0, 1)
    wave = np.sin(2 * np.pi * host.observed / period + phase)
    return host.model * growth * wave * _draw_log(rng, "fringes", "amplitude")


def _excess_noise(host: Host, rng: np.random.Generator) -> NDArray:
    low, high = host.spans[rng.integers(len(host.spans))]
    inside = (host.observed >= low) & (host.observed < high) & (host.weight > 0)
    inside &= rng.random(len(inside)) < rng.uniform(*RANGES["excess_noise"]["share"])
    sigma = np.divide(1, np.sqrt(host.weight), out=np.zeros_like(host.rest), where=inside)
    significance = _draw_log(rng, "excess_noise", "significance")
    return _scale(host, sigma * rng.normal(size=len(sigma)), significance)


def _flux_calibration(host: Host, rng: np.random.Generator) -> NDArray:
    waves = np.zeros_like(host.observed)
    for _ in range(rng.integers(1, 4)):
        period = _draw_log(rng, "flux_calibration", "period")
        waves += rng.normal() * np.sin(2 * np.pi * (host.observed / period + rng.random()))
    return host.model * waves * _draw_log(rng, "flux_calibration", "amplitude")


def _strange(host: Host, rng: np.random.Generator) -> NDArray:
    """Broad bumps and dips where no known line or band of a quasar is."""
    added = np.zeros(len(host.rest))
    good = host.rest[host.weight > 0]
    for _ in range(rng.integers(2, 6)):
        centre, width = rng.choice(good), _draw_log(rng, "strange", "width")
        shape = np.exp(-0.5 * ((host.rest / centre - 1) / width) ** 2)
        height = _draw_log(rng, "strange", "height")
        added += rng.choice([-0.6, 1]) * host.level * height * shape
    return added


# How each phenomenon is drawn; `catalog_schema.spectra.EXAMPLES` has the class that it teaches.
PHENOMENA: dict[str, Draw] = {
    "bal": _bal,
    "felobal": _felobal,
    "dla": _dla,
    "reddened": _reddened,
    "weak_line": _weak_line,
    "double_peaked": _double_peaked,
    "changing_look": _changing_look,
    "narrow_line": _narrow_line,
    "star_blend": _star_blend,
    "galaxy_blend": _galaxy_blend,
    "quasar_blend": _quasar_blend,
    "absorber": _absorber,
    "iron": _iron,
    "star": _star,
    "galaxy": _galaxy,
    "arm_offset": _arm_offset,
    "sky_residual": _sky_residual,
    "cosmic_rays": _cosmic_rays,
    "scattered_light": _scattered_light,
    "fringes": _fringes,
    "excess_noise": _excess_noise,
    "flux_calibration": _flux_calibration,
    "strange": _strange,
}


def _absorb(
    host: Host,
    lines: tuple[tuple[float, float], ...],
    rng: np.random.Generator,
    ranges: dict[str, tuple[float, float]],
) -> NDArray:
    speed, width, depth = (rng.uniform(*ranges[name]) for name in ("speed", "width", "depth"))
    left = np.ones_like(host.rest)
    for wave, share in lines:
        velocity = (1 - host.rest / wave) * LIGHT_SPEED
        left *= 1 - depth * share * np.exp(-(((velocity - speed) / width) ** 4))
    return -host.model * (1 - left)


def _dim(rest: NDArray, reddening: float, power: float) -> NDArray:
    return 10 ** (-0.4 * 3.5 * reddening * (5500 / rest) ** power)


def _scale(host: Host, shape: NDArray, significance: float) -> NDArray:
    size = np.sqrt((host.weight * shape**2).sum())
    return shape * significance / size if size > 0 else shape * 0


def _median(host: Host, light: NDArray) -> float:
    return max(float(np.median(light[host.weight > 0])), 1e-3)


def _draw_even(kind: str, rng: np.random.Generator) -> dict[str, float]:
    return {name: rng.uniform(*limits) for name, limits in RANGES[kind].items()}


def _draw_log(rng: np.random.Generator, kind: str, name: str) -> float:
    low, high = RANGES[kind][name]
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
