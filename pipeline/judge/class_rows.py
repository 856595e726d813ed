"""Rows of what `classify` makes: norms, classes, and controls judged as if they were members."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from catalog_schema.column import arrow_schema
from catalog_schema.kind import Kind
from catalog_schema.statistics import STRANGE_P_VALUE
from catalog_schema.waist import ROW_KEY
from pipeline.judge import classifier
from pipeline.judge.knowledge import Knowledge
from pipeline.judge.null import Population
from pipeline.judge.science.crowding import find_crowding
from pipeline.judge.survey import Survey
from pipeline.lake.store import columns_to_table
from pipeline.science.measured import find_significance

# Columns of a candidate's place among the others.
LAYOUT = ("map_x", "map_y", "cluster", "cluster_stability")


class Classified(NamedTuple):
    """Rows of `norms`, `taxonomy`, `traits`, `evidence`, `judged` and `classes`."""

    norms: pa.Table
    taxonomy: pa.Table
    traits: pa.Table
    evidence: pa.Table
    controls: pa.Table
    classes: pa.Table


def leave_unclassified(
    survey: Survey, population: Population, kind: Kind, knowledge: Knowledge
) -> Classified:
    """Return rows without classes where there is nothing to learn from, and no evidence."""
    judged = classifier.judge(None, population, survey.scores, survey.measured, knowledge)
    columns = dict.fromkeys(LAYOUT, np.full(survey.n_members, np.nan))
    return Classified(
        arrow_schema(kind["norms"]).empty_table(),
        arrow_schema(kind["taxonomy"]).empty_table(),
        make_traits(survey, kind, knowledge),
        arrow_schema(kind["evidence"]).empty_table(),
        make_judged(survey, kind, judged),
        make_classes(survey, kind, judged, columns | find_crowds(survey, knowledge)),
    )


def make_norms(survey: Survey, kind: Kind) -> pa.Table:
    """Return rows of `norms`; their log odds are not known yet."""
    core = np.flatnonzero(survey.is_core)
    scores = survey.scores.take(pa.array(core))
    columns = {
        **{name: scores[name] for name in (*ROW_KEY, *kind.waist.condition_names)},
        "is_ordinary": survey.is_ordinary[core],
        "significances": find_significance(survey.values)[core],
        "p_value": survey.significance["p_value"].take(pa.array(core)),
        "log_odds": np.full(len(core), np.nan),
    }
    return columns_to_table(kind["norms"], columns)


def make_traits(survey: Survey, kind: Kind, knowledge: Knowledge) -> pa.Table:
    """Return rows of `traits`, of the core members; none of a kind without traits."""
    if not kind.waist.traits:
        return arrow_schema(kind["traits"]).empty_table()
    keys = survey.members.filter(pa.array(survey.is_core[: survey.n_members]))
    traits = knowledge.read_traits(keys).astype(np.float32)
    columns = {name: keys[name] for name in ROW_KEY}
    return columns_to_table(kind["traits"], columns | {"traits": traits})


def make_classes(
    survey: Survey, kind: Kind, judged: dict[str, Any], columns: dict[str, Any]
) -> pa.Table:
    """Return rows of `classes`, of the members.

    Parameters
    ----------
    survey : Survey
    kind : Kind
    judged : dict
        As `classifier.judge` returns it, of all candidates.
    columns : dict
        The other columns of `classes`, of the members; NaN is null.
    """
    cluster = columns["cluster"]
    columns = columns | {
        **{name: each[: survey.n_members] for name, each in judged.items()},
        **{name: survey.significance[name] for name in ROW_KEY},
        "cluster": pa.array(np.nan_to_num(cluster).astype(np.int32), mask=np.isnan(cluster)),
    }
    return columns_to_table(kind["classes"], columns)


def make_judged(survey: Survey, kind: Kind, judged: dict[str, Any]) -> pa.Table:
    """Return rows of `judged`, of the controls; parameters as of `make_classes`."""
    n = survey.n_members
    columns = {name: each[n:] for name, each in judged.items()}
    keys = {name: survey.measured[name].slice(n) for name in ROW_KEY}
    return columns_to_table(kind["judged"], columns | keys)


def find_crowds(survey: Survey, knowledge: Knowledge) -> dict[str, Any]:
    """Return where each member was taken, and whether others from there are strange as well."""
    is_strange = survey.significance["p_value"].to_numpy() < STRANGE_P_VALUE
    places, groups = knowledge.read_surroundings(survey.members)
    return {
        **{name: pa.array(values, mask=values < 0) for name, values in places.items()},
        **{f"{name}_p_value": find_crowding(of, is_strange) for name, of in groups.items()},
    }
