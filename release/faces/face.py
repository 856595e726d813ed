"""What a face is: rows of a release in a form that other programs read, with its own proof."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

Manifest = Mapping[str, Any]


def keep(data: pa.ChunkedArray) -> np.ma.MaskedArray:
    """Return the values of a column as they are.

    Parameters
    ----------
    data : pyarrow.ChunkedArray, length n

    Returns
    -------
    masked ndarray, shape (n,), or (n, m) for lists of m
        Null is masked; of texts it is the empty text, for the formats do not tell one from the
        other.
    """
    if pa.types.is_string(data.type):
        return np.ma.array(data.fill_null("").to_pylist(), dtype=str)
    is_null = data.is_null().to_numpy()
    if pa.types.is_fixed_size_list(data.type):
        values = data.combine_chunks().flatten().to_numpy().reshape(-1, data.type.list_size)
        return np.ma.array(values, mask=np.broadcast_to(is_null[:, None], values.shape))
    return np.ma.array(data.fill_null(pa.scalar(0).cast(data.type)).to_numpy(), mask=is_null)


@dataclass(frozen=True)
class Face:
    """A form of the release for other programs; `release.faces.registry` lists them.

    Attributes
    ----------
    name : str
    files : tuple of str
        What it makes below the release; a folder ends with ``/``. The first names it in checks.
    paragraph : str
        What the README says of it.
    write : callable
        ``write(folder, manifest)`` makes it from the tables of the release.
    read_back : callable or None
        ``read_back(folder)`` returns columns, by name, that are those of the graded rows in their
        order.
    not_read : str
        Why nothing is read back, where nothing is.
    spell : callable
        ``spell(column)`` returns what the face makes of the values of a graded column.
    needs : tuple of str
        Tables without which there is nothing to write.
    find_faults : callable or None
        ``find_faults(folder)`` lists what else is wrong with it; the check bears the face's name.
    media_types : mapping of str to str
        What a web server says of its files, by ending or name, where that is the face's own.
    """

    name: str
    files: tuple[str, ...]
    paragraph: str
    write: Callable[[Path, Manifest], None]
    read_back: Callable[[Path], Mapping[str, Any]] | None = None
    not_read: str = ""
    spell: Callable[[pa.ChunkedArray], Any] = keep
    needs: tuple[str, ...] = ()
    find_faults: Callable[[Path], list[str]] | None = None
    media_types: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.read_back is None) != bool(self.not_read):
            raise ValueError(f"face {self.name}: read its rows back, or say why not")
