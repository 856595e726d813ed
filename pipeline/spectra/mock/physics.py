"""The quasar's own light: power law, broad and narrow lines, iron, Balmer continuum, host.

All spectra are f_lambda on rest wavelengths in Å (vacuum), in units of the power law at 3000 Å.
"""

from dataclasses import dataclass

import numpy as np

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock.contaminants import planck, stellar_population
from pipeline.spectra.mock.dust import smc_transmission
from pipeline.spectra.mock.iron import IRON_GRID, iron_templates
from pipeline.spectra.mock.population import Quasar
from pipeline.spectra.mock.profile import add_gaussian

# Widths of the two Gaussians of a broad line: the core's over its FWHM, the base's over the core's.
CORE_WIDTH, BASE_WIDTH = 0.85, 3.0
_BALMER_EDGE = LINES["balmer_edge"].wave


@dataclass(frozen=True)
class EmissionLine:
    """A line: median equivalent width Å, how that and the profile vary.

    `baldwin` and `ev1` are the change of log10 EW per dex of luminosity and per unit of
    Eigenvector 1; `shift` the share of the CIV blueshift it has; `width` its FWHM over Hbeta's.
    """

    key: str
    ew: float
    baldwin: float = 0.0
    ev1: float = 0.0
    shift: float = 0.0
    width: float = 1.0

    @property
    def wave(self) -> float:
        """Rest wavelength in Å."""
        return LINES[self.key].wave


# Median widths: Vanden Berk et al. 2001, tables 2 and 4, raised where a blend was
# measured there as one line; Baldwin slopes: Dietrich et al. 2002 and Zheng et al. 1995.
BROAD_LINES = (
    EmissionLine("ovi", 10.0, -0.25, -0.05, 0.6, 1.3),
    EmissionLine("lya", 78.0, -0.14, -0.10, 0.25, 0.95),
    EmissionLine("nv", 17.0, -0.05, 0.02, 0.6, 1.3),
    EmissionLine("si_ii_1263", 3.0, 0.0, 0.05, 0.0, 1.0),
    EmissionLine("oi_1304", 3.0, 0.0, 0.05, 0.0, 0.9),
    EmissionLine("cii_1335", 1.2, 0.0, 0.05, 0.0, 0.9),
    EmissionLine("siiv", 9.5, -0.10, -0.02, 0.6, 1.3),
    EmissionLine("niv", 0.7, 0.0, 0.0, 0.3, 1.0),
    EmissionLine("civ", 46.0, -0.20, -0.13, 1.0, 1.4),
    EmissionLine("heii_1640", 6.5, -0.25, -0.15, 1.2, 1.6),
    EmissionLine("oiii_1663", 5.0, -0.15, -0.05, 0.5, 1.2),
    EmissionLine("niii", 2.0, 0.0, 0.05, 0.2, 1.0),
    EmissionLine("aliii", 2.5, 0.0, 0.10, 0.3, 1.2),
    EmissionLine("si_iii", 3.5, 0.0, 0.08, 0.1, 1.0),
    EmissionLine("ciii", 20.0, -0.10, -0.06, 0.15, 1.3),
    EmissionLine("cii_2326", 2.0, -0.05, 0.0, 0.0, 1.0),
    EmissionLine("mgii", 37.0, -0.17, -0.06, 0.05, 1.05),
    EmissionLine("hdelta", 6.0, -0.05, 0.0, 0.0, 1.0),
    EmissionLine("hgamma", 13.0, -0.05, 0.0, 0.0, 1.0),
    EmissionLine("heii_4687", 3.0, -0.10, -0.10, 0.2, 1.3),
    EmissionLine("hbeta", 60.0, -0.05, -0.02, 0.0, 1.0),
    EmissionLine("hei_5877", 7.0, -0.05, 0.0, 0.0, 1.0),
    EmissionLine("halpha", 230.0, -0.05, -0.02, 0.0, 0.95),
    EmissionLine("hei_7067", 4.0, 0.0, 0.0, 0.0, 1.0),
    EmissionLine("oi_8449", 12.0, 0.0, 0.05, 0.0, 0.8),
)
NARROW_LINES = (
    EmissionLine("nev", 1.0, -0.1, -0.2),
    EmissionLine("oii_3727", 0.8, -0.2, -0.15),
    EmissionLine("oii_3729", 0.9, -0.2, -0.15),
    EmissionLine("neiii", 1.4, -0.15, -0.2),
    EmissionLine("neiii_3968", 0.45, -0.15, -0.2),
    EmissionLine("hgamma", 0.6, -0.15, -0.2),
    EmissionLine("oiii_4364", 0.5, -0.15, -0.2),
    EmissionLine("hbeta", 1.6, -0.15, -0.25),
    EmissionLine("oiii_4960", 4.4, -0.15, -0.33),
    EmissionLine("oiii", 13.2, -0.15, -0.33),
    EmissionLine("oi", 0.6, -0.15, -0.2),
    EmissionLine("nii_6549", 1.3, -0.15, -0.1),
    EmissionLine("halpha", 7.0, -0.15, -0.25),
    EmissionLine("nii", 4.0, -0.15, -0.1),
    EmissionLine("s_ii_6718", 1.6, -0.15, -0.1),
    EmissionLine("s_ii_6732", 1.4, -0.15, -0.1),
    EmissionLine("ariii", 0.6, -0.15, -0.2),
    EmissionLine("s_iii_9071", 2.5, -0.15, -0.2),
)


def quasar_components(quasar: Quasar, rest: np.ndarray) -> dict[str, np.ndarray]:
    """Unabsorbed light of `quasar` at `rest` (n,) Å, by component, each (n,).

    Keys: continuum, iron, broad, narrow, host. Dust at the quasar dims all but the host.
    """
    power_law = continuum(quasar, rest)
    dust = smc_transmission(rest, quasar.ebv_smc)
    host = stellar_population(rest, quasar.host_age)
    host *= quasar.host_ratio * continuum(quasar, np.array([5100.0]))[0]
    return {
        "continuum": (power_law + _balmer_continuum(quasar, rest)) * dust,
        "iron": iron(quasar, rest) * dust,
        "broad": broad_lines(quasar, rest) * dust,
        "narrow": narrow_lines(quasar, rest) * dust,
        "host": host,
    }


def continuum(quasar: Quasar, rest: np.ndarray) -> np.ndarray:
    """Power law broken at `break_wave` and, to the far ultraviolet, at 1150 Å (Telfer 2002)."""
    power_law = (rest / 3000.0) ** quasar.slope_uv
    red = rest > quasar.break_wave
    turn = quasar.slope_optical - quasar.slope_uv
    power_law[red] *= (rest[red] / quasar.break_wave) ** turn
    blue = rest < 1150.0
    power_law[blue] *= (rest[blue] / 1150.0) ** 0.9
    return power_law


def broad_equivalent_width(quasar: Quasar, line: EmissionLine) -> float:
    """Rest equivalent width in Å of a broad line: Baldwin effect, Eigenvector 1 and scatter."""
    log_ew = np.log10(line.ew) + line.baldwin * (quasar.log_l3000 - 45.5)
    log_ew += line.ev1 * quasar.eigenvector1 + quasar.line_strength
    scatter = quasar.line_scatter[BROAD_LINES.index(line)]
    return float(10 ** (log_ew + scatter))


def broad_lines(quasar: Quasar, rest: np.ndarray) -> np.ndarray:
    """Sum of all broad lines at `rest` (n,), each a core and a wider base."""
    flux = np.zeros_like(rest)
    for line in BROAD_LINES:
        strength = broad_equivalent_width(quasar, line)
        strength *= continuum(quasar, np.array([line.wave]))[0]
        centre = line.wave * (1 - line.shift * quasar.blueshift / LIGHT_SPEED)
        fwhm = CORE_WIDTH * quasar.fwhm_broad * line.width
        add_gaussian(flux, rest, centre, fwhm, strength * quasar.core_share)
        add_gaussian(flux, rest, centre, BASE_WIDTH * fwhm, strength * (1 - quasar.core_share))
    return flux


def narrow_lines(quasar: Quasar, rest: np.ndarray) -> np.ndarray:
    """Sum of the narrow lines at `rest` (n,); [OIII] has a blue wing that grows with EV1."""
    flux = np.zeros_like(rest)
    common = quasar.line_scatter[-1] * 2
    for line in NARROW_LINES:
        log_ew = line.baldwin * (quasar.log_l3000 - 45.0) + line.ev1 * quasar.eigenvector1
        strength = line.ew * 10 ** (log_ew + common)
        strength *= continuum(quasar, np.array([line.wave]))[0]
        wing = 0.3 if line.key.startswith("oiii") else 0.0
        add_gaussian(flux, rest, line.wave, quasar.fwhm_narrow, strength * (1 - wing))
        if wing:
            shift = 1 - (200 + 0.2 * max(quasar.blueshift, 0)) / LIGHT_SPEED
            add_gaussian(flux, rest, line.wave * shift, 1100.0, strength * wing)
    return flux


def iron(quasar: Quasar, rest: np.ndarray) -> np.ndarray:
    """UV and optical iron pseudo-continuum at `rest` (n,), as wide as the broad lines."""
    ultraviolet, optical = iron_templates(quasar.fwhm_broad)
    at_2500, at_4600 = continuum(quasar, np.array([2500.0, 4600.0]))
    template = quasar.iron_uv * at_2500 * ultraviolet + quasar.iron_optical * at_4600 * optical
    return np.interp(rest, IRON_GRID, template, left=0.0, right=0.0)


def _balmer_continuum(quasar: Quasar, rest: np.ndarray) -> np.ndarray:
    # Grandi 1982: partly thick, 15,000 K; the blended high Balmer lines continue it past the edge.
    optical_depth = (np.minimum(rest, _BALMER_EDGE) / _BALMER_EDGE) ** 3
    body = planck(rest, 15000.0) / planck(np.array([_BALMER_EDGE]), 15000.0)
    shape = body * (1 - np.exp(-optical_depth)) / (1 - np.exp(-1.0))
    shape *= np.exp(-np.maximum(rest - _BALMER_EDGE, 0.0) / 90.0)
    level = continuum(quasar, np.array([_BALMER_EDGE]))[0]
    return quasar.balmer_continuum * level * shape
