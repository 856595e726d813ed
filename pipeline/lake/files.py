"""The lake's files, in a local folder or in an S3 bucket: each is there whole or not at all.

A path names a local file or, as ``Path("s3:/bucket/key")``, an object; `locate` makes such a path.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from pipeline.errors import UserError

# Settings of every S3 client: over https their own checksums trail the body, which stores beside
# AWS refuse. Who sends by boto3 gives a checksum as a header; Arrow then signs that of the body.
CHECKSUMS_IN_HEADERS = {
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}
# Names the S3 server of the lake where it is another one than the source's.
ENDPOINT_VARIABLES = ("QAD_LAKE_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_SCHEME = "s3:"
_BUCKET = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]+)(?P<prefix>(/(?!\.)[\w.=-]+)*)/?")
_ATTEMPTS = 6
_CONNECT_TIMEOUT = 10
# The root cannot take the data: no shard can succeed, so the run ends.
_ROOT_FAULTS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.EISDIR,
    errno.EEXIST,
    errno.ELOOP,
    errno.ENAMETOOLONG,
}


def locate(url: str) -> Path:
    """Return the path of an S3 prefix.

    Raises
    ------
    UserError
        If it is not of the form ``s3://BUCKET/PREFIX``. The message does not repeat it, for
        someone may have put a key into it.
    """
    match = _BUCKET.fullmatch(url)
    if not match:
        raise UserError("run.lake is not of the form s3://BUCKET/PREFIX; credentials go elsewhere")
    return Path(f"{_SCHEME}/{match['bucket']}{match['prefix']}")


def is_object(path: Path) -> bool:
    """Say whether a path names an object in a bucket."""
    return path.parts[:1] == (_SCHEME,)


def show(path: Path) -> str:
    """Return a path as a person writes it."""
    return f"s3://{_key(path)}" if is_object(path) else str(path)


def filesystem(path: Path) -> tuple[fs.FileSystem, str]:
    """Return the file system that holds a path and the path's name in it."""
    return (_connect(), _key(path)) if is_object(path) else (fs.LocalFileSystem(), str(path))


@contextlib.contextmanager
def opening(path: Path) -> Iterator[pa.NativeFile]:
    """Open a file to read.

    Raises
    ------
    FileNotFoundError
        If there is none.
    UserError
        If a bucket does not answer or refuses, also later in the block.
    """
    system, name = filesystem(path)
    with _bucket_faults(path, "read"), system.open_input_file(name) as file:
        yield file


def exists(path: Path) -> bool:
    """Say whether there is a file; UserError if a bucket does not tell."""
    system, name = filesystem(path)
    with _bucket_faults(path, "read"):
        return bool(system.get_file_info(name).type == fs.FileType.File)


def measure(path: Path) -> int:
    """Return the size of a file in bytes."""
    system, name = filesystem(path)
    with _bucket_faults(path, "read"):
        return int(system.get_file_info(name).size or 0)


def list_files(folder: Path) -> list[Path]:
    """List every file below a folder, sorted; none if it is not there."""
    prefix = Path(f"{_SCHEME}/") if is_object(folder) else Path()
    return sorted(prefix / entry.path for entry in _list_entries(folder))


def list_sizes(folder: Path) -> dict[str, int]:
    """Return the size in bytes of every file below a folder, by its path there."""
    _, name = filesystem(folder)
    entries = _list_entries(folder)
    return {entry.path.removeprefix(name): int(entry.size or 0) for entry in entries}


def remove(path: Path) -> None:
    """Delete a file if it is there."""
    if not is_object(path):
        path.unlink(missing_ok=True)
        return
    system, name = filesystem(path)
    with _bucket_faults(path, "delete"), contextlib.suppress(FileNotFoundError):
        system.delete_file(name)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file to write; it becomes `path` only when the block succeeds.

    Raises
    ------
    UserError
        If the data root is full or read-only, or the bucket does not take the object.
    """
    if is_object(path):
        with tempfile.TemporaryDirectory(prefix="qad-") as folder:
            partial = Path(folder) / path.name
            with guard_root(partial):
                yield partial
            _upload(partial, path)
        return
    partial = path.with_name(f".{path.name}.tmp")
    with guard_root(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            with partial.open("rb") as handle:
                os.fsync(handle.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: Path, last: str) -> Iterator[Path]:
    """Give a temporary folder to fill; it becomes `path` only when the block succeeds.

    Parameters
    ----------
    path : Path
    last : str
        File without which the folder does not count: in a bucket it is written after the others.

    Raises
    ------
    UserError
        As `replacing`.
    """
    if is_object(path):
        with tempfile.TemporaryDirectory(prefix="qad-") as name:
            folder = Path(name)
            with guard_root(folder):
                yield folder
            for file in sorted(folder.iterdir(), key=lambda file: (file.name == last, file.name)):
                _upload(file, path / file.name)
        return
    partial = path.with_name(f".{path.name}.partial")
    with guard_root(path):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        os.replace(partial, path)


@contextlib.contextmanager
def local_folder(path: Path) -> Iterator[Path]:
    """Give a local folder with the files of `path`: itself, or a copy that goes with the block."""
    if not is_object(path):
        yield path
        return
    system, name = filesystem(path)
    with tempfile.TemporaryDirectory(prefix="qad-") as folder:
        with _bucket_faults(path, "read"), guard_root(Path(folder)):
            fs.copy_files(name, folder, source_filesystem=system)
        yield Path(folder)


def require_folder(path: Path) -> None:
    """Refuse a data root that is something else than a folder; it need not be there.

    Raises
    ------
    UserError
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; choose another --root") from None
    if not stat.S_ISDIR(found.st_mode):
        raise UserError(f"{path} is a file, not a folder; choose another --root")


@contextlib.contextmanager
def guard_root(path: Path) -> Iterator[None]:
    """Turn a full, read-only or failing disk into one line for the user."""
    try:
        yield
    except OSError as error:
        if error.errno in _ROOT_FAULTS or isinstance(error, NotADirectoryError):
            reason = error.strerror or str(error)
            raise UserError(
                f"cannot write {path}: {reason}; free some space or choose another --root"
            ) from None
        raise


def _list_entries(folder: Path) -> list[fs.FileInfo]:
    """Return every file below a folder; none if it is not there."""
    system, name = filesystem(folder)
    with _bucket_faults(folder, "read"):
        found = system.get_file_info(fs.FileSelector(name, allow_not_found=True, recursive=True))
    return [entry for entry in found if entry.type == fs.FileType.File]


def _key(path: Path) -> str:
    return "/".join(path.parts[1:])


@cache
def _connect() -> fs.FileSystem:
    # Keys and region come from the usual places of AWS: environment, profile or the machine's role.
    endpoint = next((url for name in ENDPOINT_VARIABLES if (url := os.environ.get(name))), None)
    for name, value in CHECKSUMS_IN_HEADERS.items():
        os.environ.setdefault(f"AWS_{name.upper()}", value)
    return fs.S3FileSystem(
        endpoint_override=endpoint,
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        connect_timeout=_CONNECT_TIMEOUT,
        tls_ca_file_path=os.environ.get("AWS_CA_BUNDLE") or None,
        # A small object takes one request instead of three.
        allow_delayed_open=True,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )


def _upload(file: Path, path: Path) -> None:
    system, name = filesystem(path)
    size = file.stat().st_size
    # One write of all bytes: what fails is then the upload itself, which S3 forgets.
    with _bucket_faults(path, "write"), pa.memory_map(str(file)) as data:
        with system.open_output_stream(name) as sink:
            sink.write(data.read_buffer())
        if system.get_file_info(name).size != size:
            raise OSError(f"the object has not the {size} bytes that were sent")


@contextlib.contextmanager
def _bucket_faults(path: Path, verb: str) -> Iterator[None]:
    """Turn what an S3 server refuses, after the retries, into one line for the user."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        # Damage of a Parquet file is an OSError too; only the client's faults name the service.
        if is_object(path) and ("AWS Error" in str(error) or verb == "write"):
            reason = re.sub(r"\s+", " ", str(error)).partition(" (Request ID")[0]
            raise UserError(
                f"cannot {verb} {show(path)}: {reason}; see that the bucket answers and the "
                "credentials hold, then run again: what is done is kept"
            ) from None
        raise
