"""One galaxy or star as the telescope would see it without noise."""

from dataclasses import dataclass, field, replace

import numpy as np

from pipeline.spectra.mock.dust import galactic_transmission
from pipeline.spectra.mock.galaxies import Galaxy, galaxy_components
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.population import magnitude_to_flux
from pipeline.spectra.mock.scene import R_BAND
from pipeline.spectra.mock.stars import Star, starlight


@dataclass(frozen=True)
class Body:
    """Light of a galaxy or a star on the observed grid of 7,781 pixels.

    Attributes
    ----------
    of : the galaxy or star that the catalogue leads one to expect: what was drawn, or of a rare
        kind of star an ordinary one of its temperature.
    parts : its components in one unit of its own, each (7781,): stars, and gas of a galaxy.
    screen : transmission of the Milky Way, (7781,).
    z_catalog : the redshift the catalogue will give.
    other : light of something else in the fibre, (7781,) in 1e-17 erg/s/cm2/Å.
    true_class, z_true : what it is and its redshift, where that is not what was drawn.
    """

    of: Galaxy | Star
    parts: dict[str, np.ndarray]
    screen: np.ndarray
    z_catalog: float
    true_class: str
    z_true: float
    other: np.ndarray = field(default_factory=lambda: np.zeros(WAVE.size))

    @property
    def rest(self) -> np.ndarray:
        """Rest-frame wavelengths (7781,) Å of what was drawn."""
        return WAVE / (1 + self.of.z)

    @property
    def scale(self) -> float:
        """Flux, 1e-17 erg/s/cm2/Å, of a unit of the parts: it has its r magnitude."""
        return float(magnitude_to_flux(self.of.r_mag) / self._light[R_BAND].mean())

    def flux(self, scale: float | None = None) -> np.ndarray:
        """Observed flux (7781,), 1e-17 erg/s/cm2/Å; at another scale than its own if given."""
        return self._light * (self.scale if scale is None else scale) + self.other

    def changed(self, **parts: np.ndarray) -> "Body":
        """The same body with some components replaced or added."""
        return replace(self, parts={**self.parts, **parts})

    def blended(self, light: np.ndarray, ratio: float) -> "Body":
        """The same body with other light, (7781,) behind the Milky Way: `ratio` of its own in r."""
        level = ratio * magnitude_to_flux(self.of.r_mag) / (light * self.screen)[R_BAND].mean()
        return replace(self, other=self.other + level * light * self.screen)

    @property
    def _light(self) -> np.ndarray:
        return np.asarray(np.sum(list(self.parts.values()), axis=0) * self.screen)


def embody(of: Galaxy | Star, ebv: float) -> Body:
    """Put a galaxy or star behind Galactic dust of E(B-V) = `ebv` mag."""
    true_class = "galaxy" if isinstance(of, Galaxy) else "star"
    return Body(of, _parts(of), galactic_transmission(WAVE, ebv), of.z, true_class, of.z)


def expected_flux(body: Body) -> np.ndarray:
    """What the catalogue leads one to expect, (7781,): an ordinary one at the redshift it gives."""
    of = replace(body.of, z=body.z_catalog)
    return replace(body, of=of, parts=_parts(of), other=np.zeros(WAVE.size)).flux()


def _parts(of: Galaxy | Star) -> dict[str, np.ndarray]:
    rest = WAVE / (1 + of.z)
    return galaxy_components(of, rest) if isinstance(of, Galaxy) else {"stars": starlight(of, rest)}
