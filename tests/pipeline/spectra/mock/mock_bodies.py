"""Galaxies and stars to plant anomalies in."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipeline.spectra.mock.anomalies import FAMILIES_OF
from pipeline.spectra.mock.body import Body, embody
from pipeline.spectra.mock.galaxies import draw_galaxy
from pipeline.spectra.mock.stars import draw_star


def make_galaxy(z: float = 0.2, r_mag: float = 19.0, seed: int = 4) -> Body:
    galaxy = draw_galaxy(np.random.default_rng(seed), "BGS")
    return embody(replace(galaxy, z=z, r_mag=r_mag), 0.02)


def make_star(r_mag: float = 18.5, seed: int = 4) -> Body:
    return embody(replace(draw_star(np.random.default_rng(seed)), r_mag=r_mag), 0.02)


def plant(true_class: str, name: str, seed: int = 4, **values: float) -> tuple[Body, Body, float]:
    """The body before and after, and where it acts; what is not given is drawn."""
    rng = np.random.default_rng(seed)
    family = FAMILIES_OF[true_class][name]
    z = rng.uniform(family.z_low, min(family.z_high, 0.9))
    normal = make_galaxy(z, seed=seed) if true_class == "galaxy" else make_star(seed=seed)
    change = family.change_body
    assert isinstance(change, Callable)
    body, wave = change(normal, rng, **{**family.draw(rng), **values})
    return normal, body, wave
