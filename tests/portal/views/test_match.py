"""The page that matches a visitor's list."""

from pathlib import Path

import pytest
from pages import open_page, written
from points_release import VERSION, make_points, point_id, write_points
from portal_release import row_id
from streamlit.testing.v1 import AppTest


def upload(app: AppTest, name: str, text: str) -> AppTest:
    app.get("file_uploader")[0].upload(name, text.encode(), "text/csv").run()
    assert not app.exception
    return app


def read_result(app: AppTest) -> list[dict[str, object]]:
    return app.dataframe[0].value.to_dict("records")


def test_a_list_is_matched_by_identifier(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release, "match")
    text = f"name,targetid\nmine,{row_id(3)}\nother,12\n"
    upload(app, "list.csv", text)
    assert "**1** of 2 rows have a counterpart" in written(app)
    (row,) = read_result(app)
    assert (row["name"], row["desi_TARGETID"]) == ("mine", str(row_id(3)))
    assert {"desi_Z", "desi_tier", "desi_separation"} <= set(row)
    app.toggle[0].set_value(False).run()
    assert len(read_result(app)) == 2


def test_a_list_is_matched_by_place(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release, "match")
    upload(app, "list.csv", "ra,dec\n0.0005,10.0\n200,-80\n")
    assert app.number_input[0].value == 1.5
    assert "**1** of 2 rows" in written(app)
    assert read_result(app)[0]["desi_TARGETID"] == str(row_id(0))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("targetid\n1.5\nx\n", "targetid"),
        ("a,b\n1,2\n", "Choose the columns"),
    ],
)
def test_what_cannot_be_matched_is_told_in_a_line(
    release: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    app = upload(open_page(monkeypatch, release, "match"), "list.csv", text)
    told = [element.value for element in (*app.error, *app.info)]
    assert any(reason in line.replace("\\", "") for line in told), told
    assert not [line for line in told if "\n" in line]


def test_columns_of_another_kind_are_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_points(tmp_path / "releases" / VERSION, make_points())
    app = upload(open_page(monkeypatch, root, "match"), "list.csv", f"targetid\n{point_id(0)}\n5\n")
    app.multiselect[0].set_value(["tier", "colour"]).run()
    (row,) = read_result(app)
    assert row["desi_tier"] == "gold"
    assert row["desi_colour"] == pytest.approx(make_points()["colour"][0].as_py())
    assert "desi_Z" not in row
