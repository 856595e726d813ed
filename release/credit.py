"""Licence, citation and acknowledgement, as every file of a release carries them."""

from release.rendering import render

LICENCE_URL = "https://creativecommons.org/licenses/by/4.0/"
CITATION = (
    "DESI-QAD; DESI Collaboration et al. 2026, Data Release 1 of the Dark Energy "
    "Spectroscopic Instrument, AJ 171, 285 (arXiv:2503.14745)"
)


def make_notes(title: str, version: str) -> dict[str, str]:
    """Return the metadata of every published Parquet file: each one may travel alone."""
    return {
        "title": title,
        "version": version,
        "license": f"CC BY 4.0, {LICENCE_URL}",
        "citation": CITATION,
        "acknowledgement": render("desi_acknowledgement.txt", {}).strip(),
    }
