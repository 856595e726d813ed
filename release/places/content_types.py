"""What a web server says of a release's files, so that browsers show them and tools know them."""

from mimetypes import MimeTypes
from pathlib import PurePosixPath

_PLAIN = "text/plain"
_PARQUET = "application/vnd.apache.parquet"
_UTF_8 = "; charset=utf-8"
# What the library does not know, or calls otherwise from one version of Python to the next.
_TYPES = {
    ".bib": "text/x-bibtex",
    ".cff": "application/yaml",
    ".css": "text/css",
    ".csv": "text/csv",
    ".dat": _PLAIN,
    ".fits": "application/fits",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": _PARQUET,
    ".properties": _PLAIN,
    ".py": "text/x-python",
    ".sh": "text/x-shellscript",
    ".sql": "application/sql",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".txt": _PLAIN,
    ".vot": "application/x-votable+xml",
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
_TYPES_OF_NAMES = {
    "LICENSE": _PLAIN,
    "ReadMe": _PLAIN,
    "SHA256SUMS": _PLAIN,
    "properties": _PLAIN,
    "_common_metadata": _PARQUET,
    "_metadata": _PARQUET,
}
# Its own table only: what the machine's /etc/mime.types says differs from one to the next.
_LIBRARY = MimeTypes()


def find_content_type(path: str) -> str:
    """Return the media type of a file by its name; text is UTF-8.

    Examples
    --------
    >>> find_content_type("site/index.html")
    'text/html; charset=utf-8'
    """
    name = PurePosixPath(path)
    found = _TYPES_OF_NAMES.get(name.name) or _TYPES.get(name.suffix.lower())
    found = found or _LIBRARY.guess_type(name.name)[0] or "application/octet-stream"
    return found + _UTF_8 if found.startswith("text/") else found
