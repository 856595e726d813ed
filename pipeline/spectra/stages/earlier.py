"""Stage `earlier`: what has changed since an earlier spectrum of the same object."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.tables import CHANGES, RESTFRAME, ROW_KEY, SCORES, TARGETS
from catalog_schema.vocabulary import ChangeState, Parent, ScaleSource
from pipeline.config import Config, EarlierSettings
from pipeline.errors import DataError, MissingFileError
from pipeline.flow.shards import (
    Product,
    Report,
    Task,
    finished_shards,
    read_shards,
    read_stamps,
    run_shards,
    split_by_shard,
)
from pipeline.lake.layout import is_remote
from pipeline.lake.store import Store, columns_to_table, digest_rows, make_fingerprint, to_matrix
from pipeline.spectra.earlier_index import EarlierSpectra, match_spectra, read_index
from pipeline.spectra.science.coadd import measure_snr
from pipeline.spectra.science.epochs import Comparison, Epoch, LineChange, Value, compare_epochs
from pipeline.spectra.science.extinction import deredden, transmission
from pipeline.spectra.science.restframe import RestFrameGrid, resample_log
from pipeline.spectra.sdss.spec_file import LOG10_STEP, LogSpectrum, read_spectrum
from pipeline.spectra.stages.preprocess import make_run_grid
from pipeline.spectra.stages.target import find_beside
from pipeline.transport.sources import MemorySource, Source, open_source

STAGE = "earlier"
REVISION = 1

_OBJECT_COLUMNS = [*ROW_KEY, "TARGET_RA", "TARGET_DEC", "EBV", "MEAN_MJD", "parent"]
_SAME_NIGHT = 1.0
_WINDOW_COLUMNS = ["TARGETID", "Z", "norm", "window_start", "rest_flux", "rest_weight"]


def earlier(store: Store, config: Config) -> Report:
    """Compare every scored quasar with each earlier spectrum at its position.

    Parameters
    ----------
    store : Store
        Reads `targets` and `restframe`; writes `changes`, a row for each pair of object and
        earlier spectrum.
    config : Config
        Reads ``earlier``, ``preprocess``, ``acquire``, ``run.source`` and ``run.workers``.

    Returns
    -------
    Report
        Of the dataset `changes`; without an index of earlier spectra there is none.

    Raises
    ------
    UserError
        If the index cannot be read, or there is no such place for the spectra.
    """
    if not config.earlier.index:
        store.ledger.keep_only(STAGE, [])
        return Report(CHANGES.name)
    index = _read_run_index(store, config)
    tasks = _list_tasks(store, config, index)
    work = partial(_compare_shard, store.root, config, make_run_grid(config))
    report = run_shards(store, STAGE, CHANGES, tasks, work, config.run.workers)
    return replace(report, notes=(*report.notes, *index.notes))


def plan(store: Store, config: Config) -> list[Task]:
    """Return one task for each scored shard that holds an object with an earlier spectrum."""
    if not config.earlier.index:
        return []
    return _list_tasks(store, config, _read_run_index(store, config))


def resample_spectrum(
    spectrum: LogSpectrum, ebv: float, r_v: float, z: float, start: int, grid: RestFrameGrid
) -> Epoch:
    """Deredden a spectrum and resample it to a rest-frame window."""
    wave = 10 ** (spectrum.log10_first + LOG10_STEP * np.arange(len(spectrum.flux)))
    passed = transmission(wave, np.array([ebv]), r_v)
    flux, ivar = (values[None].astype(np.float32) for values in (spectrum.flux, spectrum.ivar))
    flux, ivar = deredden(flux, ivar, passed)
    return Epoch(*resample_log(flux[0], ivar[0], spectrum.log10_first, LOG10_STEP, z, start, grid))


def find_changed(comparison: Comparison, settings: EarlierSettings) -> str | None:
    """Return the broad line that has appeared or vanished most significantly, None without any."""
    changed = {
        name: abs(line.change)
        for name, line in comparison.lines.items()
        if abs(line.change) > settings.min_change and line.left <= settings.max_left
    }
    return max(changed, key=lambda name: changed[name], default=None)


def _list_tasks(store: Store, config: Config, index: EarlierSpectra) -> list[Task]:
    source, grid = open_source(_find_spectra(store, config), config.acquire), make_run_grid(config)
    shards = finished_shards(store, "score")
    targets = read_shards(store, TARGETS.name, shards, _OBJECT_COLUMNS).values()
    objects = pa.concat_tables(targets).filter(pc.field("parent") != Parent.CONTROL.value)
    pairs = split_by_shard(match_spectra(objects, index, config.earlier.radius))
    # Where the files lie is not what they hold.
    levels = config.earlier.model_copy(update={"index": "", "spectra": ""})
    tasks = []
    for shard, stamp in read_stamps(store, RESTFRAME.name, pairs).items():
        scored = store.read(store.lake.shard(SCORES.name, shard), ["TARGETID"])["TARGETID"]
        rows = pairs[shard].filter(pc.is_in(pairs[shard]["TARGETID"], scored.combine_chunks()))
        rows = rows.sort_by([(name, "ascending") for name in ("TARGETID", "earlier_file")])
        files = [_identify(source, name) for name in rows["earlier_file"].to_pylist()]
        inputs = [stamp.content, digest_rows(rows), repr(grid), *files]
        fingerprint = make_fingerprint(STAGE, REVISION, [levels, config.preprocess], inputs)
        path = str(store.lake.shard(RESTFRAME.name, shard))
        tasks.append(Task(shard, fingerprint, rows.num_rows, (path, rows, source.location)))
    return tasks


def _read_run_index(store: Store, config: Config) -> EarlierSpectra:
    path = find_beside(store, config, "earlier.index", config.earlier.index)
    return read_index(path, config.earlier)


def _find_spectra(store: Store, config: Config) -> str:
    """Return the location of the files, which workers elsewhere understand."""
    if is_remote(config.earlier.spectra):
        return config.earlier.spectra
    return str(find_beside(store, config, "earlier.spectra", config.earlier.spectra).resolve())


def _identify(source: Source, name: str) -> str:
    """Return what changes when a local file does; archives do not change theirs."""
    if source.is_remote:
        return name
    try:
        return source.stat(name).identity
    except MissingFileError:
        return ChangeState.FILE_MISSING.value


def _compare_shard(root: Path, config: Config, grid: RestFrameGrid, task: Task) -> Product:
    path, pairs, location = task.arguments
    windows = Store(root).read(Path(path), _WINDOW_COLUMNS)
    place = {targetid: row for row, targetid in enumerate(windows["TARGETID"].to_pylist())}
    source = open_source(location, config.acquire)
    rows = []
    for pair in pairs.to_pylist():
        window = _Window.read(windows.slice(place[pair["TARGETID"]], 1))
        rows.append(_compare_pair(pair, window, source, config, grid))
    counts = Counter(row["change_state"] for row in rows)
    faults = (ChangeState.FILE_MISSING, ChangeState.UNREADABLE)
    notes = tuple(f"{counts[fault]} earlier spectra: {fault}" for fault in faults if counts[fault])
    columns = {name: [row.get(name) for row in rows] for name in CHANGES.names}
    return Product(columns_to_table(CHANGES, columns), notes=notes)


@dataclass(frozen=True)
class _Window:
    """The present spectrum in its rest-frame window."""

    z: float
    start: int
    spectrum: Epoch

    @classmethod
    def read(cls, row: pa.Table) -> "_Window":
        """Take one row of `restframe`."""
        norm = row["norm"][0].as_py()
        flux, weight = (
            to_matrix(row[name])[0].astype(np.float64) for name in ("rest_flux", "rest_weight")
        )
        spectrum = Epoch(flux * norm, weight / norm**2)
        return cls(row["Z"][0].as_py(), row["window_start"][0].as_py(), spectrum)


def _compare_pair(
    pair: dict[str, Any], window: _Window, source: Source, config: Config, grid: RestFrameGrid
) -> dict[str, Any]:
    """Return a row of `changes`."""
    row = {name: pair[name] for name in (*ROW_KEY, "earlier_file", "earlier_mjd", "separation")}
    row["has_changed"] = False
    if pair["MEAN_MJD"] is not None:
        days = pair["MEAN_MJD"] - pair["earlier_mjd"]
        row["rest_days"] = days / (1 + window.z)
        if days < _SAME_NIGHT:
            return row | {"change_state": ChangeState.NOT_EARLIER.value}
    # A source that does not answer fails the shard, which the next run does again; what comes
    # from it and is no spectrum stays so.
    try:
        file = source.file(pair["earlier_file"])
        [data] = file.read([(0, file.stat().size)])
    except MissingFileError:
        return row | {"change_state": ChangeState.FILE_MISSING.value}
    try:
        spectrum = read_spectrum(MemorySource("", data).file(file.path))
    except DataError as error:
        row["change_error"] = str(error).removeprefix("/")
        return row | {"change_state": ChangeState.UNREADABLE.value}
    ebv, r_v = pair["EBV"] or 0.0, config.preprocess.r_v
    then = resample_spectrum(spectrum, ebv, r_v, window.z, window.start, grid)
    wave = grid.wave[window.start : window.start + grid.window]
    found = compare_epochs(wave, window.spectrum, then, config.earlier.grey_error)
    snr = float(measure_snr(spectrum.flux[None], spectrum.ivar[None])[0])
    row["earlier_snr"] = snr if np.isfinite(snr) else None
    return row | describe(found, config.earlier)


def describe(found: Comparison, settings: EarlierSettings) -> dict[str, Any]:
    """Return the columns of `changes` that tell a comparison."""
    state = ChangeState.parse(found.state)
    if state is not ChangeState.MEASURED:
        return {"change_state": state.value}
    source = ScaleSource.OIII if found.is_anchored else ScaleSource.ASSUMED
    changed = find_changed(found, settings)
    row = {
        "change_state": state.value,
        "scale_source": source.value,
        "has_changed": changed is not None,
        **_name("flux_scale", found.scale),
        **_name("continuum_ratio", found.continuum),
        **_name("colour_change", found.colour),
    }
    for name, line in found.lines.items():
        row |= _describe_line(name, line)
    if (told := changed or found.strongest) is not None:
        line = found.lines[told]
        row |= {"changed_line": told, "line_change": line.change, **_name("line_ratio", line.ratio)}
    return row


def _describe_line(name: str, line: LineChange) -> dict[str, float | None]:
    return {
        **_name(f"{name}_flux", line.now),
        **_name(f"{name}_earlier_flux", line.then),
        f"{name}_change": line.change,
    }


def _name(name: str, value: Value) -> dict[str, float | None]:
    """Return value and error as columns, null where they are not known."""
    pair = {name: value.value, f"{name}_error": value.error}
    return {key: number if np.isfinite(number) else None for key, number in pair.items()}
