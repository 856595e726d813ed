import numpy as np
import pytest

from pipeline.spectra.mock import dust, forest, physics
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.population import draw_quasar, draw_redshift, magnitude_to_flux
from pipeline.spectra.mock.scene import compose


def quasars(count, z=2.2, r_mag=20.0):
    rng = np.random.default_rng(7)
    return [draw_quasar(rng, z, r_mag) for _ in range(count)]


def line(key):
    return next(line for line in physics.BROAD_LINES if line.key == key)


def test_redshifts_peak_where_desi_has_its_quasars():
    rng = np.random.default_rng(0)
    z = np.array([draw_redshift(rng) for _ in range(4000)])
    assert 0.05 <= z.min() < z.max() <= 4.6
    assert 1.55 < np.median(z) < 1.8
    assert abs((z > 3).mean() - 0.053) < 0.015


def test_equivalent_widths_fall_with_luminosity():
    bright, faint = (
        np.median([physics.broad_equivalent_width(q, line("civ")) for q in quasars(200, r_mag=mag)])
        for mag in (18.0, 22.0)
    )
    assert bright < 0.75 * faint


def test_civ_blueshift_goes_with_weak_civ():
    sample = quasars(300)
    width = [physics.broad_equivalent_width(q, line("civ")) for q in sample]
    assert np.corrcoef(np.log(width), [q.blueshift for q in sample])[0, 1] < -0.25


def test_strong_optical_iron_goes_with_narrow_hbeta():
    sample = quasars(300, z=0.4)
    iron = np.log([q.iron_optical for q in sample])
    assert np.corrcoef(iron, np.log([q.fwhm_broad for q in sample]))[0, 1] < -0.3


def test_a_quasar_has_its_magnitude():
    scene = compose(np.random.default_rng(1), quasars(1)[0], 0.03)
    flux = scene.flux()
    assert (flux >= 0).all()
    assert flux[2525:4475].mean() == pytest.approx(magnitude_to_flux(20.0))


def test_forest_absorbs_its_mean_depth():
    rng = np.random.default_rng(3)
    wave = WAVE[WAVE < 4300]
    passed = np.mean([forest.lyman_forest(rng, wave, 2.8) for _ in range(60)], axis=0)
    # Redward of Lyman beta's reach only Lyman alpha absorbs.
    alpha = wave > 1025.72 * 3.8
    expected = np.exp(-forest.effective_depth(wave[alpha] / forest.LYMAN_ALPHA - 1))
    assert passed[alpha].mean() == pytest.approx(expected.mean(), abs=0.02)
    assert passed[~alpha][:500].mean() < passed[alpha][:500].mean()


def test_forest_leaves_the_red_side_alone():
    passed = forest.lyman_forest(np.random.default_rng(3), WAVE, 2.5)
    assert (passed[WAVE > forest.LYMAN_ALPHA * 3.51] == 1).all()


def test_a_dla_is_black_at_its_centre():
    passed = forest.dla(WAVE, 2.5, 20.8)
    centre = np.argmin(np.abs(WAVE - forest.LYMAN_ALPHA * 3.5))
    assert passed[centre] < 1e-6
    assert passed[WAVE > 6000].min() > 0.95


def test_milky_way_dust_has_its_standard_ratio():
    ebv = 0.1
    a_v = -2.5 * np.log10(dust.galactic_transmission(np.array([5494.5]), ebv))
    assert a_v[0] == pytest.approx(3.1 * ebv, rel=0.01)
