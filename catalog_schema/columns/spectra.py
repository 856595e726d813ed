"""Spectra, windows and the model's reconstruction."""

import pyarrow as pa

from catalog_schema.column import Column
from catalog_schema.columns.build import POSITIVE, number

_FLUX_DENSITY = "10**-17 erg.s**-1.cm**-2.Angstrom**-1"
FLUX_DENSITY_IVAR = "10**34 erg**-2.s**2.cm**4.Angstrom**2"

wave = Column(
    "wave",
    pa.float64(),
    "Wavelength in vacuum, barycentric, observed frame.",
    "em.wl",
    "Angstrom",
    array="wave",
    since="1.4.0",
)
flux = number(
    "flux",
    "Observed-frame flux density, arms joined; of LAMOST relative, over the spectrum's median.",
    "phot.flux.density;em.wl",
    unit=_FLUX_DENSITY,
    array="wave",
)
ivar = number(
    "ivar",
    "Inverse variance of the flux; 0 marks a bad pixel.",
    "stat.weight",
    unit=FLUX_DENSITY_IVAR,
    bounds=POSITIVE,
    array="wave",
)
mask = Column(
    "mask",
    pa.int32(),
    "DESI SPECMASK bits of the pixel; in an overlap the bits that both arms share. 0 of other "
    "surveys.",
    "meta.code.qual",
    array="wave",
)
model = number(
    "model",
    "Reconstruction by the model, reddened again, on the observed grid; "
    "NaN where the model has learnt from too few spectra.",
    "phot.flux.density;em.wl",
    unit=_FLUX_DENSITY,
    may_be_nan=True,
    array="wave",
)
window_start = Column(
    "window_start",
    pa.int32(),
    "First pixel of the window on the global rest-frame grid.",
    "meta.number",
    bounds=POSITIVE,
)
rest_flux = number(
    "rest_flux",
    "Dereddened flux over norm, on the rest-frame window.",
    "phot.flux.density;em.wl",
    array="window",
)
rest_weight = number(
    "rest_weight",
    "Weight of rest_flux: weights of neighbours add up to "
    "the inverse variance of their mean; 0 marks a bad pixel.",
    "stat.weight",
    bounds=POSITIVE,
    array="window",
)
norm = number(
    "norm",
    "Flux density divided out of the window.",
    "phot.flux.density",
    unit=_FLUX_DENSITY,
    bounds=POSITIVE,
)

OBSERVED = (flux, ivar, mask)
WINDOW = (norm, window_start, rest_flux, rest_weight)
