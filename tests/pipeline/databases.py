"""Fixtures of the ledger's tests: empty databases of both kinds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import Server, find_programs


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A running server."""
    programs = find_programs()
    if programs is None:
        pytest.skip("no PostgreSQL here (Debian: apt-get install postgresql)")
    server = Server.create(programs)
    yield server
    server.remove()


@pytest.fixture
def postgres_url(postgres: Server, tmp_path: Path) -> str:
    """An empty database of the server."""
    return postgres.make_database(tmp_path.name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shared.sqlite'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
