"""Checks that every face holds the graded rows in their order, and what else it promises."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.kind import Kind
from release.faces.registry import FACES, list_faces

# What is checked, and of which files.
Check = tuple[Callable[[Path, str], list[str]], tuple[str, ...]]
_READ = {face.files[0]: face for face in FACES if face.read_back}
_OWN = {face.files[0]: face for face in FACES if face.find_faults}


def check_same_rows(path: Path, target: str) -> list[str]:
    """The columns that a face gives back are those of ``catalog/anomalies.parquet``."""
    face = _READ[target]
    found = face.read_back(path) if face.read_back else {}
    expected = pq.ParquetFile(path / contents.ANOMALIES).read(columns=list(found))
    return [
        f"{name} is not that of anomalies.parquet"
        for name, values in found.items()
        if not is_same(values, face.spell(expected[name]))
    ]


def _check_own(path: Path, target: str) -> list[str]:
    find_faults = _OWN[target].find_faults
    return find_faults(path) if find_faults else []


def is_same(found: Any, expected: Any) -> bool:
    """Tell whether two columns have the same values, missing ones in the same places.

    Parameters
    ----------
    found, expected : array_like
        Null and NaN are masked. Floats that were read in double precision are compared in that of
        the expected ones.
    """
    one, other = _mask(found), _mask(expected)
    if one.dtype.kind == "f" and other.dtype.kind == "f":
        one = np.ma.array(one, dtype=other.dtype)
    known = ~np.ma.getmaskarray(other)
    return (
        one.shape == other.shape
        and np.array_equal(~np.ma.getmaskarray(one), known)
        and np.array_equal(one.data[known], other.data[known])
    )


def _mask(values: Any) -> np.ma.MaskedArray:
    data = np.ma.asarray(values)
    if data.dtype.kind == "f":
        return np.ma.masked_where(np.isnan(data.data), data)
    if data.dtype.kind in "OSU":
        return np.ma.array(data.filled("").astype(str), mask=False)
    return data


def list_checks(kind: Kind) -> dict[str, Check]:
    """Return the checks of the faces that releases of a kind of data have."""
    faces = list_faces(kind)
    own = {face.name: (_check_own, (face.files[0],)) for face in faces if face.find_faults}
    read = tuple(face.files[0] for face in faces if face.read_back)
    return {**own, "same_rows": (check_same_rows, read)}
