"""Who the quasars are: redshift, brightness, and the correlated properties of their spectra."""

from dataclasses import dataclass

import numpy as np

from catalog_schema.constants import LIGHT_SPEED

# Å/s in AB magnitudes, to four digits as their zero point is.
LIGHT_SPEED_AB = 2.998e18
_HUBBLE_CONSTANT = 70.0  # km/s/Mpc
_MATTER_DENSITY = 0.3
_CM_PER_MPC = 3.0857e24

# DESI DR1 quasars per redshift bin, thousands; 1.5-1.75, 2-2.25 and 3-3.25 are counts of DR1,
# the rest interpolates their trend.
_REDSHIFT_EDGES = np.array([0.05, *np.arange(0.25, 4.3, 0.25), 4.6])
_REDSHIFT_COUNTS = np.array(
    [6, 22, 48, 84, 113, 137, 145, 131, 116, 91, 60, 38, 23.2, 15, 9, 5, 2.6, 1.6]
)

# Quasar counts per magnitude bin in the shape of DESI's target density (Chaussidon et al. 2023).
_MAGNITUDE_EDGES = np.array([17.0, 18.0, 19.0, 19.5, 20.0, 20.5, 21.0, 21.5, 22.0, 22.5, 23.0])
_MAGNITUDE_COUNTS = np.array([0.7, 3.0, 4.0, 7.0, 10.0, 14.0, 17.5, 19.5, 17.0, 7.5])


@dataclass(frozen=True)
class Quasar:
    """What sets one quasar's spectrum before anything absorbs it.

    Attributes
    ----------
    z : redshift.
    r_mag : AB magnitude in r as observed.
    log_l3000 : log10 of lambda L_lambda at rest 3000 Å, erg/s.
    slope_uv, slope_optical : exponents of f_lambda below and above `break_wave` (rest Å).
    eigenvector1 : standard normal; positive means strong FeII, weak [OIII] (Boroson & Green 1992).
    blueshift : km/s by which CIV lies to the blue of systemic.
    fwhm_broad, fwhm_narrow : km/s, of Hbeta and of the narrow lines.
    core_share : flux share of the narrower of the two Gaussians of a broad line.
    line_strength : dex added to the equivalent width of every broad line.
    line_scatter : (40,) dex, further scatter of each line by its place in the line list.
    iron_uv, iron_optical : equivalent widths of the iron blends, rest Å.
    balmer_continuum : its strength over the power law at the Balmer edge.
    host_ratio, host_age : host light over quasar light at 5100 Å; 0 young to 1 old.
    ebv_smc : reddening by dust at the quasar, mag.
    """

    z: float
    r_mag: float
    log_l3000: float
    slope_uv: float
    slope_optical: float
    break_wave: float
    eigenvector1: float
    blueshift: float
    fwhm_broad: float
    fwhm_narrow: float
    core_share: float
    line_strength: float
    line_scatter: np.ndarray
    iron_uv: float
    iron_optical: float
    balmer_continuum: float
    host_ratio: float
    host_age: float
    ebv_smc: float


def draw_redshift(rng: np.random.Generator, low: float = 0.05, high: float = 4.6) -> float:
    """Draw a redshift from the DR1 quasar distribution between `low` and `high`."""
    cumulative = np.concatenate([[0.0], np.cumsum(_REDSHIFT_COUNTS)])
    bounds = np.interp([low, high], _REDSHIFT_EDGES, cumulative)
    return float(np.interp(rng.uniform(*bounds), cumulative, _REDSHIFT_EDGES))


def draw_magnitude(rng: np.random.Generator, faintest: float = 23.0) -> float:
    """Draw an r magnitude (AB) from the quasar counts, no fainter than `faintest`."""
    cumulative = np.concatenate([[0.0], np.cumsum(_MAGNITUDE_COUNTS)])
    top = float(np.interp(faintest, _MAGNITUDE_EDGES, cumulative))
    return float(np.interp(rng.uniform(0.0, top), cumulative, _MAGNITUDE_EDGES))


def luminosity_distance(z: float) -> float:
    """Luminosity distance in cm of a flat universe (H0 = 70 km/s/Mpc, matter density 0.3)."""
    steps = np.linspace(0.0, z, 200)
    inverse_rate = 1.0 / np.sqrt(_MATTER_DENSITY * (1 + steps) ** 3 + 1 - _MATTER_DENSITY)
    comoving = LIGHT_SPEED / _HUBBLE_CONSTANT * np.trapezoid(inverse_rate, steps)
    return float((1 + z) * comoving * _CM_PER_MPC)


def magnitude_to_flux(r_mag: float) -> float:
    """Mean f_lambda over the r band, 1e-17 erg/s/cm2/Å, of an AB magnitude."""
    return float(10 ** (-0.4 * (r_mag + 48.6)) * LIGHT_SPEED_AB / 6420.0**2 * 1e17)


def draw_quasar(rng: np.random.Generator, z: float, r_mag: float) -> Quasar:
    """Draw the properties of a quasar of redshift `z` and magnitude `r_mag` (AB).

    Correlations: CIV blueshift with luminosity and Eigenvector 1 (Richards et al. 2011), iron and
    line width with Eigenvector 1 (Boroson & Green 1992), host share with luminosity (Shen et al.
    2011, eq. 1). Equivalent widths follow in `physics.broad_equivalent_width`.
    """
    slope_uv = rng.normal(-1.78, 0.30)
    log_l3000 = _log_luminosity(z, r_mag, slope_uv)
    eigenvector1 = rng.normal(0.15 * (log_l3000 - 45.5), 1.0)
    blueshift = 550 + 380 * eigenvector1 + 450 * (log_l3000 - 45.7) + rng.normal(0, 300)
    return Quasar(
        z=z,
        r_mag=r_mag,
        log_l3000=log_l3000,
        slope_uv=slope_uv,
        slope_optical=rng.normal(-0.95, 0.25),
        break_wave=rng.normal(4700.0, 250.0),
        eigenvector1=eigenvector1,
        blueshift=float(np.clip(blueshift, -600, 4500)),
        fwhm_broad=10 ** float(np.clip(rng.normal(3.62 - 0.09 * eigenvector1, 0.10), 3.2, 4.1)),
        fwhm_narrow=float(np.clip(rng.normal(450, 130), 200, 1000)),
        core_share=float(rng.uniform(0.45, 0.68)),
        line_strength=rng.normal(0.0, 0.10),
        line_scatter=rng.normal(0.0, 0.09, 40),
        iron_uv=10 ** (1.80 + 0.08 * eigenvector1 + rng.normal(0, 0.15)),
        iron_optical=10 ** (1.38 + 0.28 * eigenvector1 + rng.normal(0, 0.12)),
        balmer_continuum=float(np.clip(rng.normal(0.22, 0.07), 0.0, 0.45)),
        host_ratio=0.6 * _host_ratio(log_l3000) * 10 ** rng.normal(0, 0.2),
        host_age=float(rng.beta(2, 2)),
        ebv_smc=float(min(rng.exponential(0.01), 0.10)),
    )


def _log_luminosity(z: float, r_mag: float, slope: float) -> float:
    flux = magnitude_to_flux(r_mag) * 1e-17 * (3000 * (1 + z) / 6420.0) ** slope
    luminosity = 4 * np.pi * luminosity_distance(z) ** 2 * 3000 * (1 + z) * flux
    return float(np.log10(luminosity))


def _host_ratio(log_l3000: float) -> float:
    # Shen et al. 2011 fit it up to x = 1.053 and take no host above; flat below x = 0.
    x = max(log_l3000 - 0.15 - 44.0, 0.0)
    if x > 1.053:
        return 0.03
    return max(0.8052 - 1.5502 * x + 0.912 * x**2 - 0.1577 * x**3, 0.03)
