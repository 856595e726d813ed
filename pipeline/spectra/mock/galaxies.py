"""Galaxies: who they are, and their own light.

Spectra are f_lambda on rest wavelengths in Å (vacuum), in units of the starlight at 5100 Å before
dust.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter1d

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock import nebular, stellar_lines
from pipeline.spectra.mock.distributions import Limited, from_density, lognormal, normal, tabulated
from pipeline.spectra.mock.dust import calzetti_transmission
from pipeline.spectra.mock.stellar_lines import GRID, STEP

# Simple populations by age in Gyr: hot and cool black body (K) and share of the hot one at 5100 Å,
# peak depth and half width (Å) of the Balmer lines, share lost below the Balmer edge, below 4000 Å
# and below 2900 Å, scales of metal lines, mass to light at 5100 Å. Chosen so that Dn(4000) and
# the width of Hdelta follow Bruzual & Charlot (2003) at solar metallicity (`test_galaxies.py`).
_POPULATIONS = np.array(
    [
        (0.003, 32_000, 20_000, 0.90, 0.10, 5.0, 0.03, 0.00, 0.00, 0.05, 0.012),
        (0.010, 22_000, 4200.0, 0.80, 0.22, 5.5, 0.10, 0.02, 0.03, 0.12, 0.025),
        (0.030, 17_000, 4300.0, 0.85, 0.35, 6.0, 0.20, 0.02, 0.05, 0.15, 0.060),
        (0.100, 13_500, 4500.0, 0.88, 0.50, 6.5, 0.32, 0.02, 0.10, 0.20, 0.12),
        (0.300, 10_500, 4700.0, 0.88, 0.74, 7.0, 0.45, 0.04, 0.25, 0.30, 0.24),
        (1.000, 7800.0, 4800.0, 0.75, 0.56, 6.0, 0.28, 0.14, 0.45, 0.60, 0.60),
        (3.000, 5900.0, 4500.0, 0.65, 0.16, 4.0, 0.05, 0.28, 0.65, 0.90, 1.30),
        (11.00, 5300.0, 4200.0, 0.60, 0.06, 4.0, 0.00, 0.40, 0.75, 1.05, 3.20),
    ]
)  # fmt: skip
_AGES = _POPULATIONS[:, 0]
# Stars younger than this are the recent ones (Gyr): what A stars live.
_RECENT = 0.35
_EDGES = np.r_[0.0, np.sqrt(_AGES[1:] * _AGES[:-1]), np.inf]
# Reddening of starlight over that of gas (Calzetti et al. 2000).
_STARS_TO_GAS = 0.44


@dataclass(frozen=True)
class Galaxy:
    """What sets the spectrum of one galaxy.

    Attributes
    ----------
    program : BGS, LRG or ELG, what it was selected as.
    z, r_mag : redshift and AB magnitude in r as observed.
    onset : time since the first stars formed, Gyr.
    decay : onset over the time scale of the delayed exponential of star formation.
    recent : star formation of the last 350 Myr over what that history gives: a burst or an end.
    metals, alpha : logarithms of metallicity and of alpha elements over iron, solar.
    dispersion : of the stars, km/s.
    ebv : reddening of the starlight, mag.
    halpha : equivalent width of Halpha in Å.
    oxygen : log [NII]/Halpha of its star-forming regions, which sets their other ratios.
    agn, hardness : share of Halpha lit by an active nucleus; 0 a LINER, 1 a Seyfert.
    scatter : (6,) dex, scatter of the ratios, see `nebular.ratios`.
    gas_width : sigma of the nebular lines over that of the stars.
    """

    program: str
    z: float
    r_mag: float
    onset: float
    decay: float
    recent: float
    metals: float
    alpha: float
    dispersion: float
    ebv: float
    halpha: float
    oxygen: float
    agn: float
    hardness: float
    scatter: np.ndarray
    gas_width: float


# Redshifts: of LRGs and ELGs counts in the range and roughly the shape of Zhou et al. (2023) and
# Raichoor et al. (2023), the numbers assumed; of bright galaxies a spread about a median that grows
# with magnitude, 0.2 at 19.3 (Hahn et al. 2023), the form assumed.
REDSHIFTS: Mapping[str, Limited] = {
    "LRG": tabulated(
        (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1), (3.0, 5.5, 6.5, 8.0, 9.5, 9.0, 5.0, 1.5)
    ),
    "ELG": tabulated(
        (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6),
        (2.0, 5.0, 6.5, 6.0, 5.5, 6.0, 6.0, 5.5, 4.5, 2.5),
    ),
}
_BRIGHT_SPREAD = lognormal(1.0, 0.16, 0.3, 3.0)
# Bright galaxies to r = 20.175 (Hahn et al. 2023), counts by 0.4 dex/mag.
_BRIGHT_COUNTS = from_density(lambda r: 10 ** (0.4 * r), 15.5, 20.175)
# Above this rate per mass (log 1/yr) a galaxy is on the star-forming side.
_QUIESCENT = -11.0
# Of each selection, how many are past star formation. Bright galaxies: the bimodality at a
# luminosity of L* (Kauffmann et al. 2003); LRGs: nearly all (Zhou et al. 2023).
_PASSIVE_SHARE = {"BGS": 0.40, "LRG": 0.93, "ELG": 0.0}
# Galaxies past star formation with LINER-like lines of old stars, below 3 Å (Cid Fernandes et al.
# 2011); active nuclei are the others' (Kauffmann et al. 2003), shares assumed.
_NUCLEUS_SHARE = 0.12


def draw_galaxy(rng: np.random.Generator, program: str) -> Galaxy:
    """Draw a galaxy of a target selection of DESI: BGS, LRG or ELG.

    Stellar dispersions from 60 to 350 km/s grow with age; dust of star-forming galaxies is about
    0.15 mag on the stars (Calzetti et al. 2000), of others a tenth of that. The equivalent width
    of Halpha follows the star formation per mass, 20 Å at 1e-10 per year, with 0.25 dex (slope
    after Belfiore et al. 2018).
    """
    z, r_mag = draw_place(rng, program)
    age = _age_of_universe(z)
    is_passive = rng.random() < _PASSIVE_SHARE[program]
    if program == "ELG":
        onset = float(lognormal(1.0, 0.2, 0.25, 0.8 * age).draw(rng))
        decay = normal(0.9, 0.5, 0.05, 2.5).draw(rng)
    else:
        onset = age * rng.uniform(0.55, 0.92)
        low, high = (9.0, 1.8) if is_passive else (2.6, 1.1)
        decay = normal(low, high, 0.2, 14.0).draw(rng)
    # Star formation flickers by 0.2 dex; a few have ended it or had a burst lately.
    flicker = rng.normal(0.0, 0.2)
    if rng.random() < 0.05 and program == "BGS":
        flicker += rng.choice([-0.8, 0.5])
    recent = 10**flicker
    rate = specific_rate(onset, decay, recent)
    forming = 1 / (1 + 10 ** (2 * (_QUIESCENT - rate)))
    halpha = 1.3 + 0.7 * (rate + 10.0)
    floor = -0.1 if is_passive else 0.0
    halpha = np.logaddexp(halpha * np.log(10), floor * np.log(10)) / np.log(10)
    has_nucleus = rng.random() < _NUCLEUS_SHARE and program != "ELG"
    hardness = float(rng.beta(0.6, 0.6)) if has_nucleus else float(rng.uniform(0.0, 0.15))
    share = float(rng.beta(1.2, 1.2)) if has_nucleus else 0.0
    oxygen = {"BGS": -0.52, "LRG": -0.42, "ELG": -0.95}[program]
    return Galaxy(
        program=program,
        z=z,
        r_mag=r_mag,
        onset=onset,
        decay=decay,
        recent=recent,
        metals=float(np.clip(rng.normal(0.05 - 0.25 * forming, 0.15), -0.8, 0.35)),
        alpha=float(np.clip(rng.normal(0.22 - 0.17 * forming, 0.06), -0.1, 0.4)),
        dispersion=lognormal(215.0 - 105.0 * forming, 0.11, 60.0, 350.0).draw(rng),
        ebv=float(min(rng.gamma(2.5, 0.012 + 0.05 * forming), 0.5)),
        halpha=float(10 ** (halpha + rng.normal(0.0, 0.25) + (0.35 if has_nucleus else 0.0))),
        oxygen=float(np.clip(rng.normal(oxygen, 0.17), -1.6, -0.34)),
        agn=float(share + (1 - share) * (1 - forming)),
        hardness=hardness,
        scatter=np.clip(rng.normal(0.0, 1.0, 6), -2.5, 2.5),
        gas_width=float(rng.uniform(0.6, 1.0)),
    )


def draw_place(rng: np.random.Generator, program: str) -> tuple[float, float]:
    """Draw redshift and r magnitude (AB) as the selection of `program` has them.

    LRGs become fainter by 3.6 mag per unit redshift about 20.4 at 0.5 (Zhou et al. 2023: z-band
    fibre magnitudes below 21.6, r - z above 1); ELGs have g between 20 and 24.1 (Raichoor et al.
    2023), most near the limit. Spreads are assumed.
    """
    if program == "BGS":
        r_mag = _BRIGHT_COUNTS.draw(rng)
        median = 0.2 * 10 ** (0.12 * (r_mag - 19.3))
        return float(np.clip(median * _BRIGHT_SPREAD.draw(rng), 0.05, 0.6)), r_mag
    z = REDSHIFTS[program].draw(rng)
    if program == "LRG":
        return z, normal(20.4 + 3.6 * (z - 0.5), 0.4, 18.5, 22.8).draw(rng)
    return z, normal(23.0, 0.35, 21.0, 23.7).draw(rng)


def specific_rate(onset: float, decay: float, recent: float = 1.0) -> float:
    """Logarithm of the present star formation over the mass formed, 1/yr, of a delayed history.

    The rate is t exp(-t / tau), tau = onset / decay, and `recent` times that of late.
    """
    formed = 1 - np.exp(-decay) * (1 + decay)
    rate = decay**2 * np.exp(-decay) / (formed * onset * 1e9)
    return float(np.log10(max(rate * recent, 1e-14)))


def galaxy_components(galaxy: Galaxy, rest: np.ndarray) -> dict[str, np.ndarray]:
    """Light of `galaxy` at `rest` (n,) Å by component, (n,): stars and gas, behind its dust."""
    return {
        "stars": np.interp(rest, GRID, starlight(galaxy)),
        "gas": gas(galaxy, rest),
    }


def light_shares(galaxy: Galaxy) -> np.ndarray:
    """Share of the light at 5100 Å of each simple population, youngest first, shape (8,)."""
    edges = np.minimum(_EDGES, galaxy.onset)
    # Mass formed up to a look-back time, in closed form; the recent part is scaled.
    late = _formed(galaxy, np.minimum(edges, _RECENT))
    early = _formed(galaxy, np.maximum(edges, _RECENT))
    mass = galaxy.recent * np.diff(late) + np.diff(early)
    light = mass / _POPULATIONS[:, -1]
    return np.asarray(light / light.sum())


def starlight(galaxy: Galaxy) -> np.ndarray:
    """Starlight on `stellar_lines.GRID`, behind the galaxy's dust and blurred by its dispersion.

    Metal lines deepen as metallicity to the power 0.4, those of alpha elements with them.
    """
    iron, alpha, triplet = stellar_lines.iron(), stellar_lines.alpha(), stellar_lines.triplet()
    in_iron, in_alpha = 10 ** (0.4 * galaxy.metals), 10 ** (0.4 * (galaxy.metals + galaxy.alpha))
    depth = in_iron * iron + in_alpha * (alpha + triplet)
    light = np.zeros_like(GRID)
    for share, continuum, metals in zip(
        light_shares(galaxy), _continua(), _POPULATIONS[:, -2], strict=True
    ):
        if share > 1e-5:
            light += share * continuum * np.exp(-metals * depth)
    blurred = gaussian_filter1d(light, galaxy.dispersion / LIGHT_SPEED / STEP, mode="nearest")
    return np.asarray(blurred * calzetti_transmission(GRID, galaxy.ebv))


def gas(galaxy: Galaxy, rest: np.ndarray) -> np.ndarray:
    """Nebular lines at `rest` (n,) Å: ratios by excitation, reddened more than the stars."""
    level = float(np.interp(LINES["halpha"].wave, GRID, starlight(galaxy)))
    ratios = nebular.ratios(galaxy.oxygen, galaxy.agn, galaxy.hardness, galaxy.scatter)
    sigma = float(np.clip(galaxy.gas_width * galaxy.dispersion, 40.0, 300.0))
    dust = galaxy.ebv / _STARS_TO_GAS
    return nebular.lines(rest, ratios, galaxy.halpha * level, sigma, dust)


@cache
def _continua() -> np.ndarray:
    """Simple populations on `GRID` without metal lines, (8, n), one at 5100 Å."""
    return np.stack([_continuum(*row) for row in _POPULATIONS[:, 1:-2]])


def _continuum(
    hot: float,
    cool: float,
    share: float,
    balmer: float,
    width: float,
    edge: float,
    break_4000: float,
    break_2900: float,
) -> np.ndarray:
    light = share * stellar_lines.unit_planck(hot) + (1 - share) * stellar_lines.unit_planck(cool)
    light *= np.exp(-balmer * stellar_lines.balmer(width))
    # The blended high members of the series bring the Balmer edge to the red of its place.
    light *= 1 - edge * stellar_lines.step(3720.0, 25.0)
    light *= 1 - break_4000 * stellar_lines.step(3985.0, 15.0)
    light *= 1 - break_2900 * stellar_lines.step(2900.0, 80.0)
    light *= 1 - 0.5 * break_2900 * stellar_lines.step(2600.0, 40.0)
    return stellar_lines.unit(light)


def _formed(galaxy: Galaxy, lookback: np.ndarray) -> np.ndarray:
    # Mass formed since a look-back time over all, of the delayed exponential.
    tau = galaxy.onset / galaxy.decay
    age = (galaxy.onset - np.minimum(lookback, galaxy.onset)) / tau
    return np.asarray(np.exp(-age) * (1 + age) - np.exp(-galaxy.decay) * (1 + galaxy.decay))


def _age_of_universe(z: float) -> float:
    # Flat, H0 = 70 km/s/Mpc, matter density 0.3; in Gyr.
    return float(11.13 * np.arcsinh(np.sqrt(0.7 / 0.3) * (1 + z) ** -1.5))
