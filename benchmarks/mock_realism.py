"""Compares the mock survey with a real one in the DR1 layout and prints a table of figures.

Usage: python benchmarks/mock_realism.py --real PATH [--mock PATH] [--quasars N] [--plot FILE]
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from catalog_schema.constants import LIGHT_SPEED
from pipeline.spectra.mock.survey import make_survey

WAVE = 3600.0 + 0.8 * np.arange(7781)
ARM_START = {"B": 0, "R": 2700, "Z": 4900}
# Rest-frame windows (line low, line high, continuum left, continuum right), Å.
LINES = {
    "CIV": ((1500, 1600), (1440, 1475), (1685, 1715)),
    "CIII]": ((1830, 1960), (1770, 1810), (1975, 2005)),
    "MgII": ((2740, 2860), (2660, 2715), (2875, 2925)),
    "Hbeta": ((4760, 4930), (4680, 4740), (5060, 5100)),
}
REDSHIFT_BINS = ((0.6, 1.2), (1.2, 1.8), (1.8, 2.4), (2.4, 3.2))


@dataclass
class Sample:
    """Quasars of a survey: redshift (n,), joined flux and ivar (n, 7781), snr (n,)."""

    z: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    snr: np.ndarray


def read_sample(root: Path, limit: int) -> Sample:
    """Read good quasars (core cuts) below `root`, at most `limit`."""
    base = root / "spectro" / "redux" / "iron"
    zcat = fits.getdata(base / "zcatalog" / "v1" / "zall-pix-iron.fits")
    good = (zcat["SPECTYPE"] == "QSO") & (zcat["ZWARN"] == 0) & (zcat["TARGETID"] > 0)
    redshift = dict(zip(zcat["TARGETID"][good].tolist(), zcat["Z"][good].tolist(), strict=True))
    rows: list[tuple[float, np.ndarray, np.ndarray, float]] = []
    for path in sorted(base.glob("healpix/*/*/*/*/coadd-*.fits")):
        with fits.open(path) as hdus:
            targetids = hdus["FIBERMAP"].data["TARGETID"].tolist()
            arms = {arm: [hdus[f"{arm}_{k}"].data for k in ("FLUX", "IVAR")] for arm in ARM_START}
            for row, targetid in enumerate(targetids):
                if targetid in redshift:
                    flux, ivar, snr = join(arms, row)
                    if np.count_nonzero(ivar) > 7000:
                        rows.append((redshift[targetid], flux, ivar, snr))
    z, flux, ivar, snr = (np.array(values) for values in zip(*rows[:limit], strict=True))
    return Sample(z, flux, ivar, snr)


def join(arms: dict[str, list[np.ndarray]], row: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Join the arms of one spectrum: flux and ivar (7781,), median SNR per arm pixel."""
    total, weight, ratios = np.zeros(WAVE.size), np.zeros(WAVE.size), []
    for arm, (flux, ivar) in arms.items():
        pixels = slice(ARM_START[arm], ARM_START[arm] + flux.shape[1])
        total[pixels] += flux[row] * ivar[row]
        weight[pixels] += ivar[row]
        ratios.append((flux[row] * np.sqrt(ivar[row]))[ivar[row] > 0])
    flux = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    pixels_seen = np.concatenate(ratios)
    return flux, weight, float(np.median(pixels_seen)) if pixels_seen.size else 0.0


def mean_flux(sample: Sample, low: float, high: float) -> np.ndarray:
    """Mean flux (n,) between two observed wavelengths over pixels that have data."""
    inside = (low < WAVE) & (high > WAVE)
    weight = (sample.ivar[:, inside] > 0).sum(axis=1)
    return sample.flux[:, inside].sum(axis=1) / np.maximum(weight, 1)


def colour(sample: Sample) -> np.ndarray:
    """Synthetic g - r of each quasar (AB, top-hat bands), NaN where a flux is not positive."""
    green, red = mean_flux(sample, 4200, 5500), mean_flux(sample, 5620, 7180)
    ratio = np.where((green > 0) & (red > 0), green / np.where(red > 0, red, 1), np.nan)
    return -2.5 * np.log10(ratio) - 5 * np.log10(4800 / 6420)


def measure_line(sample: Sample, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Equivalent width (rest Å) and width (km/s, from the flux percentiles) of good spectra."""
    window, left, right = LINES[name]
    widths, speeds = [], []
    for z, flux, snr in zip(sample.z, sample.flux, sample.snr, strict=True):
        rest = WAVE / (1 + z)
        if rest[0] > left[0] or rest[-1] < right[1] or snr < 2:
            continue
        ends = [np.median(flux[(rest > low) & (rest < high)]) for low, high in (left, right)]
        centres = [sum(left) / 2, sum(right) / 2]
        inside = (rest > window[0]) & (rest < window[1])
        level = np.interp(rest[inside], centres, ends)
        if ends[0] <= 0 or ends[1] <= 0:
            continue
        excess = flux[inside] / level - 1
        step = 0.8 / (1 + z)
        widths.append(excess.sum() * step)
        speeds.append(width_of(rest[inside], excess))
    return np.array(widths), np.array(speeds)


def width_of(wave: np.ndarray, excess: np.ndarray) -> float:
    """Width between the 16th and 84th percentile of the line's flux, km/s."""
    cumulative = np.cumsum(excess)
    if cumulative[-1] <= 0:
        return np.nan
    cumulative /= cumulative[-1]
    low = wave[np.argmax(cumulative > 0.16)]
    high = wave[np.argmax(cumulative > 0.84)]
    return float((high - low) / wave.mean() * LIGHT_SPEED)


def quartiles(values: np.ndarray) -> str:
    """The three quartiles as text, a dash for fewer than five values."""
    values = values[np.isfinite(values)]
    if values.size < 5:
        return "-"
    return " / ".join(f"{value:.3g}" for value in np.percentile(values, [25, 50, 75]))


def pixel_figures(sample: Sample) -> dict[str, str]:
    """Noise per pixel in three windows free of strong sky."""
    figures = {}
    for low, high in ((4000, 5700), (5900, 7500), (7800, 9200)):
        inside = (low < WAVE) & (high > WAVE)
        sigma = 1 / np.sqrt(np.median(sample.ivar[:, inside], axis=1))
        figures[f"noise per pixel {low}-{high} Å"] = quartiles(sigma)
    return figures


def forest_figures(sample: Sample) -> dict[str, str]:
    """Mean flux in the forest over that at rest 1280 Å (continuum included), by redshift."""
    figures = {}
    for low, high in ((2.1, 2.5), (2.5, 3.0), (3.0, 3.6)):
        ratios = []
        for z, flux in zip(sample.z, sample.flux, strict=True):
            rest = WAVE / (1 + z)
            if low <= z < high:
                forest = flux[(rest > 1060) & (rest < 1180)].mean()
                ratios.append(forest / flux[(rest > 1275) & (rest < 1290)].mean())
        figures[f"forest / 1280 Å, z {low}-{high}"] = quartiles(np.array(ratios))
    return figures


def figures_of(sample: Sample) -> dict[str, str]:
    """All figures of a sample, as quartiles."""
    figures = {"quasars": str(sample.z.size), "z": quartiles(sample.z)}
    figures["median SNR per pixel"] = quartiles(sample.snr)
    figures |= pixel_figures(sample)
    colours = colour(sample)
    for low, high in REDSHIFT_BINS:
        inside = (sample.z >= low) & (sample.z < high) & (sample.snr > 1)
        figures[f"g - r, z {low}-{high}"] = quartiles(colours[inside])
    for name in LINES:
        widths, speeds = measure_line(sample, name)
        figures[f"{name} equivalent width, Å"] = quartiles(widths)
        figures[f"{name} width, km/s"] = quartiles(speeds)
    return figures | forest_figures(sample)


def stack(sample: Sample, grid: np.ndarray) -> np.ndarray:
    """Median rest-frame spectrum on `grid`, each quasar scaled to join those before it."""
    low, high = (np.log(grid[0]), np.log(grid[-1]))
    order = np.argsort(sample.z)
    rows = np.full((order.size, grid.size), np.nan)
    for row, at in enumerate(order):
        good = sample.ivar[at] > 0
        rest = WAVE[good] / (1 + sample.z[at])
        place = ((np.log(rest) - low) / (high - low) * (grid.size - 1)).round().astype(int)
        inside = (place >= 0) & (place < grid.size)
        total = np.bincount(place[inside], sample.flux[at][good][inside], grid.size)
        count = np.bincount(place[inside], minlength=grid.size)
        rows[row] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    level = rows[0].copy()
    for row in range(order.size):
        both = np.isfinite(level) & np.isfinite(rows[row])
        rows[row] *= max(level[both].sum(), 1e-9) / max(rows[row][both].sum(), 1e-9)
        spectrum = rows[row]
        blend = np.where(np.isfinite(level), 0.97 * level + 0.03 * spectrum, spectrum)
        level = np.where(np.isfinite(spectrum), blend, level)
    return np.nanmedian(rows, axis=0)


def plot_stacks(samples: dict[str, Sample], path: Path) -> None:
    """Draw the median rest-frame spectra of the samples."""
    import matplotlib.pyplot as plt

    grid = np.exp(np.linspace(np.log(950), np.log(6500), 1500))
    figure, axes = plt.subplots(figsize=(16, 7))
    for name, sample in samples.items():
        bright = sample.snr > 1.5
        spectrum = stack(
            Sample(sample.z[bright], sample.flux[bright], sample.ivar[bright], sample.snr[bright]),
            grid,
        )
        axes.plot(
            grid, spectrum / np.nanmedian(spectrum[(grid > 2650) & (grid < 2700)]), label=name, lw=1
        )
    axes.set(
        xscale="log", yscale="log", xlabel="rest wavelength, Å", ylabel="median flux", ylim=(0.2, 9)
    )
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, required=True, help="root of a tree in DR1 layout")
    parser.add_argument("--mock", type=Path, help="a mock made before; without it one is made")
    parser.add_argument("--quasars", type=int, default=600)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        mock = options.mock or Path(folder, "mock")
        if options.mock is None:
            make_survey(mock, n_quasars=options.quasars, n_pixels=4, seed=1)
        samples = {"real": read_sample(options.real, 10**6), "mock": read_sample(mock, 10**6)}
    tables = {name: figures_of(sample) for name, sample in samples.items()}
    print("| figure (quartiles) | real | mock |\n|---|---|---|")
    for name, value in tables["real"].items():
        print(f"| {name} | {value} | {tables['mock'][name]} |")
    if options.plot:
        plot_stacks(samples, options.plot)


if __name__ == "__main__":
    main()
