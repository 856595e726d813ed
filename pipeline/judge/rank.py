"""Ranks the objects of a release for review: active learning with a random audit between."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from catalog_schema.kind import Kind
from catalog_schema.vocabulary import QueueSource, Verdict
from catalog_schema.waist import ROW_KEY
from pipeline.judge.science.active import LEARNERS
from pipeline.judge.science.calibration import take_strange_side
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.numerics import limit_threads
from pipeline.reviews.audit import draw_audit, read_verdict
from pipeline.reviews.consensus import Consensus, find_consensus
from pipeline.reviews.review import Review
from pipeline.settings.judge import RankSettings

# From which the interest is expected.
_EXPECTED = ("p_value", "finding_p_value", "artefact_probability")
_TINY = 1e-300
# As in the combined score: one freak value does not decide alone.
_CEILING = 10.0
# Beyond it the last bits depend on the processor.
_DECIMALS = 9


class _Place(NamedTuple):
    row: int
    source: QueueSource
    interest: float


@limit_threads()
def rank(
    catalogue: Path, kind: Kind, reviews: Iterable[Review], settings: RankSettings
) -> pa.Table:
    """Return the objects to be reviewed next, as rows of QUEUE.

    The same catalogue and the same reviews, in whatever order they came, give the same rows.

    Parameters
    ----------
    catalogue : Path
        Main table of a release.
    kind : Kind
        Its kind of data.
    reviews : iterable of Review
        Every event of the sample.
    settings : RankSettings
    """
    found = ds.dataset(catalogue)
    rows = found.to_table(columns=_find_columns(found.schema, *ROW_KEY, "tier", *_EXPECTED))
    targetid = rows["TARGETID"].to_numpy()
    consensus = find_consensus(reviews)
    is_open = np.array([read_verdict(consensus.get(int(i))) is None for i in targetid], bool)
    audit = draw_audit(targetid, rows["tier"].to_pylist(), settings.audit_fraction)
    interest = _learn(catalogue, rows, kind, consensus, settings)
    drawn = [row for members in audit.values() for row in members]
    is_active = is_open & np.isfinite(interest)
    is_active[drawn] = False
    active = np.flatnonzero(is_active)
    active = active[np.lexsort((targetid[active], -interest[active]))].tolist()
    waiting = _take_turns([[row for row in members if is_open[row]] for members in audit.values()])
    places = _interleave(active, waiting, interest, settings, int((~is_open).sum()))
    return _tabulate(rows, places, kind)


def _learn(
    catalogue: Path,
    rows: pa.Table,
    kind: Kind,
    consensus: Mapping[int, Consensus],
    settings: RankSettings,
) -> NDArray[np.float64]:
    """Return the interest of the candidates, -infinity for all others, shape (n,)."""
    targetid, score = rows["TARGETID"].to_numpy(), _expect(rows)
    labels = {
        i: float(verdict is Verdict.ANOMALOUS)
        for i in consensus
        if (verdict := read_verdict(consensus[i])) not in (None, Verdict.UNSURE)
    }
    chosen = np.zeros(len(targetid), bool)
    # The strangest are enough to choose from, and their features fit into memory.
    chosen[np.argsort(-score, kind="stable")[: settings.candidates]] = True
    chosen |= np.isin(targetid, list(labels))
    found = _read_features(catalogue, targetid[chosen])
    # In the order of TARGETID, whatever the file's: sums depend on it.
    order = np.argsort(found["TARGETID"].to_numpy())
    ids = found["TARGETID"].to_numpy()[order]
    labelled = np.flatnonzero(np.isin(ids, list(labels)))
    told = np.array([labels[int(i)] for i in ids[labelled]])
    learn = LEARNERS[settings.method]
    values = learn(
        _make_features(found, kind)[order], _expect(found)[order], labelled, told, settings.seed
    )
    interest = np.full(len(targetid), -np.inf)
    interest[chosen] = np.round(values, _DECIMALS)[np.searchsorted(ids, targetid[chosen])]
    return interest


def _read_features(catalogue: Path, targetid: NDArray[np.int64]) -> pa.Table:
    wanted = pc.field("TARGETID").isin(pa.array(targetid))
    found = ds.dataset(catalogue)
    names = ["TARGETID", *_EXPECTED, "departures", *({"latent"} & set(found.schema.names))]
    columns = _find_columns(found.schema, *names)
    return found.to_table(columns=columns, filter=wanted).combine_chunks()


def _find_columns(schema: pa.Schema, *names: str) -> dict[str, pc.Expression]:
    """Return where columns come from: before schema 1.7.0 joint_p_value graded everything."""
    columns = {name: pc.field(name) for name in names}
    if "finding_p_value" not in schema.names:
        columns["finding_p_value"] = pc.field("joint_p_value")
    return columns


def _expect(rows: pa.Table) -> NDArray[np.float64]:
    """Return the interest to be expected of each object without any label, shape (n,).

    How rare it is, -ln p, times the probability that it is no artefact.
    """
    p_value = pc.coalesce(rows["finding_p_value"], rows["p_value"]).to_numpy()
    artefact = pc.fill_null(rows["artefact_probability"], 0.0).to_numpy()
    return -np.log(np.maximum(p_value, _TINY)) * (1 - artefact)


def _make_features(rows: pa.Table, kind: Kind) -> NDArray[np.float64]:
    """Return departures towards strangeness, up to a ceiling, and latents, shape (n, k)."""
    strange = take_strange_side(to_matrix(rows["departures"]), kind.waist.is_two_sided)
    latents = [to_matrix(rows["latent"])] if "latent" in rows.column_names else []
    return np.hstack([np.minimum(strange, _CEILING), *latents]).astype(np.float64)


def _take_turns(members: list[list[int]]) -> list[int]:
    """Return the first of each list, then the second of each, and so on."""
    longest = max(map(len, members), default=0)
    return [mine[k] for k in range(longest) for mine in members if k < len(mine)]


def _interleave(
    active: list[int], audit: list[int], interest: NDArray, settings: RankSettings, n_reviewed: int
) -> list[_Place]:
    """Fill the queue: the audit gets its share of all reviews, those of before included."""
    places: list[_Place] = []
    share = settings.audit_fraction
    while (active or audit) and len(places) < settings.length:
        turn = n_reviewed + len(places)
        is_audit = int((turn + 1) * share) > int(turn * share)
        if audit and (is_audit or not active):
            row, source = audit.pop(0), QueueSource.AUDIT
        else:
            row, source = active.pop(0), QueueSource.ACTIVE
        value = interest[row] if np.isfinite(interest[row]) else np.nan
        places.append(_Place(row, source, value))
    return places


def _tabulate(rows: pa.Table, places: list[_Place], kind: Kind) -> pa.Table:
    taken = rows.take(pa.array([place.row for place in places], pa.int64()))
    columns = {
        **{name: taken[name] for name in (*ROW_KEY, "tier")},
        "queue_rank": np.arange(1, len(places) + 1, dtype=np.int32),
        "queue_source": [place.source.value for place in places],
        "interest": np.array([place.interest for place in places], np.float64),
    }
    return columns_to_table(kind["queue"], columns)
