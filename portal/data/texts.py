"""Texts of visitors and of files, made harmless for Markdown, in which Streamlit writes."""

import re

MAX_LENGTH = 500
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#+!|~$:&@=])")
# What begins a list although its signs are harmless elsewhere; what becomes a link by itself.
_OPENING = re.compile(r"^(\d*)([-.])")
_ADDRESS = re.compile(r"\bwww(?=\.)", re.IGNORECASE)
# Controls, and what turns the direction of writing.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]+")


def clean(text: str) -> str:
    """Return a text as one line without controls, surrogates or an end beyond `MAX_LENGTH`."""
    line = " ".join(_UNSEEN.sub(" ", text[: 4 * MAX_LENGTH]).split())
    line = line.encode("utf-8", "replace").decode()
    return line if len(line) <= MAX_LENGTH else f"{line[:MAX_LENGTH]} …"


def escape(text: str) -> str:
    """Return a text so that Markdown shows it as it is, in one line."""
    return _OPENING.sub(r"\1\\\2", escape_marks(clean(text)))


def write_message(text: str) -> str:
    """Return one of our messages for Markdown: `code` stays code, all else is text as it is."""
    parts = clean(text).split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return "`".join(part if i % 2 else escape_marks(part) for i, part in enumerate(parts))


def escape_marks(text: str) -> str:
    """Return a line of any length in which nothing is markup."""
    return _ADDRESS.sub(r"\g<0>\\", _MARKS.sub(r"\\\1", text))
