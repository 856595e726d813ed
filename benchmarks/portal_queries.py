"""Measures the portal's questions to a release of survey size, beside SQLite on the same rows.

Usage: python benchmarks/portal_queries.py [--rows 1600000] [--root FOLDER] [--no-sqlite]
    [--only QUESTION]

Writes a release with every column of the schema (random values, DESI's shares of tiers, rows in
HEALPix order as the release has them) and asks what the pages ask, each time with other
parameters, so that nothing is answered from memory. SQLite holds the columns without arrays,
indexed by TARGETID, by tier and p-value, and by declination; datasette asks it over its own SQL
interface where QAD_BENCH_PYTHON names the python of an environment that has it. All in one run;
wall-clock milliseconds, for that is what a visitor waits.
"""

import argparse
import json
import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from side_by_side import PEERS_VARIABLE, read_peak
from synthetic_release import TIERS, write_catalogue

from catalog_schema import tables
from catalog_schema.tables import QUASARS
from portal.data import catalogue, objects, plots, ranking
from portal.data.conditions import Filters
from portal.data.database import connect
from portal.data.ranking import Ranking
from portal.data.releases import open_release
from portal.data.search import Cone
from portal.service.visitor_sql import ask_sql

RECIPE = """SELECT tier, floor(Z * 2) / 2 AS z_from, count(*) AS n_objects
FROM quasars GROUP BY 1, 2 ORDER BY 1, 2"""
CONE_DEGREES = 180 / 3600


def write_sqlite(root: Path, path: Path) -> None:
    """Copy the columns without arrays into SQLite, indexed for the questions below."""
    names = [column.name for column in tables.QUASARS.columns if not column.array]
    con = sqlite3.connect(path)
    con.execute("PRAGMA journal_mode = OFF")
    con.execute(f"CREATE TABLE quasars ({', '.join(names)})")
    places = ", ".join("?" * len(names))
    for batch in pq.ParquetFile(root / "catalog/quasars.parquet").iter_batches(
        50_000, columns=names
    ):
        rows = zip(*(batch[name].to_pylist() for name in names), strict=True)
        con.executemany(f"INSERT INTO quasars VALUES ({places})", rows)
    for columns in ("TARGETID", "tier, finding_p_value", "TARGET_DEC"):
        con.execute(f'CREATE INDEX "by_{columns}" ON quasars ({columns})')
    con.execute("ANALYZE")
    con.commit()
    con.close()


Draw = Callable[[], object]


def list_questions(root: Path, draws: "Draws") -> dict[str, Draw]:
    """Return what the pages ask, each call with parameters of its own."""
    con, release = connect(root), open_release(root)
    clean = Filters(clean=True)
    gold = Filters(words=(("tier", ("gold",)),), clean=True)
    return {
        "TARGETID look-up": lambda: objects.find_object(con, draws.targetid()),
        "180″ cone": lambda: catalogue.find_cone(con, Cone(*draws.place(), 180.0), 1000),
        "tier page": lambda: catalogue.list_rows(con, gold, Ranking(), draws.page(), 50),
        "first page of a filter": lambda: catalogue.list_rows(con, draws.far(), Ranking(), 1, 50),
        "page deep in the list": lambda: catalogue.list_rows(
            con, clean, Ranking(), 100 * draws.page(), 50
        ),
        "place in the list": lambda: ranking.find_place(con, clean, Ranking(), draws.targetid()),
        "counts after a filter": lambda: catalogue.count_kinds(con, draws.far()),
        "sky map": lambda: plots.count_sky(con, draws.far(), 4),
        "latent neighbours": lambda: objects.find_neighbours(con, draws.targetid(), 5),
        "SQL recipe": lambda: ask_sql(release, RECIPE),
    }


def list_sqlite_questions(draws: "Draws") -> dict[str, Callable[[], str]]:
    """Return the same questions as SQLite statements, parameters written out."""
    names = ", ".join(column.name for column in tables.QUASARS.columns if not column.array)
    listed = ", ".join(catalogue.list_listed(QUASARS))
    cone = f"""SELECT {", ".join(catalogue.IN_CONE)} FROM quasars
        WHERE TARGET_DEC BETWEEN {{dec}} - {CONE_DEGREES} AND {{dec}} + {CONE_DEGREES}
        AND degrees(2 * asin(sqrt(pow(sin(radians(TARGET_DEC - {{dec}}) / 2), 2)
        + cos(radians(TARGET_DEC)) * cos(radians({{dec}}))
        * pow(sin(radians(TARGET_RA - {{ra}}) / 2), 2)))) <= {CONE_DEGREES} LIMIT 1000"""

    def draw_cone() -> str:
        ra, dec = draws.place()
        return cone.format(ra=ra, dec=dec)

    return {
        "TARGETID look-up": lambda: (
            f"SELECT {names} FROM quasars WHERE TARGETID = {draws.targetid()}"
        ),
        "180″ cone": draw_cone,
        "tier page": lambda: (
            f"SELECT {listed} FROM quasars WHERE tier = 'gold' ORDER BY "
            f"finding_p_value LIMIT 50 OFFSET {50 * (draws.page() - 1)}"
        ),
        "counts after a filter": lambda: (
            f"SELECT tier, count(*) FROM quasars WHERE Z >= {draws.z()} GROUP BY tier"
        ),
        "sky map": lambda: (
            "SELECT HEALPIX / 16 AS pix, count(*) AS n, sum(tier <> 'none') AS n_found "
            f"FROM quasars WHERE Z >= {draws.z()} GROUP BY pix"
        ),
        "SQL recipe": lambda: RECIPE.replace("floor(Z * 2)", "cast(Z * 2 AS int)"),
    }


class Draws:
    """Parameters that differ from call to call, the same in every run."""

    def __init__(self, root: Path, n_pages: int) -> None:
        rng = np.random.default_rng(2)
        columns = ["TARGETID", "TARGET_RA", "TARGET_DEC"]
        rows = pq.read_table(root / "catalog/quasars.parquet", columns=columns)
        picked = rows.take(rng.choice(rows.num_rows, 2000)).to_pylist()
        self._rows: Iterator[dict[str, float]] = iter(picked)
        self._rng, self._n_pages = rng, n_pages

    def targetid(self) -> int:
        """Draw an object."""
        return int(next(self._rows)["TARGETID"])

    def place(self) -> tuple[float, float]:
        """Draw a position, degrees."""
        row = next(self._rows)
        return row["TARGET_RA"], row["TARGET_DEC"]

    def page(self) -> int:
        """Draw a page."""
        return int(self._rng.integers(1, self._n_pages + 1))

    def far(self) -> Filters:
        """Draw a filter: what is beyond some redshift."""
        return Filters(ranges=(("Z", (self.z(), None)),), clean=True)

    def z(self) -> float:
        """Draw a redshift."""
        return float(self._rng.uniform(0.5, 3.0))


def measure(works: dict[str, Draw], repeats: int) -> dict[str, list[float]]:
    """Return each work's milliseconds after one call that is not counted."""
    found = {}
    for name, work in works.items():
        work()
        times = []
        for _ in range(repeats):
            began = time.perf_counter()
            work()
            times.append(1000 * (time.perf_counter() - began))
        found[name] = times
    return found


def ask_sqlite(path: Path) -> Callable[[str], object]:
    con = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    return lambda sql: con.execute(sql).fetchall()


DATASETTE = """
import asyncio, json, sys, time
from datasette.app import Datasette
path, statements = sys.argv[1], json.load(sys.stdin)
async def main():
    settings = {"sql_time_limit_ms": 60000, "max_returned_rows": 2000}
    served, found = Datasette([path], settings=settings), {}
    for name, sqls in statements.items():
        times = []
        for sql in sqls:
            began = time.perf_counter()
            asked = {"sql": sql, "_shape": "array"}
            answer = await served.client.get("/quasars.json", params=asked)
            assert answer.status_code == 200, answer.text[:300]
            times.append(1000 * (time.perf_counter() - began))
        found[name] = times[1:]
    print(json.dumps(found))
asyncio.run(main())
"""


def ask_datasette(path: Path, statements: dict[str, list[str]]) -> dict[str, list[float]]:
    """Return datasette's milliseconds for statements, or nothing where it is not installed."""
    python = os.environ.get(PEERS_VARIABLE)
    if not python:
        print(f"skipped: datasette; set {PEERS_VARIABLE} to the python of an environment with it")
        return {}
    done = subprocess.run(
        [python, "-c", DATASETTE, str(path)],
        input=json.dumps(statements),
        text=True,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        print(f"skipped: datasette: {done.stderr.strip().splitlines()[-1]}")
        return {}
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def show(title: str, found: dict[str, list[float]], ours: dict[str, list[float]]) -> None:
    for name, times in found.items():
        p50, p95 = np.percentile(times, [50, 95])
        ratio = f"{p50 / np.median(ours[name]):8.1f}×" if name in ours else ""
        print(f"{title:10} {name:24} p50 {p50:9.1f} ms  p95 {p95:9.1f} ms {ratio}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_600_000)
    parser.add_argument("--root", type=Path, help="Folder that keeps the release between runs.")
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--no-sqlite", action="store_true")
    parser.add_argument("--only", help="Ask this question alone, and SQLite nothing.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = (given.root or Path(folder)) / "9.9.9"
        if not root.exists():
            write_catalogue(root, given.rows)
        size = (root / "catalog/quasars.parquet").stat().st_size / 1e9
        n_gold = int(TIERS["gold"] * given.rows)
        draws = Draws(root, max(1, n_gold // 50))
        print(
            f"{given.rows:,} rows, {len(tables.QUASARS.columns)} columns, {size:.2f} GB of Parquet"
        )
        began = time.perf_counter()
        works = list_questions(root, draws)
        if given.only and given.only not in works:
            parser.error(f"--only takes one of {', '.join(works)}")
        if given.only:
            works = {given.only: works[given.only]}
        print(f"open: {time.perf_counter() - began:.2f} s")
        ours = measure(works, given.repeats)
        show("portal", ours, {})
        print(f"peak memory of the query layer: {read_peak():,.0f} MB")
        if not (given.no_sqlite or given.only):
            compare_sqlite(root, draws, ours, given.repeats)


def compare_sqlite(root: Path, draws: Draws, ours: dict[str, list[float]], repeats: int) -> None:
    path = root.parent / "quasars.db"
    if not path.exists():
        write_sqlite(root, path)
    print(f"SQLite file: {path.stat().st_size / 1e9:.2f} GB")
    draw, ask = list_sqlite_questions(draws), ask_sqlite(path)
    theirs = measure({name: lambda one=one: ask(one()) for name, one in draw.items()}, repeats)
    show("sqlite3", theirs, ours)
    statements = {name: [one() for _ in range(repeats + 1)] for name, one in draw.items()}
    show("datasette", ask_datasette(path, statements), ours)


if __name__ == "__main__":
    main()
