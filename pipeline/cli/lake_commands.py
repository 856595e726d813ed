"""The commands `qad lake`."""

import sys
from pathlib import Path

import click

from pipeline.cli.options import root_option


@click.group()
def lake() -> None:
    """Look after the lake of a data root."""


@lake.command()
@root_option("Data root.")
def verify(root: Path) -> None:
    """Read every dataset, model, index and the ledger: is each what was written?

    Exit code 1, and a line for each damaged file, if not. Releases: `qad release validate`.
    """
    from pipeline.flow.root import open_existing_root
    from pipeline.flow.verify import verify_root

    found = verify_root(open_existing_root(root))
    for kind, count in found.counts.items():
        if count:
            click.echo(f"{kind:24}{count:8,}")
    for fault in found.faults.values():
        click.echo(f"error: {fault}", err=True)
    size = f"{found.n_bytes / 1e6:,.1f} MB read"
    click.echo(
        f"{size}; {len(found.faults):,} damaged" if found.faults else f"{size}; all as written"
    )
    sys.exit(1 if found.faults else 0)
