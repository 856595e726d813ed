"""Spectra of single exposures, coadded target by target as desispec does.

Of each arm the exposures count whose fibre was usable in it. A pixel is their mean by inverse
variance over those that do not mask it; where all mask it, over all, with the union of their bits.
Neither cosmic rays are clipped nor exposures scaled to one another, which desispec does besides.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.spectra.science.coadd import ArmSpectra

# FIBERSTATUS bits that make a fibre unusable: BROKENFIBER, MISSINGPOSITION, BADPOSITION,
# BRIGHTNEIGHBOR, BADFIBER, BADTRACE, BADFLAT, BADARC, MANYREJECTED; and the amplifiers of one arm.
_UNUSABLE = sum(1 << bit for bit in (2, 8, 9, 11, 16, 17, 18, 19, 21))
_BAD_AMPLIFIER = {"b": 1 << 22, "r": 1 << 23, "z": 1 << 24}


@dataclass(frozen=True)
class Exposed:
    """Whose spectrum each row of a file of single exposures is, and how good its fibre was.

    Attributes
    ----------
    first : ndarray of int, shape (n,)
        First row of each target, in order.
    target : ndarray of int, shape (rows,)
        Number of the target of each row.
    status : ndarray of int, shape (rows,)
        FIBERSTATUS.
    """

    first: NDArray[np.intp]
    target: NDArray[np.intp]
    status: NDArray[np.int64]

    @classmethod
    def of(cls, fibermap: Mapping[str, NDArray]) -> "Exposed":
        """Group the rows of a FIBERMAP by TARGETID."""
        _, first, number = np.unique(fibermap["TARGETID"], return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        status = fibermap.get("FIBERSTATUS", np.zeros(len(number), np.int64))
        return cls(first[order], rank[number], np.asarray(status, np.int64))

    def find_rows(self, targets: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows of some targets, target by target, each in the file's order."""
        place = np.full(len(self.first), len(targets))
        place[targets] = np.arange(len(targets))
        rows = np.flatnonzero(place[self.target] < len(targets))
        return rows[np.argsort(place[self.target[rows]], kind="stable")]

    def unite_status(self) -> NDArray[np.int64]:
        """Return COADD_FIBERSTATUS: the bits that all exposures of a target share, shape (n,)."""
        shared = np.full(len(self.first), -1, np.int64)
        np.bitwise_and.at(shared, self.target, self.status)
        return shared


def coadd_arm(name: str, arm: ArmSpectra, rows: NDArray[np.intp], exposed: Exposed) -> ArmSpectra:
    """Coadd the exposures of an arm.

    Parameters
    ----------
    name : str
        Of the arm; a band of several arms is as good as the worst of them.
    arm : ArmSpectra
        Of the rows that `Exposed.find_rows` returned, in this order.
    rows : ndarray of int
    exposed : Exposed
    """
    bad = _UNUSABLE | sum(_BAD_AMPLIFIER[letter] for letter in name)
    is_usable = exposed.status[rows] & bad == 0
    borders = np.flatnonzero(np.diff(exposed.target[rows])) + 1
    groups = np.split(np.arange(len(rows)), borders) if len(rows) else []
    united = [
        _coadd(*(values[group[is_usable[group]]] for values in (arm.flux, arm.ivar, arm.mask)))
        for group in groups
    ]
    n_pixels = arm.flux.shape[1]
    flux, ivar, mask = (
        (np.array(values).reshape(-1, n_pixels) for values in zip(*united, strict=True))
        if united
        else (values[:0] for values in (arm.flux, arm.ivar, arm.mask))
    )
    return ArmSpectra(arm.first_pixel, flux, ivar, mask)


def _coadd(
    flux: NDArray, ivar: NDArray, mask: NDArray
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray]:
    """Return flux, ivar and mask of one target, shape (p,), of its usable exposures."""
    good = np.where(mask == 0, ivar, 0).astype(np.float64)
    is_lost = good.sum(axis=0) == 0
    weight = np.where(is_lost, ivar, good)
    total = weight.sum(axis=0)
    mean = np.divide((weight * flux).sum(axis=0), total, out=np.zeros(len(total)), where=total > 0)
    bits = np.where(is_lost, np.bitwise_or.reduce(mask, axis=0), 0)
    return mean.astype(np.float32), total.astype(np.float32), bits.astype(mask.dtype)
