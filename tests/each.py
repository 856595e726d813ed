"""One test of all the parts of a declaration: what fails is named, all of it at once."""

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar


class Named(Protocol):
    """A column, a table, a measurement."""

    name: str


N = TypeVar("N", bound=Named)


def each(parts: Iterable[N]) -> Callable[[Callable[[N], None]], Callable[[], None]]:
    """Make one test of a check of one part."""
    listed = tuple(parts)

    def decorate(check: Callable[[N], None]) -> Callable[[], None]:
        def test() -> None:
            failed = {}
            for part in listed:
                try:
                    check(part)
                except Exception as error:
                    failed[part.name] = repr(error)
            assert listed
            assert failed == {}

        test.__name__ = check.__name__
        return test

    return decorate
