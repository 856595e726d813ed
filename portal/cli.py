"""The command ``qad portal``."""

import importlib.util
import os
import sys
from pathlib import Path

import click

_OPTIONS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "global.disableWidgetStateDuplicationWarning": "true",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "theme.base": "light",
    "theme.primaryColor": "#0072B2",
}
# Addresses that nobody else reaches.
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class PortalError(click.ClickException):
    """A fault of the call, told in one line."""

    exit_code = 2


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("data"))
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8501,
    show_default=True,
    help="Port to listen on.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--local-reviewer", "reviewer", metavar="NAME",
    help="Let whoever opens the page review as NAME, on this machine only.",
)  # fmt: skip
def portal(path: Path, port: int, host: str, reviewer: str | None) -> None:
    """Show a published release in the browser.

    PATH is a release directory, or a data root whose releases/ holds versions; the newest is
    taken.
    """
    from portal.releases import ReleaseError, find_release

    if reviewer is not None and host not in _LOOPBACK:
        raise PortalError(
            f"--local-reviewer with --host {host}: anybody who reaches the address could sign as "
            f"{reviewer}; leave --host out, or set up logins (docs/portal.md)"
        )

    try:
        root = find_release(path)
    except ReleaseError as fault:
        raise PortalError(str(fault)) from None
    if importlib.util.find_spec("streamlit") is None:
        raise PortalError("the portal needs its libraries: pip install 'desi-qad[portal]'")
    options = {"server.port": str(port), "server.address": host, **_OPTIONS}
    flags = [f"--{name}={value}" for name, value in options.items()]
    app = Path(__file__).with_name("app.py")
    command = [sys.executable, "-m", "streamlit", "run", str(app), *flags]
    # The server takes the place of this process, so that signals reach it.
    environment = {**os.environ, "QAD_RELEASE": str(root)}
    environment.pop("QAD_LOCAL_REVIEWER", None)
    if reviewer is not None:
        environment["QAD_LOCAL_REVIEWER"] = reviewer
    os.execve(sys.executable, command, environment)
