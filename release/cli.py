"""The command group `qad release`; `qad` says every fault in one line."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from release.checks.validate import Result
    from release.places.publish import Delivery


@click.group()
def release() -> None:
    """Build, check, compare, publish and fetch versioned releases."""


@release.command("build")
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
def build_command(
    root: Path,
    version: str,
    source: str | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Publish the lake below --root as releases/X.Y.Z, with the settings of the run."""
    from catalog_schema.kinds import KINDS
    from pipeline.config import load_config
    from pipeline.flow.kinds import find_path
    from pipeline.flow.root import Root
    from release.build import build

    config = load_config(config_path, overrides, source=source)
    store = Root(root, config.run.ledger_url, config.run.lake)
    report = build(store, config, version)
    counts = report.counts
    click.echo(f"release {version}: {'done' if report.is_new else 'already done'}, {report.path}")
    main = KINDS[find_path(config).kind].main
    click.echo(f"  {counts[main]:,} {main}: {_list_tiers(counts['tiers'])}")
    for finding, tiers in counts["findings"].items():
        click.echo(f"  {finding}: {_list_tiers(tiers)}")
    click.echo(f"  {counts['spectra']:,} spectra")
    shards = counts["shards"]
    click.echo(f"  {shards['done']:,} shards, {shards['failed']:,} failed and left out")


def _list_tiers(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {tier}" for tier, count in counts.items())


@release.command("validate")
@click.argument("path", type=click.Path(path_type=Path))
def validate_command(path: Path) -> None:
    """Check the release at PATH; exit 1 when a check fails."""
    from release.checks.validate import validate

    results = validate(path)
    for line in _tabulate(results):
        click.echo(line)
    sys.exit(0 if all(result.passed for result in results) else 1)


@release.command("diff")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--rows",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write every changed object to FILE.parquet or FILE.json.",
)
def diff_command(old: Path, new: Path, file: Path | None) -> None:
    """Say what changed from the release at OLD to the one at NEW, object by object, and why."""
    from release.diff import compare, render_difference, write_rows

    difference = compare(old, new)
    if file:
        write_rows(difference, file)
    click.echo(render_difference(difference), nl=False)


_TO = click.option(
    "--to",
    "addresses",
    multiple=True,
    required=True,
    metavar="ADDRESS",
    help="s3://BUCKET/PREFIX or hf://ORG/NAME; may be given several times.",
)
_PRODUCTION = click.option(
    "--production",
    "is_production",
    is_flag=True,
    help="The real place; without it staging/ of the bucket, or the branch staging.",
)


@release.command("publish")
@click.argument("path", type=click.Path(path_type=Path))
@_TO
@_PRODUCTION
@click.option("--dry-run", "is_dry", is_flag=True, help="Only say what would be sent.")
def publish_command(
    path: Path, addresses: tuple[str, ...], is_production: bool, is_dry: bool
) -> None:
    """Send the release at PATH, read it back, and set its tag or latest.json."""
    from release.places.publish import open_target, publish

    # Buckets first: a tag or a latest.json is set only when every place holds the release.
    ordered = sorted(addresses, key=lambda address: not address.startswith("s3://"))
    done = publish(path, [open_target(address, is_production) for address in ordered], is_dry)
    for delivery in done:
        if is_dry:
            click.echo(f"would send {_count(delivery)} to {delivery.target}")
            for name in delivery.sent:
                click.echo(f"  {name}")
        elif delivery.sent or delivery.is_moved:
            click.echo(f"published at {delivery.target}: {_count(delivery)} sent and verified")
        else:
            click.echo(f"already published at {delivery.target}, nothing moved")


@release.command("withdraw")
@click.argument("version")
@_TO
@_PRODUCTION
@click.option("--reason", required=True, help="One line that everyone who fetches it will read.")
def withdraw_command(
    version: str, addresses: tuple[str, ...], is_production: bool, reason: str
) -> None:
    """Add a notice to a published VERSION; its files stay as they are."""
    from release.places.publish import open_target, withdraw

    targets = [open_target(address, is_production) for address in addresses]
    done = withdraw(version, targets, reason)
    for target, is_new in done.items():
        click.echo(f"{target}: {version} {'withdrawn' if is_new else 'was withdrawn already'}")


@release.command("fetch")
@click.argument("address")
@click.option("--into", type=click.Path(path_type=Path), required=True, help="Folder of releases.")
@click.option("--subset", type=click.Choice(["all", "anomalies"]), default="all", show_default=True)
def fetch_command(address: str, into: Path, subset: str) -> Path:
    """Bring the release at ADDRESS (s3://, hf://ORG/NAME@TAG, https://) and check every file."""
    from release.places.fetch import fetch

    done = fetch(address, into, subset)
    if done.notice:
        click.echo(f"warning: release {done.version} was withdrawn: {done.notice}", err=True)
    click.echo(
        f"release {done.version}: {done.n_files:,} files fetched, {done.n_bytes / 1e6:.1f} MB; "
        f"all checksums right, {done.path}"
    )
    return done.path


def _count(delivery: "Delivery") -> str:
    return f"{len(delivery.sent):,} files, {delivery.n_bytes / 1e6:.1f} MB"


def _tabulate(results: "list[Result]") -> Iterator[str]:
    width = max(len(result.check) for result in results)
    target_width = max(len(result.target) for result in results)
    for result in results:
        verdict = "ok  " if result.passed else "FAIL"
        line = f"{verdict}  {result.check:{width}}  {result.target:{target_width}}  {result.detail}"
        yield line.rstrip()
    n_failed = sum(not result.passed for result in results)
    yield f"{len(results)} checks, {n_failed} failed"
