"""What a web server says of a release's files, so that browsers show them and tools know them."""

from mimetypes import MimeTypes
from pathlib import PurePosixPath

from release.faces.registry import FACES

_PLAIN = "text/plain"
_UTF_8 = "; charset=utf-8"
# By ending or name: what the library does not know, or calls otherwise from one version of Python
# to the next, and what only a face makes.
_TYPES = {
    ".bib": "text/x-bibtex",
    ".cff": "application/yaml",
    ".css": "text/css",
    ".csv": "text/csv",
    ".fits": "application/fits",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".py": "text/x-python",
    ".sh": "text/x-shellscript",
    ".sql": "application/sql",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".txt": _PLAIN,
    ".xml": "application/xml",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    "LICENSE": _PLAIN,
    "SHA256SUMS": _PLAIN,
    **{ending: kind for face in FACES for ending, kind in face.media_types.items()},
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
    found = _TYPES.get(name.name) or _TYPES.get(name.suffix.lower())
    found = found or _LIBRARY.guess_type(name.name)[0] or "application/octet-stream"
    return found + _UTF_8 if found.startswith("text/") else found
