"""The locked schema: a rendering of the whole registry that changes only with its version.

``python -m catalog_schema.lock`` rewrites the lock file after the version was raised.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from catalog_schema.column import Column
from catalog_schema.kind import Kind
from catalog_schema.kinds import SPECTRA
from catalog_schema.tables import SCHEMA_VERSION

LOCK_FILE = "schema.lock.json"


def render_schema(kind: Kind = SPECTRA) -> dict[str, Any]:
    """Return the tables of a kind of data as plain JSON values."""
    tables = {
        table.name: {
            "description": table.description,
            "key": list(table.key),
            "columns": [_render(column) for column in table.columns],
        }
        for table in kind.tables
    }
    return {"version": SCHEMA_VERSION, "tables": tables}


def read_lock() -> dict[str, Any]:
    """Return the locked rendering."""
    text = resources.files("catalog_schema").joinpath(LOCK_FILE).read_text()
    return dict(json.loads(text))


def write_lock() -> Path:
    """Write the lock file; refuse a changed schema under an unchanged version.

    Raises
    ------
    SystemExit
        If the schema changed but `SCHEMA_VERSION` did not.
    """
    path = Path(__file__).with_name(LOCK_FILE)
    current = render_schema()
    if path.exists():
        locked = json.loads(path.read_text())
        if locked != current and locked["version"] == current["version"]:
            raise SystemExit("the schema changed: raise SCHEMA_VERSION in catalog_schema/tables.py")
    path.write_text(json.dumps(current, indent=1) + "\n")
    return path


def _render(column: Column) -> dict[str, Any]:
    rendering = {
        "name": column.name,
        "type": str(column.type),
        "array": column.array,
        "unit": column.unit,
        "ucd": column.ucd,
        "description": column.description,
        "source": column.source,
        "bounds": [str(bound) for bound in column.bounds] if column.bounds else None,
        "vocabulary": list(column.vocabulary) if column.vocabulary else None,
        "nullable": column.nullable,
        "may_be_nan": column.may_be_nan,
        "since": column.since,
    }
    return {name: value for name, value in rendering.items() if value not in (None, "", False)}


if __name__ == "__main__":
    print(write_lock())
