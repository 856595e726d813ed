"""Texts of visitors and of files, made harmless for Markdown."""

import re


def escape(text: str) -> str:
    """Return a text so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$:])", r"\\\1", text)


def tame(text: str) -> str:
    """Return Markdown without images, which would be fetched from elsewhere."""
    return text.replace("![", "[")


def demote(text: str, levels: int) -> str:
    """Return Markdown with its headings so many levels lower."""
    return re.sub(r"^#", "#" * (levels + 1), text, flags=re.MULTILINE)
