"""The kinds of data that there are."""

from collections.abc import Mapping
from typing import Any

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


def find_kind(manifest: Mapping[str, Any]) -> Kind:
    """Return the kind of data of a release; those of before there were several hold spectra.

    Raises
    ------
    ValueError
        If it is none of `KINDS`.
    """
    name = manifest.get("kind", SPECTRA.name)
    if name not in KINDS:
        raise ValueError(f"it holds {name!r}, of which this version of qad knows nothing")
    return KINDS[name]
