"""The page that matches a visitor's list."""

from pathlib import Path

import pytest
from pages import open_page, written
from points_release import VERSION, make_points, point_id, write_points
from portal_release import N_ROWS, row_id
from streamlit.testing.v1 import AppTest

# Of the first four objects.
PLACES = ((0.0005, 10.0), (359.9995, 10.0), (17.0, 89.9999), (197.0, 89.9999))


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


def make_list(rows: list[int], *, by_place: bool = False) -> str:
    """A list of objects of the release, each with its number in it."""
    held = f"{'ra,dec' if by_place else 'targetid'},mine\n"
    for place, row in enumerate(rows):
        where = f"{PLACES[row % 4][0]},{PLACES[row % 4][1]}" if by_place else str(row_id(row))
        held += f"{where},{place}\n"
    return held


@pytest.mark.parametrize("by_place", [False, True])
def test_each_row_finds_its_own_wherever_it_stands(
    release: Path, monkeypatch: pytest.MonkeyPatch, by_place: bool
) -> None:
    for rows in ([3, 0, 2, 1, 0], [0, 1, 0, 2, 3]):
        app = open_page(monkeypatch, release, "match")
        found = read_result(upload(app, "list.csv", make_list(rows, by_place=by_place)))
        assert [row["mine"] for row in found] == list("01234")
        assert [row["desi_TARGETID"] for row in found] == [str(row_id(row)) for row in rows]


def test_a_long_list_is_shown_in_part_and_counted_whole(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "match")
    upload(app, "list.csv", make_list([*range(N_ROWS), N_ROWS, N_ROWS + 1]))
    assert f"**{N_ROWS}** of {N_ROWS + 2} rows have a counterpart" in written(app)
    assert len(read_result(app)) == 200
    assert f"The first 200 of {N_ROWS} rows" in written(app)
    app.toggle[0].set_value(False).run()
    assert f"The first 200 of {N_ROWS + 2} rows" in written(app)


def test_another_file_replaces_the_first(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = upload(open_page(monkeypatch, release, "match"), "list.csv", make_list([1, 2]))
    assert len(read_result(app)) == 2
    upload(app, "list.csv", make_list([5]))
    assert [row["desi_TARGETID"] for row in read_result(app)] == [str(row_id(5))]


def test_a_column_that_was_guessed_can_be_put_right(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = open_page(monkeypatch, release, "match")
    upload(app, "list.csv", f"targetid,theirs\n1,{row_id(7)}\n2,{row_id(8)}\n")
    assert "**0** of 2 rows" in written(app)
    app.selectbox[0].set_value("theirs").run()
    assert [row["desi_TARGETID"] for row in read_result(app)] == [str(row_id(7)), str(row_id(8))]
    app.selectbox[0].set_value("(none)").run()
    assert "Choose the columns" in app.info[0].value
    assert not app.dataframe


def test_a_wider_circle_finds_no_less(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release, "match")
    # Two arcseconds north of the first object.
    upload(app, "list.csv", f"ra,dec\n0.0005,{10.0 + 2 / 3600}\n")
    assert "**0** of 1 rows" in written(app)
    for radius, n in ((1.9, 0), (2.1, 1), (5.0, 1)):
        app.number_input[0].set_value(radius).run()
        assert f"**{n}** of 1 rows" in written(app)
    (row,) = read_result(app)
    assert row["desi_separation"] == pytest.approx(2.0, abs=1e-3)


def test_hostile_names_and_cells_stay_text(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page(monkeypatch, release, "match")
    name, cell = "x'; DROP VIEW rows; --", '"<script>alert(1)</script>"'
    upload(app, "<b>list</b>.csv", f"targetid,{name},desi_Z\n{row_id(0)},{cell},9\n")
    (row,) = read_result(app)
    assert row[name] == cell.strip('"')
    assert row["desi_TARGETID"] == str(row_id(0))
    assert not app.error
