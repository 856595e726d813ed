"""The union of DESI's quasar finders: template fitter, MgII finder and QuasarNet.

The rules are those of DESI's large-scale-structure catalogues (Chaussidon et al. 2023; LSS
mkQSOcat), written for a later production; the threshold for iron is 0.95.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Bits of DESI's QSO_MASKBITS.
TEMPLATE, MGII, QUASARNET, NEW_REDSHIFT, BGS, ELG, WISE_VARIABLE = (1 << bit for bit in range(1, 8))
# A galaxy's lines are weak evidence; the template fitter must call it a quasar too.
_GALAXY_CONFIDENCE = 0.6


class Verdict(NamedTuple):
    """What the union says of each spectrum, shapes (n,): bits, and whether it is a quasar."""

    bits: NDArray[np.int32]
    is_quasar: NDArray[np.bool_]


def unite_finders(
    target_class: NDArray[np.str_],
    is_template: NDArray[np.bool_],
    is_mgii: NDArray[np.bool_],
    confidence: NDArray[np.float64],
    is_refitted: NDArray[np.bool_],
    threshold: float,
) -> Verdict:
    """Apply the union.

    Parameters
    ----------
    target_class : ndarray of str, shape (n,)
        ``qso``, ``elg``, ``wise_variable``, ``bgs`` or another word for neither.
    is_template : ndarray of bool, shape (n,)
        SPECTYPE is QSO.
    is_mgii : ndarray of bool, shape (n,)
        IS_QSO_MGII.
    confidence : ndarray of float, shape (n,)
        QuasarNet's largest line confidence; 0 where it has not looked.
    is_refitted : ndarray of bool, shape (n,)
        IS_QSO_QN_NEW_RR: a fit around QuasarNet's redshift found another one.
    threshold : float
        QuasarNet's confidence above which it counts.

    Returns
    -------
    Verdict
        Bits 1 to 4 whatever the target class, 5 to 7 where that class's own rule holds.
    """
    is_sure = confidence > threshold
    is_likely = confidence > _GALAXY_CONFIDENCE
    anybody = is_template | is_mgii | is_sure
    by_class = {
        "elg": (ELG, is_template & is_likely),
        "wise_variable": (WISE_VARIABLE, anybody),
        "bgs": (BGS, is_template & (is_likely | is_mgii)),
    }
    bits = TEMPLATE * is_template + MGII * is_mgii + QUASARNET * is_sure
    bits += NEW_REDSHIFT * (is_sure & is_refitted)
    is_quasar = (target_class == "qso") & anybody
    for name, (bit, holds) in by_class.items():
        confirmed = (target_class == name) & holds
        bits += bit * confirmed
        is_quasar |= confirmed
    return Verdict(bits.astype(np.int32), is_quasar)
