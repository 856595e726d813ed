"""The parent samples of spectra: each agrees with itself, and all have the same columns."""

from each import each

from catalog_schema.kinds import KINDS, SPECTRA
from catalog_schema.parents import PARENTS, ParentSample
from catalog_schema.spectra import WRONG_Z
from catalog_schema.vocabulary import AnomalyClass, ArtefactKind


@each(PARENTS.values())
def test_a_parent_sample_is_a_kind_of_its_own(parent: ParentSample) -> None:
    assert KINDS[parent.kind].waist is parent.waist
    assert parent.z_min < parent.z_max


@each(PARENTS.values())
def test_only_what_has_lines_to_confuse_can_have_a_wrong_redshift(parent: ParentSample) -> None:
    assert (WRONG_Z in parent.waist.examples) == (len(parent.lines) > 1)
    assert parent.in_rest_frame or not parent.lines


@each(PARENTS.values())
def test_every_fault_of_an_instrument_is_taught(parent: ParentSample) -> None:
    assert set(ArtefactKind.values()) <= set(parent.waist.examples)


def test_together_they_have_every_class() -> None:
    words = set().union(*(parent.waist.classes.values() for parent in PARENTS.values()))
    assert words == set(AnomalyClass.values())


@each(KINDS.values())
def test_the_lists_have_the_columns_of_quasars(kind) -> None:
    assert kind.main_table.names == SPECTRA.main_table.names
    types = {column.name: column.type for column in SPECTRA.main_table.columns}
    assert {column.name: column.type for column in kind.main_table.columns} == types
