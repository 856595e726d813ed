"""Releases that somebody meant ill with: each changes a sound one, below a folder of its own."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from portal_release import row_id

SECRET = "canary-4711"
HOST = "evil.test"
MARKUP = (
    f"![a](http://{HOST}/a) <img src=http://{HOST}/b> [c](javascript:alert(1)) $\\int$ :smile: "
    f":red[d] www.{HOST} `e` | # f"
)
CATALOGUE, SPECTRA = "catalog/quasars.parquet", "spectra/spectra.parquet"
Change = Callable[[Path], None]


class Case(NamedTuple):
    """A hostile release: its change, what it aims at, and whether it is refused as a whole."""

    name: str
    change: Change
    pages: tuple[str, ...] = ("about",)
    is_refused: bool = False
    sql: str = ""


def secret_of(root: Path) -> Path:
    """Return a file outside a release that no visitor may read."""
    return root.parents[1] / "secret.txt"


def manifest(**told: Any) -> Change:
    """Change members of the manifest."""

    def change(root: Path) -> None:
        path = root / "manifest.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **told}))

    return change


def text(name: str, content: str | bytes) -> Change:
    """Replace a file."""

    def change(root: Path) -> None:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return change


def script(statement: str) -> Change:
    """Ship a statement that names the secret, where releases have their views."""

    def change(root: Path) -> None:
        text("sql/catalog.sql", statement.format(secret_of(root)))(root)

    return change


def link(name: str) -> Change:
    """Put a link to the secret in the place of a file."""

    def change(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(secret_of(root))

    return change


def columns(name: str, **values: Any) -> Change:
    """Give all rows of a table a value, or another type."""

    def change(root: Path) -> None:
        rows = pq.read_table(root / name)
        for column, value in values.items():
            given = value if isinstance(value, pa.Array) else pa.array([value] * rows.num_rows)
            place = rows.column_names.index(column) if column in rows.column_names else None
            rows = (
                rows.append_column(column, given)
                if place is None
                else rows.set_column(place, column, given)
            )
        pq.write_table(rows.replace_schema_metadata(None), root / name)

    return change


def words(name: str) -> Change:
    """Put markup into all texts of a table but those that decide what is shown."""

    def change(root: Path) -> None:
        rows = pq.read_table(root / name)
        kept = {"tier", "match_state", "catalogue"}
        texts = [f.name for f in rows.schema if pa.types.is_string(f.type) and f.name not in kept]
        columns(name, **dict.fromkeys(texts, MARKUP))(root)

    return change


def inject(root: Path) -> None:
    """Name a column so that it ends its quotes and reads the secret."""
    evil = f"x\" , (SELECT content FROM read_text('{secret_of(root)}')) AS \"DESINAME"
    columns(CATALOGUE, **{evil: "a"})(root)


def misname(*names: str) -> Change:
    """Lay tables beside whose names are SQL or Markdown."""

    def change(root: Path) -> None:
        for name in names:
            pq.write_table(pa.table({"a": [1]}), root / "catalog" / f"{name}.parquet")

    return change


def fifo(root: Path) -> None:
    """Put a pipe in the place of a text: who opens it waits for ever."""
    (root / "CITATION.cff").unlink()
    os.mkfifo(root / "CITATION.cff")


def link_folder(root: Path) -> None:
    """Link a folder whose tables lie outside."""
    outside = root.parents[1] / "outside"
    outside.mkdir()
    pq.write_table(pa.table({"secret": [SECRET]}), outside / "more.parquet")
    (root / "extra").symlink_to(outside)


def summary(content: object) -> Change:
    """Replace the summary of the validation."""
    return text("validation/summary.json", json.dumps(content))


def deep(n: int) -> str:
    """Return JSON that is nested so often."""
    return '{"a":' * n + "1" + "}" * n


READ = "read_text('{}')"
CASES = (
    Case("script-table", script(f"CREATE TABLE loot AS FROM {READ}"), ("sql",), sql="FROM loot"),
    Case("script-view", script(f"CREATE VIEW loot AS FROM {READ}"), ("sql",), sql="FROM loot"),
    Case(
        "script-macro",
        script(f"CREATE MACRO loot() AS TABLE FROM {READ}"),
        ("sql",),
        sql="FROM loot()",
    ),
    Case("script-copy", script("COPY (SELECT 1) TO '{}.csv'"), ("sql",)),
    Case(
        "script-attach",
        script("ATTACH '{}.db'; CREATE TABLE x AS SELECT 1"),
        ("sql",),
        sql="FROM x",
    ),
    Case("script-lock", script("SET lock_configuration = true; SELECT 1"), ("sql",)),
    Case("script-garbage", text("sql/catalog.sql", b"\xff\0;;CREATE"), ("sql",)),
    Case("recipe", text("sql/cookbook.sql", f"-- ## {MARKUP}\nCOPY x TO 'y';\n"), ("sql",)),
    Case("recipe-binary", text("sql/cookbook.sql", b"\xff\xfe\0"), ("sql",)),
    Case("recipe-empty", text("sql/cookbook.sql", "-- ## \n-- ## x"), ("sql",)),
    Case(
        "names",
        misname("a b", "x'; DROP", MARKUP.replace("/", ""), "Quasars"),
        ("sql",),
        sql="FROM quasars SELECT TARGETID",
    ),
    Case("names-many", misname(*(f"t{number}" for number in range(300))), ("sql",)),
    Case("name-of-a-keyword", misname("select", "null"), ("sql",)),
    Case("linked-text", link("ACKNOWLEDGEMENTS.md")),
    Case("linked-citation", link("CITATION.cff")),
    Case("linked-changelog", link("CHANGELOG.md"), ("statistics",)),
    Case("linked-manifest", link("manifest.json"), is_refused=True),
    Case("linked-summary", link("validation/summary.json"), ("statistics",)),
    Case("linked-recipes", link("sql/cookbook.sql"), ("sql",)),
    Case("linked-table", link(CATALOGUE), ("explore",), sql="FROM quasars"),
    Case("linked-reviews", link("catalog/reviews.parquet"), ("review",)),
    Case("linked-folder", link_folder, ("sql",), sql="FROM more"),
    Case("pipe", fifo),
    Case("title", manifest(title=MARKUP), ("about", "object")),
    Case("title-long", manifest(title=MARKUP * 10_000)),
    Case("title-list", manifest(title=["a"]), is_refused=True),
    Case("title-surrogate", manifest(title="a\ud800\x1b[31m\u202eb")),
    Case("version-path", manifest(version="../../etc"), is_refused=True),
    Case("version-header", manifest(version="1.0.0\r\nSet-Cookie: a=b"), is_refused=True),
    Case("version-number", manifest(version=1.2), is_refused=True),
    Case("version-long", manifest(version="1" * 10**6), is_refused=True),
    Case("levels-words", manifest(tiers={"gold": "much"}), is_refused=True),
    Case("levels-nested", manifest(tiers={"gold": {"a": 1}}), is_refused=True),
    Case("levels-list", manifest(tiers=[0.1]), is_refused=True),
    Case("levels-huge", manifest(tiers={"gold": 10**400}), is_refused=True),
    Case("levels-nan", manifest(tiers={"gold": float("nan")}), is_refused=True),
    Case("counts-words", manifest(counts={"tiers": {"gold": "many"}}), is_refused=True),
    Case("lists-words", manifest(counts={"findings": {"named": {"gold": "x"}}}), is_refused=True),
    Case("lists-list", manifest(counts={"findings": {"named": [1]}}), is_refused=True),
    Case("counts-list", manifest(counts=[1]), is_refused=True),
    Case("source-word", manifest(source="mock"), is_refused=True),
    Case("facts", manifest(source={"specprod": f"a){MARKUP}"}), ("about", "object")),
    Case("fact-nested", manifest(code={"version": {"a": []}}), is_refused=True),
    Case("date-number", manifest(date=2026), is_refused=True),
    Case("deep", text("manifest.json", deep(100_000)), is_refused=True),
    Case(
        "digits", text("manifest.json", '{"tiers":{"gold":' + "1" * 10_000 + "}}"), is_refused=True
    ),
    Case("mark-of-order", text("manifest.json", b"\xef\xbb\xbf{}")),
    Case("utf-16", text("manifest.json", "{}".encode("utf-16")), is_refused=True),
    Case("sums-binary", text("SHA256SUMS", b"\xff\0" * 1_000)),
    Case("sums-of-others", text("SHA256SUMS", f"{'0' * 64}  CITATION.cff\n{'0' * 64}  ../x\n")),
    Case("sums-refuse", text("SHA256SUMS", f"{'0' * 64}  manifest.json\n"), is_refused=True),
    Case("documents", text("ACKNOWLEDGEMENTS.md", MARKUP)),
    Case("changelog", text("CHANGELOG.md", f"# {MARKUP}"), ("statistics",)),
    Case("summary-list", summary([1]), ("statistics",)),
    Case("summary-words", summary({"injections": "all", "controls": 1}), ("statistics",)),
    Case("summary-nested", summary({"injections": [{"injection": [1]}]}), ("statistics",)),
    Case("summary-short", summary({"injections": [{"injection": "x"}]}), ("statistics",)),
    Case(
        "summary-markup",
        summary(
            {
                "controls": [{"control": MARKUP, "n": 1}],
                "injections": [{"injection": MARKUP, "planted": 1.0, "found": 0.5}],
            }
        ),
        ("statistics",),
    ),
    Case("summary-deep", text("validation/summary.json", deep(100_000)), ("statistics",)),
    Case("column-that-reads", inject, ("explore",), sql="FROM quasars LIMIT 1"),
    Case("column-of-markup", columns(CATALOGUE, **{MARKUP: "a"}), ("explore", "object")),
    Case("words", words(CATALOGUE), ("explore", "object", "review")),
    Case("words-of-matches", words("catalog/crossmatch.parquet"), ("object",)),
    Case("words-of-catalogues", words("catalog/catalogues.parquet"), ("statistics",)),
    Case("words-long", columns(CATALOGUE, reason="x" * 10**5), ("explore", "object")),
    Case("no-numbers", columns(CATALOGUE, Z="far"), ("explore", "object")),
    Case("no-identifiers", columns(CATALOGUE, TARGETID="x"), ("explore", "object")),
    Case("null-redshift", columns(CATALOGUE, Z=pa.nulls(400, pa.float64())), ("object",)),
    Case("endless-numbers", columns(CATALOGUE, Z=float("inf"), p_value=5e-324), ("object",)),
    Case("one-identifier", columns(CATALOGUE, TARGETID=row_id(0)), ("explore", "object")),
    Case("no-array", columns(CATALOGUE, latent=1.0), ("explore", "object")),
    Case("short-spectra", columns(SPECTRA, flux=[1.0]), ("object",)),
    Case("no-parquet", text(CATALOGUE, b"PAR1" + b"\xff" * 5_000 + b"PAR1"), ("explore",)),
    Case("no-queue", text("catalog/reviews.parquet", b"x"), ("review",)),
)
