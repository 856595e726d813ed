"""Plots state every row that passes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from portal_release import N_ROWS, row_id
from questions import found

from portal.data import (
    plots,
)
from portal.data.conditions import Filters
from portal.data.database import Connection, connect


def test_sky_conserves_every_object(con: Connection) -> None:
    for order in (3, 4, 5, 6):
        cells = plots.count_sky(con, Filters(), order)
        assert cells["n"].sum() == N_ROWS
        assert cells["n_found"].sum() == 28
        assert cells["pix"].max() < 12 * 4**order
        assert cells["ra"].dropna().between(0, 360).all()


def test_sky_rate_keeps_its_denominator(con: Connection) -> None:
    cells = plots.count_sky(con, Filters(words=(("tier", ("gold",)), ("parent", ("core",)))), 3)
    n_core = len(found(con, Filters(words=(("parent", ("core",)),))))
    assert cells["n"].sum() == n_core
    assert cells["n_found"].sum() == len(
        found(con, Filters(words=(("tier", ("gold",)), ("parent", ("core",)))))
    )


def test_plots_state_all_rows(con: Connection) -> None:
    assert plots.count_bins(con, Filters(), "Z", 0.1)["n"].sum() == N_ROWS
    assert plots.trace_scores(con, Filters())["n"].sum() == N_ROWS - 1
    points = plots.sample_scores(con, Filters(), 10, 50)
    assert (points["tier"] != "none").sum() == 10
    assert len(points) == 60
    assert points.equals(plots.sample_scores(con, Filters(), 10, 50))
    assert abs(plots.correlate_scores(con, Filters(), 1)) < 0.2
    assert np.isnan(plots.correlate_scores(con, Filters(search=str(row_id(0))), 1))


def test_map_of_latents_where_the_release_has_one(con: Connection, own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    nowhere = rows
    for name in ("map_x", "map_y"):
        place, field = rows.column_names.index(name), rows.field(name)
        rows = rows.set_column(place, field, pa.array(np.arange(N_ROWS, dtype="f4")))
        nowhere = nowhere.set_column(place, field, pa.nulls(N_ROWS, field.type))
    pq.write_table(nowhere, path)
    assert plots.sample_map(connect(own_release), Filters(), 10).empty
    pq.write_table(rows, path)
    own = connect(own_release)
    points = plots.sample_map(own, Filters(), 40)
    assert (points["tier"] != "none").sum() == 28
    part = Filters(ranges=(("map_x", (10.0, 12.0)), ("map_y", (0.0, 11.0))))
    assert sorted(found(own, part)) == [str(row_id(10)), str(row_id(11))]
