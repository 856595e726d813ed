"""Spectra of one file with their arms joined; dead and implausible ones are dropped."""

import numpy as np
from numpy.typing import NDArray

from catalog_schema.grids import Sampling
from pipeline.spectra.plausibility import keep_plausible
from pipeline.spectra.science.coadd import ArmSpectra, Spectra, join_arms


def join_spectra(
    name: str,
    targetids: NDArray[np.int64],
    arms: list[ArmSpectra],
    ivar_floor: float,
    sampling: Sampling,
) -> tuple[Spectra, dict[str, int], tuple[str, ...]]:
    """Join the arms of spectra, drop the dead and the implausible ones.

    Parameters
    ----------
    name : str
        What the spectra are of, for what is told.
    targetids : ndarray of int64, shape (n,)
    arms : list of ArmSpectra
    ivar_floor : float
        A pixel of a smaller inverse variance is bad.
    sampling : Sampling

    Returns
    -------
    spectra : Spectra
    dropped : dict
        Rows dropped by the gates `dead`, `implausible_flux` and `implausible_noise`.
    notes : tuple of str

    Raises
    ------
    DataError
        If most of several spectra are implausible.
    """
    spectra, n_invalid, n_filled = join_arms(targetids, arms, sampling.grid.size, ivar_floor)
    is_alive = spectra.ivar.max(axis=1, initial=0) > 0
    notes = tuple(
        f"{name}: {int(n_bad.sum())} pixels of {np.count_nonzero(n_bad)} spectra "
        f"{what}; taken as bad pixels"
        for n_bad, what in (
            (n_invalid, "are not finite or have negative ivar"),
            (n_filled, "are filled with one flux, though their ivar is above 0"),
        )
        if n_bad.any()
    )
    kept, dropped, doubts = keep_plausible(name, spectra.keep(is_alive), sampling)
    return kept, {"dead": int((~is_alive).sum()), **dropped}, notes + doubts
