"""Damages tables: what transfers, scripts and editors do to text and to files with types alike."""

import re

import numpy as np

_NUMBERS = (
    b"0",
    b"-1",
    b"-360",
    b"1",
    b"999",
    b"2147483648",
    b"-9223372036854775808",
    b"99999999999999",
    b"18446744073709551616",
    b"1e309",
    b"nan",
    b"",
    b"1.5",
    b"3.9e16",
    b"0x10",
    b"T",
    b"'a'",
)
_PIECES = (
    b"\0",
    b'"',
    b"'",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r",
    b"#",
    b"\xff",
    b"\xc3",
    b"<",
    b">",
    b"&",
    b"NaN",
    b" " * 80,
    b"\n" * 50,
    b"," * 300,
    b'"' * 3,
    b"\xef\xbb\xbf",
    b"\xff\xfe",
)


def garble(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes of a table, of whatever format, with one to four faults."""
    for _ in range(rng.integers(1, 5)):
        data = _FAULTS[rng.integers(len(_FAULTS))](data, rng)
    return data


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for place in rng.integers(0, max(len(data), 1), rng.integers(1, 20)):
        if place < len(changed):
            changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


def _choose_slice(data: bytes, rng: np.random.Generator) -> slice:
    start = int(rng.integers(0, len(data) + 1))
    return slice(start, start + int(rng.choice([1, 8, 80, 2880, 20_000])))


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    part = _choose_slice(data, rng)
    return data[: part.start] + data[part.stop :]


def _truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: rng.integers(0, len(data) + 1)]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    part = _choose_slice(data, rng)
    return data[: part.stop] + data[part] * int(rng.integers(1, 4)) + data[part.stop :]


def _move(data: bytes, rng: np.random.Generator) -> bytes:
    part, place = _choose_slice(data, rng), int(rng.integers(0, len(data) + 1))
    rest = data[: part.start] + data[part.stop :]
    return rest[:place] + data[part] + rest[place:]


def _overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    part = _choose_slice(data, rng)
    length = len(data[part])
    filling = [bytes(length), b"\xff" * length, b" " * length, rng.bytes(length)][rng.integers(4)]
    return data[: part.start] + filling + data[part.start + length :]


def _insert(data: bytes, rng: np.random.Generator) -> bytes:
    place = int(rng.integers(0, len(data) + 1))
    return data[:place] + _PIECES[rng.integers(len(_PIECES))] + data[place:]


def _renumber(data: bytes, rng: np.random.Generator) -> bytes:
    """Replace a number in the text; in a FITS card what follows keeps its place."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?", data[:200_000]))
    if not found:
        return data
    match = found[rng.integers(len(found))]
    new = _NUMBERS[rng.integers(len(_NUMBERS))]
    if data.startswith(b"SIMPLE"):
        new = new.rjust(len(match[0]))
        start = match.end() - len(new)
        return data[:start] + new + data[match.end() :]
    return data[: match.start()] + new + data[match.end() :]


_FAULTS = (_flip, _cut, _truncate, _repeat, _move, _overwrite, _insert, _renumber, _renumber)
