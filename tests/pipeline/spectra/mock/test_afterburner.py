"""What the template fitter misses, and that the afterburners put it right."""

import numpy as np
import pytest

from pipeline.spectra.mock import columns
from pipeline.spectra.mock.afterburner import build_afterburners
from pipeline.spectra.mock.observe import Coadd, Target
from pipeline.spectra.mock.redrock import build_redshifts

N = 4000
NOTHING = np.zeros(0)
Z_TRUE = np.linspace(0.85, 3.9, N)


@pytest.fixture(scope="module")
def tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """REDSHIFTS, MGII and QN_RR of many normal quasars with clear spectra."""
    rng = np.random.default_rng(3)
    targets = [Target("quasar", NOTHING, NOTHING, NOTHING, z, z) for z in Z_TRUE]
    spectra = np.ones((N, 3), np.float32)
    dead = np.zeros(N, bool)
    unknown = np.full(N, np.nan)
    coadd = Coadd(spectra, spectra, spectra, np.full(N, 4.0), unknown, dead, unknown)
    ids = 39627000000000000 + np.arange(N)
    fibers = columns.fill_table(
        columns.FIBERMAP_MAIN, N, TARGETID=ids, OBJTYPE=np.full(N, "TGT"), FA_TARGET=np.full(N, 4)
    )
    redshifts = build_redshifts(rng, ids, targets, coadd)
    mgii, quasarnet = build_afterburners(rng, fibers, redshifts, targets, coadd)
    return redshifts, mgii, quasarnet


def is_wrong(z: np.ndarray) -> np.ndarray:
    return np.abs(z - Z_TRUE) > 0.01 * (1 + Z_TRUE)


def test_shares_of_what_goes_wrong(tables) -> None:
    redshifts, _, _ = tables
    missed = redshifts["SPECTYPE"] == b"GALAXY"
    confused = ~missed & is_wrong(redshifts["Z"])
    assert missed.mean() == pytest.approx(0.03, abs=0.01)
    assert confused.mean() == pytest.approx(0.02, abs=0.01)
    assert (redshifts["ZWARN"][confused] == 4).all()
    near = missed & ~is_wrong(redshifts["Z"])
    assert near.sum() > 20
    assert Z_TRUE[near].max() < 2.4 + 0.01


def test_mgii_finder_sees_the_line_at_the_right_redshift_only(tables) -> None:
    redshifts, mgii, _ = tables
    found = mgii["IS_QSO_MGII"]
    host_like = (redshifts["SPECTYPE"] == b"GALAXY") & ~is_wrong(redshifts["Z"])
    assert found[host_like].mean() > 0.7
    assert not found[is_wrong(redshifts["Z"])].any()


def test_quasarnet_mends_wrong_redshifts_and_leaves_right_ones(tables) -> None:
    redshifts, _, quasarnet = tables
    wrong = is_wrong(redshifts["Z"])
    mended = quasarnet["IS_QSO_QN_NEW_RR"]
    assert mended[wrong].mean() > 0.9
    assert mended[~wrong].mean() < 0.01
    assert not is_wrong(quasarnet["Z_NEW"])[mended].any()
    confidence = np.max([quasarnet[f"C_{line}"] for line in columns.QN_LINES], axis=0)
    assert (confidence > 0.95).mean() > 0.8
