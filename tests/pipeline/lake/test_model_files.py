"""The files of a model: what the card says of each is held against what is there."""

import json
from pathlib import Path

import pytest
from bits import flip_bit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import UserError
from pipeline.lake.layout import MODEL_CARD
from pipeline.lake.model_files import read_card, read_model_file, verify_model, write_card

FILES = {"weights.bin": bytes(range(256)), "notes.txt": b"two", "empty": b""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    write_card(tmp_path, {"id": "abc-1", "sizes": [1, 2]})
    return tmp_path


def test_card_and_files_come_back(folder: Path) -> None:
    card = read_card(folder)
    assert (card["id"], card["sizes"]) == ("abc-1", [1, 2])
    assert {name: read_model_file(folder, card, name) for name in card["files"]} == FILES
    verify_model(folder)
    # The card is written anew from what is there, not from itself.
    write_card(folder, {"id": "abc-2"})
    assert set(read_card(folder)["files"]) == set(FILES)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bit=st.integers(0, 10**6), name=st.sampled_from([MODEL_CARD, "weights.bin", "notes.txt"]))
def test_no_bit_turns_unseen(folder: Path, bit: int, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(flip_bit(whole, bit % (8 * len(whole))))
    try:
        # JSON has blanks that say nothing; whatever else turns is seen.
        same = json.loads((folder / name).read_bytes()) == json.loads(whole)
    except ValueError:
        same = False
    if not same:
        with pytest.raises(UserError, match="delete the model and train again"):
            verify_model(folder)
    (folder / name).write_bytes(whole)
    verify_model(folder)


def test_what_is_missing_or_nobody_listed_is_told(folder: Path) -> None:
    card = read_card(folder)
    (folder / "late.txt").write_bytes(b"x")
    with pytest.raises(UserError, match=r"late\.txt: damaged \(it does not hold what was written"):
        read_model_file(folder, card, "late.txt")
    (folder / "notes.txt").unlink()
    with pytest.raises(UserError, match=r"notes\.txt: damaged"):
        verify_model(folder)
    (folder / MODEL_CARD).unlink()
    with pytest.raises(UserError, match=f"is no model: it has no {MODEL_CARD}"):
        read_card(folder)


@pytest.mark.parametrize("values", [{}, {"id": "../up"}, {"id": ""}])
def test_a_card_without_a_name_is_no_card(tmp_path: Path, values: dict) -> None:
    write_card(tmp_path, values)
    with pytest.raises(UserError):
        read_card(tmp_path)
