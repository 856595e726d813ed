"""Columns inherited from DESI, under DESI's own names.

Source: the DESI data model for DR1 (specprod iron), files coadd, redrock and zcatalog/v1.
"""

import pyarrow as pa

from catalog_schema.column import Column
from catalog_schema.grids import Arm, Grid, Sampling

# Named reduction that is DR1.
SPECPROD = "iron"
# Grid of the joined arms, vacuum, barycentric: WAVE_START + WAVE_STEP * arange(WAVE_SIZE).
WAVE_START = 3600.0
WAVE_STEP = 0.8
WAVE_SIZE = 7781
# First pixel and one past the last pixel of each arm on that grid.
ARM_PIXELS = {"b": (0, 2751), "r": (2700, 5026), "z": (4900, 7781)}
# Å; medians of the RESOLUTION matrices of 11 spectra, within 8 per cent all along an arm.
ARM_FWHM = {"b": 1.62, "r": 1.51, "z": 1.70}
SAMPLING = Sampling(
    Grid(WAVE_START, WAVE_STEP, WAVE_SIZE),
    tuple(Arm(name, *pixels, ARM_FWHM[name]) for name, pixels in ARM_PIXELS.items()),
)
# FIBERSTATUS of a good fibre; 8 is bit 3, RESTRICTED: informative only.
GOOD_FIBERSTATUS = (0, 8)
# HEALPix NESTED, ICRS: of the pixels by which DESI groups its spectra (nside 64), and of the
# smallest ones that 64 bits can number.
HEALPIX_ORDER, FINE_ORDER = 6, 29

SURVEY = Column(
    "SURVEY",
    pa.string(),
    "DESI survey, e.g. main, sv3; part of the key.",
    "meta.code",
    source="zcatalog",
)
PROGRAM = Column(
    "PROGRAM",
    pa.string(),
    "DESI observing program, e.g. dark, bright; part of the key.",
    "meta.code",
    source="zcatalog",
)
HEALPIX = Column(
    "HEALPIX",
    pa.int32(),
    "Number of the file that holds the spectrum, part of the key: of DESI's releases the HEALPix "
    f"pixel, nside {2**HEALPIX_ORDER} NESTED; of its later layouts UNIQPIX, or 10 TILEID + petal; "
    "of another survey its own.",
    "meta.id.part",
    source="zcatalog",
    bounds=(0, 2**31 - 1),
)
TARGETID = Column(
    "TARGETID",
    pa.int64(),
    "DESI target identifier; exceeds 2^53, so show it as text. Of SDSS PLATE 10^9 + MJD 10^4 + "
    "FIBERID, of LAMOST OBSID, of another survey its own.",
    "meta.id;meta.main",
    source="zcatalog",
)
DESINAME = Column(
    "DESINAME",
    pa.string(),
    "IAU-style name of the target.",
    "meta.id",
    source="zcatalog",
    nullable=True,
)
TARGET_RA = Column(
    "TARGET_RA",
    pa.float64(),
    "Right ascension, ICRS.",
    "pos.eq.ra;meta.main",
    "deg",
    "zcatalog",
    (0, 360),
    nullable=True,
)
TARGET_DEC = Column(
    "TARGET_DEC",
    pa.float64(),
    "Declination, ICRS.",
    "pos.eq.dec;meta.main",
    "deg",
    "zcatalog",
    (-90, 90),
    nullable=True,
)
Z = Column(
    "Z",
    pa.float64(),
    "Redshift used for the rest frame.",
    "src.redshift",
    source="zcatalog, or what z_source names",
)
ZERR = Column(
    "ZERR",
    pa.float64(),
    "One-sigma error of the redshift.",
    "stat.error;src.redshift",
    source="zcatalog, or what z_source names",
    nullable=True,
)
ZWARN = Column(
    "ZWARN",
    pa.int64(),
    "Redshift warning bits of the template fitter; 0 is good.",
    "meta.code.qual",
    source="zcatalog",
    nullable=True,
)
SPECTYPE = Column(
    "SPECTYPE",
    pa.string(),
    "Spectral type of the best template: QSO, GALAXY or STAR.",
    "src.class",
    source="zcatalog",
    nullable=True,
)
DELTACHI2 = Column(
    "DELTACHI2",
    pa.float64(),
    "Chi-squared gap between best and second-best template fit.",
    "stat.fit.chi2;arith.diff",
    source="zcatalog",
    nullable=True,
)
OBJTYPE = Column(
    "OBJTYPE",
    pa.string(),
    "Kind of fibre: TGT target, SKY sky.",
    "meta.code",
    source="zcatalog",
    nullable=True,
)
COADD_FIBERSTATUS = Column(
    "COADD_FIBERSTATUS",
    pa.int64(),
    "Bitwise AND of the fibre status over exposures.",
    "meta.code.qual",
    source="zcatalog v1 (coadd files carry a wrong one)",
    nullable=True,
)
DESI_TARGET = Column(
    "DESI_TARGET",
    pa.int64(),
    "Main-survey target selection bits.",
    "meta.code",
    source="zcatalog",
    nullable=True,
)
EBV = Column(
    "EBV",
    pa.float32(),
    "Galactic reddening E(B-V), SFD98.",
    "phot.color.excess",
    "mag",
    "zcatalog",
    (0, 100),
    nullable=True,
)
COADD_NUMEXP = Column(
    "COADD_NUMEXP",
    pa.int32(),
    "Number of exposures in the coadd.",
    "meta.number;obs.exposure",
    source="zcatalog",
    nullable=True,
)
COADD_EXPTIME = Column(
    "COADD_EXPTIME",
    pa.float32(),
    "Summed exposure time of the coadd.",
    "time.duration;obs.exposure",
    "s",
    "zcatalog",
    nullable=True,
)
MEAN_MJD = Column(
    "MEAN_MJD",
    pa.float64(),
    "Mean modified Julian date of the exposures.",
    "time.epoch",
    "d",
    "zcatalog",
    nullable=True,
)
_MOST = " that gave the spectrum most of its exposure time; null if not known."
NIGHT = Column(
    "NIGHT",
    pa.int32(),
    "Night (YYYYMMDD)" + _MOST,
    "time.epoch",
    source="EXP_FIBERMAP",
    nullable=True,
    since="1.4.0",
)
PETAL_LOC = Column(
    "PETAL_LOC",
    pa.int32(),
    "Petal of the focal plane, of other surveys the spectrograph," + _MOST,
    "instr",
    source="EXP_FIBERMAP",
    bounds=(0, 15),
    nullable=True,
    since="1.4.0",
)
FIBER = Column(
    "FIBER",
    pa.int32(),
    "Fibre" + _MOST,
    "instr",
    source="EXP_FIBERMAP",
    bounds=(0, 4999),
    nullable=True,
    since="1.4.0",
)

CATALOGUE = (
    DESINAME,
    TARGET_RA,
    TARGET_DEC,
    Z,
    ZERR,
    ZWARN,
    SPECTYPE,
    DELTACHI2,
    OBJTYPE,
    COADD_FIBERSTATUS,
    DESI_TARGET,
    EBV,
    COADD_NUMEXP,
    COADD_EXPTIME,
    MEAN_MJD,
)
