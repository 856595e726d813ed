"""The command line: `qad`. Heavy libraries are imported inside the calls, so help is instant."""

import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.faults import require_memory, run_command
from pipeline.cli.lake_commands import lake
from pipeline.cli.model_commands import model
from pipeline.cli.options import CONFIG, KIND, SET, SURVEY, root_option
from pipeline.cli.plot_command import plot
from pipeline.cli.review_commands import rank, review
from pipeline.errors import require_extra
from pipeline.flow.kinds import PATHS
from pipeline.spectra.data_path import ACQUIRE
from pipeline.stage import Stage

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.flow.report import Report

_PLUGINS = "qad.commands"


class Commands(click.Group):
    """The pipeline's own commands and those that other programs offer by entry point."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command, in the order of use."""
        return [*self.commands, *sorted(entry_points(group=_PLUGINS).names)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        own = super().get_command(ctx, cmd_name)
        return own or _load_plugin(cmd_name)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="desi-qad", prog_name="qad")
def qad() -> None:
    """Find anomalous quasars in DESI spectra, release them, show them.

    Exit codes: 0 fine, 1 some shards failed, a check did not pass or memory was too small, 2 the
    call, a file or the configuration is wrong, 130 interrupted.
    """
    require_memory()


_ROOT = root_option("Data root: lake, models, ledger and releases live below it.")
_SOURCE = click.option(
    "--source",
    help="`mock`, or a tree in the DR1 layout: the folder, s3://BUCKET/PREFIX or https:// address "
    "that holds spectro/, or what the named survey reads; without it run.source of the "
    "configuration, by default `mock`.",
)


@qad.command()
@_SOURCE
@KIND
@SURVEY
@_ROOT
@click.option("--version", "release_version", required=True, help="Release to make, X.Y.Z.")
@CONFIG
@SET
def run(
    source: str | None,
    root: Path,
    release_version: str,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Go from spectra to a release: every stage that is not done yet."""
    for program in ("pipeline", "release"):
        require_extra(program)
    from pipeline.config import load_config
    from pipeline.lake.layout import Lake

    config = load_config(config_path, overrides, source=source)
    Lake(root).release(release_version)
    failed = _run_stages(root, config, last=None)
    if failed and not config.release.accept_failed_shards:
        click.echo(
            f"error: release {release_version} is not built: shards failed, see above; mend their "
            "files and run again, or leave them out with --set release.accept_failed_shards=true",
            err=True,
        )
        sys.exit(1)
    _load_plugin("release").get_command(click.get_current_context(), "build").callback(
        root=root,
        version=release_version,
        source=source,
        config_path=config_path,
        overrides=overrides,
    )
    sys.exit(1 if failed else 0)


def _make_command(stage: Stage) -> click.Command:
    @click.command(stage.name, help=f"Run the stages up to `{stage.name}`: {stage.about}.")
    @_SOURCE
    @KIND
    @SURVEY
    @_ROOT
    @CONFIG
    @SET
    def command(
        source: str | None, root: Path, config_path: Path | None, overrides: tuple[str, ...]
    ) -> None:
        from pipeline.config import load_config

        config = load_config(config_path, overrides, source=source)
        sys.exit(1 if _run_stages(root, config, last=stage.name) else 0)

    return command


@click.command(help=f"Run the stages up to `acquire`: {ACQUIRE.about}.")
@click.option(
    "--plan",
    "is_plan",
    is_flag=True,
    help="Only say what fetching the spectra would take: rows, bytes and requests by mode, hours.",
)
@_SOURCE
@KIND
@SURVEY
@_ROOT
@CONFIG
@SET
def acquire(
    is_plan: bool, source: str, root: Path, config_path: Path | None, overrides: tuple[str, ...]
) -> None:
    """Run the stages up to `acquire`, or price the transfer."""
    from pipeline.config import load_config

    config = load_config(config_path, overrides, source=source)
    failed = _run_stages(root, config, last="adopt" if is_plan else "acquire")
    if is_plan:
        from pipeline.flow.data_path import start_run
        from pipeline.flow.root import Root
        from pipeline.spectra.desi.transfer_plan import describe_transfer

        place = Root(root, config.run.ledger_url, config.run.lake)
        with place.lock():
            for line in describe_transfer(start_run(place, config)):
                click.echo(line)
    sys.exit(1 if failed else 0)


@qad.command()
@click.option("--trials", type=click.IntRange(1, 10_000), default=20, show_default=True)
@_SOURCE
@KIND
@SURVEY
@_ROOT
@CONFIG
@SET
def tune(
    trials: int,
    source: str | None,
    root: Path,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Search for settings of [train] that find more planted features; print the best."""
    from pipeline.config import load_config
    from pipeline.flow.data_path import start_run
    from pipeline.flow.root import Root
    from pipeline.spectra.model.tune import describe_best
    from pipeline.spectra.model.tune import tune as search

    config = load_config(config_path, overrides, source=source)
    failed = _run_stages(root, config, last="preprocess")
    place = Root(root, config.run.ledger_url, config.run.lake)
    with place.lock():
        tried = search(start_run(place, config), trials)
    click.echo(f"trials      {place.lake.trials}: recall {tried['recall'][0].as_py():.3f} at best")
    for line in describe_best(tried):
        click.echo(line)
    sys.exit(1 if failed else 0)


@click.command()
@click.option("--model", help="Id or folder of a finished model to apply to another source.")
@click.option(
    "--redshifts",
    type=click.Path(path_type=Path),
    help="With --model and loose files: table with Z and TARGETID or file names.",
)
@_SOURCE
@KIND
@SURVEY
@_ROOT
@CONFIG
@SET
def score(
    model: str | None,
    redshifts: Path | None,
    source: str | None,
    root: Path,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Score spectra; with --model, those of another source with a finished model.

    With --model the source may also be a coadd FITS file, or a folder of coadd files and CSV
    tables (wave, flux, ivar).
    """
    from pipeline.config import load_config

    config = load_config(config_path, overrides, source=source)
    if model is None:
        sys.exit(1 if _run_stages(root, config, last="score") else 0)
    from pipeline.flow.apply import apply

    path, reports = apply(root, config, model, redshifts)
    for report in reports:
        _tell(report.dataset, report)
    click.echo(f"results     {path}" if path else "results     none: no spectrum could be scored")
    sys.exit(1 if path is None or any(report.failed for report in reports) else 0)


@qad.command()
@_ROOT
@click.option("--failed", is_flag=True, help="List only the shards that failed.")
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the ledger to DIR as completeness.parquet and gates.parquet instead.",
)
def status(root: Path, failed: bool, export: Path | None) -> None:
    """Show what is done, stale or missing, and where every row went."""
    from pipeline.flow.root import open_existing_root
    from pipeline.flow.status import describe_failures, describe_status, export_ledger

    store = open_existing_root(root)
    if export:
        for path in export_ledger(store, export):
            click.echo(f"wrote       {path}")
        return
    describe = describe_failures if failed else describe_status
    for line in describe(store):
        click.echo(line)


@qad.command()
@click.option("--quasars", type=click.IntRange(1), default=1500, show_default=True)
@click.option("--galaxies", type=click.IntRange(0), default=0, show_default=True)
@click.option("--stars", type=click.IntRange(0), default=0, show_default=True)
@click.option("--pixels", type=click.IntRange(1), default=12, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--layout",
    type=click.Choice(["desi", "sdss", "lamost"]),
    default="desi",
    show_default=True,
    help="Whose files it is written in, and whose spectrograph observes it.",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("data/mock/survey"),
    show_default=True,
    help="New folder; the truth table is written beside it.",
)
def mock(folder: Path, layout: str, **sizes: int) -> None:
    """Write a mock survey in a published layout, with planted anomalies."""
    from pipeline.config import load_config
    from pipeline.spectra.mock.source import write_mock

    settings = [f"mock.{name}={size}" for name, size in sizes.items()]
    write_mock(folder, load_config(None, settings).mock, layout)
    click.echo(f"mock survey {folder}")


@qad.command()
@click.argument("place", metavar="TO")
@_ROOT
def backup(place: str, root: Path) -> None:
    """Keep models, ledger, settings, releases and a list of the lake in TO, a folder or s3://."""
    from pipeline.flow.backup import back_up
    from pipeline.flow.root import open_existing_root

    kept = back_up(open_existing_root(root), place)
    new = f"{kept.n_sent:,} new, {kept.n_bytes / 1e6:.1f} MB"
    click.echo(f"backup      {kept.name}: {kept.n_files:,} files, {new}; all read back")


@qad.command()
@click.argument("place", metavar="FROM")
@click.option("--root", type=click.Path(path_type=Path), required=True, help="New data root.")
@click.option("--at", "name", help="Which backup; the latest by default.")
def restore(place: str, root: Path, name: str | None) -> None:
    """Bring a backup back as a new data root; `qad run` then makes its lake again."""
    from pipeline.flow.backup import restore as bring_back

    done = bring_back(place, root, name)
    size = f"{done.n_files:,} files, {done.n_bytes / 1e6:.1f} MB"
    click.echo(f"restored    {done.name} as {root}: {size}; all checksums right")


_OWN = {"acquire": acquire, "score": score}
for _path in PATHS.values():
    for _stage in _path.stages:
        qad.add_command(_OWN.get(_stage.name) or _make_command(_stage))
qad.add_command(lake)
qad.add_command(model)
qad.add_command(review)
qad.add_command(rank)
qad.add_command(plot)


def main() -> None:
    """Run the command line; see `run_command` for how it ends."""
    run_command(lambda: qad.main(standalone_mode=False))


def _run_stages(root: Path, config: "Config", last: str | None) -> bool:
    """Run the stages and say whether a shard failed."""
    require_extra("pipeline")
    from pipeline.flow.data_path import run_stages
    from pipeline.flow.root import Root

    place = Root(root, config.run.ledger_url, config.run.lake)
    with place.lock():
        reports = run_stages(place, config, _tell, last)
    return any(report.failed for report in reports)


def _tell(name: str, report: "Report") -> None:
    made = f"{report.made} made, {report.skipped} already done"
    rows = f"{report.n_made} of {report.n_expected} rows" if report.n_expected else ""
    gates = ", ".join(f"{gate} {count}" for gate, count in report.dropped.items() if count)
    click.echo(f"{name:16}{made:28}{rows}{f'; dropped: {gates}' if gates else ''}")
    for note in report.notes:
        click.echo(f"{'':12}note: {note}")
    for outcome in report.failed:
        click.echo(f"{'':12}failed: {outcome.shard}: {outcome.error}", err=True)


def _load_plugin(name: str) -> Any:
    for point in entry_points(group=_PLUGINS, name=name):
        return point.load()
    return None
