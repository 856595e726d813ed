"""The commands `qad model`."""

from pathlib import Path

import click

from pipeline.cli.options import root_option

_ROOT = root_option("Data root below which MODEL is sought, if it is an id.")
_MODEL = click.argument("name", metavar="MODEL")


@click.group()
def model() -> None:
    """Hand on finished models."""


@model.command()
@_MODEL
@_ROOT
@click.option(
    "--to", type=click.Path(path_type=Path), required=True, help="New folder for the files."
)
def export(name: str, root: Path, to: Path) -> None:
    """Write the networks of MODEL, an id or a folder, as ONNX files."""
    from pipeline.flow.apply import find_model
    from pipeline.flow.root import open_root
    from pipeline.spectra.model.export import export_model

    for path in export_model(find_model(name, open_root(root).lake), to):
        click.echo(f"wrote       {path}")


@model.command()
@_MODEL
@_ROOT
def promote(name: str, root: Path) -> None:
    """Let the alias `production` of MLflow's registry name MODEL."""
    from pipeline.flow.apply import find_model
    from pipeline.flow.root import open_root
    from pipeline.spectra.model.tracking import promote as let_alias_name

    store = open_root(root)
    folder = find_model(name, store.lake)
    let_alias_name(store, folder.name)
    click.echo(f"production  {folder.name}")
