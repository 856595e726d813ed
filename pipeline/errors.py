"""Errors that reach a person as one line."""

import re


class QadError(Exception):
    """A fault whose message says in one line what is wrong, where, and what to do."""


class UserError(QadError):
    """The call, the configuration or the data root is wrong; the command exits with 2."""


class DataError(QadError):
    """A source file is wrong; its shard fails and the others go on (exit 1)."""


def hide_passwords(text: str) -> str:
    """Blank the password of every URL in a text."""
    return re.sub(r"(://[^:/@\s]*):[^/\s]*@", r"\1:***@", text)
