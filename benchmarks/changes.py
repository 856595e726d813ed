"""Compares real and simulated pairs of spectra and counts the broad lines that have changed.

Usage: python benchmarks/changes.py DATA [--draws 50] [--set earlier.key=value ...]

DATA holds ``desi_clagn`` (published changing-look quasars: an SDSS and a DESI spectrum each) and
``sdss`` (other SDSS spectra). Controls: SDSS exposures of the same objects, the odd against the
even ones; and the SDSS pipeline's models of other quasars seen twice, with the noise of SDSS and
of DESI and unequal losses at the fibre, and with the brightness of a quasar wandering between.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from catalog_schema.desi import SAMPLING, WAVE_SIZE, WAVE_START, WAVE_STEP
from pipeline.config import Config, load_config
from pipeline.spectra.change_columns import find_changed
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.science.epochs import Comparison, Epoch, compare_epochs
from pipeline.spectra.science.restframe import find_window_starts, resample
from pipeline.spectra.sdss.resampling import resample_spectrum
from pipeline.spectra.sdss.spec_file import LOG10_STEP, LogSpectrum, read_spectrum
from pipeline.transport.sources import local_file

# Scatter of the simulated fibre losses and of a quasar's brightness over years (relative).
_LOSSES, _WANDERING = 0.15, 0.3


def main() -> None:
    """Parse the call and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--draws", type=int, default=50)
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    call = parser.parse_args()
    config = load_config(None, call.overrides)
    report_published(call.data / "desi_clagn", config)
    report(
        "odd against even SDSS exposures",
        compare_exposures(call.data / "desi_clagn", config),
        config,
    )
    for name, wandering in (
        ("other quasars, losses at the fibre", 0.0),
        ("the same, brightness wandering", _WANDERING),
    ):
        found = simulate(call.data / "sdss", call.draws, wandering, config)
        report(f"{name}, {call.draws} draws each", found, config)


def report_published(folder: Path, config: Config) -> None:
    """Print a row for every published changing-look quasar."""
    rows, anchors = list(csv.DictReader((folder / "pairs.csv").open())), []
    n_found = n_right = n_measured = 0
    print("published changing-look quasars")
    print(
        f"{'object':20s} {'z':>6s} {'published':>17s} {'scale':>11s} {'continuum':>9s}  lines: "
        "ratio (significance)"
    )
    for row in rows:
        z = float(row["z"])
        spectrum = read_spectrum(local_file(folder / row["sdss_spec"]))
        table = np.genfromtxt(folder / Path(row["desi_csv"]).name, delimiter=",", names=True)
        found = compare(table["flux"], table["ivar"], spectrum, z, config)
        changed = find_changed(found, config.earlier)
        n_measured += bool(found.lines)
        n_found += changed is not None
        if changed:
            sign = "turn-on" if found.lines[changed].change > 0 else "turn-off"
            n_right += sign == row["transition"]
        if found.is_anchored:
            anchors.append(np.log(found.scale.value))
        lines = ", ".join(
            f"{'*' * (name == changed)}{name} {line.ratio.value:.2f} ({line.change:+.1f})"
            for name, line in found.lines.items()
        )
        scale = f"{found.scale.value:.2f}±{found.scale.error:.2f}"
        print(
            f"{row['sdss_name']:20s} {z:6.3f} {row['transition']:>8s} {row['line']:>8s} "
            f"{scale:>11s} {found.continuum.value:9.2f}  {lines}"
        )
    print(
        f"{len(rows)} pairs, {n_measured} with a broad line in both spectra, {n_found} changed, "
        f"{n_right} of them in the published direction; [OIII] tells {len(anchors)} scales, "
        f"whose logarithm scatters by {np.std(anchors):.2f}\n"
    )


def report(name: str, comparisons: list[Comparison], config: Config) -> None:
    """Print how many pairs and lines of a control have changed, and how the changes scatter."""
    changes = np.array([line.change for found in comparisons for line in found.lines.values()])
    n_changed = sum(find_changed(found, config.earlier) is not None for found in comparisons)
    beyond = " ".join(f"{(np.abs(changes) > level).mean():.4f}" for level in (1, 2, 3))
    print(
        f"{name}: {len(comparisons)} pairs, {len(changes)} lines, {n_changed} changed; scatter "
        f"of the significance {np.std(changes):.2f}, beyond 1, 2, 3: {beyond}"
    )


def compare(
    flux: NDArray, ivar: NDArray, earlier: LogSpectrum, z: float, config: Config
) -> Comparison:
    """Compare a spectrum on DESI's grid with an SDSS one, as the stage does."""
    grid, redshift = make_run_grid(config), np.array([z])
    is_good = np.isfinite(flux) & (ivar > 0)
    start, _ = find_window_starts(grid, SAMPLING.grid, redshift)
    values = [np.where(is_good, array, 0)[None].astype(np.float32) for array in (flux, ivar)]
    now, weight = resample(*values, redshift, start, SAMPLING.grid, grid)
    then = resample_spectrum(earlier, 0.0, config.preprocess.r_v, z, int(start[0]), grid)
    wave = grid.wave[start[0] : start[0] + grid.window]
    present = Epoch(now[0].astype(float), weight[0].astype(float))
    return compare_epochs(wave, present, then, config.earlier.grey_error)


def compare_exposures(folder: Path, config: Config) -> list[Comparison]:
    """Compare the mean of every object's odd exposures with that of the even ones."""
    found = []
    for row in csv.DictReader((folder / "pairs.csv").open()):
        z, halves = float(row["z"]), list(average_exposures(folder / row["sdss_spec"]))
        grid = make_run_grid(config)
        start = int(find_window_starts(grid, SAMPLING.grid, np.array([z]))[0][0])
        now, then = (
            resample_spectrum(half, 0.0, config.preprocess.r_v, z, start, grid) for half in halves
        )
        wave = grid.wave[start : start + grid.window]
        found.append(compare_epochs(wave, now, then, config.earlier.grey_error))
    return found


def average_exposures(path: Path) -> Iterator[LogSpectrum]:
    """Yield the means of the odd and of the even exposures of each camera in a spec file."""
    with fits.open(path) as hdus:
        frames = [
            hdu for hdu in hdus[4:] if "loglam" in getattr(hdu, "columns", fits.ColDefs([])).names
        ]
        cameras = sorted({hdu.name[0] for hdu in frames})
        for half in (0, 1):
            product, total = np.zeros((2, 5000))
            for camera in cameras:
                for hdu in [hdu for hdu in frames if hdu.name.startswith(camera)][half::2]:
                    place = (hdu.data["loglam"].astype(float) - 3.54) / LOG10_STEP
                    index = np.rint(place).astype(int)
                    good = (hdu.data["ivar"] > 0) & (index >= 0) & (index < 5000)
                    np.add.at(total, index[good], hdu.data["ivar"][good])
                    np.add.at(product, index[good], (hdu.data["ivar"] * hdu.data["flux"])[good])
            flux = np.divide(product, total, out=np.zeros(5000), where=total > 0)
            yield LogSpectrum(3.54, flux, total)


def simulate(folder: Path, draws: int, wandering: float, config: Config) -> list[Comparison]:
    """Compare two observations of the SDSS pipeline's model of every quasar."""
    rng, found = np.random.default_rng(1), []
    desi_wave = WAVE_START + WAVE_STEP * np.arange(WAVE_SIZE)
    for path in sorted(folder.glob("spec-*.fits")):
        with fits.open(path) as hdus:
            model, z = hdus[1].data["MODEL"].astype(float), float(hdus[2].data["Z"][0])
            kind = str(hdus[2].data["CLASS"][0]).strip()
        seen = read_spectrum(local_file(path))
        if kind != "QSO" or len(model) != len(seen.flux) or not 0.05 < z < 6:
            continue
        wave = 10 ** (seen.log10_first + LOG10_STEP * np.arange(len(model)))
        truth = np.interp(desi_wave, wave, model)
        # DESI's exposures of quasars reach about the depth of BOSS.
        ivar = np.interp(desi_wave, wave, seen.ivar)
        sigma = np.divide(1, np.sqrt(ivar), out=np.zeros_like(ivar), where=ivar > 0)
        earlier_sigma = np.divide(
            1, np.sqrt(seen.ivar), out=np.zeros_like(seen.ivar), where=seen.ivar > 0
        )
        for _ in range(draws):
            factor = np.exp(rng.normal(0, np.hypot(_LOSSES, wandering)))
            then = model * factor + earlier_sigma * rng.standard_normal(len(model))
            now = truth + sigma * rng.standard_normal(WAVE_SIZE)
            earlier = LogSpectrum(seen.log10_first, then, seen.ivar)
            found.append(compare(now, ivar, earlier, z, config))
    return found


if __name__ == "__main__":
    main()
