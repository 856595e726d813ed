"""Where rows of a catalogue go: to the core parent, to the negative controls, or counted out."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from catalog_schema.parents import ParentSample
from catalog_schema.vocabulary import ControlKind, Parent
from pipeline.science.draw import hash_to_unit
from pipeline.spectra.survey import Choice


def choose(
    fails: Mapping[str, NDArray[np.bool_]],
    kinds: Mapping[ControlKind, tuple[NDArray[np.bool_], float]],
    is_usable: NDArray[np.bool_],
    targetid: NDArray[np.int64],
    sample: ParentSample,
) -> Choice:
    """Say where each row goes.

    Parameters
    ----------
    fails : mapping
        Gates of the core parent in the order in which they are asked: rows that fail.
    kinds : mapping
        Rows that may be controls of each kind, and the share of them that is drawn.
    is_usable : ndarray of bool, shape (n,)
        Whether there is a spectrum for a control.
    targetid : ndarray of int64, shape (n,)
        By which is drawn.
    sample : ParentSample
        What may be of it is no control.
    """
    gate = np.select(list(fails.values()), list(fails), default="")
    is_core = gate == ""
    control = np.where(is_core, "", draw_controls(kinds, is_usable, targetid, sample))
    parent = np.select(
        [is_core, control != ""], [Parent.CORE.value, Parent.CONTROL.value], default=""
    )
    return Choice(parent, control, np.full(len(targetid), ""), gate)


def draw_controls(
    kinds: Mapping[ControlKind, tuple[NDArray[np.bool_], float]],
    is_usable: NDArray[np.bool_],
    targetid: NDArray[np.int64],
    sample: ParentSample,
) -> NDArray[np.str_]:
    """Return the kind of control that each row may be drawn as, shape (n,); empty for none.

    Parameters as of `choose`.
    """
    kinds = {kind: drawn for kind, drawn in kinds.items() if kind not in sample.own}
    masks = [mask for mask, _ in kinds.values()]
    share = np.select(masks, [fraction for _, fraction in kinds.values()], default=0.0)
    kind = np.select(masks, [name.value for name in kinds], default="")
    return np.where(is_usable & (hash_to_unit(targetid) < share), kind, "")


def list_faults(fault: NDArray[np.str_]) -> dict[str, NDArray[np.bool_]]:
    """Return the rows of each gate that was named before, as `choose` asks for them."""
    return {name: fault == name for name in np.unique(fault[fault != ""]).tolist()}
