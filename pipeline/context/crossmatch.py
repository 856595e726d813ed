"""Stage `crossmatch`: what external catalogues hold at the position of every scored object."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catalog_schema.tables import CATALOGUES
from catalog_schema.vocabulary import MatchState
from pipeline.context.catalogues.coverage import describe_coverage, find_covered
from pipeline.context.catalogues.index import IndexFacts, build_index
from pipeline.context.catalogues.search import (
    NOTHING,
    Found,
    choose_shifted,
    search_file,
    search_service,
)
from pipeline.context.catalogues.services import Service
from pipeline.context.match_rows import make_rows
from pipeline.context.scored_objects import Objects, ScoredObjects
from pipeline.context.searches import Search, list_searches
from pipeline.lake.store import Store, columns_to_table, digest
from pipeline.run import Run
from pipeline.settings.context import CrossmatchSettings
from pipeline.stage import Job, Product, Task

# Raised by hand when the index of a local catalogue is made otherwise.
_INDEX_REVISION = 3


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
    scored = ScoredObjects(run)
    searches = {search.name: search for search in list_searches(run.store, run.config)}
    tasks = tuple(
        Task(name, len(scored), _list_inputs(search, scored)) for name, search in searches.items()
    )
    return Job(tasks, partial(_search, run.store, run.config.crossmatch, scored, searches))


def _search(
    store: Store,
    settings: CrossmatchSettings,
    scored: ScoredObjects,
    searches: Mapping[str, Search],
    task: Task,
) -> Product:
    search, objects = searches[str(task.place)], scored.objects
    matches, facts, told = _match(store, settings, objects, search)
    return Product(
        (facts, matches),
        notes=tuple(f"{search.name}: {note}" for note in told),
        n_made=len(objects.ra),
        is_passing=bool(facts["n_service_error"][0].as_py()),
    )


def _match(
    store: Store, settings: CrossmatchSettings, objects: Objects, search: Search
) -> tuple[pa.Table, pa.Table, tuple[str, ...]]:
    catalogue, known = search.catalogue, objects.has_position
    is_asked = known & (search.access != "none")
    if search.is_remote and settings.ask_for == "graded":
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


def _list_inputs(search: Search, scored: ScoredObjects) -> tuple[str, ...]:
    """Digest what decides the rows of one catalogue: how a service is asked changes none."""
    files = (*search.identify_sources(), *search.identify_footprint())
    # Services are asked for the graded objects only.
    content = scored.graded_content if search.is_remote else scored.content
    return (*files, search.name, search.access, digest(search.catalogue), content)


def _locate_index(store: Store, search: Search, settings: CrossmatchSettings) -> Path:
    inputs = list(search.identify_sources())
    name = digest(search.catalogue, settings.epoch, _INDEX_REVISION, inputs)[:12]
    return store.lake.source_index(search.name, name)
