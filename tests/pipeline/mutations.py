"""Damages files: what bad disks, transfers and editors do, and headers that lie."""

import re
from collections.abc import Callable

import numpy as np

_BLOCK, _CARD = 2880, 80
_NUMBER_CARD = re.compile(rb"[A-Z][A-Z0-9_-]{0,7} *= +[-+.0-9E]+ ")
_STRING_CARD = re.compile(rb"[A-Z][A-Z0-9_-]{0,7} *= '[^']*'")
_NUMBERS = (
    b"-1",
    b"0",
    b"1",
    b"2",
    b"7",
    b"-360",
    b"2880",
    b"65536",
    b"1000000000",
    b"2147483648",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"1E300",
    b"1E-300",
    b"NaN",
    b"2.5",
    b"T",
    b"",
)
_STRINGS = (
    b"'A'",
    b"'999999999D'",
    b"'0K'",
    b"'1D'",
    b"'1K'",
    b"'PE(9)'",
    b"'J'",
    b"''",
    b"'",
    b"'Z'",
    b"'X_FLUX'",
    b"'B_FLUX'",
    b"'TARGETID'",
    b"'electron'",
    b"'nm'",
    b"'RICE_1'",
    b"'\xe9'",
    b"7",
)


def mutate(raw: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes with one to three faults."""
    for _ in range(int(rng.integers(1, 4))):
        raw = _FAULTS[int(rng.integers(len(_FAULTS)))](raw, rng)
    return raw


def _place(raw: bytes, rng: np.random.Generator) -> int:
    return int(rng.integers(max(len(raw), 1)))


def _flip_bits(raw: bytes, rng: np.random.Generator) -> bytes:
    data = bytearray(raw)
    for _ in range(int(rng.integers(1, 9)) if data else 0):
        data[_place(raw, rng)] ^= 1 << int(rng.integers(8))
    return bytes(data)


def _truncate(raw: bytes, rng: np.random.Generator) -> bytes:
    return raw[: _place(raw, rng)]


def _drop_block(raw: bytes, rng: np.random.Generator) -> bytes:
    at = _place(raw, rng) // _BLOCK * _BLOCK
    return raw[:at] + raw[at + _BLOCK :]


def _repeat_block(raw: bytes, rng: np.random.Generator) -> bytes:
    at = _place(raw, rng) // _BLOCK * _BLOCK
    return raw[: at + _BLOCK] + raw[at:]


def _fill(raw: bytes, rng: np.random.Generator) -> bytes:
    at, size = _place(raw, rng), int(rng.integers(1, 4 * _BLOCK))
    filling = (b"\0", b"\xff", b" ", b"9")[int(rng.integers(4))] * size
    return raw[:at] + filling[: len(raw) - at] + raw[at + size :]


def _replace_card(raw: bytes, rng: np.random.Generator) -> bytes:
    """Give a keyword of a header another value."""
    pattern, words = ((_NUMBER_CARD, _NUMBERS), (_STRING_CARD, _STRINGS))[int(rng.integers(2))]
    found = [m.start() for m in pattern.finditer(raw) if m.start() % _CARD == 0]
    if not found:
        return raw
    at = found[int(rng.integers(len(found)))]
    word = words[int(rng.integers(len(words)))]
    card = (
        raw[at : at + 10] + word.rjust(20) if pattern is _NUMBER_CARD else raw[at : at + 10] + word
    )
    return raw[:at] + card.ljust(_CARD)[:_CARD] + raw[at + _CARD :]


def _blank_card(raw: bytes, rng: np.random.Generator) -> bytes:
    found = [m.start() for m in re.finditer(rb"[A-Z0-9_-]+ *= ", raw) if m.start() % _CARD == 0]
    if not found:
        return raw
    at = found[int(rng.integers(len(found)))]
    return raw[:at] + b" " * _CARD + raw[at + _CARD :]


# Headers are a small part of a file, and the part that can lie.
_FAULTS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    _flip_bits,
    _truncate,
    _drop_block,
    _repeat_block,
    _fill,
    _blank_card,
    _replace_card,
    _replace_card,
    _replace_card,
    _replace_card,
)
