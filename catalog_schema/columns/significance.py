"""What a score means: significance and grade, and the population and plants that say so."""

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.column import Column
from catalog_schema.columns.build import FROM_ONE, POSITIVE, UNIT_INTERVAL, coded, number

anomaly_score = number(
    "anomaly_score",
    "Combined statistic in units of the spread of {nouns} alike in {alike}; larger is stranger.",
)
p_value = Column(
    "p_value",
    pa.float64(),
    "Probability that a normal {noun} alike in {alike} scores as high.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
)
p_value_low, p_value_high = (
    Column(
        f"p_value_{side}",
        pa.float64(),
        f"{word} limit of the 95 per cent interval of p_value for the size of the population: of a "
        "counted share, or in the tail of the fit, whose form below 10 / (population + 1) no count "
        "has checked.",
        f"stat.probability;stat.{end}",
        bounds=UNIT_INTERVAL,
        since="1.7.0",
    )
    for side, word, end in (("low", "Lower", "min"), ("high", "Upper", "max"))
)
score_rank = Column(
    "score_rank",
    pa.int32(),
    "Place among the run's {members} by anomaly_score, 1 the strangest.",
    "stat.rank",
    bounds=FROM_ONE,
    since="1.4.0",
)
score_rank_low, score_rank_high = (
    Column(
        f"score_rank_{side}",
        pa.int32(),
        f"{word} place under models trained from other seeds; "
        "null where there is only one, or the {noun} is not of the model's run.",
        "stat.rank",
        bounds=FROM_ONE,
        nullable=True,
        since="1.4.0",
    )
    for side, word in (("low", "Smallest"), ("high", "Largest"))
)
reason = Column(
    "reason",
    pa.string(),
    "Why the score is high: the reason whose largest departure is the rarest.",
    "meta.note",
)
departures = number(
    "departures",
    "Statistics, in the same order, in units of the spread of {nouns} alike in {alike}.",
    array="statistic",
)
surprises = number(
    "surprises",
    "Largest departure of each reason, in the order of its list, in units of its own spread among "
    "{nouns} alike in {alike}.",
    array="reason",
)
log_snr = number("log_snr", "Decimal logarithm of the floored signal-to-noise ratio.", "stat.snr")
coverage = number(
    "coverage", "Fraction of the observed pixels that are good.", bounds=UNIT_INTERVAL
)
injection = Column("injection", pa.string(), "Kind of feature planted.", "meta.code")
planted = Column(
    "planted",
    pa.float64(),
    "Signal-to-noise ratio of the whole planted feature.",
    "stat.snr",
    bounds=POSITIVE,
)
finding = coded(
    "finding",
    words.Finding,
    "List on which the {noun} is graded, by its class; null without signal.",
    nullable=True,
    since="1.7.0",
)
finding_p_value = Column(
    "finding_p_value",
    pa.float64(),
    "The p-value that q_value and tier rest on: joint_p_value where named, p_value where "
    "unexplained; null without signal.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    nullable=True,
    since="1.7.0",
)
q_value = Column(
    "q_value",
    pa.float64(),
    "Benjamini-Hochberg false-discovery rate at which the object enters its list, from "
    "finding_p_value; null without signal.",
    "stat.probability",
    bounds=UNIT_INTERVAL,
    nullable=True,
)
tier = coded("tier", words.Tier, "Published grade by false-discovery level of the list.")

traits = number(
    "traits",
    "How the {noun} was observed: {traits}. NaN where that is not known.",
    may_be_nan=True,
    array="trait",
    since="1.7.0",
)
condition_distance = number(
    "condition_distance",
    "Distance from the model's population in {alike}, above 1 outside it.",
    bounds=POSITIVE,
    since="1.7.0",
)
trait_distance = number(
    "trait_distance",
    "Distance from the model's population in the traits, above 1 outside it.",
    bounds=POSITIVE,
    since="1.7.0",
)
domain_reason = Column(
    "domain_reason",
    pa.string(),
    "Why the model's population does not vouch for the {noun}, which then has no tier: a condition "
    "or trait in which it is outside the population, or what tells its sample from that; null "
    "where it vouches.",
    "meta.note",
    nullable=True,
    since="1.7.0",
)

SIGNIFICANCE = (
    anomaly_score,
    p_value,
    p_value_low,
    p_value_high,
    score_rank,
    score_rank_low,
    score_rank_high,
    reason,
    departures,
)
GRADE = (finding, finding_p_value, q_value, tier)
DOMAIN = (condition_distance, trait_distance, domain_reason)
