"""How good a spectrum is."""

import pyarrow as pa

from catalog_schema.column import Column
from catalog_schema.columns.build import POSITIVE, UNIT_INTERVAL, number
from catalog_schema.columns.spectra import FLUX_DENSITY_IVAR


def _snr(suffix: str, text: str, ucd: str) -> Column:
    return number(f"snr{suffix}", text, f"stat.snr;{ucd}", nullable=True)


snr = _snr("", "Median signal-to-noise ratio per pixel over all good pixels.", "em.opt")
snr_b = _snr("_b", "Median signal-to-noise ratio per pixel, b arm.", "em.opt.B")
snr_r = _snr("_r", "Median signal-to-noise ratio per pixel, r arm.", "em.opt.R")
snr_z = _snr("_z", "Median signal-to-noise ratio per pixel, z arm.", "em.opt.I")
n_valid = Column(
    "n_valid", pa.int32(), "Rest-frame pixels with information.", "meta.number", bounds=POSITIVE
)


def _coverage(arm: str, ucd: str) -> Column:
    return number(
        f"coverage_{arm}",
        f"Fraction of the {arm} arm's pixels that are good; null of a survey without that arm.",
        f"stat.value;{ucd}",
        bounds=UNIT_INTERVAL,
        nullable=True,
    )


coverage_b = _coverage("b", "em.opt.B")
coverage_r = _coverage("r", "em.opt.R")
coverage_z = _coverage("z", "em.opt.I")


def _noise(arm: str, ucd: str) -> Column:
    return number(
        f"noise_{arm}",
        f"Scatter of neighbouring pixels over what their ivar says, {arm} arm.",
        f"stat.stdev;{ucd}",
        bounds=POSITIVE,
        nullable=True,
        since="1.7.0",
    )


def _ivar(arm: str, ucd: str) -> Column:
    return number(
        f"ivar_{arm}",
        f"Mean inverse variance of the good pixels, {arm} arm.",
        f"stat.weight;{ucd}",
        unit=FLUX_DENSITY_IVAR,
        bounds=POSITIVE,
        nullable=True,
        since="1.7.0",
    )


noise_b = _noise("b", "em.opt.B")
noise_r = _noise("r", "em.opt.R")
noise_z = _noise("z", "em.opt.I")
ivar_b = _ivar("b", "em.opt.B")
ivar_r = _ivar("r", "em.opt.R")
ivar_z = _ivar("z", "em.opt.I")

SNRS = (snr, snr_b, snr_r, snr_z)
COVERAGES = (coverage_b, coverage_r, coverage_z)
NOISES = (noise_b, noise_r, noise_z, ivar_b, ivar_r, ivar_z)
