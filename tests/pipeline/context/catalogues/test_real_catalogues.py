"""Published catalogues as they are: the pairs that their authors found, and our own brute force."""

import json
from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest

from pipeline.context.catalogues.index import build_index
from pipeline.context.catalogues.join import find_pairs, read_sources
from pipeline.context.catalogues.search import choose_shifted, search_file
from pipeline.context.science.match import measure_separations, normalise_separations, offset
from pipeline.settings.context import CatalogueSettings, CrossmatchSettings

FOLDER = Path(__file__).parents[5] / "shared" / "data" / "catalogs"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no catalogues in {FOLDER}")


def build(name: str, tmp_path: Path, **settings: object) -> Path:
    out = tmp_path / f"{name}.parquet"
    build_index([FOLDER / name], CatalogueSettings(**settings), 2015.5, 500, out)
    return out


def test_sdss_desi_pairs_find_their_partners(tmp_path: Path) -> None:
    pairs = pyarrow.csv.read_csv(FOLDER / "sdss_desi_pairs_half.csv")
    index = build(
        "sdss_desi_pairs_half.csv",
        tmp_path,
        id="sdss_name",
        ra="ra_sdss",
        dec="dec_sdss",
        keep=["z_sdss"],
    )
    ra, dec = (pairs[name].to_numpy() for name in ("ra_desi", "dec_desi"))
    partner = pairs["sdss_name"].to_numpy()
    gap = measure_separations(ra, dec, pairs["ra_sdss"].to_numpy(), pairs["dec_sdss"].to_numpy())
    found = find_pairs(index, ra, dec, 2.0)
    names = read_sources(index, found.source, ["match_id"])["match_id"].to_numpy()
    matched = set(zip(found.position.tolist(), names.tolist(), strict=True))
    missing = [row for row in np.flatnonzero(gap <= 2) if (row, partner[row]) not in matched]
    assert missing == []
    assert len(set(found.position.tolist())) >= np.count_nonzero(gap <= 2) > 7000


def test_2qz_pairs_are_those_of_brute_force(tmp_path: Path) -> None:
    index = build("2QZ_deg.csv", tmp_path, keep=["z"])
    rows = pyarrow.csv.read_csv(FOLDER / "2QZ_deg.csv")
    other_ra, other_dec = rows["ra"].to_numpy(), rows["dec"].to_numpy()
    ra, dec = offset(other_ra[::10], other_dec[::10], 4.9 / 3600, 1.0)
    found = find_pairs(index, ra, dec, 60.0)
    expected = 0
    for here_ra, here_dec in zip(ra, dec, strict=True):
        near = np.flatnonzero(np.abs(other_dec - here_dec) <= 61 / 3600)
        ours = np.full((2, len(near)), [[here_ra], [here_dec]])
        gap = measure_separations(*ours, other_ra[near], other_dec[near])
        expected += int(np.count_nonzero(gap <= 60))
    assert len(found.position) == expected > len(ra)


def test_erosita_sources_match_their_published_counterparts(tmp_path: Path) -> None:
    index = build(
        "eroextra_final.fits",
        tmp_path,
        id="ERO_NAME",
        ra="ERO_RA",
        dec="ERO_DEC",
        error="ERO_POSERR",
        keep=["LS10_RA", "LS10_DEC"],
    )
    sources = read_sources(index, np.arange(304), ["attributes"])
    places = [json.loads(text) for text in sources["attributes"].to_pylist()]
    has_counterpart = [place.get("LS10_RA", -1) >= 0 for place in places]
    ra, dec = (
        np.array([p[f"LS10_{name}"] for p, has in zip(places, has_counterpart, strict=True) if has])
        for name in ("RA", "DEC")
    )
    settings = CrossmatchSettings()
    found = search_file(index, 15.0, (ra, dec), choose_shifted(ra, dec, 15.0, settings))
    assert len(ra) > 270
    assert len(set(found.position.tolist())) > 0.98 * len(ra)
    error = found.sources["error"].to_numpy()
    ratio = normalise_separations(found.separation, np.full(len(error), 0.1), error)
    # The authors took the likeliest counterpart, so few lie beyond three sigma.
    assert np.mean(ratio > 3) < 0.1
    assert found.chance_rate is not None
    assert found.chance_rate < 0.01
