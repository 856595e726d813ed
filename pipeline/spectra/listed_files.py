"""The files of a survey that publishes one for each spectrum, told apart by their names."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pipeline.errors import UserError

# Identity of a spectrum, which sorts.
Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class ListedFiles(Generic[Name]):
    """The files of a source.

    Attributes
    ----------
    paths : dict
        The first file of each spectrum, by its identity.
    repeats : tuple
        Identities of further files of the same spectra.
    table : str
        The catalogue; empty where there is none.
    others : tuple of str
        What is neither.
    by_shard : dict
        Identities of each shard, in order.
    """

    paths: dict[Name, str]
    repeats: tuple[Name, ...]
    table: str
    others: tuple[str, ...]
    by_shard: dict[Hashable, list[Name]]


def list_files(
    location: str,
    paths: Iterable[str],
    parse_name: Callable[[str], Name | None],
    table: re.Pattern[str],
    find_shard: Callable[[Name], Hashable],
) -> ListedFiles[Name]:
    """Tell spectra and the catalogue among the files of a source.

    Parameters
    ----------
    location : str
        Of the source, for messages.
    paths : iterable of str
    parse_name : callable
        Identity of the spectrum of a path; None where that is none.
    table : re.Pattern
        Path of a catalogue.
    find_shard : callable
        What the spectra of a shard have in common.

    Raises
    ------
    UserError
        If there are several catalogues: one of them must count.
    """
    found: dict[Name, str] = {}
    repeats: list[Name] = []
    tables, others = [], []
    for path in sorted(paths):
        name = parse_name(path)
        if name is not None:
            if found.setdefault(name, path) != path:
                repeats.append(name)
        elif table.fullmatch(path):
            tables.append(path)
        else:
            others.append(path)
    if len(tables) > 1:
        raise UserError(f"source {location}: {' and '.join(tables)} are catalogues; keep one")
    by_shard: dict[Any, list[Name]] = defaultdict(list)
    for name in sorted(found):  # type: ignore[type-var]
        by_shard[find_shard(name)].append(name)
    return ListedFiles(
        found, tuple(repeats), tables[0] if tables else "", tuple(others), dict(by_shard)
    )
