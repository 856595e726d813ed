"""What chapters of columns share: the commonest kinds of column and their bounds."""

from typing import Any

import pyarrow as pa

from catalog_schema import vocabulary as words
from catalog_schema.column import Column

INFINITY = float("inf")
POSITIVE = (0.0, INFINITY)
FROM_ONE = (1, INFINITY)
UNIT_INTERVAL = (0.0, 1.0)


def coded(
    name: str, enum: type[words.Described], text: str, ucd: str = "meta.code", **rest: Any
) -> Column:
    """Return a column of words of one vocabulary."""
    return Column(name, pa.string(), text, ucd, vocabulary=enum.values(), **rest)


def number(name: str, text: str, ucd: str = "stat.value", **rest: Any) -> Column:
    """Return a column of numbers in single precision."""
    return Column(name, pa.float32(), text, ucd, **rest)


def count(name: str, text: str, **rest: Any) -> Column:
    """Return a column of counts, 0 or more."""
    facts = {"bounds": POSITIVE, **rest}
    return Column(name, pa.int64(), text, "meta.number", **facts)
