"""Stage `crossmatch`: what external catalogues hold at the position of every scored object."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import CATALOGUES, MATCHES, ROW_KEY, SCORES, TARGETS, TIERS
from catalog_schema.vocabulary import MatchState, Tier
from pipeline.config import Config
from pipeline.context.catalogues.coverage import describe_coverage, find_covered
from pipeline.context.catalogues.declared import resolve_catalogues
from pipeline.context.catalogues.index import IndexFacts, build_index
from pipeline.context.catalogues.search import (
    NOTHING,
    Found,
    choose_shifted,
    search_file,
    search_service,
)
from pipeline.context.catalogues.services import Service
from pipeline.context.science.match import find_chance_probability, normalise_separations
from pipeline.errors import UserError
from pipeline.lake.align import align
from pipeline.lake.store import Store, columns_to_table, digest, digest_rows
from pipeline.run import Run
from pipeline.settings.context import CatalogueSettings, CrossmatchSettings
from pipeline.stage import Job, Product, Task
from pipeline.transport.places import find_beside
from pipeline.transport.sources import local_file
from pipeline.user_tables.reader import list_parts

# Raised by hand when the index of a local catalogue is made otherwise.
_INDEX_REVISION = 3
_SERVICES = ("xmatch", "tap")


@dataclass(frozen=True)
class Objects:
    """The scored objects: key columns, position in degrees (n,), and which are graded."""

    keys: pa.Table
    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    is_graded: NDArray[np.bool_]

    @property
    def has_position(self) -> NDArray[np.bool_]:
        """Which objects have a position, shape (n,)."""
        return np.isfinite(self.ra) & np.isfinite(self.dec)

    @cached_property
    def content(self) -> str:
        """Digest of keys and positions."""
        return digest_rows(self._rows)

    @cached_property
    def graded_content(self) -> str:
        """Digest of keys, positions and which are graded."""
        return digest_rows(self._rows.append_column("is_graded", pa.array(self.is_graded)))

    @property
    def _rows(self) -> pa.Table:
        positions = {"ra": self.ra, "dec": self.dec}
        return pa.table({**{name: self.keys[name] for name in ROW_KEY}, **positions})


@dataclass(frozen=True)
class Search:
    """One catalogue of a run: its settings, its files, and for which objects it is searched."""

    name: str
    catalogue: CatalogueSettings
    files: tuple[Path, ...]
    moc: Path | None
    is_asked: bool

    @property
    def access(self) -> str:
        """How it is searched, in the words of the schema."""
        if self.files:
            return "file"
        return self.catalogue.service if self.is_asked else "none"


def crossmatch(run: Run) -> Job:
    """Search every catalogue for counterparts; a service that failed is asked again next time.

    Relative paths are looked for below ``run.source`` first.

    Returns
    -------
    Job
        Makes, for each catalogue, `catalogues` and `matches` of `targets` and `tiers`; rows
        expected are objects.

    Raises
    ------
    UserError
        If a local catalogue or its settings are wrong.
    """
    settings, objects = run.config.crossmatch, read_objects(run)
    searches = {search.name: search for search in _list_searches(run.store, run.config)}
    tasks = tuple(
        Task(name, len(objects.ra), _list_inputs(search, objects))
        for name, search in searches.items()
    )
    return Job(tasks, partial(_search, run.store, settings, objects, searches))


def _search(
    store: Store,
    settings: CrossmatchSettings,
    objects: Objects,
    searches: Mapping[str, Search],
    task: Task,
) -> Product:
    search = searches[str(task.place)]
    matches, facts, told = _match(store, settings, objects, search)
    return Product(
        (facts, matches),
        notes=tuple(f"{search.name}: {note}" for note in told),
        n_made=len(objects.ra),
        is_passing=bool(facts["n_service_error"][0].as_py()),
    )


def read_objects(run: Run) -> Objects:
    """Return the scored objects with the positions of their targets.

    Raises
    ------
    DataError
        If the earlier stages have not run.
    UserError
        If nothing was scored.
    """
    tiers = run.read(TIERS.name, [*ROW_KEY, "tier"])
    shards = run.list_shards(SCORES.name)
    if not shards:
        raise UserError(
            f"{run.store.root}: no spectrum was scored; `qad status` says where they went"
        )
    columns = [*ROW_KEY, "TARGET_RA", "TARGET_DEC"]
    targets = pa.concat_tables(run.read_shards(TARGETS.name, shards, columns).values())
    tiers = tiers.sort_by([(name, "ascending") for name in ROW_KEY])
    placed = align(targets, tiers, what=TARGETS.name)
    ra, dec = (pc.fill_null(placed[f"TARGET_{name}"], np.nan).to_numpy() for name in ("RA", "DEC"))
    is_graded = pc.not_equal(tiers["tier"], Tier.NONE.value).to_numpy()
    return Objects(tiers.select(ROW_KEY).combine_chunks(), ra, dec, is_graded)


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
    chosen = np.flatnonzero(is_near)
    chosen = chosen[np.lexsort((found.separation[chosen], found.position[chosen]))]
    position = found.position[chosen]
    n_candidates = np.bincount(position, minlength=len(objects.ra))
    state = _settle(n_candidates, found.errors, is_asked, is_covered)
    alone = np.flatnonzero(n_candidates == 0)
    # Candidates and the objects without any, in order of the objects.
    order = np.argsort(np.concatenate([position, alone]), kind="stable")
    row = np.concatenate([position, alone])[order]
    first = np.searchsorted(position, position, side="left")
    rank = np.concatenate([np.arange(len(position)) - first, np.zeros(len(alone), int)])[order] + 1
    place = pa.array(np.concatenate([chosen, np.full(len(alone), -1)])[order])
    place = pc.if_else(pc.less(place, 0), None, place)
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
        "match_rank": rank,
        "n_candidates": n_candidates[row],
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


def _settle(
    n_candidates: NDArray, errors: dict[int, str], is_asked: NDArray, is_covered: NDArray
) -> NDArray:
    has_failed = np.zeros(len(n_candidates), bool)
    has_failed[list(errors)] = True
    rules = {
        MatchState.NOT_QUERIED: ~is_asked,
        # A counterpart is one, also where the footprint is drawn too small.
        MatchState.MATCHED: n_candidates == 1,
        MatchState.AMBIGUOUS: n_candidates > 1,
        MatchState.NOT_COVERED: ~is_covered,
        MatchState.SERVICE_ERROR: has_failed,
    }
    names = [state.value for state in rules]
    return np.select(list(rules.values()), names, default=MatchState.NO_MATCH.value).astype(object)


def _match(
    store: Store, settings: CrossmatchSettings, objects: Objects, search: Search
) -> tuple[pa.Table, pa.Table, tuple[str, ...]]:
    catalogue, known = search.catalogue, objects.has_position
    is_asked = known & (search.access != "none")
    if search.access in _SERVICES and settings.ask_for == "graded":
        is_asked &= objects.is_graded
    is_covered = np.zeros(len(known), bool)
    asked = np.flatnonzero(is_asked)
    covers = partial(find_covered, catalogue=catalogue, moc=search.moc)
    is_covered[asked] = covers(objects.ra[asked], objects.dec[asked])
    found, facts = NOTHING, None
    wanted = np.flatnonzero(is_asked & is_covered)
    if len(wanted):
        ra, dec = objects.ra[wanted], objects.dec[wanted]
        shifted = choose_shifted(ra, dec, catalogue.radius, settings)
        inside = covers(*shifted)
        shifted = shifted[0][inside], shifted[1][inside]
        if search.files:
            index = _locate_index(store, search, settings)
            facts = build_index(
                list(search.files),
                catalogue,
                settings.epoch,
                settings.memory_mb,
                index,
                settings.threads,
            )
            found = search_file(index, catalogue.radius, (ra, dec), shifted)
        else:
            service = Service(catalogue, settings, store.lake.service_cache)
            found = search_service(service, settings, catalogue.radius, (ra, dec), shifted)
        errors = {int(wanted[i]): text for i, text in found.errors.items()}
        found = replace(found, position=wanted[found.position], errors=errors)
    rows = make_rows(
        objects,
        search.name,
        catalogue,
        found,
        is_asked=is_asked,
        is_covered=is_covered,
        position_error=settings.position_error,
    )
    notes = (*(facts.notes if facts else ()), *_describe_errors(found.errors))
    return rows, _describe_catalogue(search, found, facts, rows), notes


def _describe_catalogue(
    search: Search, found: Found, facts: IndexFacts | None, rows: pa.Table
) -> pa.Table:
    catalogue = search.catalogue
    states = rows.filter(pc.equal(rows["match_rank"], 1))["match_state"].to_pylist()
    location = ", ".join(path.name for path in search.files) or catalogue.table
    values: dict[str, Any] = {
        "catalogue": search.name,
        "catalogue_title": catalogue.title,
        "access": search.access,
        "location": location if search.access != "none" else None,
        "match_link": catalogue.link or None,
        "file_digest": facts and facts.digest,
        "match_radius": catalogue.radius,
        "max_normalised_separation": catalogue.max_normalised_separation,
        "catalogue_epoch": catalogue.epoch,
        "coverage_rule": describe_coverage(catalogue),
        "chance_rate": found.chance_rate,
        "n_shifted": found.n_shifted,
        "n_sources": facts and facts.n_sources,
        "n_bad_positions": facts and facts.n_bad_positions,
        "n_duplicates": facts and facts.n_duplicates,
        **{f"n_{state.value}": states.count(state.value) for state in MatchState},
        "query_date": found.query_date,
        "acknowledgement": catalogue.acknowledgement,
    }
    return columns_to_table(CATALOGUES, {name: [value] for name, value in values.items()})


def _describe_errors(errors: dict[int, str]) -> Iterator[str]:
    for text, count in Counter(errors.values()).items():
        yield f"the service failed for {count} objects, which the next run asks again: {text}"


def _list_searches(store: Store, config: Config) -> list[Search]:
    settings = config.crossmatch

    def find(name: str, file: str) -> Path:
        return find_beside(store, config, f"[crossmatch.catalogues.{name}]", file)

    return [
        Search(
            name,
            catalogue,
            tuple(find(name, file) for file in catalogue.files),
            find(name, catalogue.moc) if catalogue.moc else None,
            is_asked=name in settings.ask,
        )
        for name, catalogue in resolve_catalogues(settings).items()
    ]


def _list_inputs(search: Search, objects: Objects) -> tuple[str, ...]:
    """Digest what decides the rows of one catalogue: how a service is asked changes none."""
    files = [_identify(path) for path in (*search.files, search.moc) if path is not None]
    # Services are asked for the graded objects only.
    content = objects.graded_content if search.access in _SERVICES else objects.content
    return (*files, search.name, search.access, digest(search.catalogue), content)


def _locate_index(store: Store, search: Search, settings: CrossmatchSettings) -> Path:
    inputs = [_identify(path) for path in search.files]
    name = digest(search.catalogue, settings.epoch, _INDEX_REVISION, inputs)[:12]
    return store.lake.source_index(search.name, name)


def _identify(path: Path) -> str:
    return digest([local_file(part).stat().identity for part in list_parts(path)])
