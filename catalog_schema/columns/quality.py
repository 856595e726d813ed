"""How good a spectrum is."""

import pyarrow as pa

from catalog_schema.column import Column
from catalog_schema.columns.build import POSITIVE, UNIT_INTERVAL, number


def _snr(suffix: str, text: str, ucd: str) -> Column:
    return number(f"snr{suffix}", text, f"stat.snr;{ucd}", nullable=True)


snr = _snr("", "Median signal-to-noise ratio per pixel over all good pixels.", "em.opt")
snr_b = _snr("_b", "Median signal-to-noise ratio per pixel, b arm.", "em.opt.B")
snr_r = _snr("_r", "Median signal-to-noise ratio per pixel, r arm.", "em.opt.R")
snr_z = _snr("_z", "Median signal-to-noise ratio per pixel, z arm.", "em.opt.I")
n_valid = Column(
    "n_valid", pa.int32(), "Rest-frame pixels with information.", "meta.number", bounds=POSITIVE
)
coverage_b = number(
    "coverage_b",
    "Fraction of the b arm's pixels that are good.",
    "stat.value;em.opt.B",
    bounds=UNIT_INTERVAL,
)
coverage_r = number(
    "coverage_r",
    "Fraction of the r arm's pixels that are good.",
    "stat.value;em.opt.R",
    bounds=UNIT_INTERVAL,
)
coverage_z = number(
    "coverage_z",
    "Fraction of the z arm's pixels that are good.",
    "stat.value;em.opt.I",
    bounds=UNIT_INTERVAL,
)

SNRS = (snr, snr_b, snr_r, snr_z)
COVERAGES = (coverage_b, coverage_r, coverage_z)
