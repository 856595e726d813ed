"""Commands and examples that the documents show."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def find_examples(document: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return [text for kind, text in _FENCE.findall(document.read_text()) if kind == language]


def find_commands(document: Path) -> list[list[str]]:
    """Return the commands of a document's fenced blocks, in words, without comments."""
    text = "".join(find_examples(document, "sh") + find_examples(document, ""))
    lines = text.replace("\\\n", " ").splitlines()
    return [
        shlex.split(command, comments=True)
        for line in lines
        if re.match(r"(qad|make|python|docker|kubectl) ", line)
        for command in re.split(r";|&&", line.split(" # ")[0])
    ]


def find_mentions(document: Path) -> list[list[str]]:
    """Return the calls of the command line that a document mentions in its text, in words."""
    text = _FENCE.sub("", document.read_text())
    return [shlex.split(call) for call in re.findall(r"`(qad [^`]+)`", text)]
