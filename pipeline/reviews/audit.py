"""The random audit: who is in it, in which order they are looked at, what it says of the tiers."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.column import arrow_schema
from catalog_schema.tables import PURITY
from catalog_schema.vocabulary import ReviewStatus, Tier, Verdict
from pipeline.reviews.consensus import Consensus
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.science.shares import find_share_interval


def draw_audit(
    targetid: NDArray[np.int64], tier: Sequence[str], fraction: float
) -> dict[Tier, list[int]]:
    """Return the rows that belong to the audit, by tier, in the order of their inspection.

    A hash of TARGETID decides both, so that they depend on neither score nor reviews, and an object
    stays in when the catalogue changes. Only the audit's own queue leads to them: what was judged
    of them is a random sample of the tier at any time.

    Parameters
    ----------
    targetid : ndarray of int64, shape (n,)
    tier : sequence of str, length n
    fraction : float
        Share of each tier.
    """
    draw, grades = hash_to_unit(targetid, Stream.AUDIT), np.asarray(tier)
    order = np.argsort(draw, kind="stable")
    order = order[draw[order] < fraction]
    return {grade: order[grades[order] == grade.value].tolist() for grade in Tier}


def measure_purity(
    targetid: NDArray[np.int64],
    tier: Sequence[str],
    consensus: Mapping[int, Consensus],
    fraction: float,
) -> pa.Table:
    """Estimate the share of anomalous objects in each tier, as rows of PURITY.

    Of a tier's audit the objects up to the first without a verdict count. Those that are unsure or
    disputed are told and left out of the share.
    """
    rows = []
    grades = np.asarray(tier)
    for grade, drawn in draw_audit(targetid, tier, fraction).items():
        counts = dict.fromkeys(Verdict, 0)
        for row in drawn:
            verdict = read_verdict(consensus.get(int(targetid[row])))
            if verdict is None:
                break
            counts[verdict] += 1
        n_decided = sum(counts.values()) - counts[Verdict.UNSURE]
        n_anomalous = counts[Verdict.ANOMALOUS]
        low, high = find_share_interval(n_anomalous, n_decided)
        rows.append(
            {
                "tier": grade.value,
                "n_objects": int((grades == grade.value).sum()),
                "n_drawn": len(drawn),
                **{f"n_{word.value}": n for word, n in counts.items()},
                "purity": n_anomalous / n_decided if n_decided else None,
                "purity_low": low,
                "purity_high": high,
            }
        )
    return pa.Table.from_pylist(rows, schema=arrow_schema(PURITY))


def read_verdict(consensus: Consensus | None) -> Verdict | None:
    """Return what the reviewers say; a dispute is unsure, and None where nobody was asked."""
    if consensus is None:
        return None
    return Verdict.UNSURE if consensus.status is ReviewStatus.DISPUTED else consensus.verdict
