"""How spectrographs other than DESI's see the same sky: two arms, joined, on a logarithmic grid.

The mock's light ends at 3600 and 9824 Å, and so do these spectra.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter1d

from pipeline.spectra.mock import anomalies
from pipeline.spectra.mock.instrument import FIBRE_SHARE, WAVE, atmosphere_at, sky_at
from pipeline.spectra.mock.observe import DEAD_FIBRE_SHARE, Coadd, Target

# log10 of the distance of two pixels, as SDSS and LAMOST have it.
LOG10_STEP = 1e-4
_PIXEL = 0.8
# Of joules: 1e-17 erg/s/cm2/Å is this many photons per second, cm2, Å and Å of wavelength.
_PHOTONS = 1e-17 * 1e-8 / 1.98645e-16


@dataclass(frozen=True)
class Spectrograph:
    """A telescope with fibres and a spectrograph of two arms.

    Attributes
    ----------
    first, last : numbers of the first and the last pixel; pixel n is at log10 Å = 3.5 + n 1e-4.
    throughput : (wavelength Å, electrons per photon above the atmosphere), of both arms together.
    area : collecting area, cm2.
    sky : light of the sky in a fibre over that in DESI's.
    read_variance : electrons^2 per pixel and exposure.
    exptime, n_exposures : s, and in how many exposures.
    resolution : wavelength over the FWHM of a line.
    """

    first: int
    last: int
    throughput: tuple[tuple[float, ...], tuple[float, ...]]
    area: float
    sky: float
    read_variance: float
    exptime: float
    n_exposures: int
    resolution: float

    @cached_property
    def loglam(self) -> np.ndarray:
        """log10 of the pixel centres in Å, (p,)."""
        return 3.5 + LOG10_STEP * np.arange(self.first, self.last + 1)

    @cached_property
    def wave(self) -> np.ndarray:
        """Pixel centres in Å, (p,)."""
        return np.asarray(10**self.loglam)

    @cached_property
    def electrons(self) -> np.ndarray:
        """Electrons of unit flux in all exposures, (p,)."""
        width = self.wave * np.log(10) * LOG10_STEP
        seen = np.interp(self.wave, *self.throughput) * atmosphere_at(self.wave)
        return np.asarray(_PHOTONS * width * self.wave * self.area * self.exptime * seen)

    @cached_property
    def sky_light(self) -> np.ndarray:
        """Light of the sky in a fibre, (p,) in 1e-17 erg/s/cm2/Å."""
        return self.sky * sky_at(self.wave, 6500 / self.resolution / 2.355)

    def blur(self, flux: np.ndarray) -> np.ndarray:
        """Return a spectrum of the sky (7781,) as its pixels see it without noise, (p,)."""
        sigma = 6500 / self.resolution / 2.355 / _PIXEL
        return np.interp(self.wave, WAVE, gaussian_filter1d(flux, sigma, mode="nearest"))

    def noise_sigma(self, flux: np.ndarray, depth: float) -> np.ndarray:
        """Standard deviation (p,) of a spectrum of this flux; `depth` scales the exposure."""
        electrons = depth * self.electrons
        counts = electrons * (FIBRE_SHARE * np.maximum(flux, 0) + self.sky_light)
        variance = counts + self.read_variance * self.n_exposures
        return np.asarray(np.sqrt(variance) / (FIBRE_SHARE * electrons))


# BOSS on the 2.5 m telescope, fibres of 2 arcsec; errors as large as in public spectra.
BOSS = Spectrograph(
    first=564,
    last=4921,
    throughput=(
        (3600, 3800, 4000, 4500, 5000, 5500, 6000, 6500, 7000, 7500, 8000, 8500, 9000, 9824),
        (0.03, 0.07, 0.10, 0.16, 0.19, 0.19, 0.18, 0.24, 0.26, 0.26, 0.24, 0.22, 0.18, 0.11),
    ),
    area=3.6e4,
    sky=1.8,
    read_variance=25.0,
    exptime=4500.0,
    n_exposures=5,
    resolution=2000.0,
)

# LAMOST, whose mirrors collect as one of 4 m, fibres of 3.3 arcsec. Its quasars are brighter than
# the mock's, so that it gets more light here than it has.
LAMOST = Spectrograph(
    first=682,
    last=4590,
    throughput=(
        (3600, 3800, 4000, 4500, 5000, 5500, 6000, 6500, 7000, 7500, 8000, 8500, 9100),
        (0.02, 0.05, 0.09, 0.14, 0.17, 0.17, 0.16, 0.22, 0.24, 0.24, 0.22, 0.18, 0.12),
    ),
    area=1.2e5,
    sky=4.8,
    read_variance=16.0,
    exptime=5400.0,
    n_exposures=3,
    resolution=1800.0,
)


def observe(rng: np.random.Generator, spectrograph: Spectrograph, targets: list[Target]) -> Coadd:
    """Observe targets: blur, add noise, lose pixels and fibres; mask is 1 where a pixel is lost."""
    coadd = Coadd.blank(len(targets), spectrograph.wave.size)
    for row, target in enumerate(targets):
        true = spectrograph.blur(target.flux)
        sigma = spectrograph.noise_sigma(true, target.conditions.efficiency)
        is_lost = np.zeros(true.size, bool)
        for start in rng.integers(0, true.size - 4, rng.poisson(6)):
            is_lost[start : start + rng.integers(1, 5)] = True
        if target.family:
            expected = spectrograph.blur(target.expected)
            kept = ~is_lost
            coadd.strength[row] = anomalies.strength(true[kept], expected[kept], sigma[kept])
        noisy = true + sigma * rng.standard_normal(true.size)
        is_dead = target.true_class == "stuck" or rng.random() < DEAD_FIBRE_SHARE
        coadd.is_dead[row] = is_dead = is_dead and not target.family
        coadd.snr[row] = 0 if is_dead else np.median(true / sigma)
        coadd.mask[row] = is_lost
        if not is_dead:
            coadd.flux[row], coadd.ivar[row] = noisy * ~is_lost, ~is_lost / sigma**2
    return coadd
