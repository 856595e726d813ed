"""The widgets of filters: those of the release, each reset to what sets no limit."""

from pathlib import Path

import pytest
from pages import open_page
from points_release import VERSION, make_points, write_points
from portal_release import N_ROWS

from catalog_schema.vocabulary import Tier
from portal.views.offers import P_LEVELS


def test_each_filter_of_quasars_has_a_widget(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release)
    assert {slider.key for slider in app.slider} == {"z", "snr", "artefact", "ra", "dec"}
    assert {box.key for box in app.multiselect} >= {"columns", "reason"}
    assert app.selectbox(key="p").options == list(P_LEVELS)
    assert app.selectbox(key="sort").value == "joint_p_value"


@pytest.mark.parametrize(
    ("key", "value", "n"),
    [("find", "tier=gold", 4), ("find", "tier!=none", 28), ("find", "z>99", None)],
)
def test_reset_brings_every_row_back(
    release: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: str, n: int | None
) -> None:
    app = open_page(monkeypatch, release)
    app.text_input(key=key).set_value(value).run()
    assert [metric.value for metric in app.metric][:1] == [str(n or 0)]
    app.slider(key="z").set_range(6.0, 7.0).run()
    (button,) = [each for each in app.button if each.label == "Reset filters"]
    button.click().run()
    assert app.metric[0].value == str(N_ROWS)
    assert app.slider(key="z").value == (0.0, 7.0)
    assert app.text_input(key=key).value == ""


def test_a_release_without_p_values_or_tiers_offers_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_points(tmp_path / "releases" / VERSION, make_points(graded=False))
    app = open_page(monkeypatch, root)
    assert "p" not in {box.key for box in app.selectbox}
    assert "tier" not in app.dataframe[0].value
    counts = [metric.value for metric in app.metric]
    assert counts == ["120", *["0"] * (len(Tier) - 1), "120"]


def test_columns_that_are_chosen_are_listed(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release)
    app.multiselect(key="columns").set_value(["EBV", "Z"]).run()
    assert list(app.dataframe[0].value.columns) == ["TARGETID", "tier", "EBV", "Z"]
    assert not app.exception
