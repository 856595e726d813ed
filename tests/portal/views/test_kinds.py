"""A release of another kind opens on every page, with what it has and no demand for the rest."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pages import open_page, written
from points_release import N_POINTS, VERSION, make_points, point_id, write_points
from portal_release import row_id
from starlette.applications import Starlette
from starlette.testclient import TestClient
from toy_run import build_points, register

from portal.data.releases import SPECTRA_KIND
from portal.service.api import ROUTES
from portal.views.kinds import find_view

PAGES = ("explore", "object", "sql", "match", "review", "statistics", "about")


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_points(tmp_path_factory.mktemp("data") / "releases" / VERSION, make_points())


def bare(root: Path) -> Path:
    """Points that nobody has graded."""
    return write_points(root, make_points(graded=False))


def empty(root: Path) -> Path:
    """No points at all."""
    return write_points(root, make_points().slice(0, 0))


def odd(root: Path) -> Path:
    """Own columns whose types and values are unusual."""
    n = 3
    rows = {
        "TARGETID": [point_id(row) for row in range(n)],
        "flag": [True, False, None],
        "nothing": pa.nulls(n, pa.float64()),
        "constant": [1.0] * n,
        "wild": [float("nan"), float("inf"), 1.0],
        "seen": pa.array([0, 1, 2], pa.timestamp("s")),
        "path": [[1.0], [], None],
        "pair": [{"a": 1}] * n,
        "a b": [1, 2, 3],
        "word": pa.array(["a", "b", "a"]).dictionary_encode(),
    }
    return write_points(root, pa.table(rows))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A release of points that the pipeline made."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        register(monkeypatch)
        yield build_points(tmp_path_factory.mktemp("built"))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_on_a_release_of_the_pipeline(
    built: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    best = pq.read_table(built / "catalog/anomalies.parquet")["TARGETID"][0].as_py()
    app = open_page(monkeypatch, built, page, targetid=str(best))
    assert [error.value for error in app.error] == []
    # The words of columns that all kinds share are explained by those of quasars.
    assert page == "about" or "quasar" not in written(app)


@pytest.mark.parametrize("make", [bare, empty, odd])
@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path], page: str
) -> None:
    root = make(tmp_path / "releases" / VERSION)
    app = open_page(monkeypatch, root, page, targetid=str(point_id(0)))
    assert all("\n" not in error.value for error in app.error)
    assert all(VERSION in error.value for error in app.error), "only what is not in it"


def test_explore_lists_filters_and_sorts_by_own_columns(
    points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, points)
    assert "Anomalous points" in written(app)
    assert [metric.value for metric in app.metric] == ["120", "2", "3", "5", "110"]
    rows = app.dataframe[0].value
    assert {"TARGETID", "tier", "colour", "size", "made_by"} <= set(rows.columns)
    assert "Z" not in rows.columns
    sliders = {slider.key for slider in app.slider}
    assert sliders == {"of_colour", "of_size"}
    assert [tab.label for tab in app.tabs] == ["Distributions", "Compare two selections"]
    app.selectbox(key="sort").set_value("colour").run()
    assert app.dataframe[0].value["colour"].is_monotonic_decreasing
    app.text_input(key="find").set_value("made_by=north colour>0").run()
    table = make_points().to_pandas()
    wanted = table[(table["made_by"] == "north") & (table["colour"] > 0)]
    assert app.metric[0].value == str(len(wanted))
    assert not app.exception


def test_address_carries_ranges_of_own_columns(
    points: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = make_points().to_pandas()
    app = open_page(monkeypatch, points)
    slider = app.slider(key="of_size")
    slider.set_range(0.0, slider.max).run()
    assert app.metric[0].value == str(int((table["size"] >= 0).sum()))


def test_object_shows_its_numbers_and_place(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(
        monkeypatch, points, "object", targetid=str(point_id(1)), among="of_size=-9&of_size=9"
    )
    told = written(app)
    assert f"TARGETID {point_id(1)}" in told
    assert f"of {N_POINTS} in this ranking" in told
    assert "**Tier gold**" in told
    assert "no position on the real sky" in told
    for word in ("nan", "Joint", "DESI TARGETID", "quasar", "Dark Energy"):
        assert word not in told
    assert not app.error
    (facts,) = (table.value for table in app.table)
    assert {"colour (mag)", "size", "made_by"} <= set(facts.index)
    numbers = next(f.value for f in app.dataframe if "Objects with less" in f.value)
    shares = numbers.set_index("Quantity")["Objects with less"]
    assert shares["anomaly_score"] == pytest.approx((N_POINTS - 2) / N_POINTS)


def test_sql_offers_its_table_and_answers(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, points, "sql")
    assert "FROM points" in app.text_area(key="statement").value
    app = open_page(monkeypatch, points, "sql", sql=app.text_area(key="statement").value)
    assert "10 rows in" in written(app)
    assert not app.error


def test_a_kind_without_a_view_of_its_own_shows_its_numbers() -> None:
    assert find_view(SPECTRA_KIND).kind == SPECTRA_KIND
    for kind in ("tables", "images", "x"):
        assert find_view(kind).kind == kind
        assert find_view(kind).draw is find_view("tables").draw
        assert find_view(kind).draw_blinded is not find_view(kind).draw


def test_programs_get_what_is_there(points: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QAD_RELEASE", str(points))
    client = TestClient(Starlette(routes=ROUTES))
    assert client.get("/healthz").json() == {"status": "ok", "release": VERSION, "points": 120}
    answer = client.get(f"/api/object/{point_id(0)}").json()
    assert set(answer["object"]) == set(make_points().column_names)
    assert answer["matches"] == []
    rows = client.get("/api/query", params={"sql": "FROM points WHERE colour > 1"}).json()
    assert {row["made_by"] for row in rows} == {"north", "south"}
    cone = client.get("/scs", params={"RA": "1", "DEC": "1", "SR": "1"})
    assert "has no positions" in cone.text


def strip(root: Path, *names: str) -> None:
    """Leave columns out of a release of spectra."""
    path = root / "catalog/quasars.parquet"
    pq.write_table(pq.read_table(path).drop_columns(list(names)), path)


@pytest.mark.parametrize("page", PAGES)
def test_spectra_without_redshift_classes_matches_or_spectra(
    own_release: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    classes = ("anomaly_class", "class_state", "class_probabilities", "artefact_probability")
    strip(own_release, "Z", *classes)
    for name in ("spectra/spectra", "catalog/crossmatch", "catalog/catalogues"):
        (own_release / f"{name}.parquet").unlink()
    app = open_page(monkeypatch, own_release, page, targetid=str(row_id(0)))
    told = [error.value for error in app.error]
    assert [text for text in told if "parquet" in text or "\n" in text] == []


def test_spectra_without_redshift_are_drawn(
    own_release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strip(own_release, "Z")
    app = open_page(monkeypatch, own_release, "object", targetid=str(row_id(0)))
    assert "pixels are good" in written(app)
    assert "normals" not in {toggle.key for toggle in app.toggle}
    assert not app.error


def test_a_kind_that_is_no_word_is_refused(points: Path, tmp_path: Path) -> None:
    from portal.data.releases import ReleaseError, open_release

    for told in ({"kind": "../x"}, {"list": "a/b"}, {"kind": 3}, {"list": ""}):
        root = tmp_path / json.dumps(told).encode().hex() / VERSION
        write_points(root, make_points(), **told)
        with pytest.raises(ReleaseError, match="plain word"):
            open_release(root)
