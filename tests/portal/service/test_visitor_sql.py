"""Visitors' SQL: what is answered, what is refused, and that the limits end the rest."""

import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from portal_release import N_ROWS, row_id

from portal.data.releases import Release, open_release
from portal.service.pool import Limits, TaskError, prepare
from portal.service.visitor_sql import ask_sql, list_tables, read_cookbook, start

# Enough for an answer on a machine with other work.
PATIENT = Limits(seconds=30, memory_bytes=256 << 20, rows=1_000, result_bytes=4 << 20)
QUICK = replace(PATIENT, seconds=3)


@pytest.fixture(scope="module")
def opened(release: Path) -> Release:
    return open_release(release)


def test_rows_plan_and_bytes_are_told(opened: Release) -> None:
    outcome = ask_sql(opened, "SELECT TARGETID, Z FROM quasars ORDER BY anomaly_score DESC;")
    assert outcome.rows.num_rows == N_ROWS
    assert outcome.rows["TARGETID"][0].as_py() == row_id(0)
    assert not outcome.is_cut
    assert "PARQUET_SCAN" in outcome.plan
    assert outcome.bytes_read


def test_tables_that_a_newer_release_brings_are_found(own_release: Path) -> None:
    shutil.copy(own_release / "catalog/quasars.parquet", own_release / "catalog/news.parquet")
    opened = open_release(own_release)
    assert "news" in list_tables(own_release)
    assert ask_sql(opened, "SELECT count(*) AS n FROM news").rows["n"][0].as_py() == N_ROWS


def test_one_damaged_file_leaves_the_other_tables(own_release: Path) -> None:
    (own_release / "spectra/spectra.parquet").write_bytes(b"PAR1 no")
    opened = open_release(own_release)
    assert ask_sql(opened, "FROM quasars").rows.num_rows == N_ROWS
    with pytest.raises(TaskError, match="spectra"):
        ask_sql(opened, "FROM spectra")


def test_rows_and_bytes_are_cut_and_the_cut_is_told(opened: Release) -> None:
    outcome = ask_sql(opened, "FROM range(1_000_000_000_000)", PATIENT)
    assert outcome.is_cut
    assert outcome.rows.num_rows == PATIENT.rows
    with pytest.raises(TaskError, match="larger than 4 MiB"):
        ask_sql(opened, "SELECT repeat('x', 9_000_000) AS x", PATIENT)


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("", "Write a SELECT"),
        ("SELEC 1", "syntax error"),
        ("SELECT 1; SELECT 2", "these are 2"),
        ("SELECT 1) FROM (SELECT 2", "syntax error"),
        ("SELECT nothing FROM quasars", "nothing"),
        ("SELECT * FROM read_text('/etc/hostname')", "disabled by configuration"),
        ("SELECT * FROM read_csv('../../../etc/passwd')", "disabled by configuration"),
        ("FROM glob('/etc/*')", "disabled by configuration"),
        ("FROM glob('*')", "disabled by configuration"),
        ("SELECT * FROM read_text('manifest.json')", "disabled by configuration"),
        ("FROM 'http://127.0.0.1:9/x.parquet'", "disabled by configuration"),
        ("FROM 's3://bucket/x.parquet'", "disabled by configuration"),
        ("SET memory_limit = '100GB'", "this is SET"),
        ("SET enable_external_access = true", "this is SET"),
        ("PRAGMA memory_limit = '100GB'", "this is"),
        ("ATTACH 'evil.db'", "this is ATTACH"),
        ("COPY (SELECT 1) TO 'evil.csv'", "this is COPY"),
        ("EXPORT DATABASE 'evil'", "this is EXPORT"),
        ("INSTALL httpfs", "this is LOAD"),
        ("CREATE TABLE evil AS SELECT 1", "this is CREATE"),
        ("DROP VIEW quasars", "this is DROP"),
        ("CALL pragma_version()", "this is CALL"),
        ("WITH x AS (DELETE FROM quasars RETURNING *) FROM x", ""),
        ("FROM query('COPY (SELECT 1) TO ''evil.csv''')", "single SELECT"),
        ("FROM enable_logging(storage = 'file', storage_path = 'evil')", "locked"),
        ("SELECT getenv('HOME')", "getenv"),
        ("SELECT " + "(" * 9_000 + "1" + ")" * 9_000, "expression depth"),
        ("SELECT " + "1," * 1_000_000 + "1", "characters"),
    ],
)
def test_what_is_not_a_question_is_refused(opened: Release, sql: str, reason: str) -> None:
    before = sorted(opened.root.rglob("*"))
    with pytest.raises(TaskError) as fault:
        ask_sql(opened, sql, PATIENT)
    assert reason in str(fault.value)
    assert "\n" not in str(fault.value)
    assert sorted(opened.root.rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE t AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM t) SELECT count(*) FROM t",
        "SELECT sum(a.Z + b.Z + c.Z + d.Z) FROM quasars a, quasars b, quasars c, quasars d",
        "SELECT a.* FROM quasars a, quasars b, quasars c, quasars d ORDER BY a.Z * b.Z * c.Z",
        "SELECT list(range) FROM range(10_000_000_000)",
        "FROM spectra a, spectra b, spectra c, spectra d ORDER BY a.TARGETID + b.TARGETID",
        "SELECT " + ",".join(["*"] * 6_000) + " FROM quasars",
    ],
)
def test_what_would_never_end_is_ended(opened: Release, sql: str) -> None:
    began = time.monotonic()
    with pytest.raises(TaskError, match=r"ended|Out of Memory|larger than"):
        ask_sql(opened, sql, QUICK)
    assert time.monotonic() - began < QUICK.seconds + 10
    assert ask_sql(opened, "SELECT 1 AS one").rows["one"][0].as_py() == 1


def test_leaving_cancels(opened: Release) -> None:
    with start(opened, "SELECT count(*) FROM range(10_000_000_000_000)") as running:
        assert not running.wait(0.5)
    assert running.wait(0)


def test_a_process_prepared_for_the_next_statement_may_die(opened: Release) -> None:
    prepare()
    mine = f"PPid:\t{os.getpid()}\n"
    waiting = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/status")
        if path.exists() and mine in path.read_text()
        if b"worker.py" in (path.parent / "cmdline").read_bytes()
    ]
    assert waiting
    for pid in waiting:
        os.kill(pid, signal.SIGKILL)
        # All its threads are gone, not only the first: till then it still takes what it is sent.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ask_sql(opened, "SELECT 1 AS one").rows["one"][0].as_py() == 1


def test_cookbook_is_read_from_the_release(own_release: Path) -> None:
    assert read_cookbook(open_release(own_release)) == []
    (own_release / "sql").mkdir()
    (own_release / "sql/cookbook.sql").write_text(
        "-- x\n\n-- ## One\nSELECT 1;\n\n-- ## Two\nFROM 'catalog/quasars.parquet';\n"
    )
    opened = open_release(own_release)
    recipes = read_cookbook(opened)
    assert [recipe.title for recipe in recipes] == ["One", "Two"]
    assert [ask_sql(opened, recipe.sql).rows.num_rows for recipe in recipes] == [1, N_ROWS]
