"""Visual inspection in a release: events, what they come to, the purity of tiers, the queue."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.kind import Kind
from pipeline.judge.rank import rank
from pipeline.reviews.audit import measure_purity
from pipeline.reviews.consensus import find_consensus
from pipeline.reviews.review import Review
from pipeline.reviews.review_ledger import tabulate
from pipeline.settings.judge import RankSettings
from release.tables.writer import write_whole

_STATUS = pa.schema([("TARGETID", pa.int64()), ("review_status", pa.string())])


def tabulate_status(reviews: Sequence[Review]) -> pa.Table:
    """Return TARGETID and review_status of every reviewed object."""
    rows = [
        {"TARGETID": targetid, "review_status": consensus.status.value}
        for targetid, consensus in sorted(find_consensus(reviews).items())
    ]
    return pa.Table.from_pylist(rows, schema=_STATUS)


def write_reviews(
    folder: Path,
    kind: Kind,
    reviews: Sequence[Review],
    settings: RankSettings,
    notes: dict[str, str],
) -> dict[str, int]:
    """Publish the reviews of the objects in the catalogue; count these and the others.

    Parameters
    ----------
    folder : Path
        The release with its catalogue.
    kind : Kind
    reviews : sequence of Review
    settings : RankSettings
    notes : dict
        As of `docs.make_notes`.
    """
    catalogue = folder / kind.main_file
    rows = pq.read_table(catalogue, columns=["TARGETID", "tier"])
    targetid, tier = rows["TARGETID"].to_numpy(), rows["tier"].to_pylist()
    present = set(targetid.tolist())
    published = [review for review in reviews if review.targetid in present]
    consensus = find_consensus(published)
    for name, table, data in (
        (contents.REVIEWS, "reviews", tabulate(published)),
        (contents.QUEUE, "queue", rank(catalogue, kind, published, settings)),
        (
            contents.PURITY,
            "purity",
            measure_purity(targetid, tier, consensus, settings.audit_fraction),
        ),
    ):
        write_whole(folder / name, kind[table], data, notes)
    return {"published": len(published), "left_out": len(reviews) - len(published)}
