"""Families in which gas or dust takes light away.

Each function returns the changed scene and the rest wavelength in Å where it acts, NaN when
everywhere. Speeds are those of outflow: positive towards the observer, so that a line of rest
wavelength w lies at w (1 - speed / c).
"""

from dataclasses import replace

import numpy as np

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock.distributions import (
    exponential,
    from_density,
    lognormal,
    lorentzian,
    uniform,
)
from pipeline.spectra.mock.dust import smc_transmission
from pipeline.spectra.mock.forest import LYMAN_ALPHA, dla
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.scene import Scene

# Ions that absorb together: oscillator strengths of their lines (Morton 2003; NIST).
_CIV = {"civ_1548": 0.190, "civ_1551": 0.0952}
_SIIV = {"si_iv_1394": 0.513, "si_iv_1403": 0.255}
_NV = {"nv_1239": 0.156, "nv_1243": 0.0777}
_LYA = {"lya": 0.4164}
_MGII = {"mgii_2796": 0.616, "mgii_2804": 0.306}
_ALIII = {"aliii_1855": 0.559, "aliii_1863": 0.278}
_FEII = {
    "feii_1608": 0.0577,
    "feii_2344": 0.114,
    "feii_2374": 0.0313,
    "feii_2383": 0.320,
    "feii_2587": 0.0691,
    "feii_2600": 0.239,
    "feii_2740": 0.22,
    "feii_2750": 0.25,
    "feii_2757": 0.30,
}
_BALMER = {"halpha": 0.641, "hbeta": 0.119, "hgamma": 0.0447, "hdelta": 0.0221}
_HEI = {"hei_3890": 0.0644, "hei_3189": 0.0258, "hei_2946": 0.0108}
# Width of x exp(1 - x) at half its maximum.
_TROUGH_FWHM = 2.446

# Broad absorption: speeds up to 25,000 km/s are catalogued by Gibson et al. (2009), with
# fewer troughs at high speed; the straight fall is assumed. Widths at half depth: Baskin, Laor &
# Hamann (2015), median 3,500 km/s. Covered share: troughs are at least 10 % deep (Trump et al.
# 2006); that all depths are as frequent is assumed. About half have SiIV (Filiz Ak et al. 2014).
BAL = {
    "speed": from_density(lambda v: 25_000 - v, 300.0, 24_000.0),
    "width": lognormal(3500.0, 0.22, 1200.0, 9500.0),
    "covering": uniform(0.12, 0.98),
    "silicon": from_density(lambda s: np.where(s < 0.1, 5.0, 0.5 / 0.9), 0.0, 1.0),
}
# Iron low-ionisation absorption: speeds and widths within those of Hall et al. (2002), shape
# assumed; reddening of LoBALs above other quasars: Reichard et al. (2003), 0.077 mag.
FELOBAL = {
    "speed": exponential(3500.0, 150.0, 14_000.0),
    "width": lognormal(1700.0, 0.28, 400.0, 6500.0),
    "covering": uniform(0.2, 0.97),
    "depth": lognormal(3.0, 0.35, 0.6, 25.0),
    "ebv": exponential(0.077, 0.0, 0.35),
}
# Proximate damped absorbers: within 3,000 km/s (Ellison et al. 2010) and more frequent the nearer
# (Prochaska, Hennawi & Herbert-Fort 2008; the scale is assumed); columns by the double power law
# of Noterdaeme et al. (2009): -1.60 below log N = 21.27, -3.48 above, per linear N.
DLA = {
    "speed": exponential(1800.0, -300.0, 2950.0),
    "log_column": from_density(
        lambda n: 10 ** ((n - 21.27) * np.where(n < 21.27, 1 - 1.60, 1 - 3.48)), 20.35, 22.2
    ),
}
# Reddening: Lorentzian of which 2 % exceed 0.1 mag and under 1 % 0.2 mag (Hopkins et al. 2004);
# up to what is found by radio and infrared selection (Glikman et al. 2012).
REDDENED = {"ebv": lorentzian(0.0, 0.00314, 0.16, 1.4)}
# Balmer absorption: speeds from 726 (Ji et al. 2012) over 1,400 (Schulze et al. 2018) to
# 10,350 km/s, widths from 2,000 to 12,000 km/s (Zhang et al. 2015); saturated under partial
# covering (Schulze et al. 2018). The spread between the few known is assumed log-normal.
BALMER = {
    "speed": lognormal(1500.0, 0.35, 300.0, 10_400.0),
    "width": lognormal(1800.0, 0.3, 700.0, 12_000.0),
    "covering": uniform(0.25, 0.9),
    "depth": lognormal(4.0, 0.25, 1.5, 15.0),
}


def bal(
    scene: Scene,
    rng: np.random.Generator,
    *,
    speed: float,
    width: float,
    covering: float,
    silicon: float,
) -> tuple[Scene, float]:
    """Broad high-ionisation absorption (Gibson et al. 2009; Baskin et al. 2015).

    The optical depth rises from the slow edge and fades towards high speeds, the doublets have
    their ratio of oscillator strengths, and the gas covers a share of the source.
    """
    ions = ((_CIV, 3.0), (_SIIV, 3.0 * silicon), (_NV, 3.5), (_LYA, 1.5))
    passed = _screen(scene.rest, ions, speed, width, covering)
    return replace(scene, passed=scene.passed * passed), LINES["civ"].wave * (
        1 - speed / LIGHT_SPEED
    )


def felobal(
    scene: Scene,
    rng: np.random.Generator,
    *,
    speed: float,
    width: float,
    covering: float,
    depth: float,
    ebv: float,
) -> tuple[Scene, float]:
    """Iron low-ionisation broad absorption with dust (Hall et al. 2002; Reichard et al. 2003)."""
    ions = ((_MGII, 2 * depth), (_FEII, depth), (_ALIII, depth), (_CIV, 2 * depth), (_SIIV, depth))
    passed = _screen(scene.rest, ions, speed, width, covering) * smc_transmission(scene.rest, ebv)
    return replace(scene, passed=scene.passed * passed), LINES["mgii"].wave * (
        1 - speed / LIGHT_SPEED
    )


def dla_proximate(
    scene: Scene, rng: np.random.Generator, *, speed: float, log_column: float
) -> tuple[Scene, float]:
    """A damped absorber near the quasar (Ellison et al. 2010; Noterdaeme et al. 2009)."""
    z = (1 + scene.quasar.z) * (1 - speed / LIGHT_SPEED) - 1
    passed = scene.passed * dla(WAVE, z, log_column)
    return replace(scene, passed=passed), LYMAN_ALPHA * (1 - speed / LIGHT_SPEED)


def strongly_reddened(scene: Scene, rng: np.random.Generator, *, ebv: float) -> tuple[Scene, float]:
    """Dust like the SMC's at the quasar (Hopkins et al. 2004; Glikman et al. 2012).

    The wide narrow-line region sees half of it, the host nothing.
    """
    dust = smc_transmission(scene.rest, ebv)
    dimmed = {key: scene.parts[key] * dust for key in ("continuum", "iron", "broad")}
    return scene.changed(**dimmed, narrow=scene.parts["narrow"] * np.sqrt(dust)), np.nan


def balmer_absorption(
    scene: Scene,
    rng: np.random.Generator,
    *,
    speed: float,
    width: float,
    covering: float,
    depth: float,
) -> tuple[Scene, float]:
    """Absorption by excited hydrogen and metastable helium (Ji 2012; Zhang 2015; Schulze 2018)."""
    ions = ((_BALMER, depth), (_HEI, depth), (_MGII, 2 * depth))
    passed = _screen(scene.rest, ions, speed, width, covering)
    return replace(scene, passed=scene.passed * passed), LINES["hbeta"].wave * (
        1 - speed / LIGHT_SPEED
    )


def _screen(
    rest: np.ndarray,
    ions: tuple[tuple[dict[str, float], float], ...],
    speed: float,
    width: float,
    covering: float,
) -> np.ndarray:
    """Transmission (n,) of gas that covers a share of the source.

    `ions` are lines and the optical depth of the strongest of them at `speed`, where it is
    largest; `width` is the full width of the depth at half its maximum, km/s.
    """
    depth = np.zeros_like(rest)
    for lines, strongest in ions:
        largest = max(LINES[key].wave * strength for key, strength in lines.items())
        for key, strength in lines.items():
            outflow = (1 - rest / LINES[key].wave) * LIGHT_SPEED
            scaled = np.maximum((outflow - speed) / (width / _TROUGH_FWHM) + 1, 0.0)
            share = LINES[key].wave * strength / largest
            depth += strongest * share * scaled * np.exp(1 - scaled)
    passed: np.ndarray = 1 - covering * (1 - np.exp(-depth))
    return passed
