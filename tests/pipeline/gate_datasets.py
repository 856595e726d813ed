"""A small dataset of no stage, for tests of the lake."""

import pyarrow as pa

from catalog_schema.tables import GATES
from pipeline.lake.store import columns_to_table

MADE = {"fingerprint": "f", "n_expected": 3, "n_made": 2, "dropped": {"dead": 1}}


def make_gates(n: int = 2, gate: str = "dead") -> pa.Table:
    columns = {
        "SURVEY": ["main"] * n,
        "PROGRAM": ["dark"] * n,
        "HEALPIX": range(n),
        "stage": ["extract"] * n,
        "gate": [gate] * n,
        "n_dropped": range(n),
    }
    return columns_to_table(GATES, columns)
