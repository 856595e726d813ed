"""The lake: whole files or none, fingerprints, the lock, and a disk that refuses."""

import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gate_datasets import MADE, make_gates
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.column import arrow_schema
from catalog_schema.tables import COADDS, GATES, RESTFRAME
from pipeline.errors import DataError, UserError
from pipeline.lake.store import (
    Store,
    columns_to_table,
    digest,
    digest_rows,
    parquet_options,
    replacing,
)


@pytest.fixture
def path(store: Store) -> Path:
    return store.lake.table("gates")


def test_round_trip(store: Store, path: Path) -> None:
    rows = make_gates()
    stamp = store.write(path, rows, GATES, notes=("a note",), **MADE)
    assert store.read(path).equals(rows)
    assert store.read(path, ["gate", "stage"]).column_names == ["gate", "stage"]
    assert store.read_stamp(path) == stamp
    assert stamp.dropped == {"dead": 1}
    assert stamp.notes == ("a note",)
    assert stamp.content == digest_rows(rows)
    assert pq.read_schema(path).field("gate").metadata[b"ucd"] == b"meta.code"


def test_done_only_with_the_same_fingerprint(store: Store, path: Path) -> None:
    assert store.find_done(path, "f") is None
    stamp = store.write(path, make_gates(), GATES, **MADE)
    assert store.find_done(path, "f") == stamp
    assert store.find_done(path, "g") is None


def strike_half_way(path: Path) -> None:
    with replacing(path) as partial:
        partial.write_text("half of the n")
        raise RuntimeError("struck")


def test_failure_while_writing_leaves_the_old_file(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("old")
    with pytest.raises(RuntimeError, match="struck"):
        strike_half_way(path)
    assert path.read_text() == "old"
    assert [*path.parent.iterdir()] == [path]


def test_rows_that_cannot_be_written_leave_the_old_file(store: Store, path: Path) -> None:
    stamp = store.write(path, make_gates(), GATES, **MADE)
    union = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])
    with pytest.raises(pa.ArrowException):
        store.write(path, pa.table({"a": union}), GATES, **MADE)
    assert store.read_stamp(path) == stamp
    assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("kept", [0, 1, 4, 0.5, -1, -8])
def test_truncated_file_is_not_done(store: Store, path: Path, kept: float) -> None:
    store.write(path, make_gates(500), GATES, **MADE)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(kept * len(raw)) if kept == 0.5 else int(kept)])
    assert store.find_done(path, "f") is None
    with pytest.raises(DataError, match="damaged"):
        store.read(path)


def test_damaged_footer_is_not_done(store: Store, path: Path) -> None:
    """A disk fault in the footer, with the magic bytes and the length whole."""
    store.write(path, make_gates(), GATES, **MADE)
    raw = path.read_bytes()
    size = int.from_bytes(raw[-8:-4], "little")
    path.write_bytes(raw[: -8 - size] + bytes(size) + raw[-8:])
    assert store.find_done(path, "f") is None
    with pytest.raises(DataError, match="damaged"):
        store.read(path)


def test_foreign_parquet_is_not_done(store: Store, path: Path) -> None:
    path.parent.mkdir(parents=True)
    pq.write_table(make_gates(), path)
    assert store.read_stamp(path) is None


def test_missing_file_says_what_to_do(store: Store, path: Path) -> None:
    assert store.read_stamp(path) is None
    with pytest.raises(DataError, match="run the earlier stages"):
        store.read(path)


def test_digest_refuses_what_json_cannot_tell() -> None:
    with pytest.raises(TypeError, match="ndarray"):
        digest(np.zeros(2))


columns = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(allow_nan=False, width=32)),
        st.one_of(st.none(), st.text(max_size=3)),
        st.booleans(),
    ),
    min_size=1,
    max_size=20,
)


def make_mixed(values: list) -> pa.Table:
    flux, text, flag = zip(*values, strict=True) if values else ((), (), ())
    schema = pa.schema([("x", pa.float32()), ("t", pa.string()), ("b", pa.bool_())])
    return pa.table([pa.array(flux, pa.float32()), pa.array(text), pa.array(flag)], schema=schema)


@given(values=columns, cut=st.integers(0, 20))
def test_digest_is_independent_of_chunking(values: list, cut: int) -> None:
    whole = make_mixed(values)
    parts = pa.concat_tables([make_mixed(values[:cut]), make_mixed(values[cut:])])
    marked = whole.replace_schema_metadata({"who": "me"})
    assert digest_rows(parts) == digest_rows(whole) == digest_rows(marked)


@given(values=columns, cut=st.integers(0, 5), size=st.integers(0, 9))
def test_digest_of_a_slice_is_that_of_its_rows(values: list, cut: int, size: int) -> None:
    values = values + values
    whole = make_mixed(values)
    assert digest_rows(whole[cut : cut + size]) == digest_rows(make_mixed(values[cut : cut + size]))


def test_digest_does_not_see_what_lies_below_a_null() -> None:
    from_nan = pa.table({"x": pa.array(np.array([np.nan, 1.0]), from_pandas=True)})
    from_none = pa.table({"x": pa.array([None, 1.0])})
    assert from_nan.equals(from_none)
    assert digest_rows(from_nan) == digest_rows(from_none)


def test_digest_of_rows_survives_the_disk(store: Store, path: Path) -> None:
    stamp = store.write(path, make_gates(), GATES, **MADE)
    assert digest_rows(store.read(path)) == stamp.content


@given(values=columns, other=columns)
def test_digest_tells_rows_apart(values: list, other: list) -> None:
    one, two = make_mixed(values), make_mixed(other)
    assert (digest_rows(one) == digest_rows(two)) == one.equals(two)


def test_read_only_folder_is_one_line(unwritable: Path) -> None:
    with pytest.raises(UserError, match="choose another --root"):
        Store(unwritable).write(unwritable / "a.parquet", make_gates(), GATES, **MADE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_one_line_and_leaves_the_old_file(store: Store, path: Path) -> None:
    stamp = store.write(path, make_gates(), GATES, **MADE)
    path.with_name(f".{path.name}.tmp").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"cannot write .*free some space"):
        store.write(path, make_gates(9), GATES, **MADE)
    assert store.read_stamp(path) == stamp
    assert [*path.parent.iterdir()] == [path]


def test_file_size_limit_is_one_line(store: Store, path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    rng = np.random.default_rng(0)
    rows = make_gates(5000).set_column(5, "n_dropped", pa.array(rng.integers(0, 2**60, 5000)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(UserError, match="cannot write"):
            store.write(path, rows, GATES, **MADE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not path.exists()


def make_coadds(n: int) -> pa.Table:
    rng = np.random.default_rng(1)
    one = {"SURVEY": ["main"] * n, "PROGRAM": ["dark"] * n, "HEALPIX": [7] * n}
    one |= dict.fromkeys(("NIGHT", "PETAL_LOC", "FIBER"), [1] * n)
    arms = {f"{k}_{a}": np.ones(n) for k in ("snr", "coverage", "noise", "ivar") for a in "brz"}
    spectra = {
        "flux": rng.standard_normal((n, 7781), np.float32),
        "ivar": rng.random((n, 7781), np.float32),
        "mask": np.zeros((n, 7781), np.int32),
    }
    columns = {**one, "TARGETID": np.arange(n), "snr": np.ones(n), **arms, **spectra}
    return columns_to_table(COADDS, columns)


def test_one_spectrum_is_read_from_a_small_row_group(store: Store) -> None:
    rows = make_coadds(150)
    path = store.lake.table("coadds")
    store.write(path, rows, COADDS, **MADE)
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(i).num_rows for i in range(3)] == [64, 64, 22]
    flux = file.metadata.row_group(0).column(file.metadata.num_columns - 3)
    assert flux.path_in_schema.startswith("flux")
    assert "BYTE_STREAM_SPLIT" in flux.encodings
    one = pq.read_table(path, filters=[("TARGETID", "==", 100)])
    assert one.drop_columns(["mask"]).equals(rows[100:101].drop_columns(["mask"]))


def test_narrow_arrays_are_laid_out_plainly() -> None:
    assert "row_group_size" not in parquet_options(make_gates().schema)
    assert "row_group_size" not in parquet_options(arrow_schema(RESTFRAME, window=160))
    assert "row_group_size" in parquet_options(arrow_schema(RESTFRAME, window=4384))


def test_columns_take_the_schema_s_types_and_nan_becomes_null() -> None:
    table = make_coadds(2)
    n_pixels = table.schema.field("flux").type.list_size
    assert table.schema.equals(arrow_schema(COADDS, wave=n_pixels), check_metadata=True)
    columns = {name: table[name] for name in COADDS.names}
    columns["snr_b"] = np.array([np.nan, 2.0])
    assert columns_to_table(COADDS, columns)["snr_b"].to_pylist() == [None, 2.0]
    with pytest.raises(KeyError):
        columns_to_table(GATES, {"SURVEY": ["main"]})
