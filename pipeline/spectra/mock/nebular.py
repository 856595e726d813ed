"""Lines of ionised gas in galaxies: ratios along the published sequences, profiles, dust."""

from collections.abc import Mapping

import numpy as np

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from pipeline.spectra.mock.dust import calzetti_transmission

# Case B at 10,000 K over Halpha (Osterbrock & Ferland 2006), and ratios of doublets that
# atomic physics sets (Storey & Zeippen 2000).
_CASE_B = {"hbeta": 1 / 2.86, "hgamma": 0.468 / 2.86, "hdelta": 0.259 / 2.86, "h8": 0.105 / 2.86}
_OIII_RATIO, _NII_RATIO, _NEIII_RATIO = 2.98, 3.05, 3.3
# Ends of the active branch as log [NII]/Halpha, [OIII]/Hbeta, [SII]/Halpha, [OI]/Halpha,
# [OII]/Hbeta: LINER and Seyfert (about the middles of the clouds in Kewley et al. 2006).
_LINER = (0.10, 0.30, -0.02, -0.72, 0.75)
_SEYFERT = (0.02, 0.92, -0.32, -1.05, 0.55)
_SCATTER = (0.05, 0.08, 0.06, 0.08, 0.08, 0.05)


def ratios(oxygen: float, agn: float, hardness: float, scatter: np.ndarray) -> dict[str, float]:
    """Fluxes over that of Halpha of all lines, before dust.

    Gas of star-forming regions and of an active nucleus add up: what lies between is composite
    (Kewley et al. 2001; Kauffmann et al. 2003).

    Parameters
    ----------
    oxygen : log [NII]/Halpha of the star-forming regions; [OIII]/Hbeta follows the ridge of
        Kewley et al. (2013), [SII], [OI] and [OII] by curves assumed after Kewley et al. (2006).
    agn : share of Halpha that the nucleus lights.
    hardness : 0 LINER to 1 Seyfert.
    scatter : (6,) standard normal; of [NII], [OIII], [SII], [OI], [OII] and the [OII] doublet.
    """
    forming = _as_lines(
        (
            oxygen,
            0.61 / (oxygen + 0.08) + 1.1,
            -0.48 - 0.25 * (oxygen + 0.7) ** 2,
            -1.60 - 0.4 * (oxygen + 0.7),
            0.52 - 0.6 * (oxygen + 0.9) ** 2,
        ),
        scatter,
    )
    ends = zip(_LINER, _SEYFERT, strict=True)
    active = _as_lines(
        tuple((1 - hardness) * liner + hardness * seyfert for liner, seyfert in ends), scatter
    )
    return {key: (1 - agn) * forming[key] + agn * active[key] for key in forming}


def lines(
    rest: np.ndarray, strengths: Mapping[str, float], halpha: float, sigma: float, ebv: float
) -> np.ndarray:
    """Lines at `rest` (n,) Å of a `sigma` in km/s behind dust of `ebv` mag.

    `strengths` are fluxes over Halpha before dust, `halpha` its flux behind it.
    """
    flux = np.zeros_like(rest)
    at_halpha = float(calzetti_transmission(np.array([LINES["halpha"].wave]), ebv)[0])
    for key, strength in strengths.items():
        wave = LINES[key].wave
        width = wave * sigma / LIGHT_SPEED
        low, high = np.searchsorted(rest, (wave - 6 * width, wave + 6 * width))
        if low == high:
            continue
        dimmed = float(calzetti_transmission(np.array([wave]), ebv)[0]) / at_halpha
        profile = np.exp(-0.5 * ((rest[low:high] - wave) / width) ** 2)
        flux[low:high] += halpha * strength * dimmed * profile / (width * np.sqrt(2 * np.pi))
    return flux


def _as_lines(logs: tuple[float, ...], scatter: np.ndarray) -> dict[str, float]:
    nii, oiii, sii, oi, oii = (
        10 ** (log + width * shift)
        for log, width, shift in zip(logs, _SCATTER, scatter, strict=False)
    )
    hbeta = _CASE_B["hbeta"]
    # The bluer line of [OII] is the weaker at low density: 1.35 (Pradhan et al. 2006).
    redder = 1.35 * (1 + _SCATTER[5] * float(scatter[5]))
    neon = 0.12 * oiii * hbeta
    return {
        **_CASE_B,
        "halpha": 1.0,
        "nii": nii,
        "nii_6549": nii / _NII_RATIO,
        "oiii": oiii * hbeta,
        "oiii_4960": oiii * hbeta / _OIII_RATIO,
        "s_ii_6718": 0.57 * sii,
        "s_ii_6732": 0.43 * sii,
        "oi": oi,
        "oi_6365": oi / 3.0,
        "oii_3727": oii * hbeta / (1 + redder),
        "oii_3729": oii * hbeta * redder / (1 + redder),
        "neiii": neon,
        "neiii_3968": neon / _NEIII_RATIO,
        "hei_5877": 0.12 * hbeta,
        "ariii": 0.03 * oiii**0.5 * hbeta,
        "s_iii_9071": 0.08,
        "s_iii_9533": 0.2,
    }
