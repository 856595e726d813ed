"""What people say of objects, what they look at next, and what the audit found."""

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.column import Column
from catalog_schema.columns.build import FROM_ONE, POSITIVE, UNIT_INTERVAL, coded, count, number
from catalog_schema.columns.classes import anomaly_class

review_status = coded("review_status", words.ReviewStatus, "State of the visual inspection.")
review_id = Column(
    "review_id", pa.string(), "Identifier of the event.", "meta.id;meta.main", since="1.4.0"
)
review_action = Column(
    "review_action",
    pa.string(),
    "What the event does.",
    "meta.code",
    vocabulary=words.ReviewAction.values(),
    since="1.4.0",
)
supersedes = Column(
    "supersedes",
    pa.string(),
    "Earlier event of the same reviewer that this one replaces.",
    "meta.id.assoc",
    nullable=True,
    since="1.4.0",
)
is_in_force = Column(
    "is_in_force",
    pa.bool_(),
    "Whether it is the reviewer's last word on the object, not retracted.",
    "meta.code",
    since="1.4.0",
)
reviewer = Column(
    "reviewer", pa.string(), "Name under which the reviewer signs.", "meta.id", since="1.4.0"
)
reviewed_at = Column(
    "reviewed_at", pa.string(), "UTC time of the event, ISO 8601.", "time.epoch", since="1.4.0"
)
review_release = Column(
    "review_release",
    pa.string(),
    "Release that the reviewer looked at.",
    "meta.version",
    since="1.4.0",
)
is_blinded = Column(
    "is_blinded",
    pa.bool_(),
    "Whether score, tier and class were hidden; null where unknown.",
    "meta.code",
    nullable=True,
    since="1.4.0",
)
seconds_spent = number(
    "seconds_spent",
    "Time from sight to verdict.",
    "time.duration",
    unit="s",
    bounds=POSITIVE,
    nullable=True,
    since="1.4.0",
)
verdict = Column(
    "verdict",
    pa.string(),
    "Whether the reviewer finds the object anomalous; null where not asked.",
    "meta.code",
    vocabulary=words.Verdict.values(),
    nullable=True,
    since="1.4.0",
)
review_quality = Column(
    "review_quality",
    pa.int32(),
    "DESI's quality of a visual inspection: 4 confident, 3 probable, "
    "2 possible, 1 unlikely classification, 0 no signal.",
    "meta.code.qual",
    bounds=(0, 4),
    nullable=True,
    source="prospect, VI_quality",
    since="1.4.0",
)
review_issues = Column(
    "review_issues",
    pa.string(),
    "R bad redshift fit, C bad spectral type, S bad spectrum; empty if none.",
    "meta.code.qual",
    source="prospect, VI_issue",
    since="1.4.0",
)
corrected_z = Column(
    "corrected_z",
    pa.float64(),
    "Redshift by the reviewer, where it differs.",
    "src.redshift",
    nullable=True,
    source="prospect, VI_z",
    since="1.4.0",
)
corrected_spectype = Column(
    "corrected_spectype",
    pa.string(),
    "Spectral type by the reviewer, where it differs.",
    "src.class",
    nullable=True,
    vocabulary=("STAR", "GALAXY", "QSO"),
    source="prospect, VI_spectype",
    since="1.4.0",
)
comment = Column(
    "comment", pa.string(), "Free text.", "meta.note", source="prospect, VI_comment", since="1.4.0"
)
queue_rank = Column(
    "queue_rank",
    pa.int32(),
    "Place in the queue, from 1.",
    "stat.rank",
    bounds=FROM_ONE,
    since="1.4.0",
)
queue_source = Column(
    "queue_source",
    pa.string(),
    "Why the object is in the queue.",
    "meta.code",
    vocabulary=words.QueueSource.values(),
    since="1.4.0",
)
interest = Column(
    "interest",
    pa.float64(),
    "How much the reviews so far and the score make of the "
    "object; larger comes first; null for an object of the audit that is no "
    "candidate.",
    "stat.value",
    nullable=True,
    since="1.4.0",
)
n_objects = count("n_objects", "Objects of the tier.", since="1.4.0")
n_drawn = count("n_drawn", "Objects of the tier that are drawn for the audit.", since="1.4.0")
verdict_counts = tuple(
    count(
        f"n_{verdict.value}",
        f"Audited objects found {verdict.value}"
        + (", or disputed." if verdict is words.Verdict.UNSURE else "."),
        since="1.4.0",
    )
    for verdict in words.Verdict
)
purity = number(
    "purity",
    "Share of anomalous among the audited objects with a verdict; null without any.",
    "stat.value",
    bounds=UNIT_INTERVAL,
    nullable=True,
    since="1.4.0",
)
purity_low = number(
    "purity_low",
    "Lower end of the 95 per cent Wilson interval of the purity.",
    "stat.confidenceLevel;stat.min",
    bounds=UNIT_INTERVAL,
    since="1.4.0",
)
purity_high = number(
    "purity_high",
    "Upper end of the 95 per cent Wilson interval of the purity.",
    "stat.confidenceLevel;stat.max",
    bounds=UNIT_INTERVAL,
    since="1.4.0",
)

EVENT = (review_id, review_action, supersedes, is_in_force, reviewer, reviewed_at, review_release)
FINDINGS = (
    is_blinded,
    seconds_spent,
    verdict,
    anomaly_class,
    review_quality,
    review_issues,
    corrected_z,
    corrected_spectype,
    comment,
)
AUDIT = (n_objects, n_drawn, *verdict_counts, purity, purity_low, purity_high)
QUEUE = (queue_rank, queue_source, interest)
