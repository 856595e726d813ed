"""The rows of a HATS catalogue, read without hats."""

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq


def read_partitions(folder: Path) -> pl.DataFrame:
    paths = sorted((folder / "dataset").rglob("Npix=*.parquet"))
    return pl.concat([pl.from_arrow(pq.read_table(path, partitioning=None)) for path in paths])
