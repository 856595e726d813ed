"""Stage `acquire`: an inventory of the source files that the targets need, each checked."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from catalog_schema.tables import FILES, TARGETS
from catalog_schema.vocabulary import ShardState
from pipeline.errors import DataError
from pipeline.lake.layout import Shard, is_remote
from pipeline.lake.store import Store, columns_to_table
from pipeline.ledger.outcome import Outcome
from pipeline.progress import track
from pipeline.run import Run
from pipeline.spectra.survey import CheckedFile, Survey
from pipeline.spectra.surveys import find_survey
from pipeline.stage import Job, Product, do_once

_STAGE = "acquire"
_SHARDS_AT_A_TIME = 8

# A usable file and what became of its shard.
Inspected = tuple[CheckedFile | None, Outcome]


def acquire(run: Run) -> Job:
    """Check that the file of every shard's spectra is there, whole and on the survey's grid.

    Of DESI's coadds only headers and wavelengths are read, and where the HDUs lie is kept in the
    lake; `extract` fetches the spectra shard by shard, so raw bytes never pile up.

    Returns
    -------
    Job
        Makes `files`, one row per usable shard of `targets`, and the index of each file; unusable
        ones are failed outcomes.
    """
    survey = find_survey(run.store, run.config)
    wanted = {shard: n for shard, n in run.count_rows(TARGETS.name).items() if n}
    with ThreadPoolExecutor(run.config.acquire.concurrency) as pool:
        identities = pool.map(survey.identify, wanted)
        inputs = [
            f"{shard} {n_targets} {identity}"
            for (shard, n_targets), identity in zip(wanted.items(), identities, strict=True)
        ]
    is_far = is_remote(run.config.run.source)
    return do_once(partial(_list_files, run.store, survey, wanted, is_far), *inputs)


def _list_files(store: Store, survey: Survey, wanted: dict[Shard, int], is_far: bool) -> Product:
    files: dict[Shard, CheckedFile] = {}
    outcomes = []
    inspected = _inspect_all(partial(_inspect, store, survey), wanted, is_far)
    for file, outcome in track(inspected, _STAGE, len(wanted)):
        files |= {outcome.shard: file} if file else {}
        outcomes.append(outcome)
    columns = {
        "SURVEY": [shard.survey for shard in files],
        "PROGRAM": [shard.program for shard in files],
        "HEALPIX": [shard.healpix for shard in files],
        **{
            name: [getattr(file, name) for file in files.values()]
            for name in ("file_name", "n_bytes", "n_rows", "identity")
        },
    }
    return Product(
        (columns_to_table(FILES, columns),),
        {"unusable_file": len(wanted) - len(files)},
        n_expected=len(wanted),
        outcomes=tuple(outcomes),
    )


def _inspect_all(
    inspect: Callable[[Shard, int], Inspected], wanted: dict[Shard, int], is_far: bool
) -> Iterator[Inspected]:
    """Inspect the shards in order; of a remote source several at a time, for latency rules."""
    if not is_far:
        yield from map(inspect, wanted, wanted.values())
        return
    with ThreadPoolExecutor(_SHARDS_AT_A_TIME) as pool:
        yield from pool.map(inspect, wanted, wanted.values())


def _inspect(store: Store, survey: Survey, shard: Shard, n_targets: int) -> Inspected:
    outcome = Outcome(shard, _STAGE, ShardState.DONE, n_targets, n_made=n_targets)
    try:
        file = survey.inspect(shard, store.lake.index(shard))
    except DataError as error:
        failed = replace(outcome, state=ShardState.FAILED, n_made=0, error=str(error))
        return None, replace(failed, requests=error.requests, n_bytes=error.n_bytes)
    counts = file.counts
    return file, replace(outcome, requests=dict(counts.requests), n_bytes=counts.n_bytes)
