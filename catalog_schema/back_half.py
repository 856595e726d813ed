"""The tables that the back half makes of any kind of data, and those that all kinds share."""

from functools import partial

from catalog_schema.column import Column, Table
from catalog_schema.columns import (
    catalogues,
    classes,
    evidence,
    ledger,
    matches,
    reviews,
    sample,
    scores,
    significance,
)
from catalog_schema.waist import KEY, SHARD_KEY, Waist


def make_tables(waist: Waist) -> tuple[Table, ...]:
    """Return the tables that the back half makes of a kind's `targets` and `scores`."""
    return (
        *_make_significance(waist),
        *_make_classes(waist),
        *_make_grades(waist),
        *_make_shared(waist),
        *make_ledger_tables(waist.key[:-1]),
    )


def _make(
    waist: Waist, name: str, description: str, *columns: Column, beside: tuple[str, ...] = ()
) -> Table:
    """Return a table keyed as candidates are; `beside` is what its key has more than theirs."""
    return waist.make_table(name, description, (*KEY, *beside), columns)


def _list_conditions(waist: Waist) -> tuple[Column, ...]:
    return tuple(condition.column for condition in waist.conditions)


def _list_judgement(waist: Waist) -> tuple[Column, ...]:
    """Return the columns that say how a candidate is judged."""
    return (significance.anomaly_score, significance.p_value, *classes.NAMED, *waist.told)


def _make_significance(waist: Waist) -> tuple[Table, ...]:
    make, conditions = partial(_make, waist), _list_conditions(waist)
    return (
        make(
            "significance",
            "Calibrated significance of the score.",
            *significance.SIGNIFICANCE,
        ),
        make(
            "null",
            "Reference population that defines what is normal at given {alike}.",
            *conditions,
            scores.statistics,
            significance.departures,
            significance.surprises,
            significance.anomaly_score,
        ),
    )


def _make_classes(waist: Waist) -> tuple[Table, ...]:
    make, conditions, judgement = (
        partial(_make, waist),
        _list_conditions(waist),
        _list_judgement(waist),
    )
    return (
        make(
            "classes",
            "What the {nouns} are, with probabilities, and where they lie among the others.",
            *classes.NAMED,
            *waist.told,
            *waist.surroundings,
            *classes.FAMILIES,
        ),
        make(
            "judged",
            "Candidates from outside the survey's {members}, negative controls or foreign ones, "
            "judged as if they were of them.",
            *judgement,
        ),
        make(
            "evidence",
            "What tells an object's class: its most telling features.",
            classes.anomaly_class,
            *evidence.FEATURES,
            beside=("feature",),
        ),
        make(
            "norms",
            "Core {members} that say what is normal of measurements and odds.",
            *conditions,
            evidence.is_ordinary,
            evidence.significances,
            significance.p_value,
            classes.log_odds,
        ),
        Table(
            "taxonomy",
            "The classifier: logits of the kinds, linear in the softened departures.",
            ("fold", "example_kind"),
            tuple(map(waist.fit, evidence.TAXONOMY)),
        ),
        make(
            "traits",
            "How the core {members} were observed, by which those of other surveys are told.",
            significance.traits,
        ),
    )


def _make_grades(waist: Waist) -> tuple[Table, ...]:
    make, judgement = partial(_make, waist), _list_judgement(waist)
    return (
        make("tiers", "List and grade by false-discovery level.", *significance.GRADE),
        make(
            "domain",
            "Whether a finished model's population vouches for {nouns} of another survey.",
            *significance.DOMAIN,
        ),
        make(
            "graded",
            "Significance and grade of every scored {member}.",
            *significance.SIGNIFICANCE,
            classes.joint_p_value,
            *significance.GRADE,
        ),
        make(
            "controls",
            "Negative controls, graded as if they had been taken for {members}.",
            sample.control,
            *waist.carried,
            *judgement,
            significance.tier,
        ),
        make(
            "injections",
            "Features planted in ordinary {members}, and the grades that these would get.",
            *waist.carried,
            significance.injection,
            significance.planted,
            *judgement,
            significance.tier,
            beside=("injection", "planted"),
        ),
    )


def _make_shared(waist: Waist) -> tuple[Table, ...]:
    """Return the tables of counterparts and reviews."""
    make = partial(_make, waist)
    return (
        make(
            "matches",
            "Counterparts: object and external catalogue, a row for each counterpart, and one "
            "that says why where there is none.",
            *matches.MATCHES,
            beside=("catalogue", "match_rank"),
        ),
        Table(
            "catalogues",
            "External catalogues: what was searched, how, and with what outcome.",
            ("catalogue",),
            catalogues.CATALOGUES,
        ),
        Table(
            "reviews",
            "Every event of the visual inspection of published objects, in order; corrected ones "
            "included.",
            ("review_id",),
            tuple(map(waist.fit, (*reviews.EVENT, *waist.key, *reviews.FINDINGS))),
        ),
        make("queue", "Objects to be reviewed next, in order.", *reviews.QUEUE, significance.tier),
        Table(
            "purity",
            "What the random audit found in each tier.",
            ("tier",),
            (significance.tier, *reviews.AUDIT),
        ),
    )


def make_ledger_tables(shard: tuple[Column, ...]) -> tuple[Table, ...]:
    """Return the tables that say where the rows of every shard went.

    Parameters
    ----------
    shard : tuple of Column
        SURVEY, PROGRAM and HEALPIX.
    """
    return (
        Table(
            "completeness",
            "Ledger: rows given, made and failed by shard and stage.",
            (*SHARD_KEY, "stage"),
            (*shard, ledger.stage, ledger.state, ledger.n_expected, ledger.n_made, ledger.error),
        ),
        Table(
            "gates",
            "Ledger: rows dropped by shard, stage and named gate.",
            (*SHARD_KEY, "stage", "gate"),
            (*shard, ledger.stage, ledger.gate, ledger.n_dropped),
        ),
        Table(
            "effort",
            "Ledger: what each stage took for each shard, and who did it; not published, for it "
            "differs from run to run.",
            (*SHARD_KEY, "stage"),
            (*shard, ledger.stage, *ledger.EFFORT),
        ),
    )
