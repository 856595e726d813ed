"""Catalogues of a run: what is declared, with the run's own changes, and what nobody declared."""

import pytest

from pipeline.context.catalogues.declared import read_declared, resolve_catalogues
from pipeline.errors import UserError
from pipeline.settings.context import CatalogueSettings, CrossmatchSettings


def resolve(**settings: object) -> dict[str, CatalogueSettings]:
    return resolve_catalogues(CrossmatchSettings(**settings))


def test_without_changes_they_are_the_declared_ones_in_order_of_name() -> None:
    found = resolve()
    assert list(found) == sorted(read_declared())
    assert found == read_declared()


@pytest.mark.parametrize("name", sorted(read_declared()))
def test_a_run_changes_only_what_it_names(name: str) -> None:
    changed = resolve(catalogues={name: CatalogueSettings(radius=3.25)})
    expected = read_declared()[name].model_copy(update={"radius": 3.25})
    assert changed[name] == expected
    assert {k: v for k, v in changed.items() if k != name} == {
        k: v for k, v in read_declared().items() if k != name
    }


def test_a_new_catalogue_needs_files_and_is_called_by_its_name() -> None:
    found = resolve(catalogues={"mine": CatalogueSettings(files=["a.csv"])})["mine"]
    assert (found.title, found.files) == ("mine", ["a.csv"])
    titled = CatalogueSettings(files=["a.csv"], title="My own")
    assert resolve(catalogues={"mine": titled})["mine"].title == "My own"
    with pytest.raises(
        UserError, match=r"\[crossmatch\.catalogues\.mine\] is not a declared .* or give files"
    ):
        resolve(catalogues={"mine": CatalogueSettings()})


@pytest.mark.parametrize(
    ("name", "hint"), [("gaia_dr", "did you mean 'gaia_dr3'"), ("qqq", "declared: ")]
)
def test_a_name_that_nobody_declared_is_told_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(
        UserError, match=f"crossmatch.ask: {name!r} is not a declared catalogue; {hint}"
    ):
        resolve(ask=[name])


def test_what_has_no_service_cannot_be_asked() -> None:
    with pytest.raises(UserError, match=r"crossmatch\.ask: mine has no service"):
        resolve(catalogues={"mine": CatalogueSettings(files=["a.csv"])}, ask=["mine"])
