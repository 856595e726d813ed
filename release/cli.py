"""The command group `qad release`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.errors import QadError

if TYPE_CHECKING:
    from pipeline.config import Config
    from release.checks import Result

_USER_ERROR = 2


@click.group()
def release() -> None:
    """Build and check versioned releases."""


@release.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default=Path("data"),
    show_default=True,
    help="Data root of the run.",
)
@click.option("--version", required=True, help="X.Y.Z; a version never changes once it exists.")
@click.option("--source", default="mock", show_default=True, help="As given to `qad run`.")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="One setting.")
def build(
    root: Path,
    version: str,
    config_path: Path | None,
    overrides: tuple[str, ...],
    source: str | None = None,
    config_object: "Config | None" = None,
) -> None:
    """Publish the lake below --root as releases/X.Y.Z, with the settings of the run."""
    with _one_line_errors():
        from pipeline.config import load_config

        config = config_object or load_config(config_path, overrides, source=source)
        run_build(root, version, config)


@release.command()
@click.argument("path", type=click.Path(path_type=Path))
def validate(path: Path) -> None:
    """Check the release at PATH; exit 1 when a check fails."""
    with _one_line_errors():
        from release.checks import validate as run_checks

        results = run_checks(path)
    for line in _tabulate(results):
        click.echo(line)
    sys.exit(0 if all(result.passed for result in results) else 1)


def run_build(root: Path, version: str, config: "Config") -> None:
    """Build a release and print what it holds.

    Parameters
    ----------
    root : Path
        Data root.
    version : str
    config : Config

    Raises
    ------
    UserError
        As `release.build.build`.
    """
    from pipeline.store import Store
    from release.build import build as build_release

    store = Store(root, config.run.ledger_url, config.run.lake)
    report = build_release(store, config, version)
    counts = report.counts
    click.echo(f"release {version}: {'done' if report.is_new else 'already done'}, {report.path}")
    tiers = ", ".join(f"{count:,} {tier}" for tier, count in counts["tiers"].items())
    click.echo(f"  {counts['quasars']:,} quasars: {tiers}")
    click.echo(f"  {counts['spectra']:,} spectra")
    shards = counts["shards"]
    click.echo(f"  {shards['done']:,} shards, {shards['failed']:,} failed and left out")


def _tabulate(results: "list[Result]") -> Iterator[str]:
    width = max(len(result.check) for result in results)
    target_width = max(len(result.target) for result in results)
    for result in results:
        verdict = "ok  " if result.passed else "FAIL"
        line = f"{verdict}  {result.check:{width}}  {result.target:{target_width}}  {result.detail}"
        yield line.rstrip()
    n_failed = sum(not result.passed for result in results)
    yield f"{len(results)} checks, {n_failed} failed"


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except QadError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(_USER_ERROR)
