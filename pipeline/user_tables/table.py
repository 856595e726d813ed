"""A table of a user's, as every format gives it: named columns, read in blocks of rows."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa

from pipeline.errors import QadError, UserError, first_line

# More than any survey's catalogue has; beyond it a file is no table.
MAX_COLUMNS = 5000
_MOST_NAMED = 12
_LONGEST_SHOWN, _LONGEST_LINE = 40, 200


@dataclass(frozen=True)
class Column:
    """A column's name, stripped, and its unit where the table states one ("" where it should).

    `may_be_text` is False where the file's own type is none of text.
    """

    name: str
    unit: str | None = None
    may_be_text: bool = True


@dataclass(frozen=True)
class UserTable:
    """A table whose rows are not read yet.

    Attributes
    ----------
    origin : str
        The file, and the table in it where there are several: for messages.
    columns : tuple of Column
        Names may repeat.
    blocks : callable
        What `read` asks, without its care.
    notes : tuple of str
        What the user should know of how it was read.
    has_decimal_comma : bool
        Numbers may have a comma in the place of the point: it does not separate the columns.
    """

    origin: str
    columns: tuple[Column, ...]
    blocks: Callable[[Sequence[int]], Iterator[pa.Table]]
    notes: tuple[str, ...] = ()
    has_decimal_comma: bool = False

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]

    def describe_columns(self) -> str:
        """Name the first columns, for a message."""
        shown = [show_text(name) for name in self.names if name][:_MOST_NAMED]
        more = len(self.columns) - len(shown)
        return f"it has {', '.join(shown) or 'none'}" + (f" and {more} more" if more > 0 else "")

    def read(self, places: Sequence[int]) -> Iterator[pa.Table]:
        """Yield the columns at some places of `columns`, in that order, in blocks of rows.

        A table without rows may have no block. The blocks' own names are the places, as text.

        Raises
        ------
        UserError
            If the file turns out to be damaged.
        """
        with reading(self.origin):
            for block in self.blocks(places):
                yield pa.table([_to_sound(c) for c in block.columns], names=block.column_names)

    def read_whole(self, places: Sequence[int]) -> list[pa.ChunkedArray]:
        """Read columns at once."""
        blocks = list(self.read(places))
        if not blocks:
            return [pa.chunked_array([], pa.string()) for _ in places]
        whole = pa.concat_tables(blocks, promote_options="permissive")
        return [whole.column(number) for number in range(len(places))]


def show_text(value: object, longest: int = _LONGEST_SHOWN) -> str:
    """Return a value of a stranger's file short and printable, for a message."""
    text = "".join(c if c.isprintable() else "?" for c in str(value)[: longest + 1])
    return text if len(text) <= longest else f"{text[:longest]}…"


def _to_sound(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return text of any storage as plain text, also where its bytes are not those of UTF-8."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if not is_text(kind):
        return column
    raw = column.cast(pa.large_binary())
    try:
        return raw.cast(pa.large_string()).cast(pa.string())
    except pa.ArrowInvalid:
        texts = [None if value is None else decode(value) for value in raw.to_pylist()]
        return pa.chunked_array([pa.array(texts, pa.string())])


def is_text(kind: pa.DataType) -> bool:
    """Say whether a type is one of text, also in a dictionary."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(
        check(kind)
        for check in (
            pa.types.is_string,
            pa.types.is_large_string,
            pa.types.is_string_view,
            pa.types.is_binary,
            pa.types.is_large_binary,
            pa.types.is_fixed_size_binary,
        )
    )


def decode(raw: bytes) -> str:
    """Read text as UTF-8, or else as what Windows and old catalogues write."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


@contextmanager
def reading(origin: object, what: str = "") -> Iterator[None]:
    """Turn whatever a reader raises on a damaged or foreign file into one line for the user."""
    try:
        yield
    except (QadError, MemoryError):
        raise
    # Readers raise errors of several libraries, and of the interpreter, on hostile bytes.
    except Exception as error:
        about = f"{what} " if what else ""
        raise UserError(
            f"{origin}: cannot be read {about}({show_line(error)}); give CSV, FITS, VOTable, ECSV "
            "or Parquet"
        ) from None


def show_line(error: BaseException) -> str:
    """Return the first line of an error, printable and not too long."""
    return show_text(first_line(error), _LONGEST_LINE)
