"""The kinds of data that there are: each by its own name, and its words told apart."""

from each import each

from catalog_schema.kind import Kind
from catalog_schema.kinds import KINDS
from catalog_schema.vocabulary import Described
from catalog_schema.waist import ARTEFACT, NORMAL


def test_kinds_and_their_lists_are_told_apart() -> None:
    assert all(name == kind.name for name, kind in KINDS.items())
    assert len({kind.main for kind in KINDS.values()}) == len(KINDS)


@each(KINDS.values())
def test_a_declaration_agrees_with_itself(kind: Kind) -> None:
    waist = kind.waist
    assert {NORMAL, ARTEFACT} <= set(waist.classes.values())
    assert {statistic.reason for statistic in waist.statistics} == set(waist.reasons)
    assert len(set(waist.features)) == len(waist.features)
    assert set(waist.examples.values()) <= set(waist.classes.values())
    assert set(waist.teachers) <= set(waist.controls.values()) & set(waist.examples)
    for words in (waist.classes, waist.controls, waist.faults):
        assert words is None or issubclass(words, Described)
    if waist.faults:
        assert all(waist.examples[fault] == ARTEFACT for fault in waist.faults.values())
    assert not waist.examples or waist.examples[NORMAL] == NORMAL
    assert all(condition.length > 0 for condition in waist.conditions)
    assert not any(condition.column.nullable for condition in waist.conditions)
    assert all(column.nullable for column in waist.told)
