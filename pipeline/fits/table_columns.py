"""Columns of a FITS binary table: where they lie in a row, and their values by what they mean."""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.fits.header import MAX_FIELDS, Header

_FORMAT = re.compile(r"(?P<repeat>\d{0,9})(?P<code>[A-Z])")
_TYPES = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
_READ = {"A", *_TYPES}
# Bytes of an element, also of what is never read: bits, complex numbers, variable-length arrays.
_WIDTHS = {"A": 1, "X": 1, "C": 8, "M": 16, "P": 8, "Q": 16} | {
    code: np.dtype(name).itemsize for code, name in _TYPES.items()
}
# Bits and identifiers: every bit counts, so they are never floating-point numbers.
_EXACT = re.compile(r"TARGETID|(\w+_)?(DESI|SCND)_TARGET")
_INTEGERS = {
    "ZWARN",
    "COADD_FIBERSTATUS",
    "FIBERSTATUS",
    "HEALPIX",
    "NIGHT",
    "PETAL_LOC",
    "FIBER",
    "COADD_NUMEXP",
    "AND_MASK",
}
_TEXTS = {"SPECTYPE", "OBJTYPE", "SURVEY", "PROGRAM", "DESINAME"}
_FLAGS = {"ZCAT_PRIMARY", "IS_QSO_MGII", "IS_QSO_QN_NEW_RR"}
_REALS = re.compile(
    r"Z|ZERR|DELTACHI2|(TARGET_)?(RA|DEC)|EBV|COADD_EXPTIME|MEAN_MJD|FLUX_\w+|EXPTIME"
    r"|Z_NEW|ZERR_NEW|C_\w+|LOGLAM|FLUX|IVAR"
)


class Field(NamedTuple):
    """A column: place in the row, raw type, scaling, and the integer that means no value."""

    offset: int
    dtype: np.dtype
    zero: float
    scale: float
    null: int | None
    is_logical: bool


class _Place(NamedTuple):
    """Number and name of a column, and its bytes in a row: first, code and count of elements."""

    number: int
    name: str
    offset: int
    code: str
    repeat: int


class Fields:
    """Columns of a table by name; of hundreds only those asked for are looked at closely.

    Raises
    ------
    DataError
        If a format is none, or the columns do not fill the row.
    """

    def __init__(self, header: Header, row_bytes: int) -> None:
        self._header = header
        self.names: list[str] = []
        self._places: dict[str, list[_Place]] = {}
        offset = 0
        for number in range(1, header.integer("TFIELDS", high=MAX_FIELDS) + 1):
            form = header.text(f"TFORM{number}")
            code, repeat, n_bytes = _read_format(form)
            if not code:
                raise DataError(
                    f"{header.where}: column {number} has no format ({form[:20]!r}); fetch it again"
                )
            if code in _READ:
                name = header.text(f"TTYPE{number}")
                place = _Place(number, name, offset, code, repeat)
                self.names.append(name)
                self._places.setdefault(name.upper(), []).append(place)
            offset += n_bytes
        if offset != row_bytes:
            raise DataError(
                f"{header.where}: columns of {offset} bytes in rows of {row_bytes}; fetch it again"
            )

    def find(self, where: str, name: str) -> Field | None:
        """Return a column by its name, or by its name in another case, or None.

        Raises
        ------
        DataError
            If there are two, or it cannot be scaled.
        """
        alike = self._places.get(name.upper(), [])
        found = [place for place in alike if place.name == name] or alike
        if len(found) > 1:
            raise DataError(f"{where} has {len(found)} columns {name}; leave one")
        return _make_field(self._header, found[0]) if found else None


def take_column(where: str, data: bytes, row_bytes: int, field: Field, name: str) -> NDArray:
    """Return the values of a column of some rows, native, of the type that its name asks for.

    Raises
    ------
    DataError
        If they are of a type that cannot hold what the name means.
    """
    layout = np.dtype(
        {"names": ["v"], "formats": [field.dtype], "offsets": [field.offset], "itemsize": row_bytes}
    )
    values = np.frombuffer(data, layout)["v"]
    if field.is_logical:
        values = values == b"T"
    elif values.dtype.kind == "S":
        values = decode(values)
    else:
        values = _scale(values, field, bool(_REALS.fullmatch(name.upper())))
    return _convert(f"{where}: column {name}", values, name)


def take_array(data: bytes, row_bytes: int, field: Field) -> NDArray:
    """Return numbers of some rows, native and scaled, shape (n, k) where a cell holds k."""
    layout = np.dtype(
        {"names": ["v"], "formats": [field.dtype], "offsets": [field.offset], "itemsize": row_bytes}
    )
    return apply_scale(np.frombuffer(data, layout)["v"], field.zero, field.scale)


def decode(values: NDArray[np.bytes_]) -> NDArray[np.str_]:
    """Return strings without the blanks around them: ASCII, or else UTF-8, or else Latin-1."""
    try:
        return np.char.strip(values.astype(str))
    except UnicodeDecodeError:
        return np.array([_decode(value).strip() for value in values.ravel().tolist()]).reshape(
            values.shape
        )


def apply_scale(values: NDArray, zero: float, scale: float, in_place: bool = False) -> NDArray:
    """Return values in native byte order, scaled; unsigned where the offset means so.

    `in_place` lets unsigned integers take the memory of the values.
    """
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    if zero == 0 and scale == 1:
        return native
    bits = 8 * native.dtype.itemsize
    if scale == 1 and native.dtype.kind == "i" and zero == 2.0 ** (bits - 1):
        unsigned = native.view(f"u{bits // 8}")
        sign = unsigned.dtype.type(2 ** (bits - 1))
        return np.bitwise_xor(unsigned, sign, out=unsigned if in_place else None)
    with np.errstate(over="ignore", invalid="ignore"):
        return native * scale + zero


@lru_cache(maxsize=4096)
def _read_format(form: str) -> tuple[str, int, int]:
    """Return code, count of elements and bytes of a format; no code if it is none."""
    match = _FORMAT.match(form)
    code = match["code"] if match else ""
    if not match or code not in _WIDTHS:
        return "", 0, 0
    repeat = int(match["repeat"] or 1)
    return code, repeat, -(-repeat // 8) if code == "X" else _WIDTHS[code] * repeat


def _make_field(header: Header, place: _Place) -> Field:
    number, code = place.number, place.code
    dtype = np.dtype(f"S{place.repeat}" if code == "A" else _TYPES[code])
    if place.repeat != 1 and code != "A":
        dtype = np.dtype((dtype, (place.repeat,)))
    is_number = code not in "AL"
    null = f"TNULL{number}"
    return Field(
        place.offset,
        dtype,
        header.number(f"TZERO{number}", 0.0) if is_number else 0.0,
        header.number(f"TSCAL{number}", 1.0) if is_number else 1.0,
        header.integer(null, low=-(2**63)) if code in "BIJK" and header.has(null) else None,
        code == "L",
    )


def _scale(values: NDArray, field: Field, is_real: bool) -> NDArray:
    scaled = apply_scale(values, field.zero, field.scale)
    if field.null is None or not (is_null := values == field.null).any():
        return scaled
    if is_real or scaled.dtype.kind == "f":
        return np.where(is_null, np.nan, scaled)
    # No identifier, number or set of bits of the surveys is negative.
    return np.where(is_null, -1, scaled.astype(np.int64, copy=False))


def _convert(what: str, values: NDArray, name: str) -> NDArray:
    name, kind = name.upper(), values.dtype.kind
    is_exact = bool(_EXACT.fullmatch(name))
    is_real, is_integer = bool(_REALS.fullmatch(name)), name in _INTEGERS or is_exact
    if not (is_real or is_integer or name in _TEXTS or name in _FLAGS):
        return values
    if values.ndim != 1:
        raise DataError(f"{what} has {values.shape[1]} values a row, not one")
    if name in _TEXTS:
        return values if kind == "U" else _refuse(what, values, "text")
    if kind == "U":
        return _refuse(what, values, "numbers")
    if name in _FLAGS:
        return values.astype(bool)
    if is_real:
        return values if kind == "f" else values.astype(np.float64)
    return _to_integers(what, values, is_exact)


def _to_integers(what: str, values: NDArray, is_exact: bool) -> NDArray[np.integer]:
    kind = values.dtype.kind
    if kind == "f" and is_exact:
        return _refuse(what, values, "integers, and floating-point numbers cannot hold them all")
    if kind == "f":
        if not (np.abs(values) < 2**53).all() or (values != np.rint(values)).any():
            return _refuse(what, values, "integers")
        return values.astype(np.int64)
    if values.dtype == np.uint64 and "TARGETID" in what and (values >> 63).any():
        raise DataError(f"{what} has a value of {values.max()}, more than an identifier can be")
    return values.astype(np.int64, copy=False)


def _refuse(what: str, values: NDArray, wanted: str) -> NDArray:
    raise DataError(f"{what} holds {values.dtype.name}, not {wanted}; give it as {wanted[:8]}")


def _decode(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
