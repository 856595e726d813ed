"""Tables of one lake put side by side: the rows of one in the order of another, by key."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.waist import ROW_KEY
from pipeline.errors import DataError

_PLACE, _ROW = "__place", "__row"


def align(
    rows: pa.Table, to: pa.Table, key: Sequence[str] = ROW_KEY, what: str = "table"
) -> pa.Table:
    """Return for each row of one table the row of another that has the same key.

    Parameters
    ----------
    rows : pyarrow.Table
        Rows whose keys are not asked for are left out, whatever they are.
    to : pyarrow.Table
        Of any order; a key may stand there more than once. Its key columns are not null.
    key : sequence of str
        Columns that both have.
    what : str
        What `rows` are, for the message.

    Returns
    -------
    pyarrow.Table
        As long as `to` and in its order, with the columns of `rows`.

    Raises
    ------
    DataError
        If `rows` have no row of a key, or more than one.
    """
    found = _look_up(rows, to, key)
    if found.num_rows > to.num_rows:
        places = found[_PLACE].to_numpy()
        twice = int(np.flatnonzero(np.diff(places) == 0)[0])
        raise DataError(f"{what}: more than one row of {_show(found, twice, key)}; run it again")
    if found[_ROW].null_count:
        missing = pc.index(pc.is_null(found[_ROW]), True).as_py()
        raise DataError(f"{what}: no row of {_show(found, missing, key)}; run it again")
    return rows.take(found[_ROW]).combine_chunks()


def find_rows(rows: pa.Table, wanted: pa.Table, key: Sequence[str] = ROW_KEY) -> NDArray[np.int64]:
    """Return where in one table each row of another stands by its key, -1 for nowhere, shape (n,).

    Parameters
    ----------
    rows : pyarrow.Table
        A key stands there once.
    wanted : pyarrow.Table
        Of any order; a key may stand there more than once.
    key : sequence of str
        Columns that both have.
    """
    return pc.fill_null(_look_up(rows, wanted, key)[_ROW], -1).to_numpy()


def _look_up(rows: pa.Table, wanted: pa.Table, key: Sequence[str]) -> pa.Table:
    """Return the wanted keys in their order, each with the place of its row, null without."""
    keys = wanted.select(key)
    known = _number(rows.select(key).cast(keys.schema), _ROW)
    return _number(keys, _PLACE).join(known, list(key), join_type="left outer").sort_by(_PLACE)


def _number(keys: pa.Table, name: str) -> pa.Table:
    return keys.append_column(name, pa.array(np.arange(keys.num_rows)))


def _show(keys: pa.Table, row: int, key: Sequence[str]) -> str:
    return ", ".join(f"{name} {keys[name][row].as_py()}" for name in key)
