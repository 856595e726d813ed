"""How one kind of object is shown: the record that a kind fills in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portal.data.releases import Release

Row = Mapping[str, Any]
Draw = Callable[[Release, Row], None]


@dataclass(frozen=True)
class ObjectView:
    """What the pages need to know of a kind of data.

    Attributes
    ----------
    kind : str
        As a release's manifest names it.
    facts : tuple of str
        Columns that are told first, of which each release has some.
    draw : callable
        Draws what an object is judged by, on the page Object; it is given the release and the
        object's row, in which a release may lack any column but TARGETID.
    draw_blinded : callable
        Draws the same for a reviewer, without anything that tells of score, class or tier.
    method : str
        Markdown for the page About: how the objects were judged.
    """

    kind: str
    facts: tuple[str, ...]
    draw: Draw
    draw_blinded: Draw
    method: str
