"""Licence, citation and acknowledgement, as every file of a release carries them."""

from collections.abc import Mapping

from catalog_schema.kind import Kind
from release.rendering import render

LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
_OURS = "DESI-QAD"
_DESI = (
    "DESI Collaboration et al. 2026, Data Release 1 of the Dark Energy "
    "Spectroscopic Instrument, AJ 171, 285 (arXiv:2503.14745)"
)


# Surveys beside DESI that ask for an acknowledgement, which the folder of their name holds.
_OTHERS = ("sdss", "lamost")


def find_words(source: Mapping[str, str]) -> str:
    """Return the folder of templates that credit those who made the data; empty: nobody else."""
    if "specprod" in source:
        return "spectra"
    kind = source.get("kind", "")
    return kind if kind in _OTHERS else ""


def make_title(title: str, kind: Kind) -> str:
    """Return the title of a release: that of the settings, or what is in it."""
    return title or f"{_OURS}: anomalous {kind.waist.members}"


def make_citation(source: Mapping[str, str]) -> str:
    """Return what whoever uses a release cites.

    Parameters
    ----------
    source : mapping
        As the manifest describes it; what is of a reduction of DESI's has a ``specprod``.
    """
    return f"{_OURS}; {_DESI}" if "specprod" in source else _OURS


def make_notes(title: str, version: str, source: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of every published Parquet file: each one may travel alone."""
    notes = {
        "title": title,
        "version": version,
        "license": f"CC BY 4.0, {LICENCE_URL}",
        "citation": make_citation(source),
    }
    if words := find_words(source):
        notes["acknowledgement"] = render(f"{words}/acknowledgement.txt", {}).strip()
    return notes
