"""Spectrographs other than DESI's: their grids, their noise, and the trees written with them."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.io import fits

from pipeline.spectra.lamost.survey import LamostSurvey
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.lamost_tree import CATALOGUE, write_lamost_tree
from pipeline.spectra.mock.observe import Target
from pipeline.spectra.mock.plan import plan_shards
from pipeline.spectra.mock.sdss_tree import write_sdss_tree
from pipeline.spectra.mock.spectrographs import BOSS, LAMOST, Spectrograph, observe
from pipeline.spectra.mock.survey import Writer, make_survey
from pipeline.spectra.sdss.survey import SdssSurvey

WRITERS = {"sdss": write_sdss_tree, "lamost": write_lamost_tree}


def make_target(flux: np.ndarray) -> Target:
    return Target("quasar", flux, flux, flux, 1.0, 1.0)


@pytest.mark.parametrize(("spectrograph", "survey"), [(BOSS, SdssSurvey), (LAMOST, LamostSurvey)])
def test_pixels_are_those_of_the_survey(spectrograph: Spectrograph, survey: type) -> None:
    grid = survey.sampling.grid
    pixel = (spectrograph.loglam - grid.start) / grid.step
    np.testing.assert_allclose(pixel, np.rint(pixel), atol=1e-6)
    assert pixel.min() > 0
    assert pixel.max() < grid.size
    assert WAVE[0] <= spectrograph.wave[0] < spectrograph.wave[-1] <= WAVE[-1]


@pytest.mark.parametrize("spectrograph", [BOSS, LAMOST])
def test_ivar_is_that_of_the_noise(spectrograph: Spectrograph) -> None:
    rng = np.random.default_rng(3)
    level = np.full(WAVE.size, 5.0)
    seen = observe(rng, spectrograph, [make_target(level) for _ in range(40)])
    alive = ~seen.is_dead
    pull = (seen.flux[alive] - 5.0) * np.sqrt(seen.ivar[alive])
    good = seen.ivar[alive] > 0
    assert np.abs(pull[good]).max() < 7
    assert pull[good].std() == pytest.approx(1, abs=0.02)
    assert (seen.mask[alive] > 0).sum() == (~good).sum()


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_same_seed_gives_the_same_bytes_and_a_truth_of_every_file(
    tmp_path: Path, write: Writer
) -> None:
    digests = []
    for number in range(2):
        tree = tmp_path / str(number) / "tree"
        make_survey(tree, n_quasars=12, n_pixels=2, seed=4, write=write)
        files = sorted(path for path in tree.rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
        truth = pq.read_table(tree.with_name("tree-truth.parquet"))
        assert len([path for path in files if path.name.startswith("spec-")]) == truth.num_rows
        assert len(set(truth["TARGETID"].to_pylist())) == truth.num_rows
    assert digests[0] == digests[1]


def test_no_more_targets_than_fibres(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="do not fit on a plate; ask for more pixels"):
        write_sdss_tree(tmp_path, plan_shards(700, 1, 1), 1, lambda *_: None)


def test_lamost_s_layouts_take_turns(tmp_path: Path) -> None:
    make_survey(tmp_path / "tree", n_quasars=8, n_pixels=2, seed=4, write=write_lamost_tree)
    shapes = set()
    for path in (tmp_path / "tree").rglob("spec-*.fits"):
        with fits.open(path) as hdus:
            shapes.add((path.parent.name, hdus[0].data is not None, len(hdus)))
    assert shapes == {("HD5001N30", True, 1), ("HD5002N30", False, 2)}
    lines = (tmp_path / "tree" / CATALOGUE).read_text().splitlines()
    assert lines[0].startswith("obsid|designation|lmjd|planid")
