"""One quasar as the telescope would see it without noise."""

from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.spectra.mock.dust import galactic_transmission
from pipeline.spectra.mock.forest import transmission
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.physics import quasar_components
from pipeline.spectra.mock.population import LIGHT_SPEED_AB, Quasar, magnitude_to_flux

R_BAND = slice(2525, 4475)  # 5620-7180 Å
_G_BAND = slice(750, 2375)  # 4200-5500 Å
_Z_BAND = slice(6125, 7781)  # 8500-9824 Å


@dataclass(frozen=True)
class Scene:
    """Light of a quasar and what it passes through, on the observed grid of 7,781 pixels.

    Attributes
    ----------
    quasar : the quasar drawn.
    parts : its components in units of its power law at rest 3000 Å, each (7781,).
    passed : transmission of everything in front, (7781,).
    screen : transmission of the Milky Way alone, (7781,).
    other : light of something else in the fibre, (7781,) in 1e-17 erg/s/cm2/Å.
    z_catalog : the redshift the catalogue will give.
    """

    quasar: Quasar
    parts: dict[str, np.ndarray]
    passed: np.ndarray
    screen: np.ndarray
    z_catalog: float
    other: np.ndarray = field(default_factory=lambda: np.zeros(WAVE.size))

    @property
    def rest(self) -> np.ndarray:
        """Rest-frame wavelengths (7781,) Å at the true redshift."""
        return WAVE / (1 + self.quasar.z)

    @property
    def scale(self) -> float:
        """Flux, 1e-17 erg/s/cm2/Å, of a unit of the parts: the quasar has its r magnitude."""
        return float(magnitude_to_flux(self.quasar.r_mag) / self._light[R_BAND].mean())

    def flux(self, scale: float | None = None) -> np.ndarray:
        """Observed flux (7781,), 1e-17 erg/s/cm2/Å; at another scale than its own if given."""
        return self._light * (self.scale if scale is None else scale) + self.other

    @property
    def _light(self) -> np.ndarray:
        return np.asarray(np.sum(list(self.parts.values()), axis=0) * self.passed)

    def changed(self, **parts: np.ndarray) -> "Scene":
        """The same scene with some components replaced."""
        return replace(self, parts={**self.parts, **parts})


def compose(rng: np.random.Generator, quasar: Quasar, ebv: float) -> Scene:
    """Put `quasar` behind a random sightline and Galactic dust of E(B-V) = `ebv` mag."""
    screen = galactic_transmission(WAVE, ebv)
    passed = transmission(rng, WAVE, quasar.z) * screen
    parts = quasar_components(quasar, WAVE / (1 + quasar.z))
    return Scene(quasar, parts, passed, screen, z_catalog=quasar.z)


def band_fluxes(flux: np.ndarray) -> np.ndarray:
    """Fluxes (n, 3) in nanomaggies in g, r, z of spectra (n, 7781); z ends at 9824 Å."""
    bands = ((_G_BAND, 4800.0), (R_BAND, 6420.0), (_Z_BAND, 9150.0))
    nanomaggies = [
        flux[:, band].mean(axis=1) * 1e-17 * centre**2 / LIGHT_SPEED_AB / 3.631e-29
        for band, centre in bands
    ]
    return np.stack(nanomaggies, axis=1)
