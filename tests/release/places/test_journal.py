"""What a journal remembers, of whom, and when it is not believed."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.places.journal import Journal
from release.places.remote import Parcel
from release.sealing import seal


@dataclass
class Place:
    """As much of a target as a journal asks for."""

    name: str = "s3://bucket"
    server: str = "https://one"


@pytest.fixture
def parcel(small: Path) -> Parcel:
    return Parcel(small, "0.1.0")


def note(parcel: Parcel, place: Place, name: str, state: str) -> Journal:
    journal = Journal(parcel)
    journal.note_verified(place, name, state)
    journal.save()
    return journal


def test_a_file_is_known_in_the_state_that_was_read(parcel: Parcel) -> None:
    place = Place()
    note(parcel, place, "LICENSE", "tag-1")
    again = Journal(parcel)
    assert again.is_verified(place, "LICENSE", "tag-1")
    assert not again.is_verified(place, "LICENSE", "tag-2")
    assert not again.is_verified(place, "README.md", "tag-1")
    again.forget(place, ["LICENSE", "README.md"])
    assert not again.is_verified(place, "LICENSE", "tag-1")


@pytest.mark.parametrize(
    "other", [Place(name="s3://other"), Place(server="https://two")], ids=["name", "server"]
)
def test_another_place_is_another_matter(parcel: Parcel, other: Place) -> None:
    place = Place()
    note(parcel, place, "LICENSE", "tag-1")
    assert not Journal(parcel).is_verified(other, "LICENSE", "tag-1")


def test_another_release_of_the_version_knows_nothing(parcel: Parcel) -> None:
    place = Place()
    note(parcel, place, "LICENSE", "tag-1")
    (parcel.path / "LICENSE").chmod(0o644)
    (parcel.path / "LICENSE").write_text("other")
    (parcel.path / "SHA256SUMS").chmod(0o644)
    seal(parcel.path)
    assert not Journal(Parcel(parcel.path, "0.1.0")).is_verified(place, "LICENSE", "tag-1")


damaged = st.binary(max_size=60) | st.text('{}[]":,truenul0', max_size=40).map(str.encode)


@given(content=damaged)
def test_damage_is_forgotten_and_mended(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder, place = tmp_path_factory.mktemp("journal") / "0.1.0", Place()
    folder.mkdir()
    seal(folder)
    parcel = Parcel(folder, "0.1.0")
    Journal(parcel).path.write_bytes(content)
    assert not Journal(parcel).is_verified(place, "LICENSE", "tag-1")
    note(parcel, place, "LICENSE", "tag-1")
    assert Journal(parcel).is_verified(place, "LICENSE", "tag-1")


def test_a_dry_run_writes_none(parcel: Parcel) -> None:
    place = Place()
    journal = Journal(parcel, is_kept=False)
    journal.note_verified(place, "LICENSE", "tag-1")
    journal.note_announced(place)
    journal.save()
    assert not journal.path.exists()
