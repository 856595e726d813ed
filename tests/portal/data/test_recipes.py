"""Recipes run as they stand, inside the release that shows them."""

from pathlib import Path

import pytest

from catalog_schema.desi import WAVE_SIZE
from portal.data.database import Connection
from portal.data.recipes import write_recipes
from portal.data.releases import open_release

TITLES = ("DuckDB", "polars", "astropy", "Spectrum")


def test_each_release_has_those_of_its_files(release: Path, con: Connection) -> None:
    assert tuple(write_recipes(open_release(release), con.table)) == TITLES


@pytest.mark.parametrize("title", TITLES)
def test_recipe_runs_as_it_stands(
    title: str,
    release: Path,
    con: Connection,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = write_recipes(open_release(release), con.table)[title]
    monkeypatch.chdir(release)
    exec(compile(recipe, title, "exec"), {})
    told = capsys.readouterr().out
    assert "39627000000000" in told
    assert (str(WAVE_SIZE) in told) is (title == "Spectrum")
