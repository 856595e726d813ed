"""How to open a release's files outside the portal: code to be copied and run as it stands.

Each recipe is run from inside the release directory.
"""

from catalog_schema import kinds
from catalog_schema.column import Table
from catalog_schema.contents import SPECTRA
from portal.data.ranking import SMALLEST_FIRST, list_sortable
from portal.data.releases import Release

# What a recipe shows of an object, of what the release has.
_SHOWN = ("TARGETID", "Z", "finding", "finding_p_value", "q_value")
_DUCKDB = """import duckdb

top = duckdb.sql(
    "SELECT {names} FROM '{path}' "
    "ORDER BY {order} LIMIT 20"
).df()
print(top)
"""
_POLARS = """import polars as pl

top = (
    pl.scan_parquet("{path}")
    .select({quoted})
    .sort("{sort}", descending={descending}, nulls_last=True)
    .head(20)
    .collect()
)
print(top)
"""
_ASTROPY = """import pyarrow.parquet as pq
from astropy.table import Table

rows = pq.read_table("{path}"{filters})
plain = [name for name in rows.column_names if rows[name].type.num_fields == 0]
table = Table({{name: rows[name].to_numpy() for name in plain}})
for field in rows.schema:
    if field.name in table.colnames and field.metadata:
        table[field.name].description = field.metadata[b"description"].decode()
print(table[{quoted}])
"""
_SPECTRUM = """import numpy as np
import pyarrow.parquet as pq

rows = pq.read_table("{path}", filters=[("tier", "=", "gold")])
wave = {wave}
flux = np.stack(rows["flux"].to_numpy())
model = np.stack(rows["model"].to_numpy())
print(rows["TARGETID"], wave.shape, flux.shape, model.shape)
"""


def write_recipes(release: Release, table: Table) -> dict[str, str]:
    """Return recipes by their titles.

    Parameters
    ----------
    release : Release
    table : Table
        The columns that its main table has.
    """
    sort = list_sortable(table)[0]
    is_descending = sort not in SMALLEST_FIRST
    names = [name for name in _SHOWN if name in table.names]
    names = list(dict.fromkeys([*names, sort]))
    words = {
        "path": release.catalogue,
        "names": ", ".join(names),
        "quoted": ", ".join(f'"{name}"' for name in names),
        "sort": sort,
        "order": f"{sort} DESC NULLS LAST" if is_descending else sort,
        "descending": is_descending,
        "filters": ', filters=[("tier", "=", "gold")]' if "tier" in table.names else "",
    }
    recipes = {"DuckDB": _DUCKDB, "polars": _POLARS, "astropy": _ASTROPY}
    written = {title: recipe.format(**words) for title, recipe in recipes.items()}
    if (release.root / SPECTRA).is_file() and release.catalogue == kinds.SPECTRA.main_file:
        wave = release.sampling.grid.rule
        written["Spectrum"] = _SPECTRUM.format(path=SPECTRA, wave=wave)
    return written
