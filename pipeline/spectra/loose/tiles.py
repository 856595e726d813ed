"""Files of `extract_qso_tile_to_parquet`, read back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from catalog_schema.grids import Sampling
from pipeline.errors import DataError, UserError
from pipeline.lake.store import read_dataset
from pipeline.spectra.loose.tile_extraction import TILES
from pipeline.spectra.sampled import get_sampling


@dataclass(frozen=True)
class Tiles:
    """Spectra of several files.

    Attributes
    ----------
    rows : pyarrow.Table
        Columns of `TILES`, files in order of their paths.
    sampling : Sampling
        The wavelengths of all of them.
    origin : str
        Where they come from, for messages.
    """

    rows: pa.Table
    sampling: Sampling
    origin: str


def read_tiles(places: str | Path | Sequence[str | Path]) -> Tiles:
    """Read tiles of spectra.

    Parameters
    ----------
    places : str, Path or sequence of them
        Parquet files, or folders that hold such, at any depth.

    Raises
    ------
    UserError
        If there are none, or they are of different wavelengths.
    DataError
        If one is damaged, or holds something else.
    """
    listed = [places] if isinstance(places, str | Path) else list(places)
    origin = ", ".join(map(str, listed))
    paths = sorted({path for place in listed for path in _find_files(Path(place))})
    if not paths:
        raise UserError(f"{origin}: no Parquet file; write some by extract_qso_tile_to_parquet")
    parts, samplings = [], {}
    for path in paths:
        part = read_dataset(path)
        if part.column_names != TILES.names:
            raise DataError(
                f"{path}: no tile of spectra: its columns are not {', '.join(TILES.names)}"
            )
        samplings[get_sampling(part)] = path
        parts.append(part)
    if len(samplings) > 1:
        (one, path), (other, second) = list(samplings.items())[:2]
        raise UserError(
            f"{path} is on {one.grid} and {second} on {other.grid}: extract both over the same "
            "wavelengths"
        )
    return Tiles(pa.concat_tables(parts), next(iter(samplings)), origin)


def _find_files(place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(place.rglob("*.parquet"))
    if not place.exists():
        raise UserError(f"{place}: no such file or folder")
    return [place]
