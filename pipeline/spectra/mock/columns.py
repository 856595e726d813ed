"""The columns of the DR1 tables, name:format[:unit], in file order.

Formats are FITS letters. The coadd and redrock files carry no units in their tables; the
zcatalog does. Sources: the files of DR1 and desidatamodel.
"""

import numpy as np
from numpy.typing import ArrayLike

_DTYPES = {"K": "i8", "J": "i4", "I": "i2", "B": "u1", "E": "f4", "D": "f8", "L": "?"}

_FIBERMAP_HEAD = """
TARGETID:K COADD_FIBERSTATUS:J TARGET_RA:D:deg TARGET_DEC:D:deg PMRA:E:mas.yr^-1 PMDEC:E:mas.yr^-1
REF_EPOCH:E:yr FA_TARGET:K FA_TYPE:B OBJTYPE:3A SUBPRIORITY:D OBSCONDITIONS:J RELEASE:I BRICKNAME:8A
BRICKID:J BRICK_OBJID:J MORPHTYPE:4A EBV:E:mag FLUX_G:E:nanomaggy FLUX_R:E:nanomaggy
FLUX_Z:E:nanomaggy FLUX_W1:E:nanomaggy FLUX_W2:E:nanomaggy FLUX_IVAR_G:E:nanomaggy^-2
FLUX_IVAR_R:E:nanomaggy^-2 FLUX_IVAR_Z:E:nanomaggy^-2 FLUX_IVAR_W1:E:nanomaggy^-2
FLUX_IVAR_W2:E:nanomaggy^-2 FIBERFLUX_G:E:nanomaggy FIBERFLUX_R:E:nanomaggy FIBERFLUX_Z:E:nanomaggy
FIBERTOTFLUX_G:E:nanomaggy FIBERTOTFLUX_R:E:nanomaggy FIBERTOTFLUX_Z:E:nanomaggy MASKBITS:I SERSIC:E
SHAPE_R:E:arcsec SHAPE_E1:E SHAPE_E2:E REF_ID:K REF_CAT:2A GAIA_PHOT_G_MEAN_MAG:E:mag
GAIA_PHOT_BP_MEAN_MAG:E:mag GAIA_PHOT_RP_MEAN_MAG:E:mag PARALLAX:E:mas PHOTSYS:1A PRIORITY_INIT:K
NUMOBS_INIT:K
"""
_FIBERMAP_SV3 = "SV3_DESI_TARGET:K SV3_BGS_TARGET:K SV3_MWS_TARGET:K SV3_SCND_TARGET:K"
_FIBERMAP_TAIL = """
PLATE_RA:D:deg PLATE_DEC:D:deg COADD_NUMEXP:I COADD_EXPTIME:E:s COADD_NUMNIGHT:I COADD_NUMTILE:I
MEAN_DELTA_X:E:mm RMS_DELTA_X:E:mm MEAN_DELTA_Y:E:mm RMS_DELTA_Y:E:mm MEAN_FIBER_RA:D:deg
STD_FIBER_RA:E:arcsec MEAN_FIBER_DEC:D:deg STD_FIBER_DEC:E:arcsec MEAN_PSF_TO_FIBER_SPECFLUX:E
"""
_MAIN_TARGETS = "DESI_TARGET:K BGS_TARGET:K MWS_TARGET:K"
FIBERMAP_MAIN = f"{_FIBERMAP_HEAD} {_MAIN_TARGETS} SCND_TARGET:K {_FIBERMAP_TAIL}"
FIBERMAP_SV3 = f"{_FIBERMAP_HEAD} {_FIBERMAP_SV3} {_MAIN_TARGETS} {_FIBERMAP_TAIL}"

EXP_FIBERMAP = """
TARGETID:K PRIORITY:J SUBPRIORITY:D NIGHT:J EXPID:J MJD:D TILEID:J EXPTIME:D PETAL_LOC:I
DEVICE_LOC:J
LOCATION:K FIBER:J FIBERSTATUS:J FIBERASSIGN_X:E FIBERASSIGN_Y:E LAMBDA_REF:E PLATE_RA:D PLATE_DEC:D
NUM_ITER:K FIBER_X:D FIBER_Y:D DELTA_X:D DELTA_Y:D FIBER_RA:D FIBER_DEC:D PSF_TO_FIBER_SPECFLUX:D
"""

TSNR2_CLASSES = ("GPBDARK", "ELG", "GPBBRIGHT", "LYA", "BGS", "GPBBACKUP", "QSO", "LRG")
_TSNR2 = " ".join(
    f"TSNR2_{name}{arm}:E" for arm in ("_B", "_R", "_Z", "") for name in TSNR2_CLASSES
)
TSNR2 = f"TARGETID:K {_TSNR2}"
SCORES = (
    "TARGETID:K "
    + " ".join(
        f"INTEG_COADD_FLUX_{arm}:E MEDIAN_COADD_FLUX_{arm}:E MEDIAN_COADD_SNR_{arm}:E"
        for arm in "BRZ"
    )
    + f" {_TSNR2}"
)

REDSHIFTS = """
TARGETID:K Z:D ZERR:D ZWARN:K CHI2:D COEFF:10D NPIXELS:K SPECTYPE:6A SUBTYPE:20A NCOEFF:K
DELTACHI2:D
"""
MGII = """
TARGETID:K RA:D DEC:D Z_RR:D ZERR:E IS_QSO_MGII:L DESI_TARGET:K SPECTYPE:10A DELTA_CHI2:E A:E
SIGMA:E
B:E VAR_A:E VAR_SIGMA:E VAR_B:E
"""
QN_LINES = ("LYA", "CIV", "CIII", "MgII", "Hbeta", "Halpha")
QN_RR = (
    "TARGETID:K RA:D DEC:D Z_NEW:D ZERR_NEW:E DESI_TARGET:K COEFFS:10E SPECTYPE:10A Z_RR:E Z_QN:E "
    "IS_QSO_QN_NEW_RR:L "
    + " ".join(f"C_{line}:E" for line in QN_LINES)
    + " "
    + " ".join(f"Z_{line}:E" for line in QN_LINES)
)

_SV_TARGETS = "CMX_TARGET:K " + " ".join(
    f"{survey}_{kind}_TARGET:K"
    for survey in ("SV1", "SV2", "SV3")
    for kind in ("DESI", "BGS", "MWS", "SCND")
)
_ZCATALOG_REDSHIFTS = REDSHIFTS.replace("TARGETID:K", "")
_ZCATALOG_FIBERMAP = (
    f"{_FIBERMAP_HEAD} {_SV_TARGETS} {_MAIN_TARGETS} SCND_TARGET:K {_FIBERMAP_TAIL}"
).replace("TARGETID:K", "", 1)
ZCATALOG = f"""
TARGETID:K SURVEY:7A PROGRAM:6A HEALPIX:J SPGRPVAL:J {_ZCATALOG_REDSHIFTS} {_ZCATALOG_FIBERMAP}
MIN_MJD:D:d MAX_MJD:D:d MEAN_MJD:D:d {_TSNR2} SV_NSPEC:I SV_PRIMARY:L MAIN_NSPEC:I MAIN_PRIMARY:L
ZCAT_NSPEC:I ZCAT_PRIMARY:L DESINAME:22A
"""


def table_dtype(layout: str) -> np.dtype:
    """Structured dtype of a layout, one field per column."""
    return np.dtype([(name, _numpy_code(code)) for name, code, _ in parse(layout)])


def parse(layout: str) -> list[tuple[str, str, str | None]]:
    """Columns of a layout as (name, FITS format, unit or None)."""
    columns = []
    for entry in layout.split():
        name, code, *unit = entry.split(":")
        columns.append((name, code, unit[0].replace(".", " ") if unit else None))
    return columns


def fill_table(layout: str, n_rows: int, **values: ArrayLike) -> np.ndarray:
    """A table of a layout with the given columns; those not given are zero or empty."""
    table = np.zeros(n_rows, dtype=table_dtype(layout))
    for name, column in values.items():
        table[name] = column
    return table


def _numpy_code(code: str) -> str | tuple[str, tuple[int, ...]]:
    repeat, letter = code[:-1], code[-1]
    if letter == "A":
        return f"S{repeat}"
    return (_DTYPES[letter], (int(repeat),)) if repeat else _DTYPES[letter]
