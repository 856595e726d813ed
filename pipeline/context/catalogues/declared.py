"""The declared catalogues, and what a run's settings make of them."""

import difflib
import tomllib
from functools import cache
from importlib import resources

from pydantic import TypeAdapter

from pipeline.errors import UserError
from pipeline.settings.context import CatalogueSettings, CrossmatchSettings


@cache
def read_declared() -> dict[str, CatalogueSettings]:
    """Return the catalogues of ``declared.toml`` by name."""
    text = resources.files("pipeline.context.catalogues").joinpath("declared.toml").read_text()
    return TypeAdapter(dict[str, CatalogueSettings]).validate_python(tomllib.loads(text))


def resolve_catalogues(settings: CrossmatchSettings) -> dict[str, CatalogueSettings]:
    """Return every catalogue of a run by name: the declared ones with the run's own changes.

    Raises
    ------
    UserError
        If a service is to be asked that nobody declared, or a new catalogue has no file.
    """
    catalogues = dict(read_declared())
    for name, changes in settings.catalogues.items():
        known = catalogues.get(name)
        if known is None and not changes.files:
            raise UserError(
                f"[crossmatch.catalogues.{name}] {_explain_unknown(name)} or give files"
            )
        values = changes.model_dump(exclude_unset=True)
        catalogues[name] = (known or CatalogueSettings(title=name)).model_copy(update=values)
    for name in settings.ask:
        if name not in catalogues:
            raise UserError(f"crossmatch.ask: {name!r} {_explain_unknown(name)}")
        if not catalogues[name].service:
            raise UserError(f"crossmatch.ask: {name} has no service; give it files instead")
    return dict(sorted(catalogues.items()))


def _explain_unknown(name: str) -> str:
    near = difflib.get_close_matches(name, read_declared(), n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"declared: {', '.join(read_declared())}"
    return f"is not a declared catalogue; {hint}"
