"""Records that describe a column and a table: the vocabulary in which the schema is written."""

from dataclasses import dataclass, replace

import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """One column, stated once for every table that holds it.

    Attributes
    ----------
    name : str
        DESI's own columns in DESI's upper case, ours in lower snake case.
    type : pyarrow.DataType
        Type of a value, or of one element where `array` is set.
    description : str
        One sentence for the data dictionary.
    ucd : str
        IVOA UCD1+ word(s).
    unit : str
        VOUnit string; empty for a dimensionless column.
    source : str
        Where the value comes from: a DESI data-model file, a paper or a stage of ours.
    bounds : tuple of float or None
        Inclusive range of valid values.
    vocabulary : tuple of str or None
        The allowed values of a coded string column.
    nullable : bool
        Whether null (never a sentinel such as -99) is allowed.
    may_be_nan : bool
        Whether single elements of an array may be NaN, i.e. undefined.
    array : str or None
        Name of the dimension of a fixed-size list column.
    size : int or None
        Its size. Open where it is the survey's (pixels of a spectrum) or a setting of the run
        (window length, latent dimension, number of seeds).
    since : str
        Schema version in which the column appeared.
    """

    name: str
    type: pa.DataType
    description: str
    ucd: str
    unit: str = ""
    source: str = "DESI-QAD"
    bounds: tuple[float, float] | None = None
    vocabulary: tuple[str, ...] | None = None
    nullable: bool = False
    may_be_nan: bool = False
    array: str | None = None
    size: int | None = None
    since: str = "1.0.0"

    def optional(self) -> "Column":
        """Return the same column, allowed to be null."""
        return replace(self, nullable=True)

    def field(self, size: int | None = None) -> pa.Field:
        """Render as an Arrow field that carries unit, UCD and description as metadata.

        `size` is that of an open dimension.
        """
        size = size if self.size is None else self.size
        metadata = {"description": self.description, "ucd": self.ucd}
        if self.unit:
            metadata["unit"] = self.unit
        data_type = self.type
        if self.array is not None:
            if size is None:
                raise ValueError(f"column {self.name}: the size of dimension {self.array} is open")
            data_type = pa.list_(pa.field("element", self.type, nullable=False), size)
        return pa.field(self.name, data_type, nullable=self.nullable, metadata=metadata)


@dataclass(frozen=True)
class Table:
    """One dataset of the data path: its columns in order and the key that is unique in it."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name}")

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    @property
    def scalars(self) -> tuple[Column, ...]:
        """Columns with one value a row, in order."""
        return tuple(column for column in self.columns if column.array is None)


def arrow_schema(table: Table, **sizes: int) -> pa.Schema:
    """Render a table as an Arrow schema.

    Parameters
    ----------
    table : Table
    **sizes : int
        Sizes of the open dimensions, e.g. ``window=4368, latent=10``.

    Returns
    -------
    pyarrow.Schema
        Fields with unit, UCD and description as metadata.

    Raises
    ------
    ValueError
        If the table has an array column whose dimension has no size.
    """
    return pa.schema([column.field(sizes.get(column.array or "")) for column in table.columns])
