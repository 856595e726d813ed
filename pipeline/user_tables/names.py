"""What strangers call the columns that this project needs."""

import re
from collections.abc import Mapping, Sequence

from pipeline.errors import UserError

# Our name: theirs without case, spaces, marks and units in brackets, the likeliest first.
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "TARGETID": ("targetid", "desitargetid", "desiid"),
    "Z": (
        "z",
        "redshift",
        "zspec",
        "specz",
        "zbest",
        "bestz",
        "zqso",
        "qsoz",
        "zvi",
        "viz",
        "zredrock",
        "zrr",
        "zqn",
        "zsys",
        "zhelio",
        "zhel",
        "spectroscopicredshift",
    ),
    "TARGET_RA": (
        "targetra",
        "ra",
        "radeg",
        "radegrees",
        "raj2000",
        "ra2000",
        "raicrs",
        "icrsra",
        "alphaj2000",
        "rightascension",
        "raj2000deg",
        "ras",
        "alpha",
    ),
    "TARGET_DEC": (
        "targetdec",
        "dec",
        "decdeg",
        "decdegrees",
        "dej2000",
        "decj2000",
        "dec2000",
        "deicrs",
        "decicrs",
        "icrsdec",
        "deltaj2000",
        "declination",
        "decl",
        "de",
        "dedeg",
        "dej2000deg",
        "des",
        "delta",
    ),
    "SPECTYPE": ("spectype", "redrockspectype"),
    "ZWARN": ("zwarn", "zwarning"),
    "OBJTYPE": ("objtype",),
}


def simplify(name: str) -> str:
    """Return a column's name without case, spaces, marks, and what stands in brackets."""
    bare = re.sub(r"[\[(].*?[\])]", "", name)
    return re.sub(r"[\W_]+", "", bare).lower()


def find_column(names: Sequence[str], ours: str) -> int | None:
    """Return the likeliest place of one of our columns among a table's; None if there is none.

    Our very name comes first, then its spellings in their order.
    """
    return next(iter(_rank(names, ours)), None)


def find_sole_column(origin: object, names: Sequence[str], ours: str) -> int | None:
    """Do what `find_column` does for a column that decides a result.

    Raises
    ------
    UserError
        If several columns could be it and none has our very name.
    """
    places = _rank(names, ours)
    n_exact = sum(name == ours for name in names)
    if len(places) > 1 and n_exact != 1:
        could = " and ".join(repr(names[place]) for place in places)
        raise UserError(f"{origin}: {could} could each be {ours}; call the right one {ours}")
    return places[0] if places else None


def _rank(names: Sequence[str], ours: str) -> list[int]:
    spellings = SPELLINGS[ours]
    found = [
        (name != ours, spellings.index(bare), place)
        for place, name in enumerate(names)
        if (bare := simplify(name)) in spellings
    ]
    return [place for *_, place in sorted(found)]
