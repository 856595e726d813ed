"""What a kind of data fills in to be shown."""

import pytest

from catalog_schema.kinds import KINDS
from catalog_schema.tables import QUASARS
from portal.views.kinds import find_view
from portal.views.object_view import ObjectView

VIEWS = [find_view(kind) for kind in (*KINDS, "never heard of")]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.kind)
def test_what_is_told_first_are_single_values_once_each(view: ObjectView) -> None:
    scalars = {column.name for column in QUASARS.scalars}
    assert set(view.facts) <= scalars
    assert len(set(view.facts)) == len(view.facts)
    assert view.facts


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.kind)
def test_a_method_is_text_for_people_and_a_reviewer_sees_another_drawing(view: ObjectView) -> None:
    assert "p-value" in view.method
    assert "{" not in view.method
    assert view.draw is not view.draw_blinded


def test_each_kind_has_a_view_under_its_own_name() -> None:
    assert [view.kind for view in VIEWS] == [*KINDS, "never heard of"]
