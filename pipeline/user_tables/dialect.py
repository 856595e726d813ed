"""How a text table is written: its delimiter, where its header is, what stands above its rows.

Readers that guess all of it at once drop what does not fit their guess: DuckDB's takes the first
row of a table with a short header for the header. So only what is unmistakable is recognised here,
and the rows are then read with no guess at all.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.errors import UserError
from pipeline.user_tables.table import MAX_COLUMNS, decode, show_text
from pipeline.user_tables.units import parse_unit

WHITESPACE = " "
_DELIMITERS = (",", ";", "\t", "|")
_LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|\Z)")
_SAMPLE_ROWS = 40
_MOST_COMMENTS = 10_000
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eEdD][+-]?\d+)?|[+-]?(nan|inf)", re.IGNORECASE)
_SEXAGESIMAL = re.compile(r"[+-]?\d{1,3}[:hd ]\d{1,2}[:m ]\d{1,2}(\.\d*)?s?")
# Lines of dashes, and the count of rows that a database's client writes below them.
_RULE = re.compile(r"[-=+:|\s]*[-=][-=+:|\s]*|\(\d+ rows?\)")
_SEXAGESIMAL_UNITS = {'"h:m:s"', '"d:m:s"', "h:m:s", "d:m:s", "hms", "dms", "hourangle"}
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x19\x1b-\x1f]")


@dataclass(frozen=True)
class Dialect:
    """How the rows of a text table are to be read.

    Attributes
    ----------
    names : tuple of str
        One for each cell of a row; empty where the header has none.
    units : tuple of str, or None
        Of a row of units below the header.
    delimiter : str
        `WHITESPACE` stands for any run of it.
    start : int
        First byte of the rows.
    is_padded : bool
        Spaces stand between delimiter and quote.
    has_spare : bool
        The rows end with a delimiter, which makes a last cell that the header lacks.
    notes : tuple of str
    """

    names: tuple[str, ...]
    units: tuple[str, ...] | None
    delimiter: str
    start: int
    is_padded: bool
    has_spare: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Line:
    text: str
    number: int
    stop: int


def find_dialect(origin: object, head: bytes, is_whole: bool) -> Dialect:
    """Recognise how a text table is written.

    Parameters
    ----------
    origin : object
        The file, for messages.
    head : bytes
        Its first bytes, UTF-8 or Latin-1.
    is_whole : bool
        Whether these are all.

    Raises
    ------
    UserError
        If it is no table, its columns have no names, or there are too many of them.
    """
    if _CONTROLS.search(head):
        raise UserError(f"{origin}: holds binary data, no table that is known here")
    comments, lines, delimiter = _read_top(origin, head, is_whole)
    if not lines:
        if not comments:
            raise UserError(f"{origin}: the file is empty")
        # A header alone, behind the mark of a comment.
        lines, comments = [comments[-1]], comments[:-1]
    first, rows = lines[0], lines[1:]
    texts = [line.text for line in lines]
    delimiter = delimiter or _choose_delimiter(texts)
    names = split_line(first.text, delimiter)
    start = first.stop
    notes: tuple[str, ...] = ()
    above = _find_commented_header(names, comments) if comments else None
    if _holds_values(names, above is not None):
        if above is None:
            raise UserError(
                f"{origin}: line {first.number} holds values ({show_text(first.text)}); the first "
                "line must name the columns"
            )
        names, rows, start = above, lines, comments[-1].stop
        notes = ("its header is read from a line that begins with #",)
    n_named = len(names)
    names = _fit_names(names, rows, delimiter)
    if len(names) > MAX_COLUMNS:
        raise UserError(
            f"{origin}: line {first.number} has {len(names):,} columns; {MAX_COLUMNS:,} are allowed"
        )
    units, skipped = _find_units(names, rows, delimiter)
    if skipped:
        start = rows[skipped - 1].stop
    is_padded = any(_is_padded(text, delimiter) for text in texts)
    has_spare = len(names) > n_named
    return Dialect(tuple(names), units, delimiter, start, is_padded, has_spare, notes)


def is_ornament(text: str) -> bool:
    """Say whether a line is blank, a comment, a rule or a count of rows: no row of a table."""
    text = text.strip()
    return not text or text.startswith("#") or _RULE.fullmatch(text) is not None


def split_line(text: str, delimiter: str) -> list[str]:
    """Split a line into stripped cells."""
    if delimiter == WHITESPACE:
        text = text.strip().replace("\t", " ")
    try:
        [cells] = csv.reader([text], delimiter=delimiter, skipinitialspace=True)
    except (csv.Error, ValueError):
        # A cell longer than any: what delimits it will not be this.
        cells = text.split(delimiter)
    return [cell.strip() for cell in cells]


def _is_padded(text: str, delimiter: str) -> bool:
    try:
        [cells] = csv.reader([text], delimiter=delimiter)
    except (csv.Error, ValueError):
        return False
    return any(re.match(r' +"', cell) for cell in cells)


def _read_top(
    origin: object, head: bytes, is_whole: bool
) -> tuple[list[_Line], list[_Line], str | None]:
    """Return comment lines above the table, its first lines, and the delimiter if it is named."""
    comments: list[_Line] = []
    lines: list[_Line] = []
    delimiter = None
    for line in _split_lines(origin, head, is_whole):
        text = line.text.strip()
        if not text or (not lines and _RULE.fullmatch(text)):
            continue
        if not lines and not comments and (named := re.fullmatch(r"(?i)\"?sep=(.)\"?", text)):
            delimiter = named[1]
        elif text.startswith("#"):
            # Below the header a comment is left to the reader of the rows.
            if not lines:
                comments.append(line)
        else:
            lines.append(line)
        if len(lines) > _SAMPLE_ROWS or len(comments) > _MOST_COMMENTS:
            break
    return comments, lines, delimiter


def _split_lines(origin: object, head: bytes, is_whole: bool) -> Iterator[_Line]:
    for number, match in enumerate(_LINE.finditer(head), 1):
        if match.end() == len(head) and not match[2] and not is_whole:
            if number == 1:
                raise UserError(
                    f"{origin}: line 1 is longer than {len(head):,} bytes; this is no table of "
                    f"at most {MAX_COLUMNS:,} columns"
                )
            return
        yield _Line(decode(match[1]), number, match.end())


def _choose_delimiter(lines: Sequence[str]) -> str:
    """Choose what splits the header into more than one cell and most rows into as many."""
    best, choice = (0.0, 0), None
    for delimiter in _DELIMITERS:
        counts = [len(split_line(line, delimiter)) for line in lines]
        n = counts[0]
        if n > 1:
            # A delimiter at the end of the rows, or of the header alone, makes one cell more.
            share = sum(abs(count - n) <= 1 for count in counts) / len(counts)
            if (share, n) > best:
                best, choice = (share, n), delimiter
    if choice is not None:
        return choice
    return WHITESPACE if len(lines[0].split()) > 1 else ","


def _holds_values(cells: Sequence[str], has_other_header: bool) -> bool:
    filled = [cell for cell in cells if cell]
    n_numbers = sum(is_number(cell) for cell in filled)
    return bool(n_numbers) and (has_other_header or 2 * n_numbers >= len(filled))


def is_number(text: str) -> bool:
    """Say whether a cell reads as a number or an angle."""
    return bool(_NUMBER.fullmatch(text) or _SEXAGESIMAL.fullmatch(text))


def _find_commented_header(cells: Sequence[str], comments: Sequence[_Line]) -> list[str] | None:
    """Return the names of the last comment if they are as many as the cells of a row."""
    text = comments[-1].text.strip().lstrip("#").strip()
    for delimiter in (*_DELIMITERS, WHITESPACE):
        names = split_line(text, delimiter)
        if len(names) == len(cells) and not any(is_number(name) for name in names):
            return names
    return None


def _fit_names(names: list[str], rows: list[_Line], delimiter: str) -> list[str]:
    """Allow for a delimiter at the end of every row, or of the header alone."""
    cells = [split_line(row.text, delimiter) for row in rows]
    if cells and all(len(row) == len(names) + 1 and not row[-1] for row in cells):
        return [*names, ""]
    if cells and not names[-1] and all(len(row) == len(names) - 1 for row in cells):
        return names[:-1]
    return names


def _find_units(
    names: Sequence[str], rows: Sequence[_Line], delimiter: str
) -> tuple[tuple[str, ...] | None, int]:
    """Return the units of a row below the header, and how many lines are no rows."""
    units, skipped = None, 0
    for row in rows[:3]:
        cells = split_line(row.text, delimiter)
        filled = [cell for cell in cells if cell]
        are_rules = bool(filled) and all(_RULE.fullmatch(cell) for cell in filled)
        if are_rules or _RULE.fullmatch(row.text.strip()):
            skipped += 1
        elif units is None and len(cells) == len(names) and _are_units(cells):
            units, skipped = tuple(_strip_unit(cell) for cell in cells), skipped + 1
        else:
            break
    return units, skipped


def _are_units(cells: Sequence[str]) -> bool:
    filled = [_strip_unit(cell) for cell in cells if _strip_unit(cell)]
    if not filled or any(is_number(cell) for cell in filled):
        return False
    for cell in filled:
        if cell in _SEXAGESIMAL_UNITS:
            continue
        try:
            parse_unit(cell)
        except ValueError:
            return False
    return True


def _strip_unit(cell: str) -> str:
    inside = re.fullmatch(r"[\[(](.*)[\])]", cell)
    return inside[1].strip() if inside else cell.strip("- ")
