"""The index of a catalogue: every row is in it, counted as bad or the same as another."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.context.catalogues.index import INDEX_ORDER, IndexFacts, build_index
from pipeline.science.sky import find_cells
from pipeline.settings.context import CatalogueSettings

EPOCH = 2015.5
# Few, so that many rows are alike; all right ascensions of a pole lie in few cells.
RAS = st.sampled_from([10.0, 359.5, -0.5, 20.0, None])
DECS = st.sampled_from([0.0, 90.0, -90.0, 91.0, float("nan")])
ROWS = st.lists(st.tuples(RAS, DECS, st.sampled_from([None, "a"])), max_size=25)


def is_place(row: tuple[Any, ...]) -> bool:
    ra, dec, _ = row
    return ra is not None and dec is not None and np.isfinite(ra + dec) and abs(dec) <= 90


def build(folder: Path, *lists: list[tuple[Any, ...]], **told: Any) -> tuple[pa.Table, IndexFacts]:
    paths = []
    for number, rows in enumerate(lists):
        ra, dec, name = zip(*rows, strict=True) if rows else ((), (), ())
        columns = {
            "ra": pa.array(ra, pa.float64()),
            "dec": pa.array(dec, pa.float64()),
            "name": pa.array(name, pa.string()),
        }
        paths.append(folder / f"{number}.parquet")
        pq.write_table(pa.table(columns), paths[-1])
    out = folder / "index.parquet"
    out.unlink(missing_ok=True)
    facts = build_index(paths, CatalogueSettings(id="name", **told), EPOCH, 500, out)
    return pq.read_table(out), facts


@settings(max_examples=20)
@given(ROWS)
def test_each_row_is_kept_bad_or_a_repetition(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[Any, ...]]
) -> None:
    rows = [*rows, (10.0, 0.0, "a")]
    made, facts = build(tmp_path_factory.mktemp("index"), rows)
    good = [(*row, number) for number, row in enumerate(rows) if is_place(row)]
    # Equal places and names, or both without a name: the first stays.
    kept: dict[tuple[Any, ...], int] = {}
    for ra, dec, name, number in good:
        kept.setdefault((ra % 360, dec, name), number)
    assert facts.n_bad_positions == len(rows) - len(good)
    assert facts.n_sources == made.num_rows
    assert facts.n_sources + facts.n_bad_positions + facts.n_duplicates == len(rows)
    assert sorted(made["row"].to_pylist()) == sorted(kept.values())
    for told in made.to_pylist():
        name = rows[told["row"]][2]
        assert told["match_id"] == (name or f"row {told['row'] + 1}")


@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_rows_tells_nothing_but_their_numbers(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = 40
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    rows = list(zip(rng.uniform(0, 360, n), dec, map(str, range(n)), strict=True))
    folder = tmp_path_factory.mktemp("index")
    first, facts = build(folder, rows)
    order = rng.permutation(n)
    second, turned = build(folder, [rows[k] for k in order])
    # No number equals itself where the error is unknown.
    names = ["cell", "ra", "dec", "match_id", "attributes"]
    assert first.select(names).equals(second.select(names))
    assert facts.n_sources == turned.n_sources == n
    assert [order[k] for k in second["row"].to_pylist()] == first["row"].to_pylist()


def test_sources_lie_in_the_order_of_the_cells_in_which_they_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, 300)))
    rows = list(zip(rng.uniform(0, 360, 300), dec, map(str, range(300)), strict=True))
    made, _ = build(tmp_path, rows)
    cells = made["cell"].to_numpy()
    assert (np.diff(cells) >= 0).all()
    places = made["ra"].to_numpy(), made["dec"].to_numpy()
    np.testing.assert_array_equal(cells, find_cells(*places, INDEX_ORDER))


@pytest.mark.parametrize("seed", range(4))
def test_of_several_lists_the_preferred_stands_for_those_beside_it(
    tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    # Places 20 arcsec apart, of each list some, each of its own scatter below an arcsec.
    grid = np.arange(12) * 20 / 3600
    lists = []
    for name in "abc":
        chosen = np.flatnonzero(rng.random(12) < 0.6)
        shift = rng.uniform(-0.3, 0.3, len(chosen)) / 3600
        places = dict(zip(chosen.tolist(), grid[chosen] + shift, strict=True))
        lists.append([(50.0, dec, f"{name}{k}") for k, dec in places.items()])
    made, facts = build(tmp_path, *lists, duplicate_radius=5.0)
    found = {row["match_id"]: row["attributes"] or "" for row in made.to_pylist()}
    given_names = [row[2] for rows in lists for row in rows]
    for k in range(12):
        names = [name for name in given_names if name[1:] == str(k)]
        assert [name for name in names if name in found] == names[:1]
        for name in names[1:]:
            assert f'"{name}"' in found[names[0]]
    assert facts.n_duplicates == sum(map(len, lists)) - len(found)


def test_a_damaged_index_is_made_again(tmp_path: Path) -> None:
    made, facts = build(tmp_path, [(10.0, 20.0, "a")], position_error=0.5)
    out = tmp_path / "index.parquet"
    whole = out.read_bytes()
    out.write_bytes(whole[:-20])
    paths = [tmp_path / "0.parquet"]
    again = build_index(paths, CatalogueSettings(id="name", position_error=0.5), EPOCH, 500, out)
    assert again == facts
    assert pq.read_table(out).to_pydict() == made.to_pydict()
    assert out.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.parquet", "index.parquet"]


@pytest.mark.parametrize(("pm_ra", "pm_dec"), [(0.0, 0.0), (5000.0, -3000.0), (-8000.0, 100.0)])
def test_moving_sources_lie_where_astropy_has_them(
    tmp_path: Path, pm_ra: float, pm_dec: float
) -> None:
    path = tmp_path / "moving.parquet"
    columns = {"ra": [359.9995], "dec": [60.0], "pr": [pm_ra], "pd": [pm_dec]}
    pq.write_table(pa.table(columns), path)
    told = CatalogueSettings(pm_ra="pr", pm_dec="pd", epoch=2000.0)
    build_index([path], told, EPOCH, 500, tmp_path / "index.parquet")
    (row,) = pq.read_table(tmp_path / "index.parquet").to_pylist()
    rate = units.mas / units.yr
    start = SkyCoord(359.9995, 60.0, unit="deg")
    years = (EPOCH - 2000.0) * units.yr
    there = start.spherical_offsets_by(pm_ra * rate * years, pm_dec * rate * years)
    gap = there.separation(SkyCoord(row["ra"], row["dec"], unit="deg"))
    assert gap.arcsec < 1e-3
    assert 0 <= row["ra"] < 360
