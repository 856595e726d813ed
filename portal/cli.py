"""The command ``qad portal``."""

import importlib
import os
import resource
import sys
from importlib.metadata import entry_points
from pathlib import Path

import click

_COMMANDS = "qad.commands"
_OPTIONS = {
    "server.headless": "true",
    "server.maxUploadSize": "50",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "global.disableWidgetStateDuplicationWarning": "true",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    # Both set: the browser chooses between light and dark.
    "theme.light.primaryColor": "#0072B2",
    "theme.dark.primaryColor": "#56B4E9",
}
# Addresses that nobody else reaches.
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class PortalError(click.ClickException):
    """A fault of the call, told in one line."""

    exit_code = 2


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("data"))
@click.option(
    "--release",
    "address",
    help="Release to fetch, check and show: hf://ORG/NAME@TAG, s3://BUCKET/PREFIX, https://… or a "
    "path.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    default=Path("data/releases"),
    show_default=True,
    help="Folder of releases to fetch into; what lies there right is not fetched again.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8501,
    show_default=True,
    help="Port to listen on.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--local-reviewer",
    "reviewer",
    metavar="NAME",
    help="Let whoever opens the page review as NAME, on this machine only.",
)
@click.option(
    "--network/--no-network",
    default=False,
    show_default=True,
    help="Let pages resolve names at CDS, show images of the Legacy Surveys and Aladin Lite.",
)
@click.option(
    "--behind-proxy",
    is_flag=True,
    help="A proxy alone reaches this portal: its X-Forwarded-For says who asks.",
)
@click.pass_context
def portal(
    ctx: click.Context,
    path: Path,
    address: str | None,
    into: Path,
    port: int,
    host: str,
    network: bool,
    reviewer: str | None,
    behind_proxy: bool,
) -> None:
    """Show a published release in the browser.

    PATH is a release directory, or a data root whose releases/ holds versions; the newest is
    taken. Versions beside the chosen one can be picked in the portal.
    """
    from portal.data.releases import ReleaseError
    from portal.data.versions import find_release

    importlib.import_module("streamlit")  # here, where its absence is told before anything is done
    if reviewer is not None and host not in _LOOPBACK:
        raise PortalError(
            f"--local-reviewer with --host {host}: anybody who reaches the address could sign as "
            f"{reviewer}; leave --host out, or set up logins (docs/portal.md)"
        )
    if address is not None:
        path = _fetch(ctx, address, into) if "://" in address else Path(address)
    try:
        root = find_release(path)
    except ReleaseError as fault:
        raise PortalError(str(fault)) from None
    options = {"server.port": str(port), "server.address": host, **_OPTIONS}
    flags = [f"--{name}={value}" for name, value in options.items()]
    app = Path(__file__).with_name("server.py")
    command = [sys.executable, "-m", "streamlit", "run", str(app), *flags]
    settings = {"QAD_RELEASE": str(root), "QAD_NETWORK": str(int(network))}
    if behind_proxy:
        settings["QAD_BEHIND_PROXY"] = "1"
    # Each visitor holds a connection, and more of them should not be refused than must be.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # The server takes the place of this process, so that signals reach it.
    environment = {**os.environ, **settings}
    environment.pop("QAD_LOCAL_REVIEWER", None)
    if reviewer is not None:
        environment["QAD_LOCAL_REVIEWER"] = reviewer
    os.execve(sys.executable, command, environment)


def _fetch(ctx: click.Context, address: str, into: Path) -> Path:
    """Let the command `qad release fetch`, found by name, bring and check a release."""
    (found,) = entry_points(group=_COMMANDS, name="release")
    group = found.load()
    path: Path = ctx.invoke(group.commands["fetch"], address=address, into=into, subset="all")
    return path
