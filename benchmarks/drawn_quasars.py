"""Ordinary quasars of the mock's own recipe with their true spectra, from which no model learns."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from classify import observe_targets
from numpy.typing import NDArray

from pipeline.config import Config
from pipeline.lake.store import to_matrix
from pipeline.spectra.mock.instrument import Conditions
from pipeline.spectra.mock.observe import Target, draw_conditions
from pipeline.spectra.mock.population import draw_magnitude, draw_quasar, draw_redshift
from pipeline.spectra.mock.scene import compose

# E(B-V) of the Galactic dust that `observe_targets` takes off again, mag.
_EBV = 0.03
_Z_LOW, _Z_HIGH = 0.05, 4.6
# So long that no noise is left.
_ENDLESS = Conditions(exptime=1e10, n_exposures=1, sky_factor=1.0, efficiency=1.0)
# The first of numbers that no other target has, and how many spectra are made at a time.
_FIRST_TARGETID, _BATCH = 2 * 10**9, 100


@dataclass(frozen=True)
class Ordinary:
    """Ordinary quasars whose true spectra are known.

    Attributes
    ----------
    windows : pyarrow.Table
        n rows of `restframe`.
    true : ndarray, shape (n, m)
        Flux on the window without noise, in units of the window's norm; NaN where there is none.
    unabsorbed : ndarray, shape (n, m)
        The same before any gas between the quasar and us took its share.
    """

    windows: pa.Table
    true: NDArray
    unabsorbed: NDArray

    def take(self, rows: NDArray) -> "Ordinary":
        """Return some of the quasars."""
        return Ordinary(self.windows.take(pa.array(rows)), self.true[rows], self.unabsorbed[rows])


def draw_ordinary(folder: Path, config: Config, number: int) -> Ordinary:
    """Draw ordinary quasars and observe each three times, twice without noise.

    Parameters
    ----------
    folder : Path
        Of the model, which has the grid.
    config : Config
    number : int
    """
    rng = np.random.default_rng(0)
    parts = []
    for first in range(0, number, _BATCH):
        ids = _FIRST_TARGETID + np.arange(first, min(first + _BATCH, number))
        targets, bare = zip(*(_draw(rng) for _ in ids), strict=True)
        clean = [replace(target, conditions=_ENDLESS) for target in targets]
        bare = [replace(target, flux=flux) for target, flux in zip(clean, bare, strict=True)]
        windows, *without = (_observe(some, ids, folder, config) for some in (targets, clean, bare))
        parts.append((windows, *(_place(each, windows) for each in without)))
    tables, true, unabsorbed = zip(*parts, strict=True)
    windows = pa.concat_tables(tables).combine_chunks()
    return Ordinary(windows, np.concatenate(true), np.concatenate(unabsorbed))


def _draw(rng: np.random.Generator) -> tuple[Target, NDArray]:
    """Draw a quasar; also return its flux without the gas in front of it, shape (7781,)."""
    quasar = draw_quasar(rng, draw_redshift(rng, _Z_LOW, _Z_HIGH), draw_magnitude(rng))
    scene = compose(rng, quasar, _EBV)
    flux, z = scene.flux(), quasar.z
    target = Target("quasar", flux, flux, flux, z, z)
    target.conditions = draw_conditions(rng, "main", "dark", z)
    return target, replace(scene, passed=scene.screen).flux(scene.scale)


def _observe(targets: Sequence[Target], ids: NDArray, folder: Path, config: Config) -> pa.Table:
    # Each by a stream of its own, whose first numbers are the errors of the calibration: these are
    # then the same with noise and without, and no fault of a model.
    streams = [np.random.default_rng(number) for number in ids]
    own = [replace(t, planting=stream) for t, stream in zip(targets, streams, strict=True)]
    return observe_targets(streams[0], own, ids, folder, config)[0]


def _place(clean: pa.Table, windows: pa.Table) -> NDArray:
    """Return the flux of windows without noise, NaN without one, in the norms of those with it."""
    flux = to_matrix(clean["rest_flux"]) * clean["norm"].to_numpy()[:, None]
    flux = np.where(to_matrix(clean["rest_weight"]) > 0, flux, np.nan)
    # A quasar of which one observation was lost is looked up in a row behind the last.
    flux = np.vstack([flux, np.full(flux.shape[1], np.nan)])
    places = {number: row for row, number in enumerate(clean["TARGETID"].to_pylist())}
    rows = [places.get(number, -1) for number in windows["TARGETID"].to_pylist()]
    return np.asarray(flux[rows] / windows["norm"].to_numpy()[:, None])
