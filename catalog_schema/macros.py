"""Views and macros for DuckDB that every release ships as ``sql/catalog.sql``.

Who shows a release makes them from here: a script that came with the release would be run as code.
"""

from pathlib import PurePath

from catalog_schema import contents
from catalog_schema.kind import Kind

SCRIPT = "sql/catalog.sql"
_MACROS = (
    """\
-- Separation of two ICRS positions in degrees, by the haversine formula, which keeps its
-- precision at small angles. Result in arcsec.
CREATE OR REPLACE MACRO angsep_arcsec(ra1, dec1, ra2, dec2) AS
    3600 * 2 * degrees(asin(least(1, sqrt(
        pow(sin(radians(dec2 - dec1) / 2), 2)
        + cos(radians(dec1)) * cos(radians(dec2)) * pow(sin(radians(ra2 - ra1) / 2), 2)
    ))));
""",
    """\
-- Objects within a radius (arcsec) of an ICRS position (deg), nearest first.
CREATE OR REPLACE MACRO cone(ra, dec, radius) AS TABLE
    SELECT angsep_arcsec(ra, dec, TARGET_RA, TARGET_DEC) AS separation, *
    FROM {main}
    WHERE TARGET_DEC BETWEEN dec - radius / 3600 AND dec + radius / 3600
        AND angsep_arcsec(ra, dec, TARGET_RA, TARGET_DEC) <= radius
    ORDER BY separation;
""",
    """\
-- The n strangest objects.
CREATE OR REPLACE MACRO top_anomalies(n) AS TABLE
    SELECT row_number() OVER (ORDER BY finding_p_value, anomaly_score DESC, TARGETID) AS rank,
        TARGETID, TARGET_RA, TARGET_DEC,{more} finding, finding_p_value, q_value, tier,
        anomaly_score, reason
    FROM anomalies
    QUALIFY rank <= n
    ORDER BY rank;
""",
)
# Files that have a view beside that of the main table.
_VIEWS = (
    contents.ANOMALIES,
    contents.SPECTRA,
    contents.SIGNIFICANCE,
    contents.COMPLETENESS,
    contents.GATES,
)
_HEAD = """\
-- Views and macros for DuckDB; run it from the folder of the release:
--   duckdb -init sql/catalog.sql
"""


def list_macros(kind: Kind) -> list[str]:
    """Return the macros for the releases of a kind of data."""
    more = " Z," if "Z" in kind.main_table.names else ""
    return [text.replace("{main}", kind.main).replace("{more}", more) for text in _MACROS]


def write_script(kind: Kind) -> str:
    """Return the content of `SCRIPT`: views with paths relative to the release, then macros."""
    others = {PurePath(path).stem: path for path in _VIEWS if path in kind.files}
    named = {kind.main: kind.main_file} | others
    views = [f"CREATE OR REPLACE VIEW {name} AS FROM '{path}';\n" for name, path in named.items()]
    return "\n".join([_HEAD + "".join(views), *list_macros(kind)])
