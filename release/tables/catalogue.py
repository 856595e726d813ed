"""The catalogue: the lake's narrow tables joined once, by DuckDB."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from catalog_schema import contents
from catalog_schema.column import Table, arrow_schema
from catalog_schema.columns.sample import healpix_29
from catalog_schema.desi import FINE_ORDER, HEALPIX_ORDER
from catalog_schema.tables import (
    CATALOGUES,
    CHANGES,
    CLASSES,
    EVIDENCE,
    GRADED,
    MATCHES,
    QUASARS,
    RESTFRAME,
    SCORES,
    SIGNIFICANCE,
    TARGETS,
    TIERS,
)
from catalog_schema.vocabulary import MatchState, Parent, ReviewStatus, Tier
from pipeline.errors import UserError, first_line
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store
from pipeline.science.sky import find_cells
from pipeline.settings.judge import GradeSettings
from release.inputs import Inputs
from release.tables.engine import open_engine
from release.tables.reviews import tabulate_status
from release.tables.writer import find_open_strings, write_table

if TYPE_CHECKING:
    import duckdb
    from pyarrow.dataset import Dataset

_KEY = ", ".join(SCORES.key)
_BATCH_ROWS = 50_000
_IS_CONTROL = f"parent = '{Parent.CONTROL.value}'"
_CONSTANTS = {
    "review_status": f"coalesce(v.review_status, '{ReviewStatus.UNREVIEWED.value}')",
}
_PRIMARIES = f"""
    CREATE TEMP TABLE primaries AS
    SELECT {_KEY}, s.HEALPIX, c.tier
    FROM scores s JOIN targets t USING ({_KEY}) JOIN tiers c USING ({_KEY})
    QUALIFY row_number() OVER (
        PARTITION BY TARGETID ORDER BY t.COADD_EXPTIME DESC NULLS LAST, SURVEY, PROGRAM
    ) = 1
"""
_POSITIONS = f"""
    SELECT TARGETID, p.HEALPIX, TARGET_RA, TARGET_DEC FROM primaries p JOIN targets USING ({_KEY})
"""
_GRADED = f"""
    FROM quasars WHERE tier != '{Tier.NONE.value}' ORDER BY {contents.STRANGEST_FIRST}
"""
_STRANGERS = f"""
    SELECT count(*) FROM tiers WHERE tier != CASE
        WHEN q_value <= ? THEN '{Tier.GOLD.value}'
        WHEN q_value <= ? THEN '{Tier.SILVER.value}'
        WHEN q_value <= ? THEN '{Tier.BRONZE.value}'
        ELSE '{Tier.NONE.value}' END
"""


# Objects that some catalogue says nothing of.
_UNMATCHED = f"""
    SELECT {_KEY} FROM primaries LEFT JOIN matches USING ({_KEY})
    GROUP BY ALL HAVING count(DISTINCT catalogue) != (SELECT count(*) FROM catalogues)
"""
_COUNTS = {f"n_{state}": f"count(*) FILTER (match_state = '{state}')" for state in MatchState}
# The stage has counted spectra; a release counts objects.
_COUNTED = f"""
    SELECT * FROM (SELECT * EXCLUDE ({", ".join(_COUNTS)}) FROM catalogues)
    JOIN (
        SELECT catalogue, {", ".join(f"{count} AS {name}" for name, count in _COUNTS.items())}
        FROM {{published}} WHERE match_rank = 1 GROUP BY catalogue
    ) USING (catalogue) ORDER BY catalogue
"""


@contextlib.contextmanager
def open_lake(store: Store, inputs: Inputs, scratch: Path) -> Iterator["JoinedLake"]:
    """Open the lake's tables in DuckDB and choose one spectrum per object.

    The primary spectrum has the longest exposure; at equal exposure SURVEY, then PROGRAM decide.

    Parameters
    ----------
    store : Store
    inputs : Inputs
    scratch : Path
        Folder for what does not fit in memory.

    Raises
    ------
    UserError
        If the disk is full.
    """
    import duckdb

    try:
        with open_engine(scratch) as connection:
            yield JoinedLake(connection, store, inputs)
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        reason = first_line(error)
        raise UserError(f"cannot write {store.root}: {reason}; free some space") from None


class JoinedLake:
    """The lake's tables, joined on demand."""

    def __init__(
        self, connection: "duckdb.DuckDBPyConnection", store: Store, inputs: Inputs
    ) -> None:
        self._connection = connection
        for name in ("significance", "tiers", "classes", "evidence"):
            connection.register(name, store.open_dataset([store.lake.table(name)]))
        for name in ("targets", "restframe"):
            connection.register(name, _open_sharded(store, inputs, name))
        connection.register("changes", _open_changes(store, inputs))
        for name in (CATALOGUES.name, MATCHES.name):
            paths = [store.lake.catalogue(name, catalogue) for catalogue in inputs.catalogues]
            connection.register(name, store.open_dataset(paths))
        connection.register("reviewed", tabulate_status(inputs.reviews))
        scored = _open_sharded(store, inputs, "scores")
        connection.register("scored", scored)
        connection.execute(f"CREATE VIEW scores AS FROM scored WHERE NOT {_IS_CONTROL}")
        connection.execute(f"CREATE VIEW controls AS FROM scored WHERE {_IS_CONTROL}")
        self._n_latent = scored.schema.field("latent").type.list_size
        connection.execute(_PRIMARIES)
        connection.register("places", place_objects(connection.sql(_POSITIONS).to_arrow_table()))

    def check(self, levels: GradeSettings) -> None:
        """Refuse tables that do not belong together.

        Raises
        ------
        UserError
        """
        for name in ("targets", "significance", "tiers", "classes", "restframe"):
            query = f"SELECT count(*) FROM scores ANTI JOIN {name} USING ({_KEY})"
            if n_missing := self._count(query):
                raise UserError(
                    f"{n_missing} scored spectra are not in {name}; run `qad run` again"
                )
        if self._count("SELECT count(DISTINCT model_id) FROM scores") != 1:
            raise UserError("the scores come from several models; run `qad run` again")
        if n_missing := self._count(f"SELECT count(*) FROM ({_UNMATCHED})"):
            raise UserError(f"{n_missing} objects are not in matches; run `qad run` again")
        if n_strangers := self._count(_STRANGERS, levels.gold, levels.silver, levels.bronze):
            raise UserError(
                f"{n_strangers} tiers do not follow the levels in [grade]; "
                "build with the --config and --set of the run"
            )

    def write(self, folder: Path, notes: dict[str, str]) -> dict[str, int]:
        """Write quasars.parquet and anomalies.parquet; return the number of rows by tier."""
        rows = f"""
            SELECT {", ".join(_place(name) for name in QUASARS.names)}
            FROM primaries p JOIN scores s USING ({_KEY}) JOIN targets t USING ({_KEY})
            JOIN significance g USING ({_KEY}) JOIN tiers c USING ({_KEY})
            JOIN classes k USING ({_KEY}) JOIN restframe r USING ({_KEY})
            JOIN places h USING (TARGETID) LEFT JOIN reviewed v USING (TARGETID)
            ORDER BY {healpix_29.name}, TARGETID
        """
        source = f"scores s JOIN targets t USING ({_KEY}) LEFT JOIN reviewed v USING (TARGETID)"
        lengths = self._measure_strings(QUASARS, source)
        self._publish(folder / contents.QUASARS, QUASARS, rows, notes, lengths)
        self._connection.read_parquet(str(folder / contents.QUASARS)).create_view("quasars")
        self._publish(folder / contents.ANOMALIES, QUASARS, _GRADED, notes, lengths)
        counts = self._connection.sql("SELECT tier, count(*) FROM primaries GROUP BY tier")
        return dict(counts.fetchall())

    def write_significance(self, folder: Path, notes: dict[str, str]) -> None:
        """Write significance.parquet: the grade of every spectrum, also of one not published."""
        query = f"""
            SELECT {", ".join(GRADED.names)} FROM significance
            JOIN (SELECT {_KEY}, joint_p_value FROM classes) USING ({_KEY})
            JOIN (SELECT {_KEY}, q_value, tier FROM tiers) USING ({_KEY})
            ORDER BY {_KEY}
        """
        lengths = self._measure_strings(GRADED, "significance")
        self._publish(folder / contents.SIGNIFICANCE, GRADED, query, notes, lengths)

    def write_evidence(self, folder: Path, notes: dict[str, str]) -> None:
        """Write evidence.parquet: of each published object, the features that tell its class."""
        query = f"""
            SELECT * FROM evidence SEMI JOIN primaries USING ({_KEY})
            ORDER BY HEALPIX, TARGETID, abs(contribution) DESC, feature
        """
        lengths = self._measure_strings(EVIDENCE, "evidence")
        self._publish(folder / contents.EVIDENCE, EVIDENCE, query, notes, lengths)

    def write_changes(self, folder: Path, notes: dict[str, str]) -> None:
        """Write changes.parquet: of each published object, every earlier spectrum."""
        query = f"""
            SELECT * FROM changes SEMI JOIN primaries USING ({_KEY})
            ORDER BY HEALPIX, TARGETID, earlier_mjd, earlier_file
        """
        lengths = self._measure_strings(CHANGES, "changes")
        self._publish(folder / contents.CHANGES, CHANGES, query, notes, lengths)

    def write_matches(self, folder: Path, notes: dict[str, str]) -> pa.Table:
        """Write crossmatch.parquet and catalogues.parquet; return the rows of the latter."""
        published = f"matches SEMI JOIN primaries USING ({_KEY})"
        for path, table, query, source in (
            (
                folder / contents.CROSSMATCH,
                MATCHES,
                f"SELECT * FROM {published} ORDER BY HEALPIX, TARGETID, catalogue, match_rank",
                "matches",
            ),
            (
                folder / contents.CATALOGUES,
                CATALOGUES,
                _COUNTED.format(published=published),
                "catalogues",
            ),
        ):
            self._publish(path, table, query, notes, self._measure_strings(table, source))
        return pq.read_table(folder / contents.CATALOGUES)

    def read_grades(self) -> pa.Table:
        """Return SURVEY, PROGRAM, TARGETID and tier of every row of the catalogue."""
        return self._connection.sql(f"SELECT {_KEY}, tier FROM primaries").to_arrow_table()

    def count_by_shard(self, view: Literal["primaries", "controls"]) -> dict[Shard, int]:
        """Return the number of rows of the catalogue, or of controls, that each shard gave."""
        query = f"SELECT SURVEY, PROGRAM, HEALPIX, count(*) FROM {view} GROUP BY ALL"
        return {Shard(*key): count for *key, count in self._connection.sql(query).fetchall()}

    def _publish(
        self, path: Path, table: Table, query: str, notes: dict[str, str], lengths: dict[str, int]
    ) -> None:
        batches = self._connection.sql(query).to_arrow_reader(_BATCH_ROWS)
        parts = (pa.Table.from_batches([batch]) for batch in batches)
        write_table(path, table, parts, notes, lengths, latent=self._n_latent)

    def _measure_strings(self, table: Table, source: str) -> dict[str, int]:
        names = find_open_strings(table)
        places = [_place(name) if table is QUASARS else name for name in names]
        longest = ", ".join(f"max(length({place}))" for place in places)
        lengths = self._connection.sql(f"SELECT {longest} FROM {source}").fetchall()[0]
        return {name: length or 1 for name, length in zip(names, lengths, strict=True)}

    def _count(self, query: str, *values: float) -> int:
        return int(self._connection.sql(query, params=list(values)).fetchall()[0][0])


def _open_sharded(store: Store, inputs: Inputs, dataset: str) -> "Dataset":
    return store.open_dataset([store.lake.shard(dataset, shard) for shard in inputs.shards])


def _open_changes(store: Store, inputs: Inputs) -> "Dataset | pa.Table":
    paths = [store.lake.shard(CHANGES.name, shard) for shard in inputs.compared]
    return store.open_dataset(paths) if paths else arrow_schema(CHANGES).empty_table()


def place_objects(positions: pa.Table) -> pa.Table:
    """Return the pixel of order 29 of every object, by which HATS sorts and divides the sky.

    Parameters
    ----------
    positions : pyarrow.Table
        TARGETID, HEALPIX, TARGET_RA and TARGET_DEC (degrees, ICRS), which may be null.

    Returns
    -------
    pyarrow.Table
        TARGETID and _healpix_29.
    """
    ra, dec = (positions[name] for name in ("TARGET_RA", "TARGET_DEC"))
    is_known = pc.and_(ra.is_valid(), dec.is_valid()).to_numpy(zero_copy_only=False)
    numbers = positions["HEALPIX"].to_numpy().astype(np.int64)
    pixels = np.where(numbers < 12 * 4**HEALPIX_ORDER, numbers, 0)
    cells = pixels << 2 * (FINE_ORDER - HEALPIX_ORDER)
    cells[is_known] = find_cells(ra.to_numpy()[is_known], dec.to_numpy()[is_known], FINE_ORDER)
    return pa.table({"TARGETID": positions["TARGETID"], healpix_29.name: cells})


def _place(name: str) -> str:
    if name == healpix_29.name:
        return f"h.{name}"
    if name in _CONSTANTS:
        return f"{_CONSTANTS[name]} AS {name}"
    tables = {
        "t": TARGETS,
        "s": SCORES,
        "g": SIGNIFICANCE,
        "c": TIERS,
        "k": CLASSES,
        "r": RESTFRAME,
    }
    return next(f"{alias}.{name}" for alias, table in tables.items() if name in table.names)
