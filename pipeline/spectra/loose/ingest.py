"""Spectra from outside a survey tree: coadd files and tables, laid out as `targets` and `coadds`.

From `coadds` on nothing knows the survey, so the ordinary stages take over from here.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from catalog_schema.tables import TARGETS
from catalog_schema.vocabulary import Parent, RedshiftSource, Split
from pipeline.errors import DataError, UserError
from pipeline.lake.layout import Shard
from pipeline.lake.store import columns_to_table
from pipeline.run import Run
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.desi.coadd_file import open_coadd
from pipeline.spectra.loose.chosen_spectra import ChosenSpectra, read_chosen, read_redrock
from pipeline.spectra.loose.coadds import explain_stranger, is_companion, is_fits
from pipeline.spectra.loose.redshift_table import NO_REDSHIFTS, Redshifts, read_redshifts
from pipeline.spectra.loose.spectrum_table import check_spectrum, is_table
from pipeline.spectra.model.models import load_model
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
        known = given or read_redrock(path)
        # A program for each file: one object in two files is two spectra with different keys.
        shard = Shard(_SURVEY, f"file{number}", 0)
        beside = read_redrock(path) if given else NO_REDSHIFTS
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
    shard, path = get_shard(task), Path(name)
    found = read_chosen(path, known, beside, settings, ivar_floor, sampling)
    rows = list(_describe(path, known, found, shard))
    columns = {name: [row.get(name) for row in rows] for name in TARGETS.names}
    coadds = spectra_to_table(shard, found.spectra, sampling)
    return Product((columns_to_table(TARGETS, columns), coadds), found.dropped, found.notes)


def _describe(
    path: Path, known: Redshifts, found: ChosenSpectra, shard: Shard
) -> Iterator[dict[str, object]]:
    for targetid, row in zip(found.spectra.targetid.tolist(), found.row.tolist(), strict=True):
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


def _to_float(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
