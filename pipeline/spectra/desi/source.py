"""The survey tree that a run reads."""

from pathlib import Path

from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.lake.layout import is_remote
from pipeline.lake.store import Store
from pipeline.spectra.desi.tree import REDUCTION, DesiTree, list_reductions, recognise_tree
from pipeline.transport.places import find_mock
from pipeline.transport.sources import open_source


def find_tree(store: Store, config: Config) -> DesiTree:
    """Return the DR1 tree that ``run.source`` names; `mock` is the mock survey below the root.

    Raises
    ------
    UserError
        If there is no tree, or nothing in it.
    """
    location = config.run.source
    if location == "mock":
        location = str(find_mock(store, config))
    elif not is_remote(location):
        source = Path(location)
        if not source.is_dir():
            raise UserError(
                f"source {source}: no such folder; give a tree in the DR1 layout or `mock`"
            )
        if not list_reductions(source):
            raise UserError(
                f"source {source}: no {REDUCTION} below it; give the folder that holds spectro/"
            )
    return recognise_tree(open_source(location, config.acquire), config.run.survey)
