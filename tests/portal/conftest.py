"""Releases for the portal's tests."""

from pathlib import Path

import pytest
from portal_release import VERSION, write_release


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
