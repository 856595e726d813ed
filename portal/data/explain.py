"""An object's numbers in plain words, and the ways from it to other archives."""

import math
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

import pandas as pd

from catalog_schema.columns.sample import healpix_29
from catalog_schema.desi import FINE_ORDER, HEALPIX_ORDER
from catalog_schema.statistics import COUNTED, REASONS
from catalog_schema.vocabulary import Finding
from catalog_schema.waist import SHARD_KEY
from portal.data.texts import escape

Row = Mapping[str, object]
# Of each list the p-value that grades it, and why an object is on it.
_GRADED_BY = {
    Finding.NAMED: ("the joint p", "its class is an anomaly or an artefact"),
    Finding.UNEXPLAINED: ("p", "no known class tells it from ordinary objects"),
}


class Link(NamedTuple):
    """A way out of the portal."""

    title: str
    address: str


def explain_score(row: Row, levels: Mapping[str, float], smallest_counted: float = 0.0) -> str:
    """Say what score, p, q and tier mean for one object, of which a release may lack some.

    Of a p-value its interval is told; one below the smallest counted is said to be extrapolated.
    """
    lines = []
    if (score := row.get("anomaly_score")) is not None:
        lines.append(
            f"**Score {score:.2f}**, in units of the spread of objects alike: 0 is ordinary, "
            "larger is stranger."
        )
    if "p_value" in row:
        p = _number(row, "p_value")
        note = _note_extrapolation(p, smallest_counted)
        lines.append(f"**p = {p:.2g}**{_tell_interval(row)}: {_frequency(p)} as high{note}.")
    if "q_value" in row:
        lines += _explain_list(row, smallest_counted)
    if tier := row.get("tier"):
        lines.append(f"**Tier {escape(str(tier))}**: {_explain_tier(str(tier), levels)}")
    if reason := row.get("reason"):
        meaning = _explain_reason(str(reason))
        lines.append(f"**What stands out most**: {meaning}{_explain_arm(row)}")
    return "\n\n".join(lines) or "This release grades no objects."


def _tell_interval(row: Row) -> str:
    low, high = (_number(row, f"p_value_{side}") for side in ("low", "high"))
    return "" if math.isnan(low + high) else f" (95 % interval {low:.2g} to {high:.2g})"


def _note_extrapolation(p: float, smallest_counted: float) -> str:
    if p >= smallest_counted:
        return ""
    return (
        f" (extrapolated: below {smallest_counted:.1g} fewer than {COUNTED} of the population are "
        "as strange)"
    )


def _explain_list(row: Row, smallest_counted: float) -> list[str]:
    """Say on which list the object is, by which p-value, and where it stands there."""
    if row.get("q_value") is None:
        return ["**On no list**: too little signal to tell what it is."]
    lines = []
    if row.get("joint_p_value") is not None:
        joint = _number(row, "joint_p_value")
        lines.append(
            f"**Joint p = {joint:.2g}**: the score and the likeness to known phenomena together; "
            f"{_share(joint)} of the ordinary objects are as strange in both"
            f"{_note_extrapolation(joint, smallest_counted)}."
        )
    if row.get("finding") in Finding.values():
        finding = Finding.parse(str(row["finding"]))
        name, text = _GRADED_BY[finding]
        lines.append(f"**On the list of the {finding}**: {text}, so {name} counts.")
    q = _number(row, "q_value")
    lines.append(
        f"**q = {q:.2g}**: if everything on the list up to this object is called anomalous, about "
        f"{_percent(q)} of that is expected to be normal."
    )
    return lines


def _explain_reason(reason: str) -> str:
    meaning = REASONS.get(reason) or escape(reason)
    return meaning[0].lower() + meaning[1:].rstrip(".")


def list_statements(rows: pd.DataFrame) -> list[str]:
    """Return what rows of `evidence` state, the most telling first, ready for Markdown.

    An older release has none.
    """
    if "statement" not in rows:
        return []
    if "contribution" in rows:
        rows = rows.loc[rows["contribution"].abs().sort_values(ascending=False).index]
    return [escape(text) for text in rows["statement"] if isinstance(text, str)]


def list_links(row: Row) -> list[Link]:
    """Return addresses of the same place in other archives; empty without a position."""
    if row.get("TARGET_RA") is None or row.get("TARGET_DEC") is None:
        return []
    ra, dec = f"{_number(row, 'TARGET_RA'):.6f}", f"{_number(row, 'TARGET_DEC'):.6f}"
    viewer = urlencode(
        {"ra": ra, "dec": dec, "mark": f"{ra},{dec}", "layer": "ls-dr10", "zoom": 16}
    )
    simbad = urlencode(
        {"Coord": f"{ra} {dec}", "CooFrame": "ICRS", "Radius": 5, "Radius.unit": "arcsec"}
    )
    ned = urlencode({"search_type": "Near Position Search", "lon": f"{ra}d", "lat": f"{dec}d"})
    return [
        Link("Legacy Surveys viewer", f"https://www.legacysurvey.org/viewer?{viewer}"),
        Link("SIMBAD", f"https://simbad.cds.unistra.fr/simbad/sim-coo?{simbad}"),
        Link("NED", f"https://ned.ipac.caltech.edu/cgi-bin/objsearch?{ned}"),
        Link("SPARCL at NOIRLab", "https://astrosparcl.datalab.noirlab.edu/"),
    ]


def locate_coadd(row: Row, specprod: str) -> str | None:
    """Return the address of the DESI file that holds the spectrum, None without its place.

    Only files that are numbered by the pixel of their objects are there.
    """
    if any(row.get(name) is None for name in SHARD_KEY):
        return None
    cell = row.get(healpix_29.name)
    pixel = cell >> 2 * (FINE_ORDER - HEALPIX_ORDER) if isinstance(cell, int) else None
    if pixel not in (None, row["HEALPIX"]):
        return None
    survey, program = (quote(str(row[name]), safe="") for name in ("SURVEY", "PROGRAM"))
    healpix = int(_number(row, "HEALPIX"))
    tree = f"spectro/redux/{quote(specprod, safe='')}/healpix"
    folder = f"{tree}/{survey}/{program}/{healpix // 100}/{healpix}"
    return f"https://data.desi.lbl.gov/public/dr1/{folder}/coadd-{survey}-{program}-{healpix}.fits"


def write_sparcl(targetid: str) -> str:
    """Return Python code that fetches the spectrum from NOIRLab's SPARCL service."""
    return (
        "from sparcl.client import SparclClient\n\n"
        f"found = SparclClient().retrieve_by_specid([{targetid}], dataset_list=['DESI-DR1'])\n"
        "spectrum = found.records[0]"
    )


def cite_object(row: Row, title: str, version: str) -> str:
    """Return a sentence that cites the object as published in a release."""
    name = f"TARGETID {row['TARGETID']}"
    if row.get("DESINAME"):
        name = f"{row['DESINAME']} ({name})"
    return f"{name}, in: DESI-QAD developers, {title}, release {version}."


def write_bibtex(row: Row, title: str, version: str, year: str) -> str:
    """Return a BibTeX entry for the object as published in a release."""
    return (
        f"@misc{{desiqad_{row['TARGETID']},\n"
        "  author = {{DESI-QAD developers}},\n"
        f"  title = {{{title}, release {version}}},\n"
        f"  note = {{Object {row.get('DESINAME') or ''}, TARGETID {row['TARGETID']}}},\n"
        f"  year = {{{year}}}\n}}"
    )


def _number(row: Row, name: str) -> float:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) else math.nan


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else "all"


def _frequency(p: float) -> str:
    if math.isnan(p):
        return "not told"
    if p <= 0:
        return "no normal object of this kind scores"
    if p >= 0.5:
        return "most normal objects of this kind score"
    return f"{_one_in(p)} normal objects of this kind scores"


def _share(p: float) -> str:
    return _one_in(p) if 0 < p < 0.5 else "most" if p else "none"


def _one_in(p: float) -> str:
    return f"about 1 in {1 / max(p, 1e-300):,.0f}"


def _explain_tier(tier: str, levels: Mapping[str, float]) -> str:
    if tier == "none":
        return "not anomalous at any published level."
    if tier in levels:
        return f"the list is drawn so that at most {_percent(levels[tier])} of it is normal."
    return "anomalous at this grade's false-discovery level."


def _explain_arm(row: Row) -> str:
    arms = {arm: row.get(f"chi2_{arm}") for arm in "brz"}
    parts = [f"{arm} {chi2:.2f}" for arm, chi2 in arms.items() if isinstance(chi2, float)]
    if not parts:
        return "."
    worst = escape(str(row.get("worst_arm")))
    return f". Reduced χ² by arm: {', '.join(parts)}; the worst is {worst}."
