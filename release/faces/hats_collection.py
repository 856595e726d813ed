"""The catalogue as a HATS collection: the same rows, by sky pixel, for cross-matching with LSDB."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from catalog_schema.columns.sample import healpix_29
from catalog_schema.desi import FINE_ORDER
from catalog_schema.kind import Kind
from release.faces.face import Face, Manifest
from release.faces.hats_format import (
    MAP_ORDER,
    MEDIA_TYPES,
    POSITION_COLUMNS,
    count_cells,
    describe,
    divide_sky,
    find_faults_by,
    find_partitions,
    find_rows,
    finish_catalogue,
    is_same_column,
    read_ids,
    write_partition,
)
from release.manifest import find_kind, read_kind

if TYPE_CHECKING:
    from hats.pixel_math import HealpixPixel

COLLECTION = "hats"
_PARTITION_ROWS = 100_000
_MARGIN_ARCSEC = 10.0
_MAP_ALTERNATIVES = [3]
_BATCH_ROWS = 20_000


def write(folder: Path, manifest: Manifest) -> None:
    """Write ``hats/`` of a release from its main table.

    The primary catalogue holds every row once. The margin repeats, for each partition, the rows of
    its neighbours within 10 arcsec of the common edge, so that a match finds its partner there. The
    index names the partition of each TARGETID.
    """
    from hats.catalog.dataset.collection_properties import CollectionProperties

    kind = find_kind(manifest)
    source, root = folder / kind.main_file, folder / COLLECTION
    primary, margin, index = _name_parts(kind)
    keys = pq.read_table(source, columns=[healpix_29.name, "TARGETID"])
    cells = keys[healpix_29.name].to_numpy()
    pixels = divide_sky(cells, _PARTITION_ROWS)
    _write_primary(root / primary, source, cells, pixels, manifest)
    has_margin = _write_margin(root / margin, source, cells, pixels, manifest)
    _write_index(root / index, keys, pixels, manifest)
    CollectionProperties(
        name="desi_qad",
        hats_primary_table_url=primary,
        all_margins=[margin] if has_margin else None,
        default_margin=margin if has_margin else None,
        all_indexes={"TARGETID": index},
        default_index="TARGETID",
        **describe(root, manifest),
    ).to_properties_file(root)


def find_faults(path: Path) -> list[str]:
    """The collection is valid, and its partitions are the rows of the catalogue in their order."""
    from hats.io.validation import is_valid_collection

    kind = read_kind(path)
    root, source, name = path / COLLECTION, path / kind.main_file, f"{kind.main}.parquet"
    primary, margin, index = _name_parts(kind)
    problems = find_faults_by(lambda: is_valid_collection(root, strict=True))
    parts = find_partitions(root / primary)
    sizes = [pq.read_metadata(part).num_rows for part in parts]
    if sum(sizes) != pq.read_metadata(source).num_rows:
        return [*problems, f"{sum(sizes)} rows are not those of {name}"]
    for part, rows in zip(parts, read_pieces(source, sizes), strict=True):
        if not _is_same_table(pq.ParquetFile(part).read(), rows):
            problems.append(f"{part.relative_to(root)} differs from {name}")
    ids = read_ids(source)
    part = root / index / "dataset" / "index" / "part.0.parquet"
    if not np.array_equal(read_ids(part), np.sort(ids)):
        problems.append("the index names other rows")
    for part in find_partitions(root / margin):
        if not np.isin(read_ids(part), ids).all():
            problems.append(f"{part.relative_to(root)} holds rows that {name} has not")
    return problems


def _name_parts(kind: Kind) -> tuple[str, str, str]:
    """Return the folders of the primary catalogue, its margin and its index."""
    return kind.main, f"{kind.main}_10arcs", f"{kind.main}_targetid"


def _list_scalars(kind: Kind) -> list[str]:
    return [column.name for column in kind.main_table.scalars]


def _is_same_table(one: pa.Table, other: pa.Table) -> bool:
    return one.schema.equals(other.schema) and all(map(is_same_column, one.columns, other.columns))


def _write_primary(
    folder: Path,
    source: Path,
    cells: np.ndarray,
    pixels: Sequence["HealpixPixel"],
    manifest: Mapping[str, Any],
) -> None:
    from hats.io.skymap import write_skymap

    sizes = [piece.stop - piece.start for piece in find_rows(cells, pixels)]
    for pixel, data in zip(pixels, read_pieces(source, sizes), strict=True):
        write_partition(folder, pixel, data)
    finish_catalogue(
        folder,
        pixels,
        manifest,
        catalog_type="object",
        hats_max_rows=_PARTITION_ROWS,
        skymap_order=MAP_ORDER,
        skymap_alt_orders=_MAP_ALTERNATIVES,
        default_columns=_list_scalars(find_kind(manifest)),
        **POSITION_COLUMNS,
    )
    write_skymap(count_cells(cells), folder, orders=_MAP_ALTERNATIVES)


def read_pieces(source: Path, sizes: Sequence[int]) -> Iterator[pa.Table]:
    """Yield consecutive runs of rows of a Parquet file, beginning with its first row."""
    with pq.ParquetFile(source) as file:
        batches = file.iter_batches(_BATCH_ROWS)
        waiting = file.schema_arrow.empty_table()
        for size in sizes:
            parts, n_read = [waiting], waiting.num_rows
            while n_read < size:
                parts.append(pa.Table.from_batches([next(batches)], file.schema_arrow))
                n_read += parts[-1].num_rows
            rows = pa.concat_tables(parts)
            # A copy, so that what was read before it can go.
            yield rows.slice(0, size).combine_chunks()
            waiting = rows.slice(size)


def _write_margin(
    folder: Path,
    source: Path,
    cells: np.ndarray,
    pixels: Sequence["HealpixPixel"],
    manifest: Mapping[str, Any],
) -> bool:
    """Write the margin; False if nothing lies in it."""
    from hats.pixel_math.healpix_shim import margin2order

    order = int(margin2order(np.array([_MARGIN_ARCSEC / 60]))[0])
    coarse = cells >> 2 * (FINE_ORDER - order)
    rows = {pixel: _find_margin(coarse, pixel, order) for pixel in pixels}
    wanted = np.unique(np.concatenate(list(rows.values())))
    if not len(wanted):
        return False
    beside = ds.dataset(source).scanner(batch_readahead=1).take(pa.array(wanted))
    filled = [pixel for pixel in pixels if len(rows[pixel])]
    for pixel in filled:
        write_partition(folder, pixel, beside.take(np.searchsorted(wanted, rows[pixel])))
    finish_catalogue(
        folder,
        filled,
        manifest,
        catalog_type="margin",
        primary_catalog=find_kind(manifest).main,
        margin_threshold=_MARGIN_ARCSEC,
        **POSITION_COLUMNS,
    )
    return True


def _find_margin(coarse: np.ndarray, pixel: "HealpixPixel", order: int) -> np.ndarray:
    """Return the rows whose cells of this order touch a pixel from outside."""
    from hats.pixel_math.pixel_margins import get_margin

    edge = np.array(get_margin(pixel.order, pixel.pixel, order - pixel.order), dtype=np.int64)
    starts = np.searchsorted(coarse, edge, side="left")
    stops = np.searchsorted(coarse, edge, side="right")
    ranges = [np.arange(a, b) for a, b in zip(starts, stops, strict=True) if b > a]
    return np.concatenate(ranges) if ranges else np.array([], dtype=np.int64)


def _write_index(
    folder: Path,
    keys: pa.Table,
    pixels: Sequence["HealpixPixel"],
    manifest: Mapping[str, Any],
) -> None:
    pieces = find_rows(keys[healpix_29.name].to_numpy(), pixels)
    sizes = [piece.stop - piece.start for piece in pieces]
    index = pa.table(
        {
            "TARGETID": keys["TARGETID"],
            "Norder": np.repeat(np.array([p.order for p in pixels], np.uint8), sizes),
            "Npix": np.repeat(np.array([p.pixel for p in pixels], np.uint64), sizes),
        }
    ).sort_by("TARGETID")
    path = folder / "dataset" / "index" / "part.0.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(index, path, compression="zstd", row_group_size=50_000, write_page_index=True)
    finish_catalogue(
        folder,
        [],
        manifest,
        catalog_type="index",
        primary_catalog=find_kind(manifest).main,
        indexing_column="TARGETID",
    )


FACE = Face(
    name="hats",
    files=(f"{COLLECTION}/",),
    paragraph="The catalogue as a HATS collection, by sky pixel: LSDB matches it with other "
    "surveys across pixel edges (margin of 10 arcsec) and finds a TARGETID by its index.",
    write=write,
    not_read="it holds the whole catalogue, in the order of the sky",
    find_faults=find_faults,
    media_types=MEDIA_TYPES,
)
