"""Where an object lies, how it came into the sample, and how bright it is."""

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.column import Column
from catalog_schema.columns.build import coded, number
from catalog_schema.desi import FINE_ORDER


def _photometry(band: str, text: str, ucd: str) -> Column:
    return number(
        f"flux_{band}",
        f"{text} flux from the Legacy Surveys, not corrected for extinction.",
        ucd,
        unit="nJy",
        source="zcatalog, converted: 1 nanomaggy = 3631 nJy",
        nullable=True,
    )


healpix_29 = Column(
    "_healpix_29",
    pa.int64(),
    f"HEALPix pixel of the position, order {FINE_ORDER} (nside 2^{FINE_ORDER}) NESTED, ICRS; "
    "the rows are sorted by it. Where there is no position, the first one of its pixel HEALPIX; "
    "0 where that is no pixel.",
    "pos.healpix",
    since="1.4.0",
)
parent = coded("parent", words.Parent, "Sample through which the {noun} entered.")
control = Column(
    "control",
    pa.string(),
    "What a negative control is; null for all others.",
    "meta.code",
    nullable=True,
    since="1.2.0",
)
target_class = Column(
    "target_class",
    pa.string(),
    "Which rule of the union of quasar finders holds; null if none.",
    "meta.code",
    vocabulary=words.TargetClass.values(),
    nullable=True,
    since="1.2.0",
)
qso_maskbits = Column(
    "qso_maskbits",
    pa.int32(),
    "Who calls it a quasar, bits as in DESI's QSO_MASKBITS: 1 template "
    "fitter, 2 MgII finder, 3 QuasarNet, 4 QuasarNet with a new redshift; union confirmed as "
    "5 BGS, 6 ELG, 7 WISE-variable target.",
    "meta.code.qual",
    bounds=(0, 255),
    since="1.2.0",
)
split = coded("split", words.Split, "Use in training, decided by a hash of the sky pixel.")
z_source = coded("z_source", words.RedshiftSource, "Origin of the adopted redshift.")
flux_g = _photometry("g", "g-band", "phot.flux.density;em.opt.B")
flux_r = _photometry("r", "r-band", "phot.flux.density;em.opt.R")
flux_z = _photometry("z", "z-band", "phot.flux.density;em.opt.I")
flux_w1 = _photometry("w1", "WISE W1", "phot.flux.density;em.IR.3-4um")
flux_w2 = _photometry("w2", "WISE W2", "phot.flux.density;em.IR.4-8um")

PHOTOMETRY = (flux_g, flux_r, flux_z, flux_w1, flux_w2)
