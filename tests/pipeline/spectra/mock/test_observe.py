import numpy as np
from astropy.io import fits

from pipeline.spectra.mock import instrument
from pipeline.spectra.mock.instrument import ARM_SLICES, ARM_WAVE, Conditions
from pipeline.spectra.mock.observe import draw_conditions, draw_target, observe


def arms(hdus, kind):
    return np.concatenate([hdus[f"{arm}_{kind}"].data for arm in "BRZ"], axis=1)


def test_sky_fibres_are_unit_normal_in_their_own_noise(made):
    values = []
    for path in made.files("coadd"):
        with fits.open(path) as hdus:
            sky = hdus["FIBERMAP"].data["OBJTYPE"] == "SKY"
            flux, ivar = arms(hdus, "FLUX")[sky], arms(hdus, "IVAR")[sky]
            values.append((flux * np.sqrt(ivar))[ivar > 0])
    chi = np.concatenate(values)
    assert abs(chi.mean()) < 0.02
    assert abs(chi.std() - 1) < 0.01
    assert abs((np.abs(chi) > 3).mean() - 0.0027) < 0.001


def test_arms_of_normal_quasars_agree_where_they_overlap():
    rng = np.random.default_rng(1)
    targets = [draw_target(rng, "quasar", 0.02) for _ in range(40)]
    coadd = observe(rng, targets)
    blue, red = slice(2700, 2751), slice(2751, 2802)
    np.testing.assert_array_equal(ARM_WAVE[blue], ARM_WAVE[red])
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = 1 / coadd.ivar[:, blue] + 1 / coadd.ivar[:, red]
        chi = (coadd.flux[:, blue] - coadd.flux[:, red]) / np.sqrt(variance)
    chi = chi[np.isfinite(chi)]
    assert abs(chi.std() - 1) < 0.05
    assert abs(chi.mean()) < 0.1


def test_signal_to_noise_is_that_of_dr1():
    rng = np.random.default_rng(2)
    targets = [draw_target(rng, "quasar", 0.03) for _ in range(300)]
    for target in targets:
        target.conditions = draw_conditions(rng, "main", "dark", target.z_true)
    snr = observe(rng, targets).snr
    quartiles = np.percentile(snr, [25, 50, 75])
    np.testing.assert_allclose(quartiles, [1.2, 2.3, 4.7], rtol=0.3)


def test_lost_pixels_have_no_weight_and_dead_ones_no_mask(made):
    lost_arms = 0
    for path in made.files("coadd"):
        with fits.open(path) as hdus:
            flux, ivar, mask = (arms(hdus, kind) for kind in ("FLUX", "IVAR", "MASK"))
            numexp = hdus["FIBERMAP"].data["COADD_NUMEXP"]
        assert np.isfinite(flux).all()
        assert (ivar >= 0).all()
        assert (ivar[mask > 0] == 0).all()
        assert (flux[ivar == 0] == 0).all()
        assert 0 < (mask > 0).mean() < 0.01
        dead = (ivar == 0).all(axis=1)
        assert (mask[dead] == 0).all()
        np.testing.assert_array_equal(numexp == 0, dead)
        for pixels in ARM_SLICES.values():
            empty = (ivar[:, pixels] == 0).all(axis=1) & ~dead
            lost_arms += empty.sum()
            assert (mask[empty][:, pixels] == 0).all()
    assert lost_arms > 0


def test_dead_fibres_have_no_redshift(made):
    rows = made.zcatalog[made.zcatalog["COADD_NUMEXP"] == 0]
    assert rows.size > 0
    assert (rows["ZWARN"] & 1 << 9 > 0).all()


def test_resolution_conserves_flux(made):
    with fits.open(made.files("coadd")[0]) as hdus:
        for arm in "BRZ":
            np.testing.assert_allclose(hdus[f"{arm}_RESOLUTION"].data.sum(axis=1), 1, atol=1e-5)


def test_noise_falls_with_time_and_rises_with_light():
    nothing, bright = np.zeros(ARM_WAVE.size), np.full(ARM_WAVE.size, 20.0)
    short, long = Conditions(1000, 1, 1, 1), Conditions(4000, 4, 1, 1)
    np.testing.assert_allclose(
        instrument.noise_sigma(nothing, short), 2 * instrument.noise_sigma(nothing, long)
    )
    assert (instrument.noise_sigma(bright, short) > instrument.noise_sigma(nothing, short)).all()


def test_noise_is_that_of_real_deep_coadds():
    sigma = instrument.noise_sigma(np.full(ARM_WAVE.size, 0.3), Conditions(4000, 4, 1, 1))
    for low, real in ((3600, 1.31), (4500, 0.223), (5300, 0.154), (6600, 0.096), (9100, 0.065)):
        inside = (low <= ARM_WAVE) & (low + 100 > ARM_WAVE)
        assert 0.7 < np.median(sigma[inside]) / real < 1.4
