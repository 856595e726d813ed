"""Errors that reach a person as one line."""

import re
from collections.abc import Iterator
from contextlib import contextmanager


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
        library = error.name or str(error)
        raise UserError(f"{library} is missing: pip install 'desi-qad[{extra}]'") from None
