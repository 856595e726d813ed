"""The spectra of a file that its redshifts choose: each row is kept, or counted by a gate."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from pipeline.lake.store import digest
from pipeline.settings.spectra import TargetSettings
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import check_coadd, open_coadd
from pipeline.spectra.desi.joined_file import join_file
from pipeline.spectra.desi.row_identity import find_strangers, get_positions, read_fibres
from pipeline.spectra.joining import join_spectra
from pipeline.spectra.loose.coadds import find_redrock
from pipeline.spectra.loose.foreign import judge_spectra
from pipeline.spectra.loose.redshift_table import NO_REDSHIFTS, Redshifts, read_redshifts
from pipeline.spectra.loose.spectrum_table import is_table, read_spectrum
from pipeline.spectra.science.coadd import ArmSpectra, Spectra
from pipeline.spectra.science.rebin import lay_out
from pipeline.transport.sources import local_file


@dataclass(frozen=True)
class ChosenSpectra:
    """What is kept of a file, and where the rest of its rows went.

    Attributes
    ----------
    spectra : Spectra
    row : ndarray of int, shape (n,)
        Row of the table of redshifts that counts.
    ra, dec : ndarray of float, shape (n,)
        Where the FIBERMAP has the targets, ICRS, degrees; NaN where it does not say.
    dropped : dict
        Rows dropped by each gate.
    notes : tuple of str
    """

    spectra: Spectra
    row: NDArray[np.intp]
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    dropped: dict[str, int]
    notes: tuple[str, ...]


def read_chosen(
    path: Path,
    known: Redshifts,
    beside: Redshifts,
    settings: TargetSettings,
    ivar_floor: float,
    sampling: Sampling = SAMPLING,
) -> ChosenSpectra:
    """Read the spectra of a coadd, or the one of a table, that are of the parent sample.

    Parameters
    ----------
    path : Path
    known : Redshifts
    beside : Redshifts
        Of the redrock file, where `known` is another table; compared with it.
    settings : TargetSettings
        Its range of redshifts.
    ivar_floor : float
        See `join_arms`.
    sampling : Sampling
        Of the model that is to judge them.

    Returns
    -------
    ChosenSpectra
        Gates: `dead`, `implausible_flux`, `implausible_noise`, `spectrum_mismatch`, and those of
        `judge_spectra`.

    Raises
    ------
    DataError
        If the file is damaged, or most of its rows are not what its tables say.
    """
    fibres = None
    if is_table(path):
        spectra, dropped, notes = _read_table(path, known, ivar_floor, sampling)
    else:
        coadd = open_coadd(local_file(path))
        check_coadd(coadd, is_strict=False)
        fibres, every = read_fibres(coadd), np.arange(coadd.n_rows)
        # Numbered, so that what the file says of a row finds it again.
        spectra, dropped, notes = join_file(coadd, every, every, ivar_floor, AcquireSettings())
        is_stranger = find_strangers(coadd, spectra.targetid, spectra)
        spectra = spectra.keep(~is_stranger)
        notes = (*coadd.doubts, *notes)
        dropped["spectrum_mismatch"] = int(is_stranger.sum())
        fibres = {column: values[spectra.targetid] for column, values in fibres.items()}
        spectra, told = _resample(replace(spectra, targetid=fibres["TARGETID"]), sampling)
        notes = (*notes, *(f"{path.name}: {note}" for note in told))
    verdict = judge_spectra(path, spectra.targetid, known, settings, fibres, beside)
    notes = (*notes, *verdict.notes)
    if len(spectra.targetid) and (verdict.gate == "no_redshift").all():
        notes = (*notes, known.explain_absence(path, spectra.targetid.tolist()))
    is_kept = verdict.row >= 0
    ra, dec = get_positions(fibres or {"TARGETID": spectra.targetid})
    return ChosenSpectra(
        spectra.take(is_kept),
        verdict.row[is_kept],
        ra[is_kept],
        dec[is_kept],
        {**dropped, **verdict.dropped},
        notes,
    )


def read_redrock(path: Path) -> Redshifts:
    """Return the redshifts of the redrock file beside a coadd, or none where there is no such."""
    beside = find_redrock(path)
    return read_redshifts(beside) if beside else NO_REDSHIFTS


def _read_table(
    path: Path, known: Redshifts, ivar_floor: float, sampling: Sampling
) -> tuple[Spectra, dict[str, int], tuple[str, ...]]:
    spectrum = read_spectrum(path, sampling.grid)
    flux, ivar = spectrum.flux, spectrum.ivar
    row = known.by_file.get(path.name)
    targetid = known.targetid[row] if row is not None else None
    # A file without a TARGETID gets a negative number from its name: no DESI target has one.
    identity = targetid if targetid is not None else -int(digest(path.name)[:12], 16)
    whole = ArmSpectra(0, flux[None], ivar[None], np.zeros((1, sampling.grid.size), np.int32))
    spectra, dropped, notes = join_spectra(
        path.name, np.array([identity]), [whole], ivar_floor, sampling
    )
    return spectra, dropped, (*spectrum.notes, *notes)


def _resample(spectra: Spectra, sampling: Sampling) -> tuple[Spectra, tuple[str, ...]]:
    """Put spectra on DESI's grid on that of a model of another survey; bits of masks are lost."""
    if sampling == SAMPLING or not len(spectra.targetid):
        return spectra, ()
    laid = [
        lay_out(SAMPLING.grid.wave, flux, ivar, sampling.grid)
        for flux, ivar in zip(spectra.flux, spectra.ivar, strict=True)
    ]
    flux, ivar = (
        np.array([getattr(each, name) for each in laid], np.float32) for name in ("flux", "ivar")
    )
    mask = np.zeros(flux.shape, np.int32)
    note = f"spectra are resampled to the model's grid, {sampling.grid}"
    return Spectra(spectra.targetid, flux, ivar, mask), (note,)
