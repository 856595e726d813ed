"""SCORES of the coadd file and REDSHIFTS of the redrock file."""

import numpy as np

from pipeline.spectra.mock import columns
from pipeline.spectra.mock.instrument import ARM_SLICES, ARM_WAVE
from pipeline.spectra.mock.observe import Coadd, Target

# Of normal quasars: taken for galaxies, half of them at the right redshift; and called quasars
# at a wrong redshift, with a warning.
MISSED_SHARE, CONFUSED_SHARE = 0.03, 0.02
# The MgII finder sees no farther.
_MGII_LIMIT = 2.4
_ZWARN_LOW_DELTA_CHI2, _ZWARN_NODATA = 1 << 2, 1 << 9
# Of what lines and edges are above the noise, how much the second-best redshift misses: assumed.
_SEEN_SHARE = 0.3
# Below it Redrock warns of members of the populations: its own limit. Of the others, where only
# the signal to noise is known, a higher one stands for it.
_MIN_DELTA_CHI2, _MIN_DELTA_CHI2_OTHERS = 9.0, 40.0
_SCORE_RANGES = {"B": (4000, 5800), "R": (5800, 7600), "Z": (7600, 9800)}
# Typical TSNR2 of 1000 s in dark time by arm, in the order of columns.TSNR2_CLASSES.
_TSNR2_LEVEL = {
    "B": (200.0, 0.16, 40.0, 100.0, 900.0, 230.0, 4.0, 2.0),
    "R": (14000.0, 30.0, 2600.0, 0.08, 3000.0, 13000.0, 9.0, 50.0),
    "Z": (4e-5, 110.0, 7e-6, 0.0, 5500.0, 4e-5, 23.0, 60.0),
}


def build_scores(
    rng: np.random.Generator, targetid: np.ndarray, targets: list[Target], coadd: Coadd
) -> np.ndarray:
    """SCORES of the coadd file: integrated and median flux and SNR per arm, template SNR."""
    values: dict[str, np.ndarray] = {"TARGETID": targetid}
    for arm, pixels in ARM_SLICES.items():
        low, high = _SCORE_RANGES[arm]
        wave = ARM_WAVE[pixels]
        inside = (wave >= low) & (wave < high)
        flux, ivar = coadd.flux[:, pixels][:, inside], coadd.ivar[:, pixels][:, inside]
        values[f"INTEG_COADD_FLUX_{arm}"] = 0.8 * flux.sum(axis=1, dtype=np.float64)
        values[f"MEDIAN_COADD_FLUX_{arm}"] = np.median(flux, axis=1)
        values[f"MEDIAN_COADD_SNR_{arm}"] = np.median(flux * np.sqrt(ivar), axis=1)
    seconds = [
        t.conditions.exptime * t.conditions.efficiency**2 / t.conditions.sky_factor / 1000
        for t in targets
    ]
    depth = np.array(seconds) * rng.normal(1.0, 0.05, len(targets))
    for arm, levels in _TSNR2_LEVEL.items():
        for name, level in zip(columns.TSNR2_CLASSES, levels, strict=True):
            values[f"TSNR2_{name}_{arm}"] = level * depth
            total = values.get(f"TSNR2_{name}", 0.0)
            values[f"TSNR2_{name}"] = total + level * depth
    return columns.fill_table(columns.SCORES, len(targets), **values)


def build_redshifts(
    rng: np.random.Generator, targetid: np.ndarray, targets: list[Target], coadd: Coadd
) -> np.ndarray:
    """REDSHIFTS of the redrock file (n rows).

    Faint spectra get ZWARN 4, fibres without data 512. Some normal quasars are taken for galaxies
    or get a wrong redshift with ZWARN 4, which the afterburners put right. Members of populations
    are what their targets are called; that their lines are seen, DELTACHI2 says.
    """
    n = len(targets)
    kinds = np.array([target.true_class for target in targets])
    z = np.array([target.z_catalog for target in targets])
    is_normal = np.array([target.family is None for target in targets])
    is_sky = np.isin(kinds, ("sky", "stuck"))
    chance = rng.random(n)
    is_plain = (kinds == "quasar") & is_normal & (z > 0.8)
    is_missed = is_plain & (chance < MISSED_SHARE)
    is_host_like = is_missed & (chance < MISSED_SHARE / 2) & (z < _MGII_LIMIT)
    is_confused = is_plain & ~is_missed & (chance < MISSED_SHARE + CONFUSED_SHARE)
    has_no_redshift = is_sky | is_confused | (is_missed & ~is_host_like)
    spectype = np.select(
        [(kinds == "quasar") & ~is_missed, np.isin(kinds, ("star", "standard"))],
        ["QSO", "STAR"],
        "GALAXY",
    )
    spectype = _called(spectype, targets, 0)
    zerr = (
        np.where(kinds == "quasar", 4e-4, 3e-5) * (1 + np.nan_to_num(z)) * rng.lognormal(0, 0.4, n)
    )
    z = np.where(has_no_redshift, rng.uniform(0.05, 1.6, n), z + zerr * rng.standard_normal(n))
    luck = rng.lognormal(0.0, 0.7, n)
    is_member = np.isfinite(coadd.detail)
    delta_chi2 = np.where(
        is_member, _SEEN_SHARE * coadd.detail * np.sqrt(luck), 1500 * (coadd.snr + 0.05) ** 2 * luck
    )
    delta_chi2 = np.where(is_sky, rng.exponential(3, n), delta_chi2)
    n_pixels = np.count_nonzero(coadd.ivar, axis=1)
    limit = np.where(is_member, _MIN_DELTA_CHI2, _MIN_DELTA_CHI2_OTHERS)
    is_unclear = (delta_chi2 < limit) & is_normal | is_sky | is_confused
    zwarn = np.where(is_unclear, _ZWARN_LOW_DELTA_CHI2, 0)
    zwarn = np.where(n_pixels == 0, _ZWARN_NODATA, zwarn)
    n_coefficients = np.select([spectype == "QSO", spectype == "STAR"], [4, 5], 10)
    coefficients = rng.normal(0, 20 * (1 + coadd.snr[:, None]), (n, 10))
    coefficients *= np.arange(10) < n_coefficients[:, None]
    return columns.fill_table(
        columns.REDSHIFTS,
        n,
        TARGETID=targetid,
        Z=z,
        ZERR=zerr,
        ZWARN=zwarn,
        CHI2=n_pixels + np.sqrt(2.0 * n_pixels) * rng.standard_normal(n),
        COEFF=coefficients,
        NPIXELS=n_pixels,
        SPECTYPE=spectype,
        SUBTYPE=_called(_subtypes(spectype, kinds, z), targets, 1),
        NCOEFF=n_coefficients,
        DELTACHI2=delta_chi2,
    )


def _subtypes(spectype: np.ndarray, kinds: np.ndarray, z: np.ndarray) -> np.ndarray:
    stars = np.where(kinds == "standard", "F", "K")
    return np.select(
        [(spectype == "QSO") & (z > 1.6), spectype == "QSO", spectype == "STAR"],
        ["HIZ", "LOZ", stars],
        "",
    )


def _called(usual: np.ndarray, targets: list[Target], which: int) -> np.ndarray:
    own = [target.called[which] if target.called else None for target in targets]
    return np.array(
        [given if name is None else name for given, name in zip(usual, own, strict=True)],
        dtype="U20",
    )
