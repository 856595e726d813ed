"""Rows of `matches`: the state of every object with respect to one catalogue."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.tables import MATCHES
from catalog_schema.vocabulary import MatchState
from catalog_schema.waist import ROW_KEY
from pipeline.context.catalogues.search import Found
from pipeline.context.science.candidates import rank_candidates, settle_states
from pipeline.context.science.match import find_chance_probability, normalise_separations
from pipeline.context.scored_objects import Objects
from pipeline.lake.store import columns_to_table
from pipeline.settings.context import CatalogueSettings


def make_rows(
    objects: Objects,
    name: str,
    catalogue: CatalogueSettings,
    found: Found,
    *,
    is_asked: NDArray[np.bool_],
    is_covered: NDArray[np.bool_],
    position_error: float,
) -> pa.Table:
    """Settle the state of every object and return the rows of `matches` for one catalogue.

    Parameters
    ----------
    objects : Objects
    name : str
    catalogue : CatalogueSettings
    found : Found
    is_asked, is_covered : ndarray, shape (n,)
        Objects for which the catalogue was searched, and which it covers.
    position_error : float
        Of the objects, arcsec, one sigma per axis.
    """
    error = found.sources["error"].to_numpy()
    normalised = normalise_separations(found.separation, np.full(len(error), position_error), error)
    is_near = found.separation <= catalogue.radius
    if catalogue.max_normalised_separation is not None:
        is_near &= ~(normalised > catalogue.max_normalised_separation)
    ranked = rank_candidates(found.position, found.separation, is_near, len(objects.ra))
    state = settle_states(ranked.n_candidates, found.errors, is_asked, is_covered)
    row = ranked.position
    place = pa.array(ranked.place, mask=ranked.place < 0)
    separation = pa.array(found.separation).take(place)
    chance: Any = pa.nulls(len(row))
    if found.chance_rate is not None:
        near = found.separation / catalogue.radius
        chance = pa.array(find_chance_probability(near, found.chance_rate, 1.0)).take(place)
    dates = [None if word == MatchState.NOT_QUERIED else found.query_date for word in state[row]]
    columns = {
        **{key: objects.keys[key].take(pa.array(row)) for key in ROW_KEY},
        "catalogue": pa.array([name]).take(pa.array(np.zeros(len(row), int))),
        "match_state": state[row],
        "match_rank": ranked.rank,
        "n_candidates": ranked.n_candidates[row],
        "match_id": found.sources["match_id"].take(place),
        "match_ra": found.sources["ra"].take(place),
        "match_dec": found.sources["dec"].take(place),
        "separation": separation,
        "normalised_separation": pa.array(normalised, from_pandas=True).take(place),
        "chance_probability": chance,
        **_read_literature(found.sources["attributes"].take(place), catalogue),
        "attributes": found.sources["attributes"].take(place),
        "query_date": dates,
        "service_error": [
            found.errors.get(int(i)) if state[i] == MatchState.SERVICE_ERROR else None for i in row
        ],
    }
    return columns_to_table(MATCHES, columns)


def _read_literature(
    attributes: pa.ChunkedArray, catalogue: CatalogueSettings
) -> dict[str, list[Any]]:
    """Return what kind of object each counterpart is and how often it was written about."""
    kept = {"object_type": catalogue.object_type, "n_references": catalogue.references}
    if not any(kept.values()):
        return {name: [None] * len(attributes) for name in kept}
    values = [json.loads(text) if text else {} for text in attributes.to_pylist()]
    return {name: [value.get(column) for value in values] for name, column in kept.items()}
