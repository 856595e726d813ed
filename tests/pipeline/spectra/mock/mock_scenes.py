"""Scenes to plant anomalies in."""

import numpy as np

from pipeline.spectra.mock.population import draw_quasar
from pipeline.spectra.mock.scene import Scene, compose


def make_scene(z: float, r_mag: float = 20.0, seed: int = 4) -> Scene:
    rng = np.random.default_rng(seed)
    return compose(rng, draw_quasar(rng, z, r_mag), 0.02)


def make_rng() -> np.random.Generator:
    return np.random.default_rng(9)
