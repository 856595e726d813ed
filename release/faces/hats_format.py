"""Catalogues in HATS, the sky-partitioned Parquet of LSDB: partitions, metadata, properties.

Source: https://www.ivoa.net/documents/Notes/HATS/.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema.columns.sample import healpix_29
from catalog_schema.desi import FINE_ORDER
from pipeline.lake.store import parquet_options
from release.credit import LICENCE_URL, make_citation

if TYPE_CHECKING:
    from hats.pixel_math import HealpixPixel

# Of the skymap, and the finest one at which partitions are cut.
MAP_ORDER = 6
_PARQUET = "application/vnd.apache.parquet"
MEDIA_TYPES = {
    ".properties": "text/plain",
    "properties": "text/plain",
    "_common_metadata": _PARQUET,
    "_metadata": _PARQUET,
}
POSITION_COLUMNS = {
    "ra_column": "TARGET_RA",
    "dec_column": "TARGET_DEC",
    "healpix_column": healpix_29.name,
    "healpix_order": FINE_ORDER,
}


def divide_sky(cells: np.ndarray, max_rows: int) -> list["HealpixPixel"]:
    """Choose the largest pixels that hold at most so many rows.

    Parameters
    ----------
    cells : ndarray of int64, shape (n,)
        Pixel of every row at order 29.
    max_rows : int

    Returns
    -------
    list of HealpixPixel
        In the order of the rows, none empty.
    """
    from hats.pixel_math import HealpixPixel
    from hats.pixel_math.healpix_pixel_function import sort_pixels
    from hats.pixel_math.partition_stats import generate_alignment

    counts = count_cells(cells)
    # One crowded pixel of the map must not make the division impossible.
    threshold = max(max_rows, int(counts.max()))
    aligned = generate_alignment(counts, highest_order=MAP_ORDER, threshold=threshold)
    found = {(int(entry[0]), int(entry[1])) for entry in aligned if entry is not None and entry[2]}
    return list(sort_pixels([HealpixPixel(*pixel) for pixel in found]))


def count_cells(cells: np.ndarray) -> np.ndarray:
    """Count the rows in every pixel of the skymap, int64 of shape (12 * 4**6,)."""
    coarse = cells >> 2 * (FINE_ORDER - MAP_ORDER)
    return np.bincount(coarse, minlength=12 * 4**MAP_ORDER)


def find_rows(cells: np.ndarray, pixels: Sequence["HealpixPixel"]) -> list[slice]:
    """Return the rows of each pixel, for cells at order 29 in ascending order."""
    edges = [
        [number << 2 * (FINE_ORDER - pixel.order) for number in (pixel.pixel, pixel.pixel + 1)]
        for pixel in pixels
    ]
    return [slice(*np.searchsorted(cells, pair).tolist()) for pair in edges]


def write_partition(folder: Path, pixel: "HealpixPixel", data: pa.Table, **options: Any) -> None:
    """Write the rows of one pixel.

    Parameters
    ----------
    folder : Path
        The catalogue.
    pixel : HealpixPixel
    data : pyarrow.Table
    **options
        Of `pyarrow.parquet.write_table`, over those of every published table.
    """
    from hats.io.paths import new_pixel_catalog_file

    path = new_pixel_catalog_file(folder, pixel)
    pq.write_table(data, path, write_page_index=True, **{**parquet_options(data.schema), **options})


def finish_catalogue(
    folder: Path,
    pixels: Sequence["HealpixPixel"],
    manifest: Mapping[str, Any],
    **properties: Any,
) -> None:
    """Write what describes the partitions: list, footers, statistics, thumbnail, properties.

    Parameters
    ----------
    folder : Path
        The catalogue, all its partitions written.
    pixels : sequence of HealpixPixel
        Empty for an index, which has no partitions.
    manifest : mapping
    **properties
        Of `hats.catalog.TableProperties`.
    """
    from hats.catalog import PartitionInfo, TableProperties
    from hats.io.parquet_metadata import write_parquet_metadata

    is_partitioned = bool(pixels)
    n_rows = write_parquet_metadata(
        folder,
        order_by_healpix=is_partitioned,
        create_thumbnail=is_partitioned,
        create_per_partition_stats=is_partitioned,
    )
    if is_partitioned:
        PartitionInfo.from_healpix(list(pixels)).write_to_file(folder / "partition_info.csv")
        properties["hats_order"] = max(pixel.order for pixel in pixels)
    TableProperties(
        catalog_name=folder.name, total_rows=n_rows, **describe(folder, manifest), **properties
    ).to_properties_file(folder)


def describe(folder: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance that HATS has names for; no clock, so that bytes repeat."""
    from hats.catalog import TableProperties

    builder = f"desi-qad v{manifest['code']['version']}"
    return {
        **TableProperties.new_provenance_dict(folder, builder),
        "hats_creation_date": f"{manifest['date']}T00:00UTC",
        "hats_data_semver": manifest["version"],
        "obs_title": manifest["title"],
        "obs_copyright": "CC BY 4.0",
        "obs_copyright_url": LICENCE_URL,
        "obs_ack": "ACKNOWLEDGEMENTS.md of the release",
        "bib_reference": make_citation(manifest["source"]),
        "prov_progenitor": _name_progenitor(manifest["source"]),
    }


def find_faults_by(check: Callable[[], bool]) -> list[str]:
    """Run a validation of hats, which tells its log why it fails, and return the reasons."""
    reasons: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: reasons.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger()
    log.addHandler(handler)
    try:
        is_valid = check()
    finally:
        log.removeHandler(handler)
    return [] if is_valid else [f"hats: {reason}" for reason in reasons or ["not valid"]]


def find_partitions(folder: Path) -> list[Path]:
    """List the partitions in the order of the sky."""

    def find_start(path: Path) -> int:
        order, pixel = int(path.parents[1].name[len("Norder=") :]), int(path.stem[len("Npix=") :])
        return pixel << 2 * (FINE_ORDER - order)

    return sorted((folder / "dataset").rglob("Npix=*.parquet"), key=find_start)


def read_ids(file: Path) -> np.ndarray:
    """Return the TARGETIDs of a Parquet file, int64 of shape (n,)."""
    rows = pq.ParquetFile(file).read(columns=["TARGETID"])
    return np.asarray(rows["TARGETID"].to_numpy())


def is_same_column(one: pa.ChunkedArray, other: pa.ChunkedArray) -> bool:
    """Tell whether values and nulls are the same; to Arrow no NaN is like another."""
    if one.equals(other):
        return True
    pair = [column.combine_chunks() for column in (one, other)]
    if pa.types.is_nested(one.type):
        pair = [array.flatten() for array in pair]
    if not pa.types.is_floating(pair[0].type) or len(pair[0]) != len(pair[1]):
        return False
    if not pair[0].is_null().equals(pair[1].is_null()):
        return False
    values = [array.to_numpy(zero_copy_only=False) for array in pair]
    return bool(np.array_equal(values[0], values[1], equal_nan=True))


def _name_progenitor(source: Mapping[str, str]) -> str:
    """Return what the data were made from."""
    specprod = source.get("specprod")
    return f"DESI Data Release 1, {specprod}" if specprod else source["name"]
