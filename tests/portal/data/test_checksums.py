"""Files are compared with the release's checksums before anything of them is shown."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from bits import flip_bit
from portal_release import N_ROWS, row_id, seal

from portal.data import catalogue, checksums, published_spectra
from portal.data.cache import CACHE_VARIABLE
from portal.data.conditions import Filters
from portal.data.database import connect, connect_once, fetch_arrow
from portal.data.releases import ReleaseError, open_release
from portal.service.pool import TaskError
from portal.service.visitor_sql import ask_sql

SPECTRA = "spectra/spectra.parquet"
N_FLIPS = 120


@pytest.fixture
def sealed(own_release: Path) -> Path:
    """Release that a test may damage, with its list of checksums."""
    seal(own_release)
    return own_release


def flip(path: Path, bit: int) -> None:
    path.write_bytes(flip_bit(path.read_bytes(), bit))


def read(root: Path, dataset: str) -> str:
    return str(fetch_arrow(connect(root), dataset, f'FROM "{dataset}"', []).to_pylist())


def test_no_flipped_bit_gives_other_rows(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, os.devnull)
    paths = connect(sealed).paths
    present = [name for name, path in paths.items() if (sealed / path).is_file()]
    sound = {name: read(sealed, name) for name in present}
    draw = np.random.default_rng(20)
    for dataset in draw.choice(present, N_FLIPS):
        path = sealed / paths[dataset]
        bit = int(draw.integers(8 * path.stat().st_size))
        flip(path, bit)
        with pytest.raises(ReleaseError, match=r"checksum.*sha256sum -c") as fault:
            read(sealed, dataset)
        assert paths[dataset] in str(fault.value)
        flip(path, bit)
    assert {name: read(sealed, name) for name in present} == sound


def test_a_flipped_bit_takes_down_its_table_alone_and_while_it_is_served(sealed: Path) -> None:
    assert published_spectra.find_spectrum(connect_once(sealed), row_id(0)) is not None
    state = (sealed / SPECTRA).stat()
    flip(sealed / SPECTRA, 8 * 5_000)
    # Whoever sets the time back hides nothing.
    os.utime(sealed / SPECTRA, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(ReleaseError, match=SPECTRA):
        published_spectra.find_spectrum(connect_once(sealed), row_id(0))
    assert catalogue.count_rows(connect_once(sealed), Filters()) == N_ROWS
    opened = open_release(sealed)
    with pytest.raises(TaskError, match=f"`{SPECTRA}` does not match its checksum"):
        ask_sql(opened, "SELECT flux FROM spectra")
    assert ask_sql(opened, "SELECT count(*) FROM quasars").rows.num_rows == 1


@pytest.mark.parametrize("name", ["manifest.json", "CITATION.cff"])
def test_texts_are_compared_too(sealed: Path, name: str) -> None:
    (sealed / name).write_text((sealed / name).read_text() + " ")
    with pytest.raises(ReleaseError, match=f"`{name}` does not match its checksum"):
        open_release(sealed).read(name)


def test_a_file_is_read_once(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(sealed)
    monkeypatch.setattr(checksums, "_verdicts", {})
    monkeypatch.setattr(checksums, "_measure", pytest.fail)
    connect(sealed)


def test_a_large_file_is_compared_meanwhile(sealed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "_MAX_WAITED_BYTES", 0)
    monkeypatch.setattr(checksums, "_verdicts", {})
    monkeypatch.setenv(CACHE_VARIABLE, os.devnull)
    before = checksums.count_late()
    assert checksums.find_mismatch(sealed, SPECTRA) == checksums.CHECKING
    deadline = time.monotonic() + 60
    while checksums.count_late() == before:
        assert time.monotonic() < deadline, "the file was never compared"
        time.sleep(0.01)
    assert checksums.find_mismatch(sealed, SPECTRA) is None


def test_a_sound_release_of_any_age_is_shown(sealed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sealed, copy)
    (copy / "SHA256SUMS").unlink()
    for root in (sealed, copy):
        assert catalogue.count_rows(connect(root), Filters()) == N_ROWS
    pq.write_table(pq.read_table(copy / SPECTRA), copy / SPECTRA)
    assert published_spectra.find_spectrum(connect(copy), row_id(0)) is not None
