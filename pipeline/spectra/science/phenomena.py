"""Known phenomena planted in ordinary spectra: from them the classifier learns what is what.

Each phenomenon draws its own physical parameters, and returns the flux that it adds to a window,
or None where the window cannot show it. What absorbs takes away from the model, not from the
spectrum, so that the noise stays what the weights say.
"""

import numpy as np
from numpy.typing import NDArray

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import BALMER, LINES, waves
from pipeline.spectra.science.absorption import TROUGHS, damp
from pipeline.spectra.science.emission import BROAD_WAVES, LOW_IONISATION
from pipeline.spectra.science.faults import FAULTS
from pipeline.spectra.science.hosts import Draw, Host, Ranges, draw_even, draw_log
from pipeline.spectra.science.templates import galaxy_light, star_light

# Lines of an absorber on the line of sight.
_SYSTEM = ("civ_1548", "civ_1551", "feii_2383", "feii_2600", "mgii_2796", "mgii_2804")
# Above this temperature (K) a star may have emission lines, as a cataclysmic variable has.
_HOT = 8000.0

# What each phenomenon draws evenly, or evenly in the logarithm if by `draw_log`: wide ranges of
# rough shapes, so that the classifier learns a kind and not a recipe. Speeds and widths in km/s.
RANGES: dict[str, Ranges] = {
    "bal": {"speed": (1000.0, 27_000.0), "width": (900.0, 8000.0), "depth": (0.1, 1.0)},
    "felobal": {"speed": (0.0, 16_000.0), "width": (600.0, 5000.0), "depth": (0.1, 0.95)},
    "dla": {"speed": (-1500.0, 45_000.0), "log_column": (20.2, 22.0)},
    "reddened": {"ebv": (0.08, 1.0), "power": (0.9, 1.7)},
    "weak_line": {"lost": (0.4, 1.0)},
    "double_peaked": {
        "speed": (1800.0, 9000.0),
        "width": (0.2, 0.7),
        "share": (0.25, 0.75),
        "size": (0.5, 3.0),
        "left": (0.0, 1.0),
    },
    "changing_look": {"left": (0.01, 0.7), "host": (0.15, 1.2), "age": (0.4, 1.0)},
    "narrow_line": {"sigma": (70.0, 400.0), "significance": (6.0, 100.0)},
    "star_blend": {"temperature": (2700.0, 25_000.0), "depth": (0.1, 0.7), "ratio": (0.1, 3.0)},
    "galaxy_blend": {"age": (0.3, 1.0), "nebular": (0.1, 60.0), "ratio": (0.1, 3.5)},
    "quasar_blend": {"shift": (0.02, 0.35), "ratio": (0.2, 1.5)},
    "absorber": {"velocity": (4000.0, 120_000.0), "width": (60.0, 350.0), "depth": (0.2, 1.0)},
    "iron": {"height": (0.15, 1.2)},
    "star": {"temperature": (2700.0, 25_000.0), "depth": (0.0, 0.75), "emission": (0.2, 5.0)},
    "galaxy": {"redshift": (0.05, 1.3), "age": (0.3, 1.0), "nebular": (0.1, 60.0)},
    "strange": {"width": (0.004, 0.04), "height": (0.1, 1.5)},
    "second_galaxy": {
        "redshift": (0.05, 1.3),
        "age": (0.1, 1.0),
        "nebular": (0.1, 60.0),
        "ratio": (0.1, 3.5),
    },
    "supernova": {
        "temperature": (5000.0, 15_000.0),
        "speed": (4000.0, 16_000.0),
        "depth": (0.1, 0.7),
        "ratio": (0.1, 2.5),
    },
    "quasar": {"redshift": (0.1, 4.0), "slope": (-2.4, -0.2), "width": (1000.0, 9000.0)},
    "emission": {"sigma": (50.0, 700.0), "significance": (8.0, 120.0)},
}
# Lines (Å) in which a supernova absorbs: Ca II, Fe II, S II, He I or Na I, Si II, Hα, Ca II.
_EJECTA = (3945.0, 4924.0, 5018.0, 5169.0, 5454.0, 5640.0, 5876.0, 6355.0, 6563.0, 8579.0)
# Heights of a quasar's broad lines over its continuum.
_BROAD = {
    "lya": 3.0,
    "civ": 1.4,
    "ciii": 0.7,
    "mgii": 0.8,
    "hgamma": 0.3,
    "hbeta": 0.8,
    "halpha": 3,
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
    drawn = draw_even(RANGES["dla"], rng)
    velocity = (1 - host.rest / LINES["lya"].wave) * LIGHT_SPEED
    if not host.sees(LINES["lya"].wave * (1 - drawn["speed"] / LIGHT_SPEED), 0.01):
        return None
    return -host.model * (1 - np.exp(-damp(velocity - drawn["speed"], 10 ** drawn["log_column"])))


def _reddened(host: Host, rng: np.random.Generator) -> NDArray:
    # As bright as its host: what dust makes too faint is not in the sample.
    drawn = draw_even(RANGES["reddened"], rng)
    dimmed = host.model * _dim(host.rest, drawn["ebv"], drawn["power"])
    return dimmed * host.level / host.median(dimmed) - host.model


def _weak_line(host: Host, rng: np.random.Generator) -> NDArray | None:
    if not any(host.sees(wave) for wave in BROAD_WAVES.values()):
        return None
    return -(host.model - host.continuum) * draw_even(RANGES["weak_line"], rng)["lost"]


def _double_peaked(host: Host, rng: np.random.Generator) -> NDArray | None:
    lines = [BROAD_WAVES[n] for n in LOW_IONISATION if host.sees(BROAD_WAVES[n])]
    if not lines:
        return None
    speed, width, share, size, left = draw_even(RANGES["double_peaked"], rng).values()
    light = np.clip(host.model - host.continuum, 0, None)
    added = np.zeros_like(light)
    for wave in lines:
        velocity = (host.rest / wave - 1) * LIGHT_SPEED
        core = light * np.exp(-((velocity / 6000) ** 4))
        area = size * np.trapezoid(core, velocity)
        humps = [
            part * np.exp(-0.5 * ((velocity - sign * speed) / (width * speed)) ** 2)
            for sign, part in ((-1, share), (1, 1 - share))
        ]
        # Light of the disc in the place of that of the broad-line region, or beside it.
        added += sum(humps) * area / (width * speed * np.sqrt(2 * np.pi)) - (1 - left) * core
    return added


def _changing_look(host: Host, rng: np.random.Generator) -> NDArray | None:
    if not host.sees(4000.0):
        return None
    left, bright, age = draw_even(RANGES["changing_look"], rng).values()
    faded = -(1 - left) * host.continuum - (1 - 0.5 * left) * (host.model - host.continuum)
    light = galaxy_light(host.rest, age, rng.uniform(0, 5), rng.uniform(0.2, 0.6))
    return faded + light * host.level * bright


def _narrow_line(host: Host, rng: np.random.Generator) -> NDArray:
    place = rng.choice(np.flatnonzero(host.weight > 0))
    sigma = rng.uniform(*RANGES["narrow_line"]["sigma"])
    shape = np.exp(-0.5 * ((host.rest / host.rest[place] - 1) * LIGHT_SPEED / sigma) ** 2)
    return host.scale(shape, draw_log(RANGES["narrow_line"]["significance"], rng))


def _star_blend(host: Host, rng: np.random.Generator) -> NDArray:
    ranges = RANGES["star_blend"]
    temperature = draw_log(ranges["temperature"], rng)
    light = star_light(host.observed, temperature, rng.uniform(*ranges["depth"]))
    return light * host.level / host.median(light) * draw_log(ranges["ratio"], rng)


def _galaxy_blend(host: Host, rng: np.random.Generator) -> NDArray | None:
    if host.z < 0.3:
        return None
    ranges = RANGES["galaxy_blend"]
    z = rng.uniform(0.05, min(0.9, host.z - 0.1))
    light = _draw_galaxy(host.observed / (1 + z), ranges, rng)
    return light * host.level / host.median(light) * draw_log(ranges["ratio"], rng)


def _quasar_blend(host: Host, rng: np.random.Generator) -> NDArray:
    # Its own light, moved on the logarithmic grid: a quasar like it at another redshift.
    ranges, step = RANGES["quasar_blend"], np.log10(host.rest[1] / host.rest[0])
    shift = rng.choice([-1, 1]) * rng.uniform(*ranges["shift"]) / step
    pixel = np.arange(len(host.rest))
    light = np.interp(pixel - shift, pixel, host.model)
    return light * host.level / host.median(light) * draw_log(RANGES["quasar_blend"]["ratio"], rng)


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
    return host.continuum * shape * draw_even(RANGES["iron"], rng)["height"]


def _star(host: Host, rng: np.random.Generator) -> NDArray:
    ranges = RANGES["star"]
    temperature, depth = draw_log(ranges["temperature"], rng), rng.uniform(*ranges["depth"])
    is_emitting = temperature > _HOT and rng.random() < 0.4
    emission = draw_log(ranges["emission"], rng) if is_emitting else 0.0
    light = star_light(host.observed, temperature, 0.0 if is_emitting else depth, emission)
    return light * host.level / host.median(light) - host.model


def _galaxy(host: Host, rng: np.random.Generator) -> NDArray:
    ranges = RANGES["galaxy"]
    light = _draw_galaxy(host.observed / (1 + rng.uniform(*ranges["redshift"])), ranges, rng)
    return light * host.level / host.median(light) - host.model


def _draw_galaxy(rest: NDArray, ranges: Ranges, rng: np.random.Generator) -> NDArray:
    age, nebular = rng.uniform(*ranges["age"]), draw_log(ranges["nebular"], rng)
    return galaxy_light(rest, age, nebular, rng.uniform(0.2, 0.6))


def _strange(host: Host, rng: np.random.Generator) -> NDArray:
    """Broad bumps and dips where no known line or band of a quasar is."""
    added = np.zeros(len(host.rest))
    good = host.rest[host.weight > 0]
    for _ in range(rng.integers(2, 6)):
        centre, width = rng.choice(good), draw_log(RANGES["strange"]["width"], rng)
        shape = np.exp(-0.5 * ((host.rest / centre - 1) / width) ** 2)
        height = draw_log(RANGES["strange"]["height"], rng)
        added += rng.choice([-0.6, 1]) * host.level * height * shape
    return added


def _second_galaxy(host: Host, rng: np.random.Generator) -> NDArray:
    ranges = RANGES["second_galaxy"]
    light = _draw_galaxy(host.observed / (1 + rng.uniform(*ranges["redshift"])), ranges, rng)
    return light * host.level / host.median(light) * draw_log(ranges["ratio"], rng)


def _supernova(host: Host, rng: np.random.Generator) -> NDArray | None:
    """Add a hot photosphere under lines that each absorb blueward of their emission."""
    if not host.sees(5000.0):
        return None
    temperature, speed, depth, _ = draw_even(RANGES["supernova"], rng).values()
    light = star_light(host.rest, temperature, 0.0)
    for wave in _EJECTA:
        velocity = (host.rest / wave - 1) * LIGHT_SPEED / speed
        share = depth * rng.uniform(0, 1)
        trough = np.exp(-0.5 * ((velocity + 1) / 0.4) ** 2)
        light = light * (1 - share * trough + share * rng.uniform(0, 2) * np.exp(-(velocity**2)))
    ratio = draw_log(RANGES["supernova"]["ratio"], rng)
    return light * host.level / host.median(light) * ratio


def _quasar(host: Host, rng: np.random.Generator) -> NDArray:
    z, slope, width = draw_even(RANGES["quasar"], rng).values()
    rest = host.observed / (1 + z)
    light = (rest / 3000.0) ** slope
    for key, height in _BROAD.items():
        velocity = (rest / LINES[key].wave - 1) * LIGHT_SPEED / width
        strength = height * np.exp(rng.normal(0, 0.3))
        light = light * (1 + strength * np.exp(-0.5 * velocity**2))
    # What the forest leaves of the light blueward of Lyα.
    forest = np.clip(1 - 0.0036 * (1 + z) ** 3.45, 0, 1)
    light = np.where(rest < LINES["lya"].wave, light * forest, light)
    return light * host.level / host.median(light) - host.model


def _emission(host: Host, rng: np.random.Generator) -> NDArray | None:
    """Add hydrogen and helium lines, as a flare, an active star or an accretion disc has them."""
    if not host.sees(LINES["hbeta"].wave):
        return None
    sigma = draw_log(RANGES["emission"]["sigma"], rng)
    shape = np.zeros(len(host.rest))
    for wave in waves(*BALMER[:6], "hei_5877", "heii_4687"):
        velocity = (host.rest / wave - 1) * LIGHT_SPEED / sigma
        shape += rng.uniform(0.1, 1) * np.exp(-0.5 * velocity**2)
    return host.scale(shape * host.level, draw_log(RANGES["emission"]["significance"], rng))


# How each phenomenon is drawn; `catalog_schema.parents` has what each teaches.
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
    "strange": _strange,
    **FAULTS,
    "second_galaxy": _second_galaxy,
    "supernova": _supernova,
    "quasar": _quasar,
    "emission": _emission,
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
