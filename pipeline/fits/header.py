"""Keywords of an HDU's header: each asked for by its type and bounds, every fault a DataError."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from pipeline.errors import DataError

CARD = 80
# Columns of a table, by the standard.
MAX_FIELDS = 999
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([EeDd][+-]?\d+)?")
# A quote inside a string is doubled.
_STRING = re.compile(r"'((?:[^']|'')*)'")


class Header:
    """Keywords of an HDU; of its hundreds of cards only those asked for are parsed.

    Parameters
    ----------
    file : object
        What messages call the file.
    start : int
        Byte at which the HDU begins.
    cards : mapping of bytes to bytes
        What follows ``= `` of each keyword, by its eight bytes.
    """

    def __init__(self, file: object, start: int, cards: Mapping[bytes, bytes]) -> None:
        self._file, self._start, self._cards = file, start, cards

    @property
    def where(self) -> str:
        """File and place, for messages."""
        return f"{self._file}: HDU at byte {self._start}"

    def has(self, key: str) -> bool:
        """Say whether there is such a keyword."""
        return _spell(key) in self._cards

    def integer(self, key: str, default: int | None = None, low: int = 0, high: int = 2**62) -> int:
        """Return an integer; DataError if it is none, outside its bounds, or absent."""
        word = self._word(key)
        if word is None and default is not None:
            return default
        if word is None or not _INTEGER.fullmatch(word):
            raise self._fault(key, word, "an integer")
        value = int(word)
        if not low <= value <= high:
            raise self._fault(key, word, f"an integer from {low} to {high}")
        return value

    def number(self, key: str, default: float) -> float:
        """Return a finite number; DataError if it is none."""
        word = self._word(key)
        if word is None:
            return default
        # "1E999" is a number to the eye only.
        if not _NUMBER.fullmatch(word) or abs(value := float(re.sub("[Dd]", "E", word))) > 1e300:
            raise self._fault(key, word, "a finite number")
        return value

    def flag(self, key: str) -> bool:
        """Return a logical value, false where there is none."""
        return self._word(key) == "T"

    def text(self, key: str, default: str = "") -> str:
        """Return a string without the blanks around it, or the words of any other value."""
        word = self._word(key)
        return default if word is None else word

    def _word(self, key: str) -> str | None:
        card = self._cards.get(_spell(key))
        if card is None:
            return None
        text = card.decode("latin-1").strip()
        match = _STRING.match(text) if text[:1] == "'" else None
        return (match[1].replace("''", "'") if match else text.partition("/")[0]).strip()

    def _fault(self, key: str, word: str | None, wanted: str) -> DataError:
        found = "is missing" if word is None else f"is {word[:30]!r}"
        return DataError(f"{self.where}: {key} {found}, not {wanted}: damaged; fetch it again")


def find_cards(lines: Sequence[bytes], is_continued: bool) -> dict[bytes, bytes]:
    """Return what follows the ``= `` of each keyword among cards; of a repeated one the first.

    What has no ``= `` at its place (COMMENT, HISTORY, HIERARCH) holds no value. `is_continued`
    says whether there may be long strings, which go on in the cards behind them.
    """
    found = {line[:8]: line[10:] for line in reversed(lines) if line[8:10] == b"= "}
    for at, line in enumerate(lines if is_continued else ()):
        if line[:8] == b"CONTINUE" and (key := _find_begin(lines, at)) in found:
            found[key] = _join(found[key], line[10:])
    return found


def _find_begin(lines: Sequence[bytes], at: int) -> bytes:
    while at and lines[at][:8] == b"CONTINUE":
        at -= 1
    return lines[at][:8]


def _join(begun: bytes, more: bytes) -> bytes:
    """Join two parts of a long string: the first ends with an ampersand."""
    one, two = (_STRING.match(part.decode("latin-1").strip()) for part in (begun, more))
    if not one or not two:
        return begun
    return f"'{one[1].rstrip().removesuffix('&')}{two[1]}'".encode("latin-1")


@lru_cache(maxsize=4096)
def _spell(key: str) -> bytes:
    return key.ljust(8).encode()
