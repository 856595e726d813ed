"""How a command ends: a fault is one line and an exit code, and only a mistake of ours a traceback.

Exit codes: 1 some shards failed, a check did not pass, memory was too small or nobody reads the
output; 2 the call, a file or the configuration is wrong; 130 and 143 stopped by SIGINT or SIGTERM.
"""

import errno
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from pipeline.errors import QadError, UserError, explain_import

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# What a disk or a path is to blame for; other codes are of sockets and of mistakes.
_FILE_FAULTS = {
    errno.EACCES,
    errno.EDQUOT,
    errno.EEXIST,
    errno.EFBIG,
    errno.EIO,
    errno.EISDIR,
    errno.ELOOP,
    errno.EMFILE,
    errno.ENAMETOOLONG,
    errno.ENFILE,
    errno.ENOENT,
    errno.ENOSPC,
    errno.ENOTDIR,
    errno.ENOTEMPTY,
    errno.EPERM,
    errno.EROFS,
    errno.ETXTBSY,
}
_LEAST_MEMORY = 2 * 2**30
# Errors of libraries that may not be imported for the question.
_FULL_MEMORY = {"OutOfMemoryException", "OutOfMemoryError"}
_FULL_MEMORY_TEXTS = (
    "can't start new thread",
    "cannot allocate memory",
    "can't allocate memory",
    "bad_alloc",
    "failed to map segment",
    "out of memory",
    "not enough memory",
)


class Stopped(BaseException):
    """A signal asks the command to end; what is open is closed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def run_command(call: Callable[[], Any]) -> None:
    """Run a command and leave with its exit code.

    Parameters
    ----------
    call : callable
        Raises `QadError` or click's exceptions for faults, or leaves by ``sys.exit``.
    """
    for stream in (sys.stdout, sys.stderr):
        # An angstrom sign on a terminal that has none is no reason to fail.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        with _heeding_signals():
            code = _run(call)
    except Stopped as stop:
        name = signal.Signals(stop.number).name
        _tell(f"stopped by {name}; what is done is kept, the same command goes on from there")
        code = 128 + stop.number
    sys.exit(_flush(code))


def require_memory() -> None:
    """Refuse a limit under which the libraries would not even start, but abort.

    Raises
    ------
    UserError
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < _LEAST_MEMORY:
        raise UserError(
            f"memory is limited to {limit / 2**20:.0f} MiB of addresses, where the libraries alone "
            f"take {_LEAST_MEMORY / 2**30:.0f} GiB; raise the limit (ulimit -v)"
        )


def _run(call: Callable[[], Any]) -> int:
    try:
        call()
    except SystemExit as end:
        if end.code == signal.SIGTERM:
            # Ray has a handler of its own, which leaves so.
            raise Stopped(signal.SIGTERM) from None
        if isinstance(end.code, str):
            _tell(end.code)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except click.exceptions.Abort:
        raise Stopped(signal.SIGINT) from None
    except click.ClickException as error:
        context = error.ctx if isinstance(error, click.UsageError) else None
        hint = f"; see `{context.command_path} --help`" if context else ""
        _tell(f"{error.format_message().rstrip('.')}{hint}")
        return error.exit_code
    except Exception as error:
        fault = _explain(error)
        if fault is None:
            raise
        message, code = fault
        _tell(message)
        return code
    return 0


def _explain(error: Exception) -> tuple[str, int] | None:
    """Return the line and the exit code of a fault that is not ours."""
    if isinstance(error, QadError):
        return str(error), 2
    if _is_full_memory(error):
        return "out of memory: give the process more, or lower run.workers", 1
    if isinstance(error, ImportError) and (missing := explain_import(error)):
        return str(missing), 2
    if isinstance(error, OSError) and error.errno in _FILE_FAULTS:
        place = f"{os.fsdecode(error.filename)}: " if error.filename is not None else ""
        return f"{place}{error.strerror or error}", 2
    return None


def _is_full_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ in _FULL_MEMORY:
        return True
    is_vague = isinstance(error, RuntimeError | ImportError | OSError)
    return is_vague and any(text in str(error).lower() for text in _FULL_MEMORY_TEXTS)


def _tell(message: str) -> None:
    click.echo(f"error: {' '.join(message.splitlines())}", err=True)


def _flush(code: int) -> int:
    """Hand over what is still to be written; nobody may be there to take it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Else Python would try again at its end, and say so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or 1
    except OSError as error:
        _tell(f"the output cannot be written: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return code or 1
    return code


@contextmanager
def _heeding_signals() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Stopped`, in the main thread, where Python delivers them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: FrameType | None) -> None:
        # The way out is not to be cut short by an impatient second one.
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
