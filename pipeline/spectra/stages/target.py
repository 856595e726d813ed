"""Stage `target`: what may enter a parent sample; every row is kept or counted out."""

from collections import Counter
from collections.abc import Iterable
from functools import partial

import pyarrow.compute as pc

from catalog_schema.vocabulary import Parent, ShardState
from pipeline.errors import UserError
from pipeline.lake.layout import Shard
from pipeline.ledger.outcome import Outcome
from pipeline.run import Run
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.candidates import select_candidates
from pipeline.spectra.survey import Survey
from pipeline.spectra.surveys import find_survey
from pipeline.stage import Job, Product, do_once

_STAGE = "target"


def target(run: Run) -> Job:
    """Keep the rows of the redshift catalogue that may enter a parent sample.

    The survey says which. Of DESI's quasars the core parent is its own definition of a useful
    one: a primary target spectrum with ZWARN = 0, SPECTYPE = QSO and a good fibre. What fails it
    may belong to the extended parent, which `adopt` decides, or be drawn as a negative control;
    other rows are dropped by the first gate of the core that they fail.

    Returns
    -------
    Job
        Makes `candidates`, one row per spectrum, ordered by shard and TARGETID, from
        ``run.source``.

    Raises
    ------
    UserError
        If the source holds no survey or nothing for the core parent, or its rows are not to be
        believed.
    """
    survey = find_survey(run.store, run.config)
    return do_once(partial(_select, survey, run.config.target), *survey.identify_catalogue())


def _select(survey: Survey, settings: TargetSettings) -> Product:
    unreadable: dict[Shard, str] = {}
    notes: list[str] = []
    blocks = survey.catalogue(settings, unreadable, notes)
    candidates, counts = select_candidates(blocks, settings)
    outcomes = (
        *_book(counts),
        *(Outcome(shard, _STAGE, ShardState.FAILED, 0, error=e) for shard, e in unreadable.items()),
    )
    dropped: Counter[str] = Counter()
    for (_, gate), count in counts.items():
        dropped[gate] += count
    del dropped[""]
    if not pc.any(pc.equal(candidates["parent"], Parent.CORE.value)).as_py():
        member = settings.parent.waist.member
        raise UserError(
            f"{survey.location}: none of {counts.total()} rows is a {member} of the core parent"
        )
    return Product(
        (candidates,),
        dict(dropped),
        tuple(notes),
        n_expected=counts.total(),
        outcomes=outcomes,
    )


def _book(counts: Counter[tuple[Shard, str]]) -> Iterable[Outcome]:
    by_shard: dict[Shard, dict[str, int]] = {}
    for (shard, gate), count in counts.items():
        by_shard.setdefault(shard, {})[gate] = count
    for shard, by_gate in sorted(by_shard.items()):
        n_made = by_gate.pop("", 0)
        n_expected = n_made + sum(by_gate.values())
        yield Outcome(shard, _STAGE, ShardState.DONE, n_expected, n_made, by_gate)
