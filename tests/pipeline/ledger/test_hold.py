"""A name on a PostgreSQL server has one holder, however many ask and however the holder ends."""

from collections.abc import Iterator

import pytest
from postgres_server import Server
from sqlalchemy import Engine, create_engine, text

from pipeline.errors import UserError
from pipeline.ledger.database import parse_url
from pipeline.ledger.hold import Hold, find_hold

pytest_plugins = ["databases"]


@pytest.fixture
def engine(postgres: Server, postgres_url: str) -> Iterator[Engine]:
    made = create_engine(parse_url(postgres_url))
    yield made
    made.dispose()


def is_held(engine: Engine, name: str) -> bool:
    with engine.connect() as connection:
        return find_hold(connection, name)


def test_one_holds_a_name_and_the_others_are_told(engine: Engine) -> None:
    one, other, elsewhere = Hold(engine, "lake"), Hold(engine, "lake"), Hold(engine, "lake2")
    assert not is_held(engine, "lake")
    one.confirm()
    one.confirm()
    elsewhere.confirm()
    assert is_held(engine, "lake")
    for _ in range(2):
        with pytest.raises(UserError, match=r"^lake: another qad process.* wait for it to end$"):
            other.confirm()
    one.release()
    assert not is_held(engine, "lake")
    assert is_held(engine, "lake2")
    other.confirm()
    with pytest.raises(UserError):
        one.confirm()
    for hold in (other, elsewhere, one):
        hold.release()
        hold.release()
    assert not is_held(engine, "lake2")


END_OTHERS = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def test_a_connection_that_ends_gives_the_name_back_and_is_made_again(engine: Engine) -> None:
    one, other = Hold(engine, "lake"), Hold(engine, "lake")
    one.confirm()
    with engine.connect() as connection:
        connection.execute(END_OTHERS)
    assert not is_held(engine, "lake")
    one.confirm()
    assert is_held(engine, "lake")
    with engine.connect() as connection:
        connection.execute(END_OTHERS)
    other.confirm()
    with pytest.raises(UserError, match="another qad process"):
        one.confirm()
    other.release()
