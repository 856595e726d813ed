"""Objects of a kind without pictures: their numbers, and for blinded eyes nothing that tells."""

from pathlib import Path

import pyarrow as pa
import pytest
from pages import open_page, written
from points_release import N_POINTS, VERSION, make_points, point_id, write_points
from streamlit.testing.v1 import AppTest

from catalog_schema.vocabulary import Verdict
from catalog_schema.waist import SHARD_KEY
from pipeline.reviews.review_ledger import ReviewLedger


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Points that say where their files would lie, so that they can be reviewed."""
    points = make_points()
    for name in SHARD_KEY:
        value = 1 if name == "HEALPIX" else "toy"
        points = points.append_column(name, pa.array([value] * N_POINTS))
    return write_points(tmp_path / "releases" / VERSION, points, source={"sample": "toy"})


def open_review(monkeypatch: pytest.MonkeyPatch, root: Path) -> AppTest:
    monkeypatch.setenv("QAD_LOCAL_REVIEWER", "ABC")
    monkeypatch.delenv("QAD_LEDGER_URL", raising=False)
    app = open_page(monkeypatch, root, "review")
    app.selectbox(key="queue").set_value("filter").run()
    app.text_input(key="review_filter").set_value(str(point_id(0))).run()
    assert not app.exception
    return app


def read_numbers(app: AppTest) -> set[str]:
    shown = [frame.value for frame in app.dataframe if "Objects with less" in frame.value]
    return {str(name) for frame in shown for name in frame["Quantity"]}


def test_blinded_reviewers_see_numbers_without_score(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_review(monkeypatch, root)
    assert read_numbers(app) == {"colour (mag)", "size"}
    told = written(app) + "".join(frame.value.to_string() for frame in app.dataframe)
    for word in ("gold", "anomaly_score", "p_value", "q_value"):
        assert word not in told
    assert "with_spectrum" not in {toggle.key for toggle in app.toggle}


def test_their_verdict_is_an_event(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_review(monkeypatch, root)
    (button,) = [each for each in app.button if each.label == "Anomalous"]
    button.click().run()
    assert not app.exception
    (review,) = ReviewLedger(root.parents[1] / "ledger.sqlite").load("toy")
    assert (review.targetid, review.verdict) == (point_id(0), Verdict.ANOMALOUS)
    assert (review.survey, review.healpix) == ("toy", 1)
    assert "tier gold" in written(app)


def test_the_page_of_an_object_shows_all_of_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, root, "object", targetid=str(point_id(5)))
    assert read_numbers(app) >= {"colour (mag)", "size", "anomaly_score", "p_value", "q_value"}


def test_points_without_a_place_in_the_ledger_are_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QAD_LOCAL_REVIEWER", "ABC")
    root = write_points(tmp_path / "releases" / VERSION, make_points(), source={"sample": "toy"})
    app = open_page(monkeypatch, root, "review")
    assert "Its objects need SURVEY, PROGRAM, HEALPIX" in written(app)
    assert not [button for button in app.button if button.label == "Anomalous"]
