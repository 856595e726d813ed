"""Measures joining the arms and resampling to the rest frame, and their error.

Usage: [QAD_BENCH_PYTHON=PYTHON] python benchmarks/resample.py [--spectra 60] [--repeats 9]

Prints spectra per second per core (CPU time, one thread), each peer's slowness relative to ours,
and our largest error against the definition in float64, edge bins included.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from side_by_side import time_in_turns, time_peers
from synthetic import FIRST_TARGETID, write_coadd

from catalog_schema.desi import SAMPLING, WAVE_SIZE
from pipeline.config import Config
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.coadd_file import open_coadd, read_arms
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.science.coadd import Spectra, join_arms
from pipeline.spectra.science.restframe import find_window_starts, resample
from pipeline.transport.sources import local_file

FLOOR = 1e-6


def measure_error(spectra: Spectra, z: np.ndarray, start: np.ndarray, n: int) -> tuple[float, ...]:
    """Return the largest error of flux (sigma) and of ivar (relative) of the first n spectra."""
    grid = make_run_grid(Config())
    found = resample(spectra.flux, spectra.ivar, z, start, SAMPLING.grid, grid)
    worst_flux, worst_ivar = 0.0, 0.0
    for k in range(n):
        pixels = start[k] + np.arange(grid.window + 1)
        edges = 10.0 ** (grid.log10_start + grid.log10_step * pixels) * (1 + z[k])
        left = SAMPLING.grid.start + SAMPLING.grid.step * (np.arange(WAVE_SIZE) - 0.5)
        upper = np.minimum(left[None] + SAMPLING.grid.step, edges[1:, None])
        overlap = np.clip(upper - np.maximum(left[None], edges[:-1, None]), 0, None)
        overlap /= SAMPLING.grid.step
        flux, ivar = spectra.flux[k].astype(np.float64), spectra.ivar[k].astype(np.float64)
        weight, square = overlap @ ivar, overlap**2 @ ivar
        good = weight > 1e-9
        exact = (overlap @ (ivar * flux))[good] / weight[good]
        exact_ivar = weight[good] ** 2 / square[good]
        sigma = np.abs(found[0][k][good] - exact) * np.sqrt(exact_ivar)
        worst_flux = max(worst_flux, sigma.max())
        worst_ivar = max(worst_ivar, np.abs(found[1][k][good] / exact_ivar - 1).max())
    return worst_flux, worst_ivar


def main() -> None:
    """Time the steps and the peers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    n, rows = options.spectra, np.arange(options.spectra)
    grid = make_run_grid(Config())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "coadd-main-dark-1.fits"
        write_coadd(path, n)
        arms = read_arms(open_coadd(local_file(path)), rows, AcquireSettings())
        spectra, _, _ = join_arms(rows, arms, WAVE_SIZE, FLOOR)
        z = np.random.default_rng(3).uniform(0.3, 3.8, n)
        start, _ = find_window_starts(grid, SAMPLING.grid, z)
        ours = time_in_turns(
            {
                "join": lambda: join_arms(rows, arms, WAVE_SIZE, FLOOR),
                "resample": lambda: resample(
                    spectra.flux, spectra.ivar, z, start, SAMPLING.grid, grid
                ),
            },
            10 * options.repeats,
        )
        peers = time_peers(
            "resample",
            max(1, options.repeats // 3),
            paths=[str(path)],
            z=z,
            targetid=FIRST_TARGETID + rows,
            wave=SAMPLING.grid.wave,
            flux=spectra.flux,
            ivar=spectra.ivar,
            centres=grid.wave[start[:, None] + np.arange(grid.window)],
        )
    both = sum(ours.values())
    print(f"{'step':28}{'us/spectrum':>12}{'spectra/s':>12}{'slower than ours':>18}")
    for name, seconds in {**ours, "join + resample": both}.items():
        print(f"{name:28}{1e6 * seconds / n:12.1f}{n / seconds:12.0f}")
    for name, seconds in peers.items():
        ratio = seconds / ours["join" if "coadd" in name else "resample"]
        print(f"{name:28}{1e6 * seconds / n:12.1f}{n / seconds:12.0f}{ratio:17.0f}x")
    flux_error, ivar_error = measure_error(spectra, z, start, min(n, 3))
    print(f"\nlargest error: flux {flux_error:.1e} sigma, ivar {ivar_error:.1e} relative")


if __name__ == "__main__":
    main()
