"""What other tables of a release hold of an object: each table, none, a damaged one."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS, row_id
from streamlit.testing.v1 import AppTest

from portal.views.object_tables import N_NEIGHBOURS

KEY = ("SURVEY", "PROGRAM", "HEALPIX", "TARGETID")
MATCHES = "catalog/crossmatch.parquet"


def draw(root: str, targetid: int, part: str) -> None:
    from functools import partial
    from pathlib import Path

    from portal.views import access, object_tables
    from portal.views.parts import tell_fault

    access.enter(Path(root))
    tell_fault(partial(getattr(object_tables, part), targetid))


def show(root: Path, part: str, row: int = 0) -> AppTest:
    app = AppTest.from_function(draw, args=(str(root), row_id(row), part), default_timeout=60)
    app.run()
    assert not app.exception
    return app


def sentences(app: AppTest) -> str:
    return "\n".join(str(element.value) for element in (*app.markdown, *app.caption))


def write_beside(root: Path, name: str, columns: dict[str, Any]) -> None:
    """Give every object one row of a table of its own."""
    keys = pq.read_table(root / "catalog/quasars.parquet").select(list(KEY))
    for column, values in columns.items():
        keys = keys.append_column(column, pa.array(values))
    pq.write_table(keys, root / f"catalog/{name}.parquet")


def write_matches(root: Path, rows: list[tuple[str, str, int, float | None]]) -> None:
    """Let external catalogues hold this of the first object, and nothing of any other."""
    schema = pq.read_schema(root / MATCHES)
    pixel = pq.read_table(root / "catalog/quasars.parquet", columns=["HEALPIX"])["HEALPIX"][0]
    told: list[dict[str, Any]] = [
        {
            **{"SURVEY": "main", "PROGRAM": "dark", "HEALPIX": pixel.as_py()},
            **{"TARGETID": row_id(0), "catalogue": name, "match_state": state},
            **{"match_rank": place, "separation": separation, "n_candidates": 0},
        }
        for name, state, place, separation in rows
    ]
    pq.write_table(pa.Table.from_pylist(told, schema), root / MATCHES)


@pytest.mark.parametrize(("row", "state"), [(0, "matched"), (1, "no_match")])
def test_only_what_was_searched_is_listed_and_the_rest_counted(
    release: Path, row: int, state: str
) -> None:
    app = show(release, "_show_matches", row)
    rows = app.dataframe[0].value
    assert rows["catalogue"].tolist() == ["xray"]
    assert rows["state"].tolist() == [state]
    assert ("counterpart" in rows) == (state == "matched")
    assert "1 other catalogues were not searched" in sentences(app)


def test_counterparts_of_one_catalogue_are_counted_once(own_release: Path) -> None:
    rows = [("b", "ambiguous", 2, 1.5), ("b", "ambiguous", 1, 0.5), ("a", "not_covered", 1, None)]
    silent = [(name, "not_queried", 1, None) for name in ("c", "d", "e")]
    write_matches(own_release, [*silent, *rows])
    app = show(own_release, "_show_matches")
    shown = app.dataframe[0].value
    assert shown["catalogue"].tolist() == ["a", "b", "b"]
    assert shown["separation"].tolist()[1:] == [0.5, 1.5]
    assert "3 other catalogues were not searched" in sentences(app)


def test_an_object_that_nobody_searched_for_is_not_said_to_be_uncatalogued(
    own_release: Path,
) -> None:
    write_matches(own_release, [("a", "not_queried", 1, None)])
    app = show(own_release, "_show_matches")
    assert [text.value for text in app.markdown] == [
        "No external catalogue was searched for this object."
    ]
    assert not app.dataframe
    assert not app.caption


@pytest.mark.parametrize("row", [0, 17, N_ROWS - 1])
def test_as_many_neighbours_as_are_promised_are_the_nearest(release: Path, row: int) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet")
    latents = np.array(rows["latent"].to_pylist(), dtype="f4")
    distance = ((latents - latents[row]) ** 2).sum(axis=1)
    distance[row] = np.inf
    nearest = [str(row_id(near)) for near in np.argsort(distance)[:N_NEIGHBOURS]]
    assert show(release, "_show_neighbours", row).dataframe[0].value["TARGETID"].tolist() == nearest


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("_show_class", "This release has none for this object."),
        ("_show_changes", "The object was compared with no earlier spectrum."),
    ],
)
def test_without_a_table_a_sentence_says_so(release: Path, part: str, said: str) -> None:
    app = show(release, part)
    assert sentences(app) == said
    assert not app.error


def test_rows_are_those_of_this_object(own_release: Path) -> None:
    write_beside(own_release, "evidence", {"feature": [f"f{row}" for row in range(N_ROWS)]})
    for row in (0, 5):
        rows = show(own_release, "_show_class", row).dataframe[0].value
        assert rows["feature"].tolist() == [f"f{row}"]
        assert not set(KEY) & set(rows)


def test_features_are_stated_in_words(own_release: Path) -> None:
    stated = [f"star of 3,900 K: {row} ± 2 of the flux, 14 σ" for row in range(N_ROWS)]
    write_beside(own_release, "evidence", {"feature": ["star"] * N_ROWS, "statement": stated})
    app = show(own_release, "_show_class", 5)
    assert app.markdown[0].value == "- star of 3,900 K\\: 5 ± 2 of the flux, 14 σ"
    assert app.dataframe[0].value["statement"].tolist() == [stated[5]]


def test_only_columns_without_any_value_are_left_out(own_release: Path) -> None:
    nothing = pa.nulls(N_ROWS, pa.float64())
    now = [None if row else 0.0 for row in range(N_ROWS)]
    write_beside(own_release, "changes", {"flux_scale": [1.5] * N_ROWS, "a": nothing, "b": now})
    assert list(show(own_release, "_show_changes", 0).dataframe[0].value) == ["flux_scale", "b"]
    assert list(show(own_release, "_show_changes", 1).dataframe[0].value) == ["flux_scale"]
    # What one of two earlier spectra tells is told, whatever the other does not.
    path = own_release / "catalog/changes.parquet"
    rows = pq.read_table(path)
    second = rows.slice(0, 1).set_column(rows.column_names.index("b"), "b", [pa.nulls(1, "double")])
    pq.write_table(pa.concat_tables([rows, second]), path)
    assert list(show(own_release, "_show_changes", 0).dataframe[0].value) == ["flux_scale", "b"]


def test_without_latents_there_are_no_neighbours(own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["latent"]), path)
    assert sentences(show(own_release, "_show_neighbours")) == "This release has no latents."


@pytest.mark.parametrize(
    ("name", "part"),
    [("evidence", "_show_class"), ("changes", "_show_changes"), ("crossmatch", "_show_matches")],
)
def test_a_damaged_table_is_one_line(own_release: Path, name: str, part: str) -> None:
    (own_release / f"catalog/{name}.parquet").write_bytes(b"PAR1 and nothing else PAR1")
    (told,) = [error.value for error in show(own_release, part).error]
    assert f"catalog/{name}.parquet" in told
    assert "damaged" in told
    assert "\n" not in told
