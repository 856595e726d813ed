"""The kinds of data that there are."""

from collections.abc import Mapping
from typing import Any

from catalog_schema.kind import Kind
from catalog_schema.parents import ANY, GALAXY, QSO, STAR, ParentSample
from catalog_schema.tables import TABLES, make_spectra_tables


def _make_kind(parent: ParentSample, main: str, file: str = "") -> Kind:
    tables = TABLES if parent is QSO else make_spectra_tables(parent.waist, main)
    return Kind(
        parent.kind,
        main,
        parent.waist,
        tables,
        joined=("targets", "scores", "significance", "tiers", "classes", "restframe"),
        longest="COADD_EXPTIME",
        label="DESINAME",
        watched=("snr", "Z", "EBV", "COADD_EXPTIME", "MEAN_MJD"),
        model_files=("weights-0.safetensors", "reference.safetensors"),
        family=QSO.kind,
        file=file,
    )


SPECTRA = _make_kind(QSO, "quasars")
GALAXIES = _make_kind(GALAXY, "galaxies")
STARS = _make_kind(STAR, "stars")
# Its list is filed as what it is; `spectra` are in every release the published ones.
OBSERVED = _make_kind(ANY, "observed", file="spectra")
KINDS: dict[str, Kind] = {kind.name: kind for kind in (SPECTRA, GALAXIES, STARS, OBSERVED)}


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
