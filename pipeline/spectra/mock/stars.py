"""Stars: who they are, and their light.

Spectra are f_lambda on rest wavelengths in Å (vacuum), one at 5100 Å, or a sum of such.
"""

from dataclasses import dataclass

import numpy as np

from catalog_schema.constants import LIGHT_SPEED
from pipeline.spectra.mock import stellar_lines
from pipeline.spectra.mock.distributions import exponential, lognormal, normal, tabulated
from pipeline.spectra.mock.stellar_lines import GRID

WHITE_DWARF_GRAVITY = 8.0
# Shares of what the Milky Way survey observes: white dwarfs a few per cent, giants one in eight
# (Cooper et al. 2023; the numbers are assumed).
_WHITE_DWARF_SHARE, _GIANT_SHARE = 0.04, 0.12
# Dwarfs by temperature (K): many of the turn-off, a second crest of M dwarfs, few hot ones
# (Cooper et al. 2023, main-red and main-blue; numbers assumed).
_DWARFS = tabulated(
    (3000.0, 3300.0, 3700.0, 4200.0, 4800.0, 5400.0, 6000.0, 6600.0, 7400.0, 8600.0, 10_000.0),
    (8.0, 14.0, 12.0, 12.0, 16.0, 20.0, 16.0, 6.0, 3.0, 2.0),
)
_GIANTS = normal(4750.0, 350.0, 3700.0, 5600.0)
# DA temperatures of a magnitude-limited sample (Gentile Fusillo et al. 2019), log-normal assumed.
_WHITE_DWARFS = lognormal(12_500.0, 0.15, 6500.0, 40_000.0)
# Metallicities of disc and halo (Ivezić et al. 2008); the share of the halo is assumed.
_DISC, _HALO, _HALO_SHARE = normal(-0.35, 0.25, -1.2, 0.5), normal(-1.45, 0.40, -2.5, -0.6), 0.3
# Radial velocities, km/s, and magnitudes of the Milky Way survey, r 16 to 19 and on to 21 of what
# fills spare fibres; counts by 0.12 dex/mag, assumed.
_VELOCITY = 100.0
_MAGNITUDES = exponential(-1 / (0.12 * np.log(10)), 16.0, 21.0)
# Upper limits of the temperatures of Redrock's subtypes.
_SUBTYPES = (("M", 3900.0), ("K", 5250.0), ("G", 5950.0), ("F", 7350.0), ("A", 10_000.0))


@dataclass(frozen=True)
class Star:
    """What sets the spectrum of one star.

    Attributes
    ----------
    z, r_mag : radial velocity over that of light, and AB magnitude in r as observed.
    temperature : effective, K.
    gravity : log g, cgs; from `WHITE_DWARF_GRAVITY` on it is a white dwarf of type DA.
    metals, alpha : logarithms of iron and of alpha elements over iron, solar.
    """

    z: float
    r_mag: float
    temperature: float
    gravity: float
    metals: float
    alpha: float

    @property
    def is_white_dwarf(self) -> bool:
        """Whether its lines are those of a white dwarf."""
        return self.gravity >= WHITE_DWARF_GRAVITY

    @property
    def subtype(self) -> str:
        """Subtype of Redrock's template."""
        if self.is_white_dwarf:
            return "WD"
        return next((name for name, top in _SUBTYPES if self.temperature < top), "B")


def draw_star(rng: np.random.Generator) -> Star:
    """Draw a star of the Milky Way survey: dwarfs and giants of disc and halo, white dwarfs.

    Dwarfs have the gravity of their temperature (Pecaut & Mamajek 2013), giants fall along their
    branch; alpha elements rise as iron falls (Ivezić et al. 2008).
    """
    luck = rng.random()
    metals = (_HALO if rng.random() < _HALO_SHARE else _DISC).draw(rng)
    if luck < _WHITE_DWARF_SHARE:
        temperature, gravity = _WHITE_DWARFS.draw(rng), WHITE_DWARF_GRAVITY
    elif luck < _WHITE_DWARF_SHARE + _GIANT_SHARE:
        temperature = _GIANTS.draw(rng)
        gravity = float(
            np.clip(1.0 + (temperature - 3700.0) / 750.0 + rng.normal(0, 0.3), 0.5, 3.8)
        )
    else:
        temperature = _DWARFS.draw(rng)
        gravity = dwarf_gravity(temperature) + float(np.clip(rng.normal(0, 0.12), -0.4, 0.25))
    return Star(
        z=float(rng.normal(0.0, _VELOCITY) / LIGHT_SPEED),
        r_mag=_MAGNITUDES.draw(rng),
        temperature=temperature,
        gravity=gravity,
        metals=metals,
        alpha=float(np.clip(-0.18 * metals + rng.normal(0, 0.05), -0.1, 0.45)),
    )


def dwarf_gravity(temperature: float) -> float:
    """Log g of the main sequence at a temperature in K (Pecaut & Mamajek 2013), smoothed."""
    return float(4.25 + 0.75 / (1 + np.exp((temperature - 4300.0) / 550.0)))


def starlight(star: Star, rest: np.ndarray) -> np.ndarray:
    """Light of a star at `rest` (n,) Å, shape (n,)."""
    light = _white_dwarf(star) if star.is_white_dwarf else _atmosphere(star)
    return np.interp(rest, GRID, light)


def _white_dwarf(star: Star) -> np.ndarray:
    # Balmer lines are deepest near 12,500 K and half as deep at twice that (Tremblay & Bergeron
    # 2009); wings as wide as the pressure of log g 8 makes them.
    deepest = 1.1 * _bump(star.temperature, 12_500.0, 0.45)
    light = stellar_lines.unit_planck(star.temperature)
    light *= np.exp(-deepest * stellar_lines.balmer(24.0))
    light *= 1 - 0.25 * _bump(star.temperature, 12_000.0, 0.4) * stellar_lines.step(3760.0, 60.0)
    return stellar_lines.unit(light)


def _atmosphere(star: Star) -> np.ndarray:
    """Black body with edges, lines and bands whose scales depend smoothly on the star.

    Balmer lines are deepest at 9,000 K, with wings by gravity (Gray & Corbally 2009, ch. 4-5);
    metals fade with temperature and metallicity; the Ca II triplet is a giant's (Cenarro et al.
    2002), MgH and CaH a dwarf's (Kirkpatrick et al. 1991); TiO begins at 4,100 K, VO at 3,300 K,
    and both fall with metallicity faster than CaH (Lépine, Rich & Shara 2007).
    """
    t, gravity = star.temperature, star.gravity
    iron, alpha = 10 ** (0.45 * star.metals), 10 ** (0.45 * (star.metals + star.alpha))
    cool = 1.25 / (1 + np.exp((t - 5600.0) / 800.0))
    dwarf = 1 / (1 + np.exp(-(gravity - 3.6) / 0.5))
    width = 6.5 * 10 ** (0.22 * (gravity - 4.3)) * (t / 9000.0) ** 0.5
    oxides, hydrides = 10 ** (0.5 * star.metals), 10 ** (0.2 * star.metals)
    depth = 1.1 * _bump(t, 9000.0, 0.30) * stellar_lines.balmer(width)
    depth += cool * iron * stellar_lines.iron()
    depth += (cool + 0.08) * alpha * (0.75 + 0.25 * dwarf) * stellar_lines.alpha()
    giant = 1.0 + 0.6 * (1 - dwarf)
    depth += (0.9 * cool + 0.15) * alpha**0.5 * giant * stellar_lines.triplet()
    depth += dwarf * _softened((5000.0 - t) / 900.0) * hydrides * stellar_lines.magnesium_hydride()
    depth += _softened((4100.0 - t) / 650.0) * oxides * stellar_lines.titanium_oxide()
    depth += _softened((3300.0 - t) / 250.0) * oxides * stellar_lines.vanadium_oxide()
    depth += dwarf * _softened((4000.0 - t) / 800.0) * hydrides * stellar_lines.calcium_hydride()
    # Hydrogen lets more blue light out than a black body of that temperature (Vega's is 15,000 K).
    colour = t * (1 + 0.5 * _bump(t, 9000.0, 0.22))
    light = stellar_lines.unit_planck(colour) * np.exp(-depth)
    # The Balmer edge is the larger the lower the pressure.
    edge = 0.42 * _bump(t, 8800.0, 0.28) * (1.15 - 0.3 * dwarf)
    light *= 1 - edge * stellar_lines.step(3710.0, 20.0)
    return stellar_lines.unit(light)


def _bump(temperature: float, centre: float, width: float) -> float:
    return float(np.exp(-0.5 * (np.log(temperature / centre) / width) ** 2))


def _softened(excess: float) -> float:
    """Nothing well below zero and the excess itself well above, smooth between."""
    return float(0.15 * np.logaddexp(0.0, excess / 0.15))
