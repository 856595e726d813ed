"""Spectra from outside a survey tree: coadd files and tables, laid out as `targets` and `coadds`.

From `coadds` on nothing knows the survey, so the ordinary stages take over from here.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from catalog_schema.tables import TARGETS
from catalog_schema.vocabulary import Parent, RedshiftSource, Split
from pipeline.errors import DataError, UserError
from pipeline.lake.layout import Shard
from pipeline.lake.store import columns_to_table, digest
from pipeline.run import Run
from pipeline.settings.spectra import TargetSettings
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.desi.coadd_file import check_coadd, open_coadd
from pipeline.spectra.desi.joined_file import join_file
from pipeline.spectra.desi.row_identity import find_strangers, read_fibres
from pipeline.spectra.joining import join_spectra
from pipeline.spectra.loose.coadds import explain_stranger, find_redrock, is_companion, is_fits
from pipeline.spectra.loose.foreign import choose_rows, judge_spectra
from pipeline.spectra.loose.redshift_table import NO_REDSHIFTS, Redshifts, read_redshifts
from pipeline.spectra.loose.spectrum_table import check_spectrum, is_table, read_spectrum
from pipeline.spectra.model.models import load_model
from pipeline.spectra.science.coadd import ArmSpectra, Spectra
from pipeline.spectra.science.rebin import lay_out
from pipeline.stage import Job, Product, Task, get_shard
from pipeline.transport.sources import local_file

# Shards of foreign files: the survey and program that no DESI file has.
_SURVEY = "external"


def ingest(run: Run) -> Job:
    """Lay out the spectra of loose files as `targets` and `coadds`.

    ``run.source`` is a coadd FITS file, or a folder of coadd files and spectra in tables (CSV and
    its kin, with columns wave, flux, ivar), resampled to the model's grid where theirs is another.
    Other tables and FITS files in the folder are named in a note. ``run.redshifts`` is a table with
    Z and TARGETID, or with a column of file names (see `read_redshifts`); without it the redrock
    file beside each coadd is read.

    Returns
    -------
    Job
        Makes `targets` and `coadds`. Gates: `dead`, `implausible_flux`, `implausible_noise`,
        `spectrum_mismatch`, and those of `judge_spectra`.

    Raises
    ------
    UserError
        If the source holds no spectrum, or the table no redshift.
    """
    settings = run.config.run
    source = Path(settings.source)
    redshifts = Path(settings.redshifts) if settings.redshifts else None
    given = read_redshifts(redshifts) if redshifts else None
    files, strays = _list_files(source, redshifts)
    sampling = load_model(run.given_model).sampling if run.given_model else SAMPLING
    tasks = []
    for number, path in enumerate(files):
        known = given or _read_redrock(path)
        # A program for each file: one object in two files is two spectra with different keys.
        shard = Shard(_SURVEY, f"file{number}", 0)
        beside = _read_redrock(path) if given else NO_REDSHIFTS
        digests = known.fingerprint, beside.fingerprint
        inputs = (path.name, local_file(path).stat().identity, *digests, repr(sampling))
        tasks.append(Task(shard, _count_rows(path), inputs, (str(path), known, beside)))
    work = partial(_ingest_file, run.config.extract.ivar_floor, run.config.target, sampling)
    return Job(tuple(tasks), work, (*strays, *(given.notes if given else ())))


def _list_files(source: Path, redshifts: Path | None) -> tuple[list[Path], list[str]]:
    """Return the files that hold spectra, and a note on each other table and FITS file."""
    if source.is_file():
        if is_table(source):
            check_spectrum(source)
        return [source], []
    spectra, strays = [], []
    for path in sorted(source.iterdir()):
        is_given = redshifts is not None and path.samefile(redshifts)
        if not path.is_file() or is_given or is_companion(path):
            continue
        if is_fits(path):
            stranger = explain_stranger(path)
            if stranger:
                strays.append(f"{path.name} is left out: {stranger}")
            else:
                spectra.append(path)
        elif is_table(path):
            try:
                check_spectrum(path)
                spectra.append(path)
            except UserError as error:
                strays.append(f"{path.name} is left out: {error}")
    if not spectra:
        why = f" ({strays[0]})" if strays else ""
        raise UserError(
            f"source {source}: no coadd file and no CSV with wave, flux, ivar in it{why}; files of "
            "another survey are read with --survey"
        )
    return spectra, strays


def _count_rows(path: Path) -> int:
    if is_table(path):
        return 1
    try:
        return open_coadd(local_file(path)).n_rows
    except DataError:
        # The work on this file fails with the same error, which the ledger then holds.
        return 0


def _ingest_file(
    ivar_floor: float, settings: TargetSettings, sampling: Sampling, task: Task
) -> Product:
    name, known, beside = task.arguments
    shard = get_shard(task)
    path = Path(name)
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
    kept = spectra.take(verdict.row >= 0)
    rows = list(_describe(path, known, settings, shard, kept.targetid))
    columns = {name: [row.get(name) for row in rows] for name in TARGETS.names}
    tables = (columns_to_table(TARGETS, columns), spectra_to_table(shard, kept, sampling))
    return Product(tables, {**dropped, **verdict.dropped}, notes)


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


def _describe(
    path: Path,
    known: Redshifts,
    settings: TargetSettings,
    shard: Shard,
    targetids: NDArray[np.int64],
) -> Iterator[dict[str, object]]:
    rows, _ = choose_rows(path, targetids, known, settings)
    for targetid, row in zip(targetids.tolist(), rows.tolist(), strict=True):
        yield {
            "SURVEY": shard.survey,
            "PROGRAM": shard.program,
            "HEALPIX": shard.healpix,
            "TARGETID": targetid,
            "DESINAME": path.stem,
            "TARGET_RA": _to_float(known.ra[row]),
            "TARGET_DEC": _to_float(known.dec[row]),
            "Z": float(known.z[row]),
            "parent": Parent.EXTERNAL.value,
            "z_source": RedshiftSource.USER.value,
            "qso_maskbits": 0,
            "split": Split.TEST.value,
        }


def _read_redrock(path: Path) -> Redshifts:
    beside = find_redrock(path)
    return read_redshifts(beside) if beside else NO_REDSHIFTS


def _to_float(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
