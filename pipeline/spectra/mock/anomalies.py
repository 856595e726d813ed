"""The registry of planted anomalies, and how strong one is.

What the classifier learns is planted elsewhere (`pipeline.spectra.science.phenomena`), by recipes
and from ranges of its own. `taught_as` names the kind of example that resembles a family; families
without one are taught to nobody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline.spectra.mock.body import Body
from pipeline.spectra.mock.distributions import Limited
from pipeline.spectra.mock.families import (
    absorbed,
    blended,
    emitting,
    foreign,
    galactic,
    instrumental,
    stellar,
)
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.physics import quasar_components
from pipeline.spectra.mock.scene import Scene

Kind = Literal["astrophysical", "instrumental"]
# A change of the scene, of the galaxy or star, or of the 7,958 arm pixels; each takes a generator
# and the parameters drawn, and also returns the wavelength where it acts (rest Å and observed Å),
# NaN when everywhere.
SceneChange = Callable[..., tuple[Scene, float]]
BodyChange = Callable[..., tuple[Body, float]]
ArmChange = Callable[..., tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Family:
    """A family of anomalies.

    Attributes
    ----------
    kind : astrophysical or instrumental.
    z_low, z_high : redshifts it can show at; of stars nobody asks.
    draws : distribution of each parameter.
    change_scene, change_arms, change_body : the function that plants one; one of them is given,
        the first for quasars, the last for galaxies and stars.
    taught_as : kind of the classifier's examples that resembles it, None if none does.
    """

    kind: Kind
    z_low: float
    z_high: float
    draws: Mapping[str, Limited]
    change_scene: SceneChange | None = None
    change_arms: ArmChange | None = None
    taught_as: str | None = None
    change_body: BodyChange | None = None

    @property
    def is_taught(self) -> bool:
        """Whether the classifier learns from examples that resemble it."""
        return self.taught_as is not None

    def draw(self, rng: np.random.Generator) -> dict[str, float]:
        """Draw the parameters of one anomaly."""
        return {name: parameter.draw(rng) for name, parameter in self.draws.items()}


def _sky(
    z_low: float,
    z_high: float,
    draws: Mapping[str, Limited],
    change: SceneChange,
    taught_as: str | None = None,
) -> Family:
    return Family("astrophysical", z_low, z_high, draws, change_scene=change, taught_as=taught_as)


def _fault(draws: Mapping[str, Limited], change: ArmChange, taught_as: str | None = None) -> Family:
    return Family("instrumental", 0.05, 4.6, draws, change_arms=change, taught_as=taught_as)


def _own(
    z_low: float,
    z_high: float,
    draws: Mapping[str, Limited],
    change: BodyChange,
    taught_as: str | None = None,
) -> Family:
    return Family("astrophysical", z_low, z_high, draws, change_body=change, taught_as=taught_as)


def _wrong(
    draws: Mapping[str, Limited], change: BodyChange, taught_as: str | None = None
) -> Family:
    return Family("instrumental", 0.05, 1.6, draws, change_body=change, taught_as=taught_as)


FAMILIES: dict[str, Family] = {
    "bal": _sky(1.6, 4.6, absorbed.BAL, absorbed.bal, "bal"),
    "felobal": _sky(0.6, 2.6, absorbed.FELOBAL, absorbed.felobal, "felobal"),
    "dla_proximate": _sky(2.15, 4.6, absorbed.DLA, absorbed.dla_proximate, "dla"),
    "strongly_reddened": _sky(0.3, 3.0, absorbed.REDDENED, absorbed.strongly_reddened, "reddened"),
    "weak_line": _sky(1.5, 4.6, emitting.WEAK, emitting.weak_line, "weak_line"),
    "double_peaked": _sky(0.1, 2.2, emitting.DISC, emitting.double_peaked, "double_peaked"),
    "changing_look": _sky(0.1, 0.95, emitting.CHANGED, emitting.changing_look, "changing_look"),
    "narrow_line_unidentified": _sky(
        0.1, 4.6, emitting.EMITTER, emitting.narrow_line_unidentified, "narrow_line"
    ),
    "extreme_iron": _sky(0.1, 2.6, emitting.IRON, emitting.extreme_iron, "iron"),
    "star_blend": _sky(0.3, 4.6, blended.STAR, blended.star_blend, "star_blend"),
    "lens_blend": _sky(0.8, 4.6, blended.LENS, blended.lens_blend, "galaxy_blend"),
    "wrong_redshift": Family(
        "instrumental", 0.5, 3.5, blended.CONFUSED, blended.wrong_redshift, taught_as="wrong_z"
    ),
    "flux_jump": _fault(instrumental.JUMP, instrumental.flux_jump, "arm_offset"),
    "sky_residual": _fault(instrumental.SKY, instrumental.sky_residual, "sky_residual"),
    "cosmic_ray": _fault(instrumental.COSMIC, instrumental.cosmic_ray, "cosmic_rays"),
    "scattered_light": _fault(
        instrumental.SCATTERED, instrumental.scattered_light, "scattered_light"
    ),
    "fringing": _fault(instrumental.FRINGE, instrumental.fringing, "fringes"),
    "balmer_absorption": _sky(0.1, 0.95, absorbed.BALMER, absorbed.balmer_absorption),
    "oiii_outflow": _sky(0.1, 0.9, emitting.OUTFLOW, emitting.oiii_outflow),
    "nitrogen_rich": _sky(1.7, 4.0, emitting.NITROGEN, emitting.nitrogen_rich),
    "microlensed": _sky(0.8, 3.5, emitting.LENSED, emitting.microlensed),
    "supernova": _sky(0.1, 0.5, blended.SUPERNOVA, blended.supernova),
    "binary_quasar": _sky(0.3, 4.0, blended.PAIR, blended.binary_quasar),
    "neighbour_light": _fault(instrumental.NEIGHBOUR, instrumental.neighbour_light),
    "amplifier_offset": _fault(instrumental.AMPLIFIER, instrumental.amplifier_offset),
    "calibration_ripple": _fault(instrumental.RIPPLE, instrumental.calibration_ripple),
}

# What an instrument does to a quasar's spectrum, it does to all.
_FAULTS = {name: family for name, family in FAMILIES.items() if family.change_arms}
_EMITTER = _own(0.05, 1.2, foreign.EMITTER, foreign.background_emitter)
_SECOND_GALAXY = _own(
    0.05, 0.95, foreign.BACKGROUND, foreign.background_galaxy, taught_as="second_galaxy"
)
_LINE = _own(0.05, 1.6, foreign.ALONE, foreign.unidentified_line, taught_as="narrow_line")
GALAXY_FAMILIES: dict[str, Family] = {
    "supernova_ia": _own(0.05, 0.45, galactic.SUPERNOVA_IA, galactic.supernova_ia, "supernova"),
    "supernova_ii": _own(0.05, 0.35, galactic.SUPERNOVA_II, galactic.supernova_ii, "supernova"),
    "type1_nucleus": _own(0.05, 1.2, galactic.NUCLEUS, galactic.type1_nucleus),
    "extreme_emission": _own(0.05, 0.9, galactic.EXTREME, galactic.extreme_emission),
    "extreme_balmer": _own(0.05, 1.1, galactic.BURST, galactic.extreme_balmer),
    "background_emitter": _EMITTER,
    "background_galaxy": _SECOND_GALAXY,
    "foreground_star": _own(
        0.05, 1.6, foreign.FOREGROUND, foreign.foreground_star, taught_as="star_blend"
    ),
    "unidentified_line": _LINE,
    "galaxy_wrong_redshift": _wrong(foreign.CONFUSED, foreign.galaxy_wrong_redshift, "wrong_z"),
    "star_called_galaxy": _wrong({}, foreign.star_called_galaxy, "star"),
    "quasar_called_galaxy": _wrong({}, foreign.quasar_called_galaxy, "quasar"),
    **_FAULTS,
}
STAR_FAMILIES: dict[str, Family] = {
    "flare_star": _own(0.0, 0.0, stellar.FLARE, stellar.flare_star, "emission"),
    "cataclysmic": _own(0.0, 0.0, stellar.CATACLYSM, stellar.cataclysmic, "emission"),
    "white_dwarf_red_dwarf": _own(
        0.0, 0.0, stellar.COMPOSITE, stellar.white_dwarf_red_dwarf, "star_blend"
    ),
    "carbon_star": _own(0.0, 0.0, stellar.CARBON, stellar.carbon_star),
    "carbon_white_dwarf": _own(0.0, 0.0, stellar.CARBON_DWARF, stellar.carbon_white_dwarf),
    "metal_white_dwarf": _own(0.0, 0.0, stellar.METAL_DWARF, stellar.metal_white_dwarf),
    "magnetic_white_dwarf": _own(0.0, 0.0, stellar.MAGNETIC, stellar.magnetic_white_dwarf),
    "background_emitter": _EMITTER,
    "background_galaxy": _SECOND_GALAXY,
    "background_quasar": _own(0.0, 0.0, foreign.BEHIND, foreign.background_quasar),
    "unidentified_line": _LINE,
    "extreme_velocity": _wrong(foreign.VELOCITY, foreign.extreme_velocity),
    "quasar_called_star": _wrong({}, foreign.quasar_called_star, "quasar"),
    "galaxy_called_star": _wrong({}, foreign.galaxy_called_star, "galaxy"),
    **_FAULTS,
}
FAMILIES_OF = {"quasar": FAMILIES, "galaxy": GALAXY_FAMILIES, "star": STAR_FAMILIES}
# A name is one family, whatever the class it is planted in.
ALL_FAMILIES = {name: family for one in FAMILIES_OF.values() for name, family in one.items()}


def expected_scene(scene: Scene) -> Scene:
    """What the catalogue's redshift leads one to expect: `scene` moved to `z_catalog`."""
    if scene.z_catalog == scene.quasar.z:
        return scene
    moved = replace(scene.quasar, z=scene.z_catalog)
    parts = quasar_components(moved, WAVE / (1 + scene.z_catalog))
    return replace(scene, quasar=moved, parts=parts)


def strength(flux: np.ndarray, expected: np.ndarray, sigma: np.ndarray) -> float:
    """Departure from the expected spectrum in units of its noise, over all arm pixels."""
    return float(np.sqrt(np.sum(((flux - expected) / sigma) ** 2)))
