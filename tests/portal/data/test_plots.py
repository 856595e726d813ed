"""Plots state every row that passes, and no other."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portal_release import N_ROWS, row_id
from questions import found

from portal.data import plots
from portal.data.conditions import Filters
from portal.data.database import Connection, connect

GOLD = Filters(words=(("tier", ("gold",)),))
CORE = Filters(words=(("parent", ("core",)),))
FAR = Filters(ranges=(("Z", (2.0, None)),))
CHOSEN = st.sampled_from([Filters(), GOLD, CORE, FAR])


@pytest.fixture(scope="module")
def rows(release: Path) -> pd.DataFrame:
    return pq.read_table(release / "catalog/quasars.parquet").to_pandas()


@pytest.mark.parametrize("order", [3, 4, 5, 6])
def test_sky_conserves_every_object(con: Connection, order: int) -> None:
    cells = plots.count_sky(con, Filters(), order)
    assert cells["n"].sum() == N_ROWS
    assert cells["n_found"].sum() == 28
    assert cells["pix"].is_unique
    assert cells["pix"].max() < 12 * 4**order
    assert cells["ra"].dropna().between(0, 360).all()
    assert np.allclose(cells["rate"], cells["n_found"] / cells["n"])


def test_coarse_cells_are_the_sums_of_their_fine_ones(con: Connection) -> None:
    fine, coarse = (plots.count_sky(con, FAR, order) for order in (6, 4))
    sums = fine.groupby(fine["pix"] // 16)[["n", "n_found"]].sum()
    assert sums.to_dict() == coarse.set_index("pix")[["n", "n_found"]].to_dict()


def test_cells_lie_at_the_mean_of_their_objects(con: Connection, rows: pd.DataFrame) -> None:
    cells = plots.count_sky(con, Filters(), 6).set_index("pix")
    alone = rows.dropna(subset=["TARGET_RA"]).groupby("HEALPIX").filter(lambda part: len(part) == 1)
    for row in alone.head(40).itertuples():
        assert cells.loc[row.HEALPIX, "dec"] == pytest.approx(row.TARGET_DEC)
        turn = (cells.loc[row.HEALPIX, "ra"] - row.TARGET_RA + 180) % 360 - 180
        assert turn == pytest.approx(0, abs=1e-6 / np.cos(np.radians(min(row.TARGET_DEC, 89))))


def test_sky_rate_keeps_its_denominator(con: Connection) -> None:
    both = Filters(words=(*GOLD.words, *CORE.words))
    cells = plots.count_sky(con, both, 3)
    assert cells["n"].sum() == len(found(con, CORE))
    assert cells["n_found"].sum() == len(found(con, both))


@given(
    chosen=CHOSEN,
    column=st.sampled_from(["Z", "snr", "anomaly_score", "artefact_probability"]),
    step=st.sampled_from([0.1, 0.25, 1.0, 7.0]),
)
def test_bins_hold_every_known_value_once(
    con: Connection, rows: pd.DataFrame, chosen: Filters, column: str, step: float
) -> None:
    counts = plots.count_bins(con, chosen, column, step)
    mine = rows[rows["TARGETID"].astype(str).isin(found(con, chosen))]
    known = mine.dropna(subset=[column])
    assert counts["n"].sum() == len(known)
    lows = np.floor(known[column].astype(float) / step) * step
    assert set(np.round(counts["low"], 6)) == set(np.round(lows, 6))
    by_tier = counts.groupby("tier")["n"].sum().to_dict()
    assert by_tier == known["tier"].value_counts().to_dict()


@pytest.mark.parametrize("column", ["tier", "latent", "nothing", "Z) FROM rows; --"])
def test_only_numbers_of_the_release_are_binned(con: Connection, column: str) -> None:
    with pytest.raises(ValueError, match="binned"):
        plots.count_bins(con, Filters(), column, 1.0)


def test_samples_are_the_same_each_time_and_of_those_that_pass(con: Connection) -> None:
    points = plots.sample_scores(con, Filters(), 10, 50)
    assert (points["tier"] != "none").sum() == 10
    assert len(points) == 60
    assert points.equals(plots.sample_scores(con, Filters(), 10, 50))
    assert set(plots.sample_scores(con, FAR, 10, 50)["TARGETID"]) <= set(found(con, FAR))
    assert len(plots.sample_scores(con, GOLD, 10, 50)) == 4


def test_a_trend_is_of_every_row_with_a_signal(con: Connection, rows: pd.DataFrame) -> None:
    trend = plots.trace_scores(con, Filters())
    assert trend["n"].sum() == N_ROWS - 1
    assert (trend["low"] <= trend["median"]).all()
    assert (trend["median"] <= trend["high"]).all()
    assert trend["snr"].is_monotonic_increasing
    edges = np.floor(np.log10(rows["snr"].dropna().astype(float)) * 10)
    assert len(trend) == edges.nunique()


def test_correlation_is_of_ranks(con: Connection, rows: pd.DataFrame) -> None:
    known = rows.dropna(subset=["snr"])
    wanted = known["snr"].rank().corr(known["anomaly_score"].rank())
    assert plots.correlate_scores(con, Filters(), 1) == pytest.approx(wanted)
    assert np.isnan(plots.correlate_scores(con, Filters(search=str(row_id(0))), 1))
    assert plots.correlate_scores(con, Filters(), 3) != pytest.approx(wanted)


def test_ranges_are_those_of_finite_values(con: Connection, rows: pd.DataFrame) -> None:
    ranges = plots.measure_ranges(con, ("Z", "snr", "artefact_probability"))
    assert set(ranges) == {"Z", "snr"}
    assert ranges["Z"] == pytest.approx((rows["Z"].min(), rows["Z"].max()))
    assert plots.measure_ranges(con, ()) == {}


@pytest.mark.parametrize("row", [0, 1, 200, N_ROWS - 1])
def test_a_value_stands_among_those_of_all(con: Connection, rows: pd.DataFrame, row: int) -> None:
    ranks = plots.rank_values(con, row_id(row), ("Z", "snr")).set_index("column")
    for name in ("Z", "snr"):
        value = rows[name][row]
        if pd.isna(value):
            assert pd.isna(ranks.loc[name, "value"])
            continue
        assert ranks.loc[name, "value"] == pytest.approx(value)
        known = rows[name].dropna()
        assert ranks.loc[name, "below"] == pytest.approx((known < value).mean())
    assert plots.rank_values(con, row_id(row), ()).empty
    assert plots.rank_values(con, 1, ("Z",)).empty


def test_map_of_latents_where_the_release_has_one(own_release: Path) -> None:
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
