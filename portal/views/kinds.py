"""The kinds of data that have a view of their own; a new one is a file beside and a line here."""

from dataclasses import replace

from portal.views.numbers_view import NUMBERS
from portal.views.object_view import ObjectView
from portal.views.spectra_view import SPECTRA

_VIEWS = {view.kind: view for view in (SPECTRA,)}


def find_view(kind: str) -> ObjectView:
    """Return the view of a kind; of one without a view of its own, that of its numbers."""
    return _VIEWS.get(kind) or replace(NUMBERS, kind=kind)
