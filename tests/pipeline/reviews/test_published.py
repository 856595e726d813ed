"""Objects of a release: found by their identifier whatever their order, others refused."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.waist import ROW_KEY
from pipeline.errors import UserError
from pipeline.lake.layout import Shard
from pipeline.reviews.published import Published, read_published

CATALOGUE = Path("catalog", "quasars.parquet")
COLUMNS = (*ROW_KEY, "Z", "SPECTYPE")
IDS = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=12, unique=True)


def make_rows(ids: list[int]) -> pa.Table:
    n = len(ids)
    values = (
        ["main", "sv1"] * n,
        ["dark", "bright"] * n,
        list(range(2 * n)),
        ids,
        [0.5 + k for k in range(n)],
        ["QSO", None] * n,
    )
    return pa.table(dict(zip(COLUMNS, (column[:n] for column in values), strict=True)))


@given(ids=IDS, other=st.integers(-(2**65), 2**65))
def test_each_object_is_found_with_its_own_row(ids: list[int], other: int) -> None:
    published = Published("1.0.0", "iron", "spectra", make_rows(ids))
    assert len(published) == len(ids)
    for k, targetid in enumerate(ids):
        found = published.find(targetid)
        assert targetid in published
        assert found.shard == Shard("sv1" if k % 2 else "main", "bright" if k % 2 else "dark", k)
        assert (found.z, found.spectype) == (0.5 + k, "" if k % 2 else "QSO")
    if other not in ids:
        assert other not in published
        with pytest.raises(UserError, match=f"TARGETID {other} is not in release 1.0.0"):
            published.find(other)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    (tmp_path / CATALOGUE).parent.mkdir()
    pq.write_table(make_rows([7, 3]), tmp_path / CATALOGUE)
    manifest = {"version": "1.2.3", "source": {"sample": "iron"}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def test_a_release_tells_its_version_and_sample(release: Path) -> None:
    published = read_published(release)
    assert (published.version, published.sample) == ("1.2.3", "iron")
    assert published.find(3).shard.healpix == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("manifest.json", b"{", "is no readable release"),
        ("manifest.json", b'{"version": "1.0.0", "source": {}}', "does not state its 'sample'"),
        (str(CATALOGUE), b"no table", "is no readable release"),
    ],
)
def test_what_is_no_release_is_one_line(
    release: Path, name: str, content: bytes, told: str
) -> None:
    (release / name).write_bytes(content)
    with pytest.raises(UserError, match=told):
        read_published(release)
    with pytest.raises(UserError, match="is no readable release"):
        read_published(release / "nowhere")
