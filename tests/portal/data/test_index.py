"""The index beside a catalogue: made once, answering as the catalogue does, never needed."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from portal_release import N_ROWS, row_id

from portal.data import catalogue, objects, plots, ranking
from portal.data.cache import CACHE_VARIABLE
from portal.data.conditions import Filters
from portal.data.database import connect, connect_once
from portal.data.ranking import Ranking
from portal.data.releases import ReleaseError


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


def answer(root: Path) -> tuple[object, ...]:
    con = connect(root)
    graded = Filters(words=(("tier", ("gold", "bronze")),))
    return (
        catalogue.list_rows(con, graded, Ranking(), 1, 50).to_dict(),
        # Without the mean positions, whose last digit depends on the order of summing.
        plots.count_sky(con, Filters(), 4)[["pix", "n", "n_found"]].to_dict(),
        objects.find_object(con, row_id(3)),
        ranking.find_place(con, graded, Ranking(), row_id(0)),
        objects.find_neighbours(con, row_id(3), 5).to_dict(),
    )


def test_it_is_made_once_and_again_when_the_catalogue_changes(
    cache: Path, own_release: Path
) -> None:
    connect(own_release)
    (made,) = cache.iterdir()
    inode = made.stat().st_ino
    connect(own_release)
    assert [path.stat().st_ino for path in cache.iterdir()] == [inode]
    path = own_release / "catalog/quasars.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    assert catalogue.count_rows(connect(own_release), Filters()) == N_ROWS - 1
    assert len(list(cache.iterdir())) == 1


def test_answers_are_the_same_without_it(
    cache: Path, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_index = answer(release)
    assert list(cache.iterdir())
    monkeypatch.setenv(CACHE_VARIABLE, os.devnull)
    assert str(answer(release)) == str(with_index)


def test_visitors_who_come_at_once_share_one_connection(cache: Path, own_release: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        connections = list(pool.map(connect_once, [own_release] * 8))
    assert len(set(map(id, connections))) == 1
    assert len(list(cache.iterdir())) == 1


def test_a_catalogue_without_identifiers_is_told(cache: Path, own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["TARGETID"]), path)
    with pytest.raises(ReleaseError, match="does not fit schema"):
        answer(own_release)


def test_no_latents_are_no_neighbours(cache: Path, own_release: Path) -> None:
    path = own_release / "catalog/quasars.parquet"
    rows = pq.read_table(path)
    nothing = pa.nulls(N_ROWS, pa.list_(pa.float32()))
    pq.write_table(rows.set_column(rows.column_names.index("latent"), "latent", nothing), path)
    assert objects.find_neighbours(connect(own_release), row_id(0), 5).empty


def test_a_broken_index_is_gone_round(cache: Path, release: Path) -> None:
    connect(release)
    (made,) = cache.iterdir()
    made.write_bytes(b"broken")
    assert objects.find_object(connect(release), row_id(0)) is not None
