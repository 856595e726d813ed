"""Releases for the portal's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from portal_release import VERSION, write_release

from portal.data.cache import CACHE_VARIABLE
from portal.data.database import Connection, connect


@pytest.fixture(scope="session", autouse=True)
def _keep_indexes_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("indexes")))
        yield


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Release 1.2.0 in a data root of its own; read only."""
    root = tmp_path_factory.mktemp("data") / "releases" / VERSION
    write_release(root)
    return root


@pytest.fixture
def own_release(tmp_path: Path) -> Path:
    """Release that a test may damage."""
    root = tmp_path / "releases" / VERSION
    write_release(root)
    return root


@pytest.fixture(scope="session")
def con(release: Path) -> Connection:
    """The connection to that release."""
    return connect(release)
