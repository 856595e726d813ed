"""Questions to a release: filters, searches, ranking, damage."""

import io
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS, TIERS, row_id

from portal.data import queries
from portal.data.conditions import HIDDEN, Cells, Filters
from portal.data.database import Connection, connect
from portal.data.queries import Ranking
from portal.data.releases import ReleaseError
from portal.data.search import (
    Cone,
    Name,
    SearchError,
    Target,
    Term,
    Terms,
    describe_search,
    parse_search,
)
from portal.export import formats
from portal.service import files, pool


@pytest.fixture(scope="module")
def con(release: Path) -> Connection:
    return connect(release)


def found(con: Connection, filters: Filters) -> list[str]:
    return queries.list_rows(con, filters, Ranking(), 1, N_ROWS)["TARGETID"].tolist()


def test_matches_of_an_object_name_every_catalogue(con) -> None:
    found = queries.find_matches(con, row_id(0)).to_pandas()
    assert found["catalogue"].tolist() == ["radio", "xray"]
    assert found["match_state"].tolist() == ["not_queried", "matched"]
    assert found["match_id"].tolist()[1] == "X1"


def test_counts_by_tier_add_up(con: Connection) -> None:
    counts = queries.count_kinds(con, Filters(clean=True)).groupby("tier")["n"].sum()
    assert counts.to_dict() == {tier: TIERS.count(tier) for tier in set(TIERS)}
    assert queries.count_rows(con, Filters()) == N_ROWS


def test_each_filter_keeps_what_it_says(con: Connection, release: Path) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    cases = {
        Filters(words=(("tier", ("gold", "silver")),)): rows["tier"].isin(["gold", "silver"]),
        Filters(words=(("parent", ("control",)),)): rows["parent"] == "control",
        Filters(words=(("worst_arm", ("b",)),)): rows["worst_arm"] == "b",
        Filters(ranges=(("Z", (1.0, 2.0)),)): rows["Z"].between(1, 2),
        Filters(ranges=(("Z", (None, 2.0)),)): rows["Z"] <= 2,
        Filters(ranges=(("snr", (3.0, None)),)): rows["snr"] >= 3,
        Filters(ranges=(("p_value", (None, 0.01)),)): rows["p_value"] <= 0.01,
    }
    for filters, expected in cases.items():
        assert sorted(found(con, filters)) == sorted(rows["TARGETID"][expected].astype(str))


def test_identifiers_above_2_53_arrive_exactly(con: Connection) -> None:
    for row in (0, 1, N_ROWS - 1):
        targetid = row_id(row)
        assert float(targetid) != targetid or targetid % 2 == 0
        assert found(con, Filters(search=str(targetid))) == [str(targetid)]
        facts = queries.find_object(con, targetid)
        assert facts is not None
        assert facts["TARGETID"] == str(targetid)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("0 10 10", [0, 1]),
        ("359.9999, 10, 10", [0, 1]),
        ("360 10 10", [0, 1]),
        ("00:00:00 +10:00:00 10", [0, 1]),
        ("0.0005 10 1", [0]),
        ("100 90 2", [2, 3]),
        ("17 89.9999 0.1", [2]),
        ("180 -80", []),
    ],
)
def test_cone_crosses_zero_and_pole(con: Connection, text: str, rows: list[int]) -> None:
    assert sorted(found(con, Filters(search=text))) == sorted(str(row_id(row)) for row in rows)


def test_cone_agrees_with_brute_force(con: Connection, release: Path) -> None:
    rows = (
        pq.read_table(release / "catalog/quasars.parquet").to_pandas().dropna(subset=["TARGET_RA"])
    )
    ra, dec = np.radians(rows["TARGET_RA"]), np.radians(rows["TARGET_DEC"])
    centre = np.radians([150.0, 20.0])
    cosine = np.sin(dec) * np.sin(centre[1])
    cosine += np.cos(dec) * np.cos(centre[1]) * np.cos(ra - centre[0])
    inside = np.degrees(np.arccos(cosine)) * 3600 <= 20_000
    assert inside.any()
    assert sorted(found(con, Filters(search="150 20 20000"))) == sorted(
        rows["TARGETID"][inside].astype(str)
    )


def test_search_box_understands(con: Connection) -> None:
    assert parse_search("  ") is None
    assert parse_search("39627000000000001") == Target(39627000000000001)
    assert parse_search("-12") == Target(-12)
    assert parse_search("10:00:00, -00:30:00") == Cone(150.0, -0.5)
    assert parse_search("DESI J000003") == Name("DESI J000003")
    assert found(con, Filters(search="desi j000003.00")) == [str(row_id(3))]
    assert parse_search("10 00 00 -00 30 00 5") == Cone(150.0, -0.5, 5.0)
    assert parse_search("SDSS J100000.00-003000.0") == Name(
        "SDSS J100000.00-003000.0", Cone(150.0, -0.5, 10.0)
    )
    assert parse_search("J1000-0030") == Name("J1000-0030", Cone(150.0, -0.5, 90.0))
    assert parse_search("J9900-0030") == Name("J9900-0030")
    assert parse_search("z>2 TIER=gold") == Terms((Term("Z", ">", 2.0), Term("tier", "=", "gold")))
    assert parse_search("targetid = 39627000000000001") == Terms(
        (Term("TARGETID", "=", 39627000000000001),)
    )


def test_names_that_are_positions_find_what_lies_there(con: Connection) -> None:
    assert found(con, Filters(search="SDSS J000000.12+100000.0")) == [
        str(row_id(0)),
        str(row_id(1)),
    ]


def test_free_conditions_find_what_they_say(con: Connection, release: Path) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    expected = rows["TARGETID"][(rows["Z"] > 2) & (rows["tier"] != "none")].astype(str)
    assert sorted(found(con, Filters(search="z>2 and tier!=none"))) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("39627000000000001", "TARGETID 39627000000000001"),
        ("10 20 5", "within 5″ of RA 10.00000°, Dec +20.00000°"),
        ("z>2", "Z > 2.0"),
        ("J1000-0030", "a DESI name with “J1000-0030” in it, or within 90″ of"),
    ],
)
def test_what_was_understood_is_said(text: str, said: str) -> None:
    search = parse_search(text)
    assert search is not None
    assert said in describe_search(search)


def test_part_of_the_sky_and_match_state_filter(con: Connection, release: Path) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet").to_pandas()
    cells = Cells(3, tuple(range(3)))
    expected = rows["TARGETID"][(rows["HEALPIX"] // 64).isin(cells.pixels)].astype(str)
    assert sorted(found(con, Filters(cells=cells))) == sorted(expected)
    assert found(con, Filters(match=("xray", "matched"))) == [str(row_id(0))]
    assert found(con, Filters(cells=Cells(3, ()))) == []


def test_artefacts_and_poor_data_are_left_out(own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    changes = {
        "artefact_probability": {0: 0.99, 5: 0.99}, "anomaly_class": {0: "normal", 1: "artefact"},
        "COADD_FIBERSTATUS": {1: 16, 2: 16, 4: None, 6: 8}, "coverage_r": {3: 0.1},
    }  # fmt: skip
    for name, changed in changes.items():
        values = [changed.get(row, value) for row, value in enumerate(rows[name].to_pylist())]
        place = rows.column_names.index(name)
        field = rows.schema.field(name)
        rows = rows.set_column(place, field, pa.array(values, field.type))
    pq.write_table(rows, path)
    con = connect(own_release)
    kept = found(con, Filters(clean=True))
    assert set(found(con, Filters())) - set(kept) == {str(row_id(row)) for row in (1, 2, 3)}
    kinds = queries.count_kinds(con, Filters(clean=True)).dropna().set_index("hidden")["n"]
    assert kinds.to_dict() == dict.fromkeys(HIDDEN, 1)
    gold = queries.count_kinds(con, Filters(words=(("tier", ("gold",)),), clean=True))
    assert gold.dropna()["n"].sum() == 3
    assert queries.count_rows(con, Filters(clean=True)) == len(kept)
    assert len(select(con, Filters(clean=True))) == len(kept)
    words = queries.list_words(con, ("anomaly_class", "tier"))
    assert words["anomaly_class"] == ["normal", "artefact"]


def test_release_of_an_older_schema_has_nulls(own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    pq.write_table(rows.drop_columns(["anomaly_class", "artefact_probability"]), path)
    con = connect(own_release)
    assert queries.list_words(con, ("anomaly_class",)) == {"anomaly_class": []}
    assert len(found(con, Filters(clean=True))) == N_ROWS


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775808",
        "1.5",
        "400 2",
        "10 95",
        "10 20 0",
        "10 20 x",
        "10 20 9e9",
        "redshift>2",
        "z>two",
        "tier>gold",
        "z>2 or so",
        "x' OR '1'='1",
        "1) OR (1=1",
    ],
)
def test_search_box_refuses_with_a_reason(text: str) -> None:
    with pytest.raises(SearchError, match=r"\.|;"):
        parse_search(text)


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP VIEW quasars; --",
        "%",
        "_",
        "\\",
        "COPY quasars TO '/tmp/x'",
        "\x00",
    ],
)
def test_injected_text_is_only_text(con: Connection, text: str) -> None:
    assert found(con, Filters(search=text)) == []
    assert len(found(con, Filters())) == N_ROWS


def test_injected_words_are_only_words(con: Connection) -> None:
    assert found(con, Filters(words=(("tier", ("gold') OR ('1'='1",)),))) == []
    with pytest.raises(ValueError, match="sorted"):
        queries.list_rows(con, Filters(), Ranking("1; DROP VIEW quasars"), 1, 5)


def test_connection_is_locked(con: Connection) -> None:
    for sql in (
        "SELECT * FROM read_text('/etc/hostname')",
        "SET enable_external_access = true",
        "COPY (SELECT 1) TO '/tmp/qad-portal-leak.csv'",
    ):
        with pytest.raises(duckdb.Error):
            con.cursor().execute(sql).fetchall()


def test_every_row_is_on_exactly_one_page(con: Connection) -> None:
    for ranking in (Ranking(), Ranking("snr", False), Ranking("artefact_probability")):
        pages = [queries.list_rows(con, Filters(), ranking, page, 150) for page in (1, 2, 3)]
        seen = [targetid for page in pages for targetid in page["TARGETID"]]
        assert len(seen) == len(set(seen)) == N_ROWS


def test_nulls_rank_last_either_way(con: Connection) -> None:
    for descending in (True, False):
        page = queries.list_rows(con, Filters(), Ranking("snr", descending), 1, N_ROWS)
        assert page["TARGETID"].iloc[-1] == str(row_id(N_ROWS - 1))


@pytest.mark.parametrize(
    "ranking",
    [Ranking(), Ranking("snr"), Ranking("Z"), Ranking("Z", True), Ranking("artefact_probability")],
)
@pytest.mark.parametrize("tiers", [("silver", "bronze"), ()])
def test_neighbours_follow_the_list(
    con: Connection, ranking: Ranking, tiers: tuple[str, ...]
) -> None:
    filters = Filters(words=(("tier", tiers),))
    order = queries.list_rows(con, filters, ranking, 1, N_ROWS)["TARGETID"].tolist()
    # Of a long list its ends: nulls, of which the order is TARGETID's, come last.
    ranks = range(1, len(order) + 1)
    for rank in {*ranks[:20], *ranks[-20:]}:
        place = queries.find_place(con, filters, ranking, int(order[rank - 1]))
        assert place is not None
        assert (place.rank, place.total) == (rank, len(order))
        assert place.previous == (order[rank - 2] if rank > 1 else None)
        assert place.following == (order[rank] if rank < len(order) else None)


def test_place_of_what_the_filters_leave_out_is_none(con: Connection) -> None:
    silver = Filters(words=(("tier", ("silver",)),))
    assert queries.find_place(con, silver, Ranking(), row_id(0)) is None


def test_sky_conserves_every_object(con: Connection) -> None:
    for order in (3, 4, 5, 6):
        cells = queries.count_sky(con, Filters(), order)
        assert cells["n"].sum() == N_ROWS
        assert cells["n_found"].sum() == 28
        assert cells["pix"].max() < 12 * 4**order
        assert cells["ra"].dropna().between(0, 360).all()


def test_sky_rate_keeps_its_denominator(con: Connection) -> None:
    cells = queries.count_sky(con, Filters(words=(("tier", ("gold",)), ("parent", ("core",)))), 3)
    n_core = len(found(con, Filters(words=(("parent", ("core",)),))))
    assert cells["n"].sum() == n_core
    assert cells["n_found"].sum() == len(
        found(con, Filters(words=(("tier", ("gold",)), ("parent", ("core",)))))
    )


def test_plots_state_all_rows(con: Connection) -> None:
    assert queries.count_bins(con, Filters(), "Z", 0.1)["n"].sum() == N_ROWS
    assert queries.trace_scores(con, Filters())["n"].sum() == N_ROWS - 1
    points = queries.sample_scores(con, Filters(), 10, 50)
    assert (points["tier"] != "none").sum() == 10
    assert len(points) == 60
    assert points.equals(queries.sample_scores(con, Filters(), 10, 50))
    assert abs(queries.correlate_scores(con, Filters(), 1)) < 0.2
    assert np.isnan(queries.correlate_scores(con, Filters(search=str(row_id(0))), 1))


def test_spectrum_of_one_object(con: Connection, release: Path) -> None:
    spectrum = queries.find_spectrum(con, row_id(5))
    assert spectrum is not None
    rows = pq.read_table(release / "spectra/spectra.parquet")
    assert np.array_equal(spectrum.flux, np.array(rows["flux"][5].as_py(), dtype="f4"))
    assert spectrum.mask[310] == 1 << 4
    assert queries.find_spectrum(con, row_id(N_ROWS - 1)) is None


def test_latent_neighbours_are_the_nearest_of_all(con: Connection, release: Path) -> None:
    rows = pq.read_table(release / "catalog/quasars.parquet")
    latents = np.array(rows["latent"].to_pylist(), dtype="f4")
    distance = np.linalg.norm(latents - latents[7], axis=1)
    nearest = np.argsort(distance)[1:6]
    found = queries.find_neighbours(con, row_id(7), 5)
    assert found["TARGETID"].tolist() == [str(row_id(row)) for row in nearest]
    assert np.allclose(found["latent_distance"], distance[nearest])
    assert queries.find_neighbours(con, 1, 5).empty


def test_normals_alike_come_nearest_first(con: Connection, release: Path) -> None:
    rows = pq.read_table(release / "spectra/spectra.parquet").to_pydict()
    places = {str(targetid): place for place, targetid in enumerate(rows["TARGETID"])}
    found = queries.find_normals(con, row_id(0), 4)
    assert len({name for name, _, _ in found}) == 4
    for name, _, spectrum in found:
        assert rows["tier"][places[name]] == "none"
        assert np.array_equal(spectrum.flux, np.array(rows["flux"][places[name]], dtype="f4"))
        assert np.array_equal(spectrum.mask, np.array(rows["mask"][places[name]]))


def test_completeness_adds_up(con: Connection) -> None:
    stages = queries.sum_completeness(con).set_index("stage")
    assert stages.loc["extract", ["n_expected", "n_made", "n_dropped"]].tolist() == [460, 445, 15]
    assert (stages["n_open"] == 0).all()
    assert queries.sum_gates(con)["n_dropped"].tolist() == [45, 15]


def select(con: Connection, filters: Filters) -> list[int]:
    """TARGETIDs of the rows that an export has."""
    sql, values = queries.select_rows(filters)
    return [
        row[0] for row in con.cursor().execute(f"SELECT TARGETID FROM ({sql})", values).fetchall()
    ]


def test_export_keeps_units_and_type(con: Connection, release: Path) -> None:
    filters = Filters(words=(("tier", ("gold",)),))
    content = files.write_selection(con, release, filters, formats.PARQUET)
    rows = pq.read_table(io.BytesIO(content))
    assert rows["TARGETID"].to_pylist() == select(con, filters)
    assert "latent" in rows.column_names
    assert rows.schema.field("TARGET_RA").metadata[b"unit"] == b"deg"
    assert str(rows.schema.field("TARGETID").type) == "int64"


def test_export_is_whole_or_none(
    con: Connection, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "WIDE", pool.Limits(rows=N_ROWS - 1))
    with pytest.raises(pool.TaskError, match="more than a file"):
        files.write_selection(con, release, Filters(), formats.PARQUET)


@pytest.mark.parametrize("fault", ["missing", "damaged", "of another schema"])
def test_bad_catalogue_is_one_line(own_release: Path, fault: str) -> None:
    path = own_release / "catalog/quasars.parquet"
    if fault == "missing":
        path.unlink()
    elif fault == "damaged":
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        pq.write_table(pq.read_table(path).drop_columns(["tier"]), path)
    with pytest.raises(ReleaseError) as caught:
        queries.count_kinds(connect(own_release), Filters())
    message = str(caught.value)
    assert "catalog/quasars.parquet" in message
    assert "SHA256SUMS" in message
    assert "\n" not in message


def test_damaged_rows_are_one_line(own_release: Path) -> None:
    path = own_release / "spectra/spectra.parquet"
    data = bytearray(path.read_bytes())
    data[1000 : len(data) // 2] = b"\xff" * (len(data) // 2 - 1000)
    path.write_bytes(data)
    con = connect(own_release)
    with pytest.raises(ReleaseError, match=r"spectra/spectra\.parquet"):
        queries.find_spectrum(con, row_id(0))
    assert queries.count_rows(con, Filters()) == N_ROWS


def test_map_of_latents_where_the_release_has_one(con: Connection, own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    nowhere = rows
    for name in ("map_x", "map_y"):
        place, field = rows.column_names.index(name), rows.field(name)
        rows = rows.set_column(place, field, pa.array(np.arange(N_ROWS, dtype="f4")))
        nowhere = nowhere.set_column(place, field, pa.nulls(N_ROWS, field.type))
    pq.write_table(nowhere, path)
    assert queries.sample_map(connect(own_release), Filters(), 10).empty
    pq.write_table(rows, path)
    own = connect(own_release)
    points = queries.sample_map(own, Filters(), 40)
    assert (points["tier"] != "none").sum() == 28
    part = Filters(ranges=(("map_x", (10.0, 12.0)), ("map_y", (0.0, 11.0))))
    assert sorted(found(own, part)) == [str(row_id(10)), str(row_id(11))]


@pytest.mark.parametrize(
    ("dataset", "find"),
    [("evidence", queries.find_class_evidence), ("changes", queries.find_changes)],
)
def test_rows_of_a_table_where_the_release_has_it(
    con: Connection, own_release: Path, dataset: str, find: Callable
) -> None:
    assert find(con, row_id(0)).empty
    rows = pq.read_table(own_release / "catalog/quasars.parquet")
    key = rows.select(["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"])
    told = key.append_column("feature", pa.array(["iron"] * N_ROWS))
    pq.write_table(told, own_release / f"catalog/{dataset}.parquet")
    assert find(connect(own_release), row_id(0))["feature"].tolist() == ["iron"]
