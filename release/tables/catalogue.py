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
from catalog_schema.vocabulary import MatchState, Parent, ReviewStatus, Tier
from catalog_schema.waist import KEY
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

_KEY = ", ".join(KEY)
_BATCH_ROWS = 50_000
# Datasets in one piece, and the scores, of which the controls are kept apart.
_WHOLE = ("significance", "tiers", "classes", "evidence", "scores")
_IS_CONTROL = f"parent = '{Parent.CONTROL.value}'"
_CONSTANTS = {
    "review_status": f"coalesce(reviewed.review_status, '{ReviewStatus.UNREVIEWED.value}')",
}
_PRIMARIES = f"""
    CREATE TEMP TABLE primaries AS
    SELECT {_KEY}, scores.HEALPIX, tiers.finding, tiers.tier
    FROM scores JOIN targets USING ({_KEY}) JOIN tiers USING ({_KEY})
    QUALIFY row_number() OVER (
        PARTITION BY TARGETID ORDER BY {{longest}}SURVEY, PROGRAM
    ) = 1
"""
_POSITIONS = f"""
    SELECT TARGETID, p.HEALPIX, TARGET_RA, TARGET_DEC FROM primaries p JOIN targets USING ({_KEY})
"""
_GRADED = f"""
    FROM catalogue WHERE tier != '{Tier.NONE.value}' ORDER BY {contents.STRANGEST_FIRST}
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
        self._connection, self._kind = connection, inputs.kind
        for name in _WHOLE[:-1]:
            connection.register(name, store.open_dataset([store.lake.table(name)]))
        for name in inputs.kind.joined:
            if name not in _WHOLE:
                connection.register(name, _open_sharded(store, inputs, name))
        if contents.CHANGES in inputs.kind.files:
            connection.register("changes", _open_changes(store, inputs))
        for name in ("catalogues", "matches") if inputs.catalogues else ():
            paths = [store.lake.catalogue(name, catalogue) for catalogue in inputs.catalogues]
            connection.register(name, store.open_dataset(paths))
        connection.register("reviewed", tabulate_status(inputs.reviews))
        scored = _open_sharded(store, inputs, "scores")
        connection.register("scored", scored)
        connection.execute(f"CREATE VIEW scores AS FROM scored WHERE NOT {_IS_CONTROL}")
        connection.execute(f"CREATE VIEW controls AS FROM scored WHERE {_IS_CONTROL}")
        self._sizes = {}
        if "latent" in scored.schema.names:
            self._sizes["latent"] = scored.schema.field("latent").type.list_size
        longest = inputs.kind.longest
        order = f"targets.{longest} DESC NULLS LAST, " if longest else ""
        connection.execute(_PRIMARIES.format(longest=order))
        connection.register("places", place_objects(connection.sql(_POSITIONS).to_arrow_table()))

    def check(self, levels: GradeSettings) -> None:
        """Refuse tables that do not belong together.

        Raises
        ------
        UserError
        """
        for name in (name for name in self._kind.joined if name != "scores"):
            query = f"SELECT count(*) FROM scores ANTI JOIN {name} USING ({_KEY})"
            if n_missing := self._count(query):
                raise UserError(
                    f"{n_missing} scored spectra are not in {name}; run `qad run` again"
                )
        if self._count("SELECT count(DISTINCT model_id) FROM scores") != 1:
            raise UserError("the scores come from several models; run `qad run` again")
        has_matches = contents.CROSSMATCH in self._kind.files
        if has_matches and (n_missing := self._count(f"SELECT count(*) FROM ({_UNMATCHED})")):
            raise UserError(f"{n_missing} objects are not in matches; run `qad run` again")
        if n_strangers := self._count(_STRANGERS, levels.gold, levels.silver, levels.bronze):
            raise UserError(
                f"{n_strangers} tiers do not follow the levels in [grade]; "
                "build with the --config and --set of the run"
            )

    def write(self, folder: Path, notes: dict[str, str]) -> dict[tuple[str | None, str], int]:
        """Write the main table and anomalies.parquet; return the rows by finding and tier."""
        main, (first, *others) = self._kind.main_table, self._kind.joined
        joins = " ".join(f"JOIN {name} USING ({_KEY})" for name in others)
        reviewed = "LEFT JOIN reviewed USING (TARGETID)"
        rows = f"""
            SELECT {", ".join(self._place(name) for name in main.names)}
            FROM primaries JOIN {first} USING ({_KEY}) {joins}
            JOIN places USING (TARGETID) {reviewed}
            ORDER BY {healpix_29.name}, TARGETID
        """
        lengths = self._measure_strings(main, f"{first} {joins} {reviewed}")
        path = folder / self._kind.main_file
        self._publish(path, main, rows, notes, lengths)
        self._connection.read_parquet(str(path)).create_view("catalogue")
        self._publish(folder / contents.ANOMALIES, main, _GRADED, notes, lengths)
        counts = self._connection.sql("SELECT finding, tier, count(*) FROM primaries GROUP BY ALL")
        return {(finding, tier): count for finding, tier, count in counts.fetchall()}

    def write_significance(self, folder: Path, notes: dict[str, str]) -> None:
        """Write significance.parquet: the grade of every spectrum, also of one not published."""
        graded = self._kind["graded"]
        query = f"""
            SELECT {", ".join(graded.names)} FROM significance
            JOIN (SELECT {_KEY}, joint_p_value FROM classes) USING ({_KEY})
            JOIN (SELECT {_KEY}, finding, finding_p_value, q_value, tier FROM tiers) USING ({_KEY})
            ORDER BY {_KEY}
        """
        lengths = self._measure_strings(graded, "significance")
        self._publish(folder / contents.SIGNIFICANCE, graded, query, notes, lengths)

    def write_evidence(self, folder: Path, notes: dict[str, str]) -> None:
        """Write evidence.parquet: of each published object, the features that tell its class."""
        query = f"""
            SELECT * FROM evidence SEMI JOIN primaries USING ({_KEY})
            ORDER BY HEALPIX, TARGETID, abs(contribution) DESC, feature
        """
        self._publish_long(folder, contents.EVIDENCE, query, notes)

    def write_changes(self, folder: Path, notes: dict[str, str]) -> None:
        """Write changes.parquet: of each published object, every earlier spectrum."""
        if contents.CHANGES not in self._kind.files:
            return
        query = f"""
            SELECT * FROM changes SEMI JOIN primaries USING ({_KEY})
            ORDER BY HEALPIX, TARGETID, earlier_mjd, earlier_file
        """
        self._publish_long(folder, contents.CHANGES, query, notes)

    def write_matches(self, folder: Path, notes: dict[str, str]) -> pa.Table:
        """Write crossmatch.parquet and catalogues.parquet; return the rows of the latter."""
        if contents.CROSSMATCH not in self._kind.files:
            return pa.table({})
        published = f"matches SEMI JOIN primaries USING ({_KEY})"
        query = f"SELECT * FROM {published} ORDER BY HEALPIX, TARGETID, catalogue, match_rank"
        self._publish_long(folder, contents.CROSSMATCH, query, notes)
        counted = _COUNTED.format(published=published)
        self._publish_long(folder, contents.CATALOGUES, counted, notes)
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
        write_table(path, table, parts, notes, lengths, **self._sizes)

    def _publish_long(self, folder: Path, path: str, query: str, notes: dict[str, str]) -> None:
        """Write a table that has a row for each of several things about an object."""
        table = self._kind.files[path]
        self._publish(folder / path, table, query, notes, self._measure_strings(table, table.name))

    def _measure_strings(self, table: Table, source: str) -> dict[str, int]:
        names = find_open_strings(table)
        is_main = table.name == self._kind.main
        places = [self._place(name) if is_main else name for name in names]
        longest = ", ".join(f"max(length({place}))" for place in places)
        lengths = self._connection.sql(f"SELECT {longest} FROM {source}").fetchall()[0]
        return {name: length or 1 for name, length in zip(names, lengths, strict=True)}

    def _place(self, name: str) -> str:
        """Return where a column of the main table comes from, in SQL."""
        if name == healpix_29.name:
            return f"places.{name}"
        if name in _CONSTANTS:
            return f"{_CONSTANTS[name]} AS {name}"
        joined = self._kind.joined
        return next(f"{each}.{name}" for each in joined if name in self._kind[each].names)

    def _count(self, query: str, *values: float) -> int:
        return int(self._connection.sql(query, params=list(values)).fetchall()[0][0])


def _open_sharded(store: Store, inputs: Inputs, dataset: str) -> "Dataset":
    return store.open_dataset([store.lake.shard(dataset, shard) for shard in inputs.shards])


def _open_changes(store: Store, inputs: Inputs) -> "Dataset | pa.Table":
    paths = [store.lake.shard("changes", shard) for shard in inputs.compared]
    return (
        store.open_dataset(paths) if paths else arrow_schema(inputs.kind["changes"]).empty_table()
    )


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
