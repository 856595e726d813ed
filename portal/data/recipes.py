"""How to open the release's files outside the portal: code to be copied and run as it stands.

Each recipe is run from inside the release directory.
"""

RECIPES = {
    "DuckDB": """import duckdb

top = duckdb.sql(
    "SELECT TARGETID, Z, joint_p_value, q_value FROM 'catalog/quasars.parquet' "
    "WHERE tier = 'gold' ORDER BY joint_p_value LIMIT 20"
).df()
print(top)
""",
    "polars": """import polars as pl

top = (
    pl.scan_parquet("catalog/quasars.parquet")
    .filter(pl.col("tier") == "gold")
    .select("TARGETID", "Z", "joint_p_value", "q_value")
    .sort("joint_p_value")
    .head(20)
    .collect()
)
print(top)
""",
    "astropy": """import pyarrow.parquet as pq
from astropy.table import Table

rows = pq.read_table("catalog/quasars.parquet", filters=[("tier", "=", "gold")])
plain = [name for name in rows.column_names if rows[name].type.num_fields == 0]
table = Table({name: rows[name].to_numpy() for name in plain})
for field in rows.schema:
    if field.name in table.colnames and field.metadata:
        table[field.name].description = field.metadata[b"description"].decode()
print(table["TARGETID", "Z", "joint_p_value", "q_value"])
""",
    "Spectrum": """import numpy as np
import pyarrow.parquet as pq

rows = pq.read_table("spectra/spectra.parquet", filters=[("tier", "=", "gold")])
wave = 3600.0 + 0.8 * np.arange(7781)
flux = np.stack(rows["flux"].to_numpy())
model = np.stack(rows["model"].to_numpy())
print(rows["TARGETID"], wave.shape, flux.shape, model.shape)
""",
}
