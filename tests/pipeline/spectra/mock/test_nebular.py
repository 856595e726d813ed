"""Ratios of nebular lines lie where the published borders say."""

import numpy as np
import pytest

from catalog_schema.lines import LINES
from pipeline.spectra.mock import nebular

NO_SCATTER = np.zeros(6)


def place(ratios: dict[str, float]) -> tuple[float, float]:
    """log [NII]/Halpha and log [OIII]/Hbeta."""
    return float(np.log10(ratios["nii"])), float(np.log10(ratios["oiii"] / ratios["hbeta"]))


def is_forming(x: float, y: float) -> bool:
    """Below the border of Kauffmann et al. (2003)."""
    return x < 0.05 and y < 0.61 / (x - 0.05) + 1.3


def is_active(x: float, y: float) -> bool:
    """Above the border of Kewley et al. (2001)."""
    return x > 0.47 or y > 0.61 / (x - 0.47) + 1.19


@pytest.mark.parametrize("oxygen", [-1.6, -1.2, -0.9, -0.6, -0.4])
def test_star_formation_is_below_its_border(oxygen: float) -> None:
    assert is_forming(*place(nebular.ratios(oxygen, 0.0, 0.0, NO_SCATTER)))


@pytest.mark.parametrize("hardness", [0.0, 0.5, 1.0])
def test_nuclei_are_above_theirs_and_mixtures_between(hardness: float) -> None:
    mixed = [place(nebular.ratios(-0.4, share, hardness, NO_SCATTER)) for share in (0.0, 0.12, 1.0)]
    assert is_forming(*mixed[0])
    assert not is_forming(*mixed[1])
    assert not is_active(*mixed[1])
    assert is_active(*mixed[2])


def test_seyferts_are_harder_than_liners() -> None:
    liner, seyfert = (nebular.ratios(-0.5, 1.0, hard, NO_SCATTER) for hard in (0.0, 1.0))
    assert place(seyfert)[1] > 0.7
    assert place(liner)[1] < 0.5
    assert liner["oi"] > seyfert["oi"]


def test_doublets_have_their_ratios() -> None:
    ratios = nebular.ratios(-0.7, 0.2, 0.5, np.ones(6))
    assert ratios["oiii"] / ratios["oiii_4960"] == pytest.approx(2.98)
    assert ratios["nii"] / ratios["nii_6549"] == pytest.approx(3.05)
    assert 1.2 < ratios["oii_3729"] / ratios["oii_3727"] < 1.5
    assert ratios["hbeta"] == pytest.approx(1 / 2.86)


def test_dust_reddens_the_decrement() -> None:
    rest = np.arange(4700.0, 6700.0, 0.2)
    ratios = {"halpha": 1.0, "hbeta": 1 / 2.86}
    decrements = []
    for ebv in (0.0, 0.3):
        light = nebular.lines(rest, ratios, 1.0, 100.0, ebv)
        hbeta = np.trapezoid(light[rest < 5000], rest[rest < 5000])
        halpha = np.trapezoid(light[rest > 6400], rest[rest > 6400])
        assert halpha == pytest.approx(1, rel=1e-3)
        decrements.append(halpha / hbeta)
    # k(Hbeta) - k(Halpha) = 1.27 (Calzetti et al. 2000).
    assert decrements[0] == pytest.approx(2.86, rel=1e-3)
    assert decrements[1] == pytest.approx(2.86 * 10 ** (0.4 * 1.27 * 0.3), rel=0.02)


def test_lines_beyond_the_spectrum_are_left_out() -> None:
    rest = np.arange(8000.0, 8100.0, 1.0)
    assert not nebular.lines(rest, dict.fromkeys(LINES, 1.0), 0.0, 80.0, 0.0).any()
    assert not nebular.lines(rest, {"halpha": 1.0}, 1.0, 80.0, 0.0).any()
