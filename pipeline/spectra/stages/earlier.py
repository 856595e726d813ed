"""Stage `earlier`: what has changed since an earlier spectrum of the same object."""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.tables import CHANGES, RESTFRAME, SCORES, TARGETS
from catalog_schema.vocabulary import ChangeState, Parent
from catalog_schema.waist import ROW_KEY
from pipeline.config import Config
from pipeline.errors import DataError, MissingFileError
from pipeline.lake.layout import is_remote
from pipeline.lake.rows import split_by_shard
from pipeline.lake.store import Store, columns_to_table, digest_rows, read_dataset, to_matrix
from pipeline.run import Run
from pipeline.spectra.change_columns import describe
from pipeline.spectra.earlier_index import EarlierSpectra, match_spectra, read_index
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.science.coadd import measure_snr
from pipeline.spectra.science.epochs import Epoch, compare_epochs
from pipeline.spectra.science.restframe import RestFrameGrid
from pipeline.spectra.sdss.resampling import resample_spectrum
from pipeline.spectra.sdss.spec_file import read_spectrum
from pipeline.stage import Job, Product, Task
from pipeline.transport.places import find_beside
from pipeline.transport.sources import MemorySource, Source, open_source

_OBJECT_COLUMNS = [*ROW_KEY, "TARGET_RA", "TARGET_DEC", "EBV", "MEAN_MJD", "parent"]
_SAME_NIGHT = 1.0
_WINDOW_COLUMNS = ["TARGETID", "Z", "norm", "window_start", "rest_flux", "rest_weight"]


def earlier(run: Run) -> Job:
    """Compare every scored quasar with each earlier spectrum at its position.

    Returns
    -------
    Job
        Makes `changes` of `targets`, `restframe` and `scores`, a row for each pair of object and
        earlier spectrum, in each scored shard that holds such an object; without an index of
        earlier spectra nothing.

    Raises
    ------
    UserError
        If the index cannot be read, or there is no such place for the spectra.
    """
    config = run.config
    work = partial(_compare_shard, config, make_run_grid(config))
    if not config.earlier.index:
        return Job((), work)
    index = read_index(
        find_beside(run.store, config, "earlier.index", config.earlier.index), config.earlier
    )
    return Job(_list_tasks(run, index), work, index.notes)


def _list_tasks(run: Run, index: EarlierSpectra) -> tuple[Task, ...]:
    config = run.config
    source = open_source(_find_spectra(run.store, config), config.acquire)
    shards = run.list_shards(SCORES.name)
    targets = run.read_shards(TARGETS.name, shards, _OBJECT_COLUMNS).values()
    objects = pa.concat_tables(targets).filter(pc.field("parent") != Parent.CONTROL.value)
    pairs = split_by_shard(match_spectra(objects, index, config.earlier.radius))
    contents = run.list_contents(RESTFRAME.name)
    tasks = []
    for shard, mine in pairs.items():
        scored = run.store.read(run.find_path(SCORES.name, shard), ["TARGETID"])["TARGETID"]
        rows = mine.filter(pc.is_in(mine["TARGETID"], scored.combine_chunks()))
        rows = rows.sort_by([(name, "ascending") for name in ("TARGETID", "earlier_file")])
        files = [_identify(source, name) for name in rows["earlier_file"].to_pylist()]
        inputs = (contents[shard], digest_rows(rows), *files)
        arguments = (str(run.find_path(RESTFRAME.name, shard)), rows, source.location)
        tasks.append(Task(shard, rows.num_rows, inputs, arguments))
    return tuple(tasks)


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


def _compare_shard(config: Config, grid: RestFrameGrid, task: Task) -> Product:
    path, pairs, location = task.arguments
    windows = read_dataset(Path(path), _WINDOW_COLUMNS)
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
    return Product((columns_to_table(CHANGES, columns),), notes=notes)


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
