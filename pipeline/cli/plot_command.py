"""The command `qad plot`."""

from pathlib import Path

import click

from pipeline.cli.options import root_option
from pipeline.errors import require_extra


@click.command()
@click.argument("targetid", type=int)
@root_option("Data root of the object, or a release.")
@click.option("--version", metavar="X.Y.Z", help="Release; without it the newest of the data root.")
@click.option(
    "--to",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Picture: .png, .svg or .pdf; without it TARGETID.png here.",
)
def plot(targetid: int, root: Path, version: str | None, path: Path | None) -> None:
    """Draw an object's spectrum, reconstruction and residual.

    Where the release does not publish its spectrum, that of the lake is drawn.
    """
    require_extra("release")
    from pipeline.plots.figure import plot_candidate

    path = path or Path(f"{targetid}.png")
    plot_candidate(root, targetid, path, version)
    click.echo(f"wrote       {path}")
