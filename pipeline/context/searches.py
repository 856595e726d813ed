"""The catalogues of a run, each with its files and for whom it is searched."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.context.catalogues.declared import resolve_catalogues
from pipeline.lake.store import Store, digest
from pipeline.settings.context import CatalogueSettings
from pipeline.transport.places import find_beside
from pipeline.transport.sources import local_file
from pipeline.user_tables.reader import list_parts


@dataclass(frozen=True)
class Search:
    """One catalogue of a run: its settings, its files, and for which objects it is searched."""

    name: str
    catalogue: CatalogueSettings
    files: tuple[Path, ...]
    moc: Path | None
    is_asked: bool

    @property
    def access(self) -> str:
        """How it is searched, in the words of the schema."""
        if self.files:
            return "file"
        return self.catalogue.service if self.is_asked else "none"

    @property
    def is_remote(self) -> bool:
        """Whether a service is asked, over the network."""
        return self.access in ("xmatch", "tap")

    def identify_sources(self) -> tuple[str, ...]:
        """Digest what identifies each of its files."""
        return tuple(_identify(path) for path in self.files)

    def identify_footprint(self) -> tuple[str, ...]:
        """Digest what identifies the file of its footprint, where it has one."""
        return (_identify(self.moc),) if self.moc else ()


def list_searches(store: Store, config: Config) -> list[Search]:
    """Return every catalogue of a run with its files found.

    Raises
    ------
    UserError
        If a catalogue is not declared or a file is not there.
    """
    settings = config.crossmatch

    def find(name: str, file: str) -> Path:
        return find_beside(store, config, f"[crossmatch.catalogues.{name}]", file)

    return [
        Search(
            name,
            catalogue,
            tuple(find(name, file) for file in catalogue.files),
            find(name, catalogue.moc) if catalogue.moc else None,
            is_asked=name in settings.ask,
        )
        for name, catalogue in resolve_catalogues(settings).items()
    ]


def _identify(path: Path) -> str:
    return digest([local_file(part).stat().identity for part in list_parts(path)])
