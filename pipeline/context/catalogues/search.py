"""Searching one catalogue around positions: its local index or its service."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.context.catalogues.join import find_pairs, read_sources
from pipeline.context.catalogues.services import Service, ServiceError
from pipeline.context.science.match import measure_separations, shift_positions
from pipeline.settings.context import CrossmatchSettings

Positions = tuple[NDArray[np.float64], NDArray[np.float64]]
# Shifted positions lie this many radii away, and at least so many arcsec: beyond the object's own
# counterpart, within the same depth of the catalogue.
_SHIFT_RADII = 10
_SHIFT_MIN = 60.0


@dataclass(frozen=True)
class Found:
    """What a catalogue holds near the positions.

    Attributes
    ----------
    position, separation : ndarray, shape (m,)
        Row of the position and distance in arcsec of each candidate.
    sources : pyarrow.Table
        The candidates, with the columns of an index.
    errors : dict
        Row of a position to why the service failed for it.
    n_shifted, n_chance : int
        Shifted positions inside the coverage and sources found there.
    query_date : str or None
    """

    position: NDArray[np.int64]
    separation: NDArray[np.float64]
    sources: pa.Table
    errors: dict[int, str] = field(default_factory=dict)
    n_shifted: int = 0
    n_chance: int = 0
    query_date: str | None = None

    @property
    def chance_rate(self) -> float | None:
        """Mean number of sources at a shifted position."""
        return self.n_chance / self.n_shifted if self.n_shifted else None


NOTHING = Found(
    np.zeros(0, np.int64),
    np.zeros(0),
    pa.table(
        {
            "ra": pa.array([], pa.float64()),
            "dec": pa.array([], pa.float64()),
            "error": pa.array([], pa.float64()),
            "match_id": pa.array([], pa.string()),
            "attributes": pa.array([], pa.string()),
        }
    ),
)


def choose_shifted(
    ra: NDArray, dec: NDArray, radius: float, settings: CrossmatchSettings
) -> Positions:
    """Return positions beside a sample of the given ones: what lies there does so by chance."""
    step = -(-len(ra) // settings.chance_objects)
    distance = max(_SHIFT_RADII * radius, _SHIFT_MIN)
    return shift_positions(ra[::step], dec[::step], distance, settings.chance_shifts)


def search_file(index: Path, radius: float, wanted: Positions, shifted: Positions) -> Found:
    """Search an index within a radius (arcsec) of the wanted and of the shifted positions."""
    # One scan of the catalogue serves both: the shifted positions follow the objects'.
    ra, dec = (np.concatenate(both) for both in zip(wanted, shifted, strict=True))
    pairs = find_pairs(index, ra, dec, radius)
    is_own = pairs.position < len(wanted[0])
    return Found(
        pairs.position[is_own],
        pairs.separation[is_own],
        read_sources(index, pairs.source[is_own], NOTHING.sources.column_names),
        n_shifted=len(shifted[0]),
        n_chance=int(np.count_nonzero(~is_own)),
    )


def search_service(
    service: Service,
    settings: CrossmatchSettings,
    radius: float,
    wanted: Positions,
    shifted: Positions,
) -> Found:
    """Ask a service for what `search_file` finds, a request for each batch of positions.

    A batch that fails is among the errors; the others keep their answers.
    """
    errors: dict[int, str] = {}
    parts, dates = [], []
    for start in range(0, len(wanted[0]), settings.batch_rows):
        ra, dec = (values[start : start + settings.batch_rows] for values in wanted)
        try:
            answer = service.ask(ra, dec)
        except ServiceError as error:
            errors |= dict.fromkeys(range(start, start + len(ra)), str(error))
            continue
        dates.append(answer.query_date)
        parts.append(_cut(answer.position, answer.sources, ra, dec, radius, start))
    # A service that has just failed is not asked for the chance rate as well.
    n_shifted = n_chance = 0
    if not errors:
        ra, dec = (values[: settings.batch_rows] for values in shifted)
        try:
            answer = service.ask(ra, dec)
            n_chance = len(_cut(answer.position, answer.sources, ra, dec, radius, 0)[0])
            n_shifted = len(ra)
        except ServiceError as error:
            errors = dict.fromkeys(range(len(wanted[0])), str(error))
            parts = []
    sources = pa.concat_tables([NOTHING.sources, *(part[2] for part in parts)])
    return Found(
        np.concatenate([NOTHING.position, *(part[0] for part in parts)]),
        np.concatenate([NOTHING.separation, *(part[1] for part in parts)]),
        sources,
        errors,
        n_shifted,
        n_chance,
        max(dates, default=None),
    )


def _cut(
    position: NDArray, sources: pa.Table, ra: NDArray, dec: NDArray, radius: float, start: int
) -> tuple[NDArray, NDArray, pa.Table]:
    separation = measure_separations(
        ra[position], dec[position], sources["ra"].to_numpy(), sources["dec"].to_numpy()
    )
    inside = separation <= radius
    return start + position[inside], separation[inside], sources.filter(pa.array(inside))
