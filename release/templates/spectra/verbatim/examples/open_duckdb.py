"""The strangest objects with DuckDB; run it from the folder of the release."""

from pathlib import Path

import duckdb

connection = duckdb.connect()
connection.execute(Path("sql/catalog.sql").read_text())
connection.sql("FROM top_anomalies(10)").show()
