"""The registry of planted anomalies, and how strong one is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline.spectra.mock import astrophysical, instrumental
from pipeline.spectra.mock.instrument import WAVE
from pipeline.spectra.mock.physics import quasar_components
from pipeline.spectra.mock.scene import Scene

Kind = Literal["astrophysical", "instrumental"]
# An astrophysical family changes the scene, an instrumental one the 7,958 arm pixels; each also
# returns the wavelength where it acts (rest Å and observed Å), NaN when everywhere.
SceneChange = Callable[[Scene, np.random.Generator], tuple[Scene, float]]
ArmChange = Callable[[np.ndarray, np.random.Generator], tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Family:
    """A family of anomalies, the redshifts it can show at, and the function that plants one."""

    kind: Kind
    z_low: float
    z_high: float
    change_scene: SceneChange | None = None
    change_arms: ArmChange | None = None


FAMILIES: dict[str, Family] = {
    "bal": Family("astrophysical", 1.6, 4.6, astrophysical.bal),
    "felobal": Family("astrophysical", 0.6, 2.6, astrophysical.felobal),
    "dla_proximate": Family("astrophysical", 2.15, 4.6, astrophysical.dla_proximate),
    "strongly_reddened": Family("astrophysical", 0.3, 3.0, astrophysical.strongly_reddened),
    "weak_line": Family("astrophysical", 0.9, 4.6, astrophysical.weak_line),
    "double_peaked": Family("astrophysical", 0.1, 2.2, astrophysical.double_peaked),
    "changing_look": Family("astrophysical", 0.1, 0.95, astrophysical.changing_look),
    "narrow_line_unidentified": Family(
        "astrophysical", 0.1, 4.6, astrophysical.narrow_line_unidentified
    ),
    "star_blend": Family("astrophysical", 0.3, 4.6, astrophysical.star_blend),
    "lens_blend": Family("astrophysical", 0.8, 4.6, astrophysical.lens_blend),
    "extreme_iron": Family("astrophysical", 0.1, 2.6, astrophysical.extreme_iron),
    "wrong_redshift": Family("instrumental", 0.5, 3.5, instrumental.wrong_redshift),
    "flux_jump": Family("instrumental", 0.05, 4.6, change_arms=instrumental.flux_jump),
    "sky_residual": Family("instrumental", 0.05, 4.6, change_arms=instrumental.sky_residual),
    "cosmic_ray": Family("instrumental", 0.05, 4.6, change_arms=instrumental.cosmic_ray),
    "scattered_light": Family("instrumental", 0.05, 4.6, change_arms=instrumental.scattered_light),
    "fringing": Family("instrumental", 0.05, 4.6, change_arms=instrumental.fringing),
}


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
