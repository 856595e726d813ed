"""Licence, citation and acknowledgement, as every file of a release carries them."""

from catalog_schema.kind import Kind
from release.rendering import find_template, render

LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
_OURS = "DESI-QAD"
# What is cited beside it, by kind of data.
_SOURCES = {
    "spectra": "DESI Collaboration et al. 2026, Data Release 1 of the Dark Energy "
    "Spectroscopic Instrument, AJ 171, 285 (arXiv:2503.14745)",
}


def make_title(title: str, kind: Kind) -> str:
    """Return the title of a release: that of the settings, or what is in it."""
    return title or f"{_OURS}: anomalous {kind.waist.members}"


def make_citation(kind: str) -> str:
    """Return what whoever uses a release of a kind of data cites."""
    return "; ".join(text for text in (_OURS, _SOURCES.get(kind)) if text)


def make_notes(title: str, version: str, kind: str) -> dict[str, str]:
    """Return the metadata of every published Parquet file: each one may travel alone."""
    notes = {
        "title": title,
        "version": version,
        "license": f"CC BY 4.0, {LICENCE_URL}",
        "citation": make_citation(kind),
    }
    if kind in _SOURCES:
        notes["acknowledgement"] = render(find_template("acknowledgement.txt", kind), {}).strip()
    return notes
