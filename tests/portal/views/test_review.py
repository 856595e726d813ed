"""The page of visual inspection through Streamlit's own test runner, writing a real ledger."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from portal_release import VERSION, row_id
from reviewable import load, make_review, write, write_queue, write_reviewable
from streamlit.testing.v1 import AppTest

import portal
from catalog_schema.vocabulary import ReviewAction, Verdict
from pipeline.reviews.review_ledger import ReviewLedger
from portal.cli import portal as command

APP = Path(portal.__file__).with_name("app.py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A release in a data root, with a queue."""
    return write_reviewable(tmp_path / "releases" / VERSION)


def open_page(
    monkeypatch: pytest.MonkeyPatch, root: Path, reviewer: str | None = "ABC", url: str = ""
) -> AppTest:
    monkeypatch.setenv("QAD_RELEASE", str(root))
    monkeypatch.setenv("QAD_LEDGER_URL", url)
    if reviewer:
        monkeypatch.setenv("QAD_LOCAL_REVIEWER", reviewer)
    else:
        monkeypatch.delenv("QAD_LOCAL_REVIEWER", raising=False)
    app = AppTest.from_file(str(APP), default_timeout=60)
    app.run()
    app.switch_page("views/review.py").run()
    assert not app.exception
    return app


def press(app: AppTest, label: str) -> None:
    [button] = [each for each in app.button if each.label == label]
    button.click().run()
    assert not app.exception


def shown(app: AppTest) -> str:
    kinds = (app.subheader, app.markdown, app.caption, app.info, app.success, app.error)
    text = [str(element.value) for kind in kinds for element in kind]
    return "\n".join([*text, *(frame.value.to_string() for frame in app.dataframe)])


def test_a_judgement_is_an_event_and_an_undo_another(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, root)
    assert f"TARGETID {row_id(0)}" in shown(app)
    # The release holds the spectra of 34 objects.
    assert "34 left" in shown(app)
    press(app, "Anomalous")
    assert f"TARGETID {row_id(1)}" in shown(app)
    press(app, "Ordinary")
    assert "32 left" in shown(app)
    press(app, "Undo")
    assert f"TARGETID {row_id(1)}" in shown(app)
    first, second, undone = load(root)
    assert (first.targetid, first.verdict, first.reviewer) == (row_id(0), Verdict.ANOMALOUS, "ABC")
    assert (first.survey, first.release, first.is_blinded) == ("main", VERSION, True)
    assert first.seconds_spent is not None
    assert (undone.action, undone.supersedes) == (ReviewAction.RETRACTION, second.review_id)


def test_the_score_is_hidden_until_judged(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, root)
    for word in ("gold", "anomaly_score", "reason"):
        assert word not in shown(app)
    press(app, "Anomalous")
    assert "tier gold" in shown(app)
    app.toggle(key="blinded").set_value(False).run()
    assert "anomaly_score" in shown(app)
    # What was seen once stays seen.
    app.toggle(key="blinded").set_value(True).run()
    press(app, "Ordinary")
    press(app, "Unsure")
    assert [review.is_blinded for review in load(root)] == [True, False, True]


def test_details_go_with_the_verdict(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, root)
    app.selectbox(key=f"class-{row_id(0)}").select_index(0).run()
    app.number_input(key=f"z-{row_id(0)}").set_value(2.5).run()
    app.text_input(key=f"comment-{row_id(0)}").set_value("<b>odd</b> $x$").run()
    press(app, "Anomalous")
    [review] = load(root)
    assert (review.anomaly_class, review.corrected_z) == ("bal", 2.5)
    assert review.comment == "<b>odd</b> $x$"
    # The next object starts without them.
    press(app, "Anomalous")
    assert (load(root)[1].anomaly_class, load(root)[1].comment) == (None, "")


def test_put_off_objects_come_last(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, root)
    press(app, "Put off")
    assert f"TARGETID {row_id(1)}" in shown(app)
    assert "34 left in this queue, 1 put off" in shown(app)
    assert load(root) == []


def test_the_newer_queue_of_the_data_root_wins(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_queue(root.parents[1] / "queue" / f"{VERSION}.parquet", [7, 3])
    assert f"TARGETID {row_id(7)}" in shown(open_page(monkeypatch, root))


def test_a_filter_a_second_opinion_and_a_dispute(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(
        root,
        make_review(5, "XYZ", Verdict.ANOMALOUS),
        make_review(6, "XYZ", Verdict.UNSURE),
        make_review(6, "UVW", Verdict.ANOMALOUS),
    )
    app = open_page(monkeypatch, root)
    app.selectbox(key="queue").set_value("filter").run()
    app.text_input(key="review_filter").set_value(str(row_id(9))).run()
    assert f"TARGETID {row_id(9)}" in shown(app)
    app.selectbox(key="queue").set_value("second").run()
    assert f"TARGETID {row_id(5)}" in shown(app)
    app.selectbox(key="queue").set_value("disputed").run()
    assert f"TARGETID {row_id(6)}" in shown(app)
    press(app, "Artefact")
    assert load(root)[-1].action is ReviewAction.ADJUDICATION
    assert "Nothing is left" in shown(app)


def test_agreement_is_shown(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (Verdict.ANOMALOUS, Verdict.ORDINARY)
    write(root, *(make_review(row, name, words[row % 2]) for row in range(4) for name in "AB"))
    app = open_page(monkeypatch, root)
    metrics = {metric.label: metric.value for metric in app.metric}
    assert metrics["objects reviewed"] == "4"
    assert metrics["agreement (Fleiss' κ)"] == "1.00"
    assert "A and B" in shown(app)


def test_without_a_login_the_page_is_read_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, root, reviewer=None)
    assert "no login" in shown(app)
    assert [button.label for button in app.button] == []
    assert not (root.parents[1] / "ledger.sqlite").exists()


def test_a_release_without_a_data_root_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, write_reviewable(tmp_path / VERSION))
    assert "QAD_LEDGER_URL" in shown(app)
    assert [button.label for button in app.button] == []


def test_reviews_go_to_the_database_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_reviewable(tmp_path / VERSION)
    app = open_page(monkeypatch, root, url=f"sqlite:///{tmp_path / 'shared.sqlite'}")
    press(app, "Ordinary")
    [review] = ReviewLedger(tmp_path / "shared.sqlite").load("iron")
    assert review.verdict is Verdict.ORDINARY
    app = open_page(monkeypatch, root, url="mysql://user:secret@host/name")
    assert "PostgreSQL or SQLite" in app.error[0].value
    assert "secret" not in app.error[0].value


def test_a_release_of_before_reviews_is_one_line(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, own_release)
    assert "before there were reviews" in app.error[0].value


def test_a_correction_by_another_window_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, root)
    press(app, "Anomalous")
    write(root, load(root)[0].retract())
    press(app, "Undo")
    assert "superseded already" in app.error[0].value
    assert len(load(root)) == 2


def test_a_local_reviewer_is_refused_on_an_open_address(root: Path) -> None:
    arguments = [str(root), "--host", "0.0.0.0", "--local-reviewer", "ABC"]
    done = CliRunner().invoke(command, arguments)
    assert done.exit_code == 2
    assert "anybody who reaches the address" in done.output
