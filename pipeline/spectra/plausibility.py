"""Spectra that cannot be what they are said to be are dropped, and a file full of them refused."""

import numpy as np

from catalog_schema.grids import Sampling
from pipeline.errors import DataError
from pipeline.spectra.science.coadd import Spectra
from pipeline.spectra.science.noise import Doubt, find_doubts

# Gate of each doubt, and what it says of the spectra.
GATES = {
    Doubt.FLUX: "implausible_flux",
    Doubt.IVAR: "implausible_noise",
    Doubt.SIGMA: "implausible_noise",
    Doubt.VARIANCE: "implausible_noise",
    Doubt.SCATTER: "implausible_noise",
}
_MEANING = {
    Doubt.FLUX: "flux is above any quasar's or nothing beside its own errors: "
    "it is not in 1e-17 erg/s/cm2/A",
    Doubt.IVAR: "IVAR is far from any spectrograph's: it is not in units of flux**-2",
    Doubt.SIGMA: "IVAR holds standard deviations, by the scatter of neighbouring pixels; "
    "it must hold 1/sigma**2",
    Doubt.VARIANCE: "IVAR holds variances, by the scatter of neighbouring pixels; "
    "it must hold 1/sigma**2",
    Doubt.SCATTER: "neighbouring pixels scatter far more than IVAR says: "
    "flux and IVAR are not in the same unit, or IVAR is wrong",
}
_NOTED = (
    "neighbouring pixels scatter less than half of what IVAR says: smoothed, or IVAR is too small"
)
# A file is wrong as a whole if more than this share of its spectra is, and at least two.
_MOST = 0.5


def keep_plausible(
    name: str, spectra: Spectra, sampling: Sampling
) -> tuple[Spectra, dict[str, int], tuple[str, ...]]:
    """Drop the spectra of a file whose flux or inverse variance cannot be right.

    Parameters
    ----------
    name : str
        Of the file, for what is told.
    spectra : Spectra
        On the joined grid, each with a good pixel.
    sampling : Sampling

    Returns
    -------
    spectra : Spectra
    dropped : dict
        Rows dropped by the gates `implausible_flux` and `implausible_noise`.
    notes : tuple of str
        One for each kind of doubt.

    Raises
    ------
    DataError
        If most of several spectra are doubtful: then the file is wrong, not a spectrum.
    """
    arms = [(arm.first, arm.last) for arm in sampling.arms]
    doubts = find_doubts(spectra.flux, spectra.ivar, arms)
    is_kept = np.isin(doubts, [Doubt.NONE.value, Doubt.SMOOTH.value])
    n, n_doubtful = len(doubts), np.count_nonzero(~is_kept)
    n_smooth = np.count_nonzero(doubts == Doubt.SMOOTH.value)
    counts = {doubt: int(np.count_nonzero(doubts == doubt.value)) for doubt in GATES}
    found = {doubt: count for doubt, count in counts.items() if count}
    notes = tuple(f"{name}: {count} of {n} spectra: {_MEANING[d]}" for d, count in found.items())
    if n_doubtful > max(1, _MOST * n):
        raise DataError(f"{'; '.join(notes)}; correct the file")
    dropped = dict.fromkeys(GATES.values(), 0)
    for doubt, count in found.items():
        dropped[GATES[doubt]] += count
    notes = tuple(f"{note}; dropped" for note in notes)
    if n_smooth:
        notes += (f"{name}: {n_smooth} of {n} spectra: {_NOTED}; kept",)
    return spectra.keep(is_kept), dropped, notes
