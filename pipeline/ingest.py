"""Spectra from outside a survey tree: coadd files and tables, laid out as `targets` and `coadds`.

From `coadds` on nothing knows the survey, so the ordinary stages take over from here.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from catalog_schema.desi import WAVE_SIZE, WAVE_START, WAVE_STEP
from catalog_schema.tables import COADDS, TARGETS
from catalog_schema.vocabulary import Parent, RedshiftSource, ShardState, Split
from pipeline.coadd_file import check_coadd, open_coadd, read_targetids
from pipeline.config import AcquireSettings, Config
from pipeline.desi_files import list_tables, read_columns
from pipeline.errors import DataError, UserError
from pipeline.extract import join_file, spectra_to_table
from pipeline.layout import Shard
from pipeline.ledger import Outcome
from pipeline.science.coadd import Spectra
from pipeline.shards import Product, Report, Task, finished_shards, run_shards
from pipeline.sources import local_file
from pipeline.store import Store, columns_to_table, digest, make_fingerprint

STAGE = "extract"
REVISION = 1

# Shards of foreign files: the survey and program that no DESI file has.
_SURVEY = "external"
_REDSHIFT_NAMES = ("Z", "z")
_TARGETID_NAMES = ("TARGETID", "targetid", "desi_targetid")
_POSITION_NAMES = {
    "TARGET_RA": ("TARGET_RA", "RA", "ra"),
    "TARGET_DEC": ("TARGET_DEC", "DEC", "dec"),
}


@dataclass(frozen=True)
class Redshifts:
    """Redshifts handed over with spectra, found by TARGETID or by file name.

    Attributes
    ----------
    by_targetid : dict of int to int
        Row of each TARGETID.
    by_file : dict of str to int
        Row of each file name that the table mentions in any column.
    z, ra, dec : ndarray, shape (n,)
    targetid : list of int or None
    """

    by_targetid: dict[int, int]
    by_file: dict[str, int]
    z: NDArray
    ra: NDArray
    dec: NDArray
    targetid: list[int | None]

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides which spectrum gets which redshift."""
        numbers = [values.tolist() for values in (self.z, self.ra, self.dec)]
        return digest(self.by_file, self.targetid, repr(numbers))


def ingest(store: Store, config: Config, source: Path, redshifts: Path | None) -> Report:
    """Lay out foreign spectra as `targets` and `coadds`.

    Parameters
    ----------
    store : Store
        Writes `targets` and `coadds`.
    config : Config
        Reads ``extract``.
    source : Path
        A coadd FITS file, or a folder of coadd files (``coadd-*.fits``) and tables (``*.csv``
        with columns wave, flux, ivar on DESI's grid).
    redshifts : Path or None
        Table (FITS, CSV or Parquet) with Z and TARGETID, or with a column of file names. Without
        it the redrock file beside each coadd is read.

    Returns
    -------
    Report
        Of the dataset `coadds`. Gates: `dead`, `no_redshift`, `duplicate_row`.

    Raises
    ------
    UserError
        If the source holds no spectrum, or the table no redshift.
    """
    files = _list_files(source)
    given = read_redshifts(redshifts) if redshifts else None
    tasks = []
    for number, path in enumerate(files):
        known = given or _read_redrock(path)
        # A program for each file: one object in two files is two spectra with different keys.
        shard = Shard(_SURVEY, f"file{number}", 0)
        inputs = [path.name, local_file(path).stat().identity, known.fingerprint]
        fingerprint = make_fingerprint(STAGE, REVISION, [config.extract], inputs)
        tasks.append(Task(shard, fingerprint, _count_rows(path), (str(path), known)))
    work = partial(_ingest_file, config.extract.ivar_floor)
    report = run_shards(store, STAGE, COADDS, tasks, work, config.run.workers)
    _write_targets(store, tasks)
    return report


def read_redshifts(path: Path) -> Redshifts:
    """Read a table of redshifts.

    Raises
    ------
    UserError
        If it cannot be read or has no redshift column.
    """
    try:
        columns = _read_any_table(path)
    except (OSError, DataError, ValueError, csv.Error) as error:
        raise UserError(
            f"redshifts {path}: unreadable ({error}); give FITS, CSV or Parquet"
        ) from None
    name = next((name for name in _REDSHIFT_NAMES if name in columns), None)
    if name is None:
        raise UserError(f"redshifts {path}: no column Z; it has {', '.join(columns)}")
    n = len(columns[name])
    id_name = next((name for name in _TARGETID_NAMES if name in columns), None)
    z = _to_floats(path, name, columns[name])
    targetid: list[int | None] = [None] * n
    if id_name:
        targetid = [_to_int(value) for value in columns[id_name]]
    by_file = {
        Path(value).name: row
        for values in columns.values()
        for row, value in enumerate(values)
        if isinstance(value, str) and Path(value).suffix
    }
    position = {
        ours: next((columns[theirs] for theirs in names if theirs in columns), [np.nan] * n)
        for ours, names in _POSITION_NAMES.items()
    }
    ra, dec = (_to_floats(path, ours, values) for ours, values in position.items())
    by_targetid = {value: row for row, value in enumerate(targetid) if value is not None}
    return Redshifts(by_targetid, by_file, z, ra, dec, targetid)


def _list_files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    files = sorted([*source.glob("coadd-*.fits*"), *source.glob("*.csv")])
    spectra = [path for path in files if path.suffix != ".csv" or _is_spectrum(path)]
    if not spectra:
        raise UserError(f"source {source}: no coadd-*.fits and no CSV with wave, flux, ivar in it")
    return spectra


def _is_spectrum(path: Path) -> bool:
    with path.open() as handle:
        return {"wave", "flux", "ivar"} <= set(handle.readline().strip().split(","))


def _count_rows(path: Path) -> int:
    if path.suffix == ".csv":
        return 1
    try:
        return open_coadd(local_file(path)).n_rows
    except DataError:
        # The work on this file fails with the same error, which the ledger then holds.
        return 0


def _ingest_file(ivar_floor: float, task: Task) -> Product:
    path, known = Path(task.arguments[0]), task.arguments[1]
    if path.suffix == ".csv":
        spectra, dropped, notes = _read_csv(path, known)
    else:
        coadd = open_coadd(local_file(path))
        check_coadd(coadd)
        listed, every = read_targetids(coadd), np.arange(coadd.n_rows)
        reading = AcquireSettings()
        spectra, dropped, notes = join_file(coadd, every, listed, ivar_floor, reading)
    targetids = spectra.targetid.tolist()
    has_redshift = np.array([_find_row(known, path, t) is not None for t in targetids], bool)
    is_first = np.zeros(len(targetids), bool)
    is_first[np.unique(spectra.targetid, return_index=True)[1]] = True
    dropped["no_redshift"] = int((~has_redshift).sum())
    dropped["duplicate_row"] = int((has_redshift & ~is_first).sum())
    kept = Spectra(*(values[has_redshift & is_first] for values in vars(spectra).values()))
    return Product(spectra_to_table(task.shard, kept), dropped, notes)


def _read_csv(path: Path, known: Redshifts) -> tuple[Spectra, dict[str, int], tuple[str, ...]]:
    try:
        values = np.genfromtxt(path, delimiter=",", names=True)
        wave, flux, ivar = (values[name].astype(float) for name in ("wave", "flux", "ivar"))
    except (ValueError, IndexError) as error:
        raise DataError(f"{path}: no table of wave, flux, ivar ({error})") from None
    pixels = (wave - WAVE_START) / WAVE_STEP
    index = np.rint(pixels).astype(int)
    if np.abs(pixels - index).max() > 0.01 or index.min() < 0 or index.max() >= WAVE_SIZE:
        raise DataError(f"{path}: wavelengths are not on DESI's grid 3600 to 9824 Å in 0.8 Å")
    is_good = np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    joined = np.zeros((2, 1, WAVE_SIZE), np.float32)
    joined[0, 0, index[is_good]] = flux[is_good]
    joined[1, 0, index[is_good]] = ivar[is_good]
    row = _find_row(known, path, None)
    targetid = known.targetid[row] if row is not None else None
    # A file without a TARGETID gets a negative number from its name: no DESI target has one.
    identity = targetid if targetid is not None else -int(digest(path.name)[:12], 16)
    mask = np.zeros((1, WAVE_SIZE), np.int32)
    alive = slice(0, int(is_good.any()))
    spectra = Spectra(np.array([identity])[alive], joined[0][alive], joined[1][alive], mask[alive])
    return spectra, {"dead": 1 - int(is_good.any())}, ()


def _find_row(known: Redshifts, path: Path, targetid: int | None) -> int | None:
    row = known.by_targetid.get(targetid) if targetid is not None else None
    if row is None and path.suffix == ".csv":
        row = known.by_file.get(path.name)
    return row if row is not None and np.isfinite(known.z[row]) else None


def _write_targets(store: Store, tasks: list[Task]) -> None:
    """Write `targets` for the rows that became coadds, and book the stages before extract."""
    finished = set(finished_shards(store, STAGE))
    for task in tasks:
        if task.shard in finished:
            rows = list(_describe(store, task))
            columns = {name: [row.get(name) for row in rows] for name in TARGETS.names}
            store.write(
                store.lake.shard(TARGETS.name, task.shard), columns_to_table(TARGETS, columns),
                TARGETS, fingerprint=task.fingerprint, n_expected=task.n_expected,
                n_made=len(rows),
            )  # fmt: skip
    store.ledger.record(
        Outcome(task.shard, stage, ShardState.DONE, task.n_expected, n_made=task.n_expected)
        for task in tasks
        for stage in ("target", "adopt", "acquire")
    )


def _describe(store: Store, task: Task) -> Iterator[dict[str, object]]:
    path, known = Path(task.arguments[0]), task.arguments[1]
    written = store.read(store.lake.shard(COADDS.name, task.shard), ["TARGETID"])
    for targetid in written["TARGETID"].to_pylist():
        row = _find_row(known, path, targetid)
        yield {
            "SURVEY": task.shard.survey,
            "PROGRAM": task.shard.program,
            "HEALPIX": task.shard.healpix,
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
    beside = path.with_name(path.name.replace("coadd-", "redrock-", 1))
    if beside == path or not beside.exists():
        return Redshifts({}, {}, np.zeros(0), np.zeros(0), np.zeros(0), [])
    return read_redshifts(beside)


def _read_any_table(path: Path) -> dict[str, list]:
    name = path.name.removesuffix(".gz")
    if name.endswith(".parquet"):
        return pq.read_table(path).to_pydict()
    if name.endswith(".csv"):
        with path.open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        return {key: [row[key] for row in rows] for key in (rows[0] if rows else {})}
    return _read_fits_table(path)


def _read_fits_table(path: Path) -> dict[str, list]:
    file = local_file(path)
    tables = list_tables(file)
    if not tables:
        raise DataError(f"{path}: no table in it")
    name = "REDSHIFTS" if "REDSHIFTS" in tables else next(iter(tables))
    columns = read_columns(file, name, tables[name])
    return {key: values.tolist() for key, values in columns.items()}


def _to_int(value: object) -> int | None:
    text = str(value).strip().removesuffix(".0")
    return int(text) if text.lstrip("-").isdigit() else None


def _to_floats(path: Path, name: str, values: Sequence[object]) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=float)
    except (ValueError, TypeError) as error:
        raise UserError(f"redshifts {path}: column {name} is not numeric ({error})") from None


def _to_float(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
