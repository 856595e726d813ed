"""The widgets of filters: those of the release, each reset to what sets no limit."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pages import asked, open_page, written
from points_release import VERSION, make_points, write_points
from portal_release import N_ROWS, row_id

from catalog_schema.vocabulary import Tier
from portal.views.offers import P_LEVELS


def test_each_filter_of_quasars_has_a_widget(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release)
    assert {slider.key for slider in app.slider} == {"z", "snr", "artefact", "ra", "dec"}
    assert {box.key for box in app.multiselect} >= {"columns", "reason"}
    assert app.selectbox(key="p").options == list(P_LEVELS)
    assert app.selectbox(key="sort").value == "finding_p_value"


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


Rule = Callable[[pd.DataFrame], pd.Series]
RULES: dict[str, tuple[dict[str, list[str]], Rule]] = {
    "both limits": ({"z": ["1.0", "2.5"]}, lambda rows: rows["Z"].between(1.0, 2.5)),
    "an end is open": ({"snr": ["2.0", "30.0"]}, lambda rows: rows["snr"] >= 2),
    "the other end": ({"snr": ["0.0", "5.0"]}, lambda rows: rows["snr"] <= 5),
    "no limit keeps nulls": ({"snr": ["0.0", "30.0"]}, lambda rows: rows["TARGETID"] > 0),
    "null passes no limit": ({"artefact": ["0.0", "0.9"]}, lambda rows: rows["TARGETID"] < 0),
    "two words": ({"tier": ["gold", "none"]}, lambda rows: rows["tier"].isin(["gold", "none"])),
    "words and limit": (
        {"arm": ["r"], "dec": ["0.0", "20.0"]},
        lambda rows: (rows["worst_arm"] == "r") & rows["TARGET_DEC"].between(0, 20),
    ),
    "p-value": ({"p": ["0.01"]}, lambda rows: rows["p_value"] <= 0.01),
    "a p-value that is not offered": ({"p": ["0.5"]}, lambda rows: rows["TARGETID"] > 0),
    "counterparts": (
        {"catalogue": ["xray"], "state": ["matched"]},
        lambda rows: rows["TARGETID"] == row_id(0),
    ),
    "any catalogue": ({"state": ["matched"]}, lambda rows: rows["TARGETID"] > 0),
    "one that nobody searched": (
        {"catalogue": ["radio"], "state": ["matched"]},
        lambda rows: rows["TARGETID"] > 0,
    ),
    "words that are none": ({"parent": ["<b>", "x"]}, lambda rows: rows["TARGETID"] > 0),
}


@pytest.mark.parametrize("rule", RULES)
def test_an_address_keeps_what_it_says(
    release: Path, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    params, keep = RULES[rule]
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    app = open_page(monkeypatch, release, **params)
    assert app.metric[0].value == str(keep(rows).sum())


def test_reset_leaves_no_filter_in_the_address(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {key: words for address, _ in RULES.values() for key, words in address.items()}
    kept = {"sort": "Z", "view": "Distributions"}
    app = open_page(monkeypatch, release, sky="1:0", map="0,1,0,1", find="z>1", **params, **kept)
    (button,) = [each for each in app.button if each.label == "Reset filters"]
    button.click().run()
    assert app.metric[0].value == str(N_ROWS)
    assert {key: asked(app, key) for key in kept} == kept
    assert not set(app.query_params) & {"sky", "map", "find", "z", "snr", "tier", "arm", "p"}


@pytest.mark.parametrize(
    ("rule", "sort"),
    [
        ("both limits", "Z"),
        ("words and limit", "snr"),
        ("counterparts", "Z"),
        ("p-value", "finding_p_value"),
    ],
)
def test_an_objects_page_counts_the_list_that_it_was_opened_from(
    release: Path, monkeypatch: pytest.MonkeyPatch, rule: str, sort: str
) -> None:
    params, keep = RULES[rule]
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    is_rising = sort == "finding_p_value"
    rows = rows[keep(rows)].sort_values([sort, "TARGETID"], ascending=[is_rising, True])
    for place in {0, len(rows) // 2, len(rows) - 1}:
        among = urlencode({**params, "sort": sort}, doseq=True)
        targetid = str(rows["TARGETID"].iloc[place])
        app = open_page(monkeypatch, release, "object", targetid=targetid, among=among)
        assert f"Number **{place + 1}** of {len(rows)} in this ranking" in written(app)


def test_own_sliders_span_the_values_and_their_ends_leave_nothing_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = make_points()
    app = open_page(monkeypatch, write_points(tmp_path / VERSION, points))
    for name in ("colour", "size"):
        slider, values = app.slider(key=f"of_{name}"), points[name].to_numpy()
        assert slider.min <= values.min() < slider.min + slider.step
        assert slider.max - slider.step < values.max() <= slider.max
        middle = round(float(np.median(values)) / slider.step) * slider.step
        slider.set_range(slider.min, middle).run()
        assert app.metric[0].value == str((values <= middle).sum())
        app.slider(key=f"of_{name}").set_range(slider.min, slider.max).run()
        assert app.metric[0].value == str(len(values))
