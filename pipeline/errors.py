"""Errors that reach a person as one line."""


class QadError(Exception):
    """A fault whose message says in one line what is wrong, where, and what to do."""


class UserError(QadError):
    """The call, the configuration or the data root is wrong; the command exits with 2."""


class DataError(QadError):
    """A source file is wrong; its shard fails and the others go on (exit 1)."""
