"""Stage `target`: what may enter a parent sample; every row is kept or counted out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial

import pyarrow.compute as pc

from catalog_schema.vocabulary import Parent, ShardState
from pipeline.errors import UserError
from pipeline.lake.layout import Shard
from pipeline.ledger.outcome import Outcome
from pipeline.run import Run
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.desi.candidates import select_candidates
from pipeline.spectra.desi.placement import OUTSIDE_BRICK, OUTSIDE_PIXEL
from pipeline.spectra.desi.redshift_catalogue import identify_catalogue, read_catalogue
from pipeline.spectra.desi.source import find_tree
from pipeline.spectra.desi.tree import DesiTree
from pipeline.stage import Job, Product, do_once

_STAGE = "target"


def target(run: Run) -> Job:
    """Keep the rows of the redshift catalogue that may enter a parent sample.

    The core parent is DESI's own definition of a useful quasar: a primary target spectrum with
    ZWARN = 0, SPECTYPE = QSO and a good fibre. What fails it may belong to the extended parent,
    which `adopt` decides, or be drawn as a negative control; other rows are dropped by the first
    gate of the core that they fail.

    Returns
    -------
    Job
        Makes `candidates`, one row per spectrum, ordered by shard and TARGETID, from
        ``run.source``, a tree in the DR1 layout.

    Raises
    ------
    UserError
        If the source holds no DESI tree or no core quasar, or most rows are not where they say.
    """
    tree = find_tree(run.store, run.config)
    return do_once(partial(_select, tree, run.config.target), *identify_catalogue(tree))


def _select(tree: DesiTree, settings: TargetSettings) -> Product:
    unreadable: dict[Shard, str] = {}
    suspicions: Counter[str] = Counter()
    blocks = read_catalogue(tree, unreadable)
    candidates, counts = select_candidates(blocks, settings, suspicions)
    outcomes = (
        *_book(counts),
        *(Outcome(shard, _STAGE, ShardState.FAILED, 0, error=e) for shard, e in unreadable.items()),
    )
    dropped: Counter[str] = Counter()
    for (_, gate), count in counts.items():
        dropped[gate] += count
    del dropped[""]
    _check_placement(tree, candidates.num_rows, dropped, suspicions)
    if not pc.any(pc.equal(candidates["parent"], Parent.CORE.value)).as_py():
        raise UserError(
            f"{tree.root}: none of {counts.total()} rows is a quasar of the core parent"
        )
    return Product((candidates,), dict(dropped), n_expected=counts.total(), outcomes=outcomes)


def _check_placement(
    tree: DesiTree, n_made: int, dropped: Mapping[str, int], suspicions: Counter[str]
) -> None:
    """Refuse a catalogue most of whose rows are not where they say; fewer are dropped."""
    for gate, where in (
        (OUTSIDE_PIXEL, "outside the HEALPIX pixel of their file"),
        (OUTSIDE_BRICK, "outside the brick that their TARGETID names"),
    ):
        n = dropped.get(gate, 0)
        if n > n_made:
            [(why, _)] = suspicions.most_common(1) or [("TARGETIDs look shifted or permuted", 0)]
            raise UserError(f"{tree.root}: {n} rows lie {where}, {n_made} inside: {why}")


def _book(counts: Counter[tuple[Shard, str]]) -> Iterable[Outcome]:
    by_shard: dict[Shard, dict[str, int]] = {}
    for (shard, gate), count in counts.items():
        by_shard.setdefault(shard, {})[gate] = count
    for shard, by_gate in sorted(by_shard.items()):
        n_made = by_gate.pop("", 0)
        n_expected = n_made + sum(by_gate.values())
        yield Outcome(shard, _STAGE, ShardState.DONE, n_expected, n_made, by_gate)
