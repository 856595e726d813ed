"""What the portal asks of others, only where its operator has switched the network on."""

import os
from collections.abc import Mapping
from urllib.error import URLError
from urllib.parse import quote, urlencode
from urllib.request import urlopen
from xml.etree import ElementTree

from portal.data.search import Cone

VARIABLE = "QAD_NETWORK"
# Where names are resolved; another address for tests or a mirror.
SESAME_VARIABLE = "QAD_SESAME"
_SESAME = "https://cds.unistra.fr/cgi-bin/nph-sesame"
# Whose pictures and pages are shown.
IMAGES, FRAMES = "https://www.legacysurvey.org", "https://aladin.cds.unistra.fr"
_ALADIN = f"{FRAMES}/AladinLite/"
_CUTOUT = f"{IMAGES}/viewer/jpeg-cutout"
_TIMEOUT = 5.0
_MAX_BYTES = 1 << 20


class ResolveError(Exception):
    """A name that was not resolved; the message is one line."""


def is_on() -> bool:
    """Return whether the operator has switched the network on."""
    return os.environ.get(VARIABLE) == "1"


def resolve_name(name: str) -> Cone:
    """Ask CDS Sesame (SIMBAD, NED, VizieR) where a named object lies.

    Raises
    ------
    ResolveError
        If nobody knows the name or the service does not answer.
    """
    service = os.environ.get(SESAME_VARIABLE, _SESAME)
    try:
        with urlopen(f"{service}/-ox/SNV?{quote(name)}", timeout=_TIMEOUT) as answer:
            document = ElementTree.fromstring(answer.read(_MAX_BYTES))
    except (URLError, OSError, ValueError, ElementTree.ParseError):
        raise ResolveError("Sesame, which resolves names, does not answer.") from None
    ra, dec = document.findtext(".//jradeg"), document.findtext(".//jdedeg")
    if ra is None or dec is None:
        raise ResolveError(f"Neither SIMBAD nor NED nor VizieR knows “{name}”.")
    return Cone(float(ra), float(dec))


def locate_cutout(row: Mapping[str, object]) -> str:
    """Return the address of the Legacy Surveys image around an object."""
    place = {"ra": row["TARGET_RA"], "dec": row["TARGET_DEC"]}
    return f"{_CUTOUT}?{urlencode({**place, 'layer': 'ls-dr10', 'pixscale': 0.262, 'size': 128})}"


def locate_aladin(row: Mapping[str, object]) -> str:
    """Return the address of CDS Aladin Lite, centred on an object."""
    place = {"target": f"{row['TARGET_RA']} {row['TARGET_DEC']}", "fov": 0.03}
    return f"{_ALADIN}?{urlencode({**place, 'survey': 'CDS/P/DESI-Legacy-Surveys/DR10/color'})}"
