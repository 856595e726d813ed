"""A file is read to its end whatever passes, and a fault that does not pass ends it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transport.retry import RetryPolicy
from release.places import remote
from release.places.remote import (
    MissingError,
    Parcel,
    PassingError,
    hash_remote,
    list_some,
    read_remote,
    read_steadily,
)
from release.sealing import CHECKSUMS, hash_pieces, list_files


@dataclass
class Moody:
    """An origin that hands out pieces of these sizes and cuts off after so many, time by time."""

    content: bytes
    size: int
    cuts: list[int] = field(default_factory=list)
    fault: type[Exception] = PassingError
    name: str = "moody"
    starts: list[int] = field(default_factory=list)

    def read(self, path: str, start: int = 0) -> Iterator[bytes]:
        self.starts.append(start)
        left = self.cuts.pop(0) if self.cuts else None
        for at in range(start, len(self.content), self.size):
            if left == 0:
                raise self.fault("cut off")
            yield self.content[at : at + self.size]
            left = left and left - 1
        if left is not None:
            raise self.fault("cut off at the end")


contents = st.binary(max_size=60)
sizes = st.integers(1, 20)


@given(contents, sizes, st.lists(st.integers(1, 4), max_size=30))
def test_every_byte_arrives_once_and_in_order(content: bytes, size: int, cuts: list[int]) -> None:
    # As long as every attempt brings some bytes, there may be any number of them.
    useful = cuts[: max(len(content) // size - 1, 0) // 4]
    origin = Moody(content, size, useful)
    assert read_remote(origin, "x") == content
    assert origin.starts == sorted(origin.starts)


@given(contents, sizes, st.integers(0, 60))
def test_reading_goes_on_from_where_it_was(content: bytes, size: int, start: int) -> None:
    assert b"".join(read_steadily(Moody(content, size), "x", start)) == content[start:]


@pytest.mark.parametrize("n_faults", range(8))
def test_attempts_without_a_byte_are_counted(n_faults: int) -> None:
    origin = Moody(b"abc", 1, [0] * n_faults)
    if n_faults < remote.READING.max_attempts:
        assert read_remote(origin, "x") == b"abc"
        assert len(origin.starts) == n_faults + 1
    else:
        with pytest.raises(PassingError):
            read_remote(origin, "x")
        assert len(origin.starts) == remote.READING.max_attempts


def test_a_byte_begins_the_count_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "READING", RetryPolicy(2, 0, 0))
    assert read_remote(Moody(b"abcdef", 1, [0, 1, 0, 1, 0, 1]), "x") == b"abcdef"
    with pytest.raises(PassingError):
        read_remote(Moody(b"abcdef", 1, [1, 0, 0]), "x")


@pytest.mark.parametrize("cut", [0, 2])
def test_lasting_fault_is_met_once(cut: int) -> None:
    origin = Moody(b"abcdef", 1, [cut], MissingError)
    with pytest.raises(MissingError):
        read_remote(origin, "x")
    assert len(origin.starts) == 1


@given(contents, sizes)
def test_checksum_and_progress_are_of_the_bytes_read(content: bytes, size: int) -> None:
    told: list[int] = []
    assert hash_remote(Moody(content, size), "x", told.append) == hash_pieces([content])
    assert sum(told) == len(content)


def test_parcel_lists_its_list_last(small: Path) -> None:
    parcel = Parcel(small, "0.1.0")
    assert [*parcel.checksums] == [*list_files(small), CHECKSUMS]
    for name, checksum in parcel.checksums.items():
        assert checksum == hash_pieces([(small / name).read_bytes()])
        assert parcel.size(name) == len((small / name).read_bytes())


@given(st.sets(st.text("abc", min_size=1), min_size=1, max_size=9))
def test_names_are_listed_or_counted(names: set[str]) -> None:
    text = list_some(names)
    shown = text.partition(" and ")[0].split(", ")
    assert shown == sorted(names)[:3]
    assert ("more" in text) == (len(names) > 3)
    assert len(names) == len(shown) + int((text.partition(" and ")[2].split() or ["0"])[0])
