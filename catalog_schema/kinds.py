"""The kinds of data that there are."""

from catalog_schema.kind import Kind
from catalog_schema.spectra import WAIST
from catalog_schema.tables import TABLES

SPECTRA = Kind(
    "spectra",
    "quasars",
    WAIST,
    TABLES,
    joined=("targets", "scores", "significance", "tiers", "classes", "restframe"),
    longest="COADD_EXPTIME",
    label="DESINAME",
    watched=("snr", "Z", "EBV", "COADD_EXPTIME", "MEAN_MJD"),
    model_files=("weights-0.safetensors", "reference.safetensors"),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in (SPECTRA,)}
