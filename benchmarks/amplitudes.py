"""Measures whether the amplitudes of the evidence are right, with a trained model.

Usage: python benchmarks/amplitudes.py --root DIR [--quasars 1000] [--seed 0]

DIR is a finished run on spectra. Known amounts of light are added to windows of ordinary quasars,
one cause at a time. Printed are of each cause its median significance, how often it is found, at
its redshift where it has one, and, of those, the median of amplitude over truth and how often the
truth lies within one and two errors.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.constants import LIGHT_SPEED
from catalog_schema.lines import LINES
from catalog_schema.statistics import STATISTICS
from pipeline.flow.data_path import start_run
from pipeline.flow.root import open_root, read_saved_config
from pipeline.lake.store import replace_columns, to_matrix
from pipeline.run import Run
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.science.measured import Finds
from pipeline.spectra.model.models import load_model
from pipeline.spectra.model.scorer import locate_in_windows
from pipeline.spectra.sampled import get_sampling
from pipeline.spectra.science.templates import galaxy_light, star_light

_NAMES = [statistic.name for statistic in STATISTICS]
# Hosts are above this p-value and this mean signal-to-noise ratio.
_ORDINARY, _LEAST_SNR = 0.1, 2.0
_MGII = ("mgii_2796", "mgii_2804", "feii_2344", "feii_2383", "feii_2587", "feii_2600")
_STRENGTHS = (1.0, 0.9, 0.5, 0.8, 0.5, 0.8)


class Hosts(NamedTuple):
    """Windows, arrays of shape (n, m), and the width of a pixel over its wavelength."""

    windows: pa.Table
    observed: NDArray
    flux: NDArray
    is_seen: NDArray
    pixel: float


class Planted(NamedTuple):
    """Light to add, shape (n, m), the amplitude that it has, and the redshift or NaN, (n,)."""

    light: NDArray
    truth: NDArray
    z: float


def main() -> None:
    """Parse the call, plant every cause and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--quasars", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    call = parser.parse_args()
    store = open_root(call.root)
    config = read_saved_config(store)
    run = start_run(store, config)
    hosts = read_hosts(run, call.quasars)

    def locate(flux: NDArray) -> Finds:
        windows = replace_columns(hosts.windows, {"rest_flux": flux.astype(np.float32)})
        return locate_in_windows(run.model, config.score, config.run.seed, windows)

    print(
        f"{len(hosts.flux)} quasars\ncause, sigma, found, amplitude / truth, within 1 and 2 sigma"
    )
    for (name, title), plant in _CAUSES.items():
        planted = plant(hosts, np.random.default_rng(call.seed))
        report(title, _NAMES.index(name), planted, locate(hosts.flux + planted.light))


def read_hosts(run: Run, n: int) -> Hosts:
    """Read windows of ordinary quasars, drawn by TARGETID."""
    significance = run.read("significance")
    ordinary = significance.filter(pc.greater(significance["p_value"], _ORDINARY))
    draw = hash_to_unit(ordinary["TARGETID"].to_numpy(), Stream.EXAMPLE_HOST)
    windows = run.read_rows("restframe", ordinary.take(pa.array(np.argsort(draw)[: 4 * n])))
    windows = windows.filter(pc.greater(windows["snr"], _LEAST_SNR)).slice(0, n)
    grid, start = load_model(run.model).grid, windows["window_start"].to_numpy()
    wave = grid.wave[start[:, None] + np.arange(grid.window)]
    flux, weight = (to_matrix(windows[name]) for name in ("rest_flux", "rest_weight"))
    observed = wave * (1 + windows["Z"].to_numpy()[:, None])
    return Hosts(windows, observed, flux, weight > 0, np.log(10) * grid.log10_step)


def report(title: str, k: int, planted: Planted, found: Finds) -> None:
    """Print how a cause is recovered."""
    value, error = found.value[:, k], found.error[:, k]
    is_found = np.isfinite(value) & np.isfinite(planted.truth)
    if not np.isnan(planted.z):
        is_found &= np.abs(found.z[:, k] - planted.z) < 0.012 * (1 + planted.z)
    off = np.abs(value - planted.truth)[is_found] / error[is_found]
    print(
        f"{title:26s} {np.median(np.abs(value / error)[is_found]):5.1f}  {is_found.mean():.2f}  "
        f"{np.median((value / planted.truth)[is_found]):.3f}  "
        f"{np.mean(off < 1):.2f} {np.mean(off < 2):.2f}"
    )


def _add_light(hosts: Hosts, light: NDArray, share: float, z: float) -> Planted:
    """Return light as a share of the flux that it is part of."""
    mean = (hosts.flux * hosts.is_seen).sum(1) / hosts.is_seen.sum(1)
    own = (light * hosts.is_seen).sum(1) / hosts.is_seen.sum(1)
    scale = share / (1 - share) * mean / own
    return Planted(scale[:, None] * light * hosts.is_seen, np.full(len(mean), share), z)


def _plant_star(hosts: Hosts, _: np.random.Generator) -> Planted:
    return _add_light(hosts, star_light(hosts.observed, 3800.0), 0.2, np.nan)


def _plant_galaxy(hosts: Hosts, _: np.random.Generator) -> Planted:
    return _add_light(hosts, galaxy_light(hosts.observed / 1.4, 1.0, 0.0), 0.2, 0.4)


def _plant_offset(hosts: Hosts, _: np.random.Generator) -> Planted:
    low, high = get_sampling(hosts.windows).spans["b"]
    inside = (hosts.observed >= low) & (hosts.observed < high) & hosts.is_seen
    return Planted(0.06 * hosts.flux * inside, np.full(len(inside), 0.06), np.nan)


def _plant_ripple(hosts: Hosts, rng: np.random.Generator) -> Planted:
    low, high = get_sampling(hosts.windows).spans["z"]
    inside = (hosts.observed >= low) & (hosts.observed < high) & hosts.is_seen
    phase = rng.uniform(0, 2 * np.pi, (len(inside), 1))
    wave = 0.1 * np.sin(2 * np.pi * hosts.observed / 40.0 + phase)
    return Planted(wave * hosts.flux * inside, np.full(len(inside), 0.1), np.nan)


def _plant_absorber(hosts: Hosts, rng: np.random.Generator) -> Planted:
    z, ew = 0.9, 1.0
    width = 70.0 / LIGHT_SPEED
    depth = np.zeros_like(hosts.flux)
    for key, strength in zip(_MGII, _STRENGTHS, strict=True):
        wave = LINES[key].wave
        tall = strength * ew / (np.sqrt(2 * np.pi) * width * wave)
        centre = wave * (1 + z) * np.exp(rng.uniform(-1, 1, (len(depth), 1)) * hosts.pixel / 2)
        depth += tall * np.exp(-0.5 * ((hosts.observed / centre - 1) / width) ** 2)
    light = -np.minimum(depth, 1) * hosts.flux * hosts.is_seen
    return Planted(light, np.full(len(light), ew), z)


_CAUSES: dict[tuple[str, str], Callable[[Hosts, np.random.Generator], Planted]] = {
    ("star", "star, 0.2 of the flux"): _plant_star,
    ("galaxy", "galaxy at 0.4, 0.2"): _plant_galaxy,
    ("b_offset", "arm b 6 % brighter"): _plant_offset,
    ("ripple_z", "ripple of 10 % in z"): _plant_ripple,
    ("absorber", "absorber of 1 A at 0.9"): _plant_absorber,
}

if __name__ == "__main__":
    main()
