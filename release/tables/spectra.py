"""The published spectra: graded objects and the reference sample, sorted, in bounded memory."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.column import arrow_schema
from catalog_schema.grids import Grid, Sampling, read_sampling
from catalog_schema.tables import SCORES, SPECTRA
from catalog_schema.vocabulary import Tier
from pipeline.errors import UserError
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store
from release.tables.writer import measure_strings, write_table

_KEY = list(SCORES.key)
# A bucket is sorted in memory: 2048 spectra are 250 MB.
_BUCKET_ROWS = 2048


def write_spectra(
    path: Path,
    store: Store,
    shards: Sequence[Shard],
    grades: pa.Table,
    sampling: Sampling,
    notes: Mapping[str, str],
    scratch: Path,
) -> int:
    """Join coadds, reconstructions and tiers of the published objects.

    The spectra arrive by shard and leave by TARGETID, so they pass through buckets on disk.

    Parameters
    ----------
    path : Path
        File to write.
    store : Store
    shards : sequence of Shard
    grades : pyarrow.Table
        SURVEY, PROGRAM, TARGETID and tier of every row of the catalogue.
    sampling : Sampling
        Of the spectra; see `find_sampling`.
    notes : mapping of str to str
        Entries of the file's metadata.
    scratch : Path
        Folder for the buckets.

    Returns
    -------
    int
        Number of spectra.

    Raises
    ------
    UserError
        If a graded object has no reconstruction.
    """
    published = _find_published(store, shards, grades)
    ids = sorted(published["TARGETID"].to_pylist())
    bounds = ids[_BUCKET_ROWS::_BUCKET_ROWS]
    scratch.mkdir(parents=True, exist_ok=True)
    buckets = [scratch / f"{number}.arrow" for number in range(len(bounds) + 1)]
    n_pixels = sampling.grid.size
    _fill_buckets(buckets, bounds, store, shards, published, n_pixels)
    lengths = measure_strings(grades, SPECTRA)
    notes = {**notes, "wavelength": sampling.grid.describe()}
    return write_table(path, SPECTRA, _read_sorted(buckets), notes, lengths, wave=n_pixels)


def read_grid(folder: Path) -> Grid:
    """Return the grid of a release's spectra, as their file states it."""
    values = json.loads(pq.read_schema(folder / contents.SPECTRA).metadata[b"wavelength"])
    is_log = values["rule"].startswith("10")
    return Grid(values["start"], values["step"], values["size"], is_log)


def find_sampling(store: Store, shards: Sequence[Shard]) -> Sampling:
    """Return how the spectra of all shards are sampled.

    Raises
    ------
    UserError
        If they are not all sampled alike, or do not say how.
    """
    paths = [store.lake.shard("coadds", shard) for shard in shards]
    tables = store.map(lambda path: store.read(path, ["TARGETID"]), paths)
    found = {read_sampling(table.schema.metadata) for table in tables}
    sampling = found.pop()
    if found or sampling is None:
        raise UserError("spectra of several grids, or of none, in one lake; run `qad run` again")
    return sampling


def read_spectra(folder: Path, ids: Sequence[int], names: Sequence[str]) -> pa.Table:
    """Read columns of the published spectra of some objects.

    Parameters
    ----------
    folder : Path
        The release.
    ids : sequence of int
        TARGETIDs.
    names : sequence of str
        Columns of SPECTRA.

    Returns
    -------
    pyarrow.Table
        TARGETID and the columns, in the order of `ids`, without the objects that have no spectrum.
    """
    wanted = pa.array(ids, pa.int64())
    is_wanted = pc.field("TARGETID").isin(wanted)
    rows = pq.read_table(folder / contents.SPECTRA, columns=["TARGETID", *names], filters=is_wanted)
    return rows.take(pc.index_in(wanted, rows["TARGETID"]).drop_null())


def _find_published(store: Store, shards: Sequence[Shard], grades: pa.Table) -> pa.Table:
    paths = [store.lake.shard("reconstructions", shard) for shard in shards]
    found = pa.concat_tables(store.map(lambda path: store.read(path, _KEY), paths))
    published = found.cast(grades.select(_KEY).schema).join(grades, _KEY, join_type="inner")
    is_graded = pc.field("tier") != Tier.NONE.value
    n_missing = grades.filter(is_graded).num_rows - published.filter(is_graded).num_rows
    if n_missing:
        raise UserError(f"{n_missing} graded objects have no reconstruction; run `qad run` again")
    return published


def _fill_buckets(
    buckets: list[Path],
    bounds: list[int],
    store: Store,
    shards: Sequence[Shard],
    published: pa.Table,
    n_pixels: int,
) -> None:
    schema = arrow_schema(SPECTRA, wave=n_pixels)
    with ExitStack() as stack:
        files = [stack.enter_context(pa.ipc.new_file(path, schema)) for path in buckets]
        for shard in shards:
            found = _read_shard(store, shard, published)
            if found is None:
                continue
            spectra = found.cast(schema)
            bucket = np.searchsorted(bounds, spectra["TARGETID"].to_numpy(), side="right")
            for number in np.unique(bucket):
                files[number].write_table(spectra.filter(pa.array(bucket == number)))


def _read_shard(store: Store, shard: Shard, published: pa.Table) -> pa.Table | None:
    """Return the published spectra of a shard; None if it has none."""
    is_here = (pc.field("SURVEY") == shard.survey) & (pc.field("PROGRAM") == shard.program)
    models = store.read(store.lake.shard("reconstructions", shard), ["TARGETID", "model"])
    ids = models["TARGETID"]
    grades = published.filter(is_here & pc.field("TARGETID").isin(ids)).sort_by("TARGETID")
    if not grades.num_rows:
        return None
    models = _pick(models, grades["TARGETID"])
    names = [name for name in SPECTRA.names if name not in ("tier", "model")]
    coadds = _pick(store.read(store.lake.shard("coadds", shard), names), grades["TARGETID"])
    if coadds.num_rows != grades.num_rows:
        raise UserError(f"{shard}: published objects have no coadd; run `qad run` again")
    columns = {**dict(zip(names, coadds.columns, strict=True)), "tier": grades["tier"]}
    columns["model"] = models["model"]
    return pa.table({name: columns[name] for name in SPECTRA.names})


def _pick(data: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    # A join cannot carry arrays; within a shard TARGETID is unique, so sorted rows line up.
    return data.filter(pc.is_in(data["TARGETID"], ids)).sort_by("TARGETID")


def _read_sorted(buckets: list[Path]) -> Iterator[pa.Table]:
    for path in buckets:
        with pa.memory_map(str(path)) as source:
            yield pa.ipc.open_file(source).read_all().sort_by("TARGETID")
        path.unlink()
