"""Errors that reach a person as one line."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution, requires

_PROJECT = "desi-qad"
# A program has the extra of its name; the command line calls them all.
_PROGRAMS = ("pipeline", "release", "portal")
_COMMAND_LINE = ("pipeline.cli.main", "pipeline.cli.faults")


class QadError(Exception):
    """A fault whose message says in one line what is wrong, where, and what to do."""


class UserError(QadError):
    """The call, the configuration or the data root is wrong; the command exits with 2."""


class DataError(QadError):
    """A source file is wrong; its shard fails and the others go on (exit 1).

    `requests` and `n_bytes` tell the ledger what was spent on the file before it failed.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.requests: dict[str, int] = {}
        self.n_bytes = 0


class MissingFileError(DataError):
    """A source file is not there."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or its type where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def hide_passwords(text: str) -> str:
    """Blank the password of every URL in a text."""
    return re.sub(r"(://[^:/@\s]*):[^/\s]*@", r"\1:***@", text)


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Turn a failed import of a library of an optional extra into one line for the user."""
    try:
        yield
    except ImportError as error:
        raise _missing(error.name or str(error), extra) from None


def require_extra(extra: str) -> None:
    """Raise UserError where a library of an extra is not installed: before hours of work, say."""
    lacking = _lacking(extra)
    if lacking:
        raise _missing(lacking[0], extra)


def explain_import(error: ImportError) -> UserError | None:
    """Say which extra is not installed when an import failed, or None where that is not the reason.

    It is that of the first program on the way to the import that lacks a library: what the portal
    borrows from the release generator comes with `release`.
    """
    modules = [frame.f_globals["__name__"] for frame, _ in traceback.walk_tb(error.__traceback__)]
    programs = [name.split(".")[0] for name in modules if name not in _COMMAND_LINE]
    for program in dict.fromkeys(programs):
        if program in _PROGRAMS and _lacking(program):
            return _missing(error.name or str(error), program)
    return None


def _missing(library: str, extra: str) -> UserError:
    return UserError(f"{library} is missing: pip install '{_PROJECT}[{extra}]'")


def _lacking(extra: str) -> list[str]:
    """Name the libraries of an extra that are not installed."""
    try:
        needs = requires(_PROJECT) or []
    except PackageNotFoundError:  # run from its folder
        return []
    wanted = [re.match(r"[\w.-]+", need) for need in needs if f'extra == "{extra}"' in need]
    return [name[0] for name in wanted if name and not _is_installed(name[0])]


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
