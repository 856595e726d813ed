"""Makes a survey of real eigen-spectra and noise with anomalies of recipes that nobody is taught.

Usage: python benchmarks/injected_survey.py SOURCE DESTINATION [--quasars 3000] [--share 0.036]

SOURCE is a tree in DR1's layout without anomalies, as `../shared/data/survey`. Its quasars give
eigen-spectra, coefficients and noise, its galaxies and stars the light of second sources. Every new
quasar mixes the coefficients of two and takes the noise of a third. The truth stands beside the
tree. `python benchmarks/recall.py --injected SOURCE` makes one, runs it and reports.

A planted spectrum that lies less than 8 sigma from every likely normal quasar, of which mean and
covariance are known, is drawn again: no method could be asked to find it.
"""

import argparse
import tempfile
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import torch
from astropy.io import fits
from astropy.table import Table
from cdshealpix.nested import healpix_to_lonlat
from injected_recipes import RECIPES, WAVE, Population, Sources
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from catalog_schema.desi import HEALPIX_ORDER, SAMPLING
from catalog_schema.vocabulary import Parent
from pipeline.config import load_config
from pipeline.flow.data_path import run_stages
from pipeline.flow.root import Root
from pipeline.lake.store import to_matrix
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.science.pca import fit_basis, infer_coefficients

# Components of the population; their smoothing (pixels of 69 km/s); farthest coefficient.
_COMPONENTS, _SMOOTHING, _FARTHEST = 10, 3, 4.0
_FAINTEST, _TRIES = 8.0, 1000
# First joined pixel of each arm, and the pixels that two arms share.
_FIRST = {arm.name.upper(): arm.first for arm in SAMPLING.arms}
_PIXELS = np.arange(WAVE.size)
_IS_TWICE = sum((arm.first <= _PIXELS) & (arm.last > _PIXELS) for arm in SAMPLING.arms) > 1
_IMAGES = ("FLUX", "IVAR", "MASK")
# Pixels of the sky and numbers of targets between two copies of one file.
_NEXT_PIXEL, _NEXT_TARGETS = 1009, 10**11
_REDUCTION = Path("spectro/redux/iron")


@dataclass(frozen=True)
class Spectra:
    """The spectra of a tree: joined flux (n, 7781), noise of a joined pixel, row of each target."""

    flux: NDArray
    sigma: NDArray
    rows: dict[int, int]


@dataclass
class Shard:
    """One coadd file: its header, tables by extension, images by extension and arm."""

    header: fits.Header
    tables: dict[str, NDArray]
    images: dict[str, dict[str, NDArray]]

    @property
    def targets(self) -> NDArray:
        """TARGETID of each spectrum."""
        targets: NDArray = self.tables["FIBERMAP"]["TARGETID"]
        return targets

    def keep(self, is_kept: NDArray[np.bool_]) -> None:
        """Leave out spectra, with their rows of every table."""
        kept = self.targets[is_kept]
        self.tables = {n: t[np.isin(t["TARGETID"], kept)] for n, t in self.tables.items()}
        for images in self.images.values():
            for arm in images:
                images[arm] = images[arm][is_kept]


def main() -> None:
    """Parse the call and make the survey."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("destination", type=Path)
    parser.add_argument("--quasars", type=int, default=3000)
    parser.add_argument("--share", type=float, default=0.036)
    parser.add_argument("--seed", type=int, default=0)
    call = parser.parse_args()
    make_survey(call.source, call.destination, call.quasars, call.share, call.seed)


def make_survey(
    source: Path, destination: Path, n_quasars: int, share: float = 0.036, seed: int = 0
) -> Path:
    """Write the tree below `destination` and its truth beside it; return the path of the truth.

    Parameters
    ----------
    source, destination : Path
    n_quasars : int
    share : float
        Of the quasars, with an anomaly.
    seed : int
    """
    rng = np.random.default_rng(seed)
    files = sorted(source.rglob("coadd-*.fits"))
    catalogue = next((source / _REDUCTION / "zcatalog").rglob("zall-pix-*.fits"))
    table = Table.read(catalogue, hdu="ZCATALOG")
    table.convert_bytestring_to_unicode()
    redshifts = table.as_array()
    population, sources = _learn(source, files, redshifts)
    families = _deal_families(rng, n_quasars, share)
    rows, truths = [], []
    for number in count():
        shard, here = _copy_shard(files[number % len(files)], redshifts, families, number, files)
        names = families[: (here["SPECTYPE"] == "QSO").sum()]
        families = families[len(names) :]
        _move(shard, here, number // len(files), rng)
        truths.append(_replace_quasars(shard, here, names, population, sources, rng))
        _write(shard, destination)
        rows.append(here)
        if not len(families):
            break
    path = destination / catalogue.relative_to(source)
    path.parent.mkdir(parents=True, exist_ok=True)
    hdu = fits.BinTableHDU(np.concatenate(rows), name="ZCATALOG")
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    truth = destination.with_name(f"{destination.name}-truth.parquet")
    pl.concat(truths).write_parquet(truth)
    return truth


def _deal_families(rng: np.random.Generator, n_quasars: int, share: float) -> NDArray:
    families = np.full(n_quasars, None, object)
    planted = rng.choice(n_quasars, round(share * n_quasars), replace=False)
    families[planted] = [list(RECIPES)[k % len(RECIPES)] for k in range(len(planted))]
    return families


def _learn(source: Path, files: list[Path], redshifts: NDArray) -> tuple[Population, Sources]:
    """Learn the normal population and the light of second sources from the source's spectra."""
    columns = ["TARGETID", "Z", "parent", "norm", "window_start", "rest_flux", "rest_weight"]
    config = load_config(None, [], source=str(source))
    with tempfile.TemporaryDirectory() as scratch:
        store = Root(Path(scratch))
        with store.lock():
            run_stages(store, config, lambda *_: None, "preprocess")
        shards = sorted(outcome.shard for outcome in store.ledger.outcomes("preprocess"))
        windows = pa.concat_tables(
            store.read(store.lake.shard("restframe", shard), columns) for shard in shards
        ).filter(pc.field("parent") == Parent.CORE.value)
    grid = make_run_grid(config)
    flux, weight = (torch.from_numpy(to_matrix(windows[n])) for n in ("rest_flux", "rest_weight"))
    start = torch.from_numpy(windows["window_start"].to_numpy().astype(np.int64))
    generator = torch.Generator().manual_seed(0)
    basis = fit_basis(flux, weight, start, grid.size, _COMPONENTS, generator)
    coefficients, _ = infer_coefficients(flux, weight, start, basis)
    # A basis of a few hundred spectra has noise of its own, which a normal quasar must not show.
    mean, components = (
        gaussian_filter1d(rows.numpy(), _SMOOTHING, axis=-1)
        for rows in (basis.mean, basis.components)
    )
    spectra = _read_spectra(files)
    population = Population(
        grid.wave,
        mean,
        components,
        coefficients.numpy().clip(-_FARTHEST, _FARTHEST),
        windows["norm"].to_numpy(),
        windows["Z"].to_numpy(),
        spectra.sigma[[spectra.rows[target] for target in windows["TARGETID"].to_pylist()]],
    )
    return population, _find_sources(spectra, redshifts, population)


def _read_spectra(files: list[Path]) -> Spectra:
    fluxes, sigmas, targets = [], [], []
    for path in files:
        shard = _read(path)
        targets += shard.targets.tolist()
        signal, total = np.zeros((2, len(shard.targets), WAVE.size))
        for arm, first in _FIRST.items():
            flux, ivar, mask = (shard.images[name][arm] for name in _IMAGES)
            weight = np.where(mask == 0, ivar, 0.0)
            total[:, first : first + weight.shape[1]] += weight
            signal[:, first : first + weight.shape[1]] += weight * flux
        seen = total > 0
        fluxes.append(np.divide(signal, total, where=seen, out=np.zeros_like(total)))
        sigmas.append(np.sqrt(np.divide(1, total, where=seen, out=np.full_like(total, np.inf))))
    rows = {target: row for row, target in enumerate(targets)}
    return Spectra(np.concatenate(fluxes), np.concatenate(sigmas), rows)


def _find_sources(spectra: Spectra, redshifts: NDArray, population: Population) -> Sources:
    """Smooth the best spectra of galaxies and stars, which are the light of second sources."""
    light: dict[str, list[NDArray]] = {"GALAXY": [], "STAR": []}
    z = []
    for row in redshifts[np.isin(redshifts["SPECTYPE"], list(light))]:
        place = spectra.rows[int(row["TARGETID"])]
        flux, sigma = spectra.flux[place], spectra.sigma[place]
        good = np.isfinite(sigma)
        if row["OBJTYPE"] != "TGT" or np.median((flux / sigma)[good]) < 2:
            continue
        weight = good * sigma.clip(1e-3, 1e3) ** -2.0
        smooth = gaussian_filter1d(weight * flux, 4) / gaussian_filter1d(weight, 4).clip(1e-9)
        light[row["SPECTYPE"]].append(smooth / np.median(smooth))
        if row["SPECTYPE"] == "GALAXY":
            z.append(float(row["Z"]))
    return Sources(np.array(light["GALAXY"]), np.array(z), np.array(light["STAR"]), population)


def _copy_shard(
    template: Path, redshifts: NDArray, families: NDArray, number: int, files: list[Path]
) -> tuple[Shard, NDArray]:
    """Return a coadd file to be filled anew, and its rows of the catalogue.

    It has no more quasars than families are left, and others than quasars in the first copy only.
    """
    shard = _read(template)
    survey, pixel = shard.header["SURVEY"].strip(), shard.header["HPXPIXEL"]
    here = redshifts[(redshifts["HEALPIX"] == pixel) & (redshifts["SURVEY"] == survey)]
    is_quasar = here["SPECTYPE"] == "QSO"
    quasars = here["TARGETID"][is_quasar]
    is_left = np.isin(shard.targets, quasars[: len(families)])
    if number < len(files):
        is_left |= ~np.isin(shard.targets, quasars)
    shard.keep(is_left)
    return shard, here[np.isin(here["TARGETID"], shard.targets)]


def _replace_quasars(
    shard: Shard,
    here: NDArray,
    families: NDArray,
    population: Population,
    sources: Sources,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Put new quasars in the place of those of a file; return the truth of what is planted."""
    place = {int(target): row for row, target in enumerate(shard.targets)}
    survey, program = (shard.header[name].strip() for name in ("SURVEY", "PROGRAM"))
    truth = []
    for row, family in zip(np.flatnonzero(here["SPECTYPE"] == "QSO"), families, strict=True):
        flux, sigma, here["Z"][row], strength = _draw(family, population, sources, rng)
        target = int(here["TARGETID"][row])
        for arm, first in _FIRST.items():
            images = {name: shard.images[name][arm] for name in _IMAGES}
            pixels = slice(first, first + images["FLUX"].shape[1])
            noise = sigma[pixels] * np.where(_IS_TWICE[pixels], np.sqrt(2), 1)
            good = np.isfinite(noise)
            noisy = flux[pixels] + np.where(good, noise, 0) * rng.normal(size=noise.size)
            images["FLUX"][place[target]] = np.where(good, noisy, 0)
            images["IVAR"][place[target]] = noise**-2.0
            images["MASK"][place[target]] = 0
        if family is not None:
            right = RECIPES[family][1]
            truth.append((survey, program, here["HEALPIX"][row], target, family, right, strength))
    columns = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID", "family", "right_class", "strength"]
    types = {"HEALPIX": pl.Int64, "TARGETID": pl.Int64, "strength": pl.Float64}
    kinds = {name: types.get(name, pl.String) for name in columns}
    return pl.DataFrame(truth, schema=kinds, orient="row").with_columns(is_taught=False)


def _move(shard: Shard, here: NDArray, copy: int, rng: np.random.Generator) -> None:
    """Give a copy of a file its own targets and its own pixel of the sky, free of dust."""
    pixel = shard.header["HPXPIXEL"] + copy * _NEXT_PIXEL
    shard.header["HPXPIXEL"] = shard.header["SPGRPVAL"] = here["HEALPIX"][:] = pixel
    for table in (*shard.tables.values(), here):
        table["TARGETID"] += copy * _NEXT_TARGETS * (table["TARGETID"] > 0)
    # Pixels of an order 12 levels finer are places within the pixel.
    inside = (pixel << 24) + rng.integers(1 << 24, size=len(shard.targets))
    lon, lat = healpix_to_lonlat(inside.astype(np.uint64), HEALPIX_ORDER + 12)
    place = {int(target): row for row, target in enumerate(shard.targets)}
    for table in (shard.tables["FIBERMAP"], here):
        rows = [place[int(target)] for target in table["TARGETID"]]
        table["TARGET_RA"], table["TARGET_DEC"] = lon.deg[rows], lat.deg[rows]
        table["EBV"] = 0.0


def _draw(
    family: str | None, population: Population, sources: Sources, rng: np.random.Generator
) -> tuple[NDArray, NDArray, float, float]:
    """Return flux and noise, redshift of the catalogue and strength (NaN: normal) of a quasar."""
    for _ in range(_TRIES):
        quasar = population.draw(rng)
        if family is None:
            return quasar.flux, quasar.sigma, quasar.z, np.nan
        flux = RECIPES[family][0](quasar, rng, sources)
        if flux is not None and (strength := quasar.measure_strength(flux)) > _FAINTEST:
            return flux, quasar.sigma, quasar.z, strength
    raise ValueError(f"no quasar of {_TRIES} shows {family}")


def _read(path: Path) -> Shard:
    with fits.open(path) as file:
        tables = {n: np.array(file[n].data) for n in ("FIBERMAP", "EXP_FIBERMAP", "SCORES")}
        images = {
            name: {arm: np.array(file[f"{arm}_{name}"].data) for arm in _FIRST} for name in _IMAGES
        }
        return Shard(file[0].header, tables, images)


def _write(shard: Shard, destination: Path) -> None:
    survey, program = (shard.header[name].strip() for name in ("SURVEY", "PROGRAM"))
    pixel, scores = shard.header["HPXPIXEL"], shard.tables["SCORES"]
    images = []
    for arm, first in _FIRST.items():
        flux, ivar, _ = (shard.images[name][arm] for name in _IMAGES)
        scores[f"MEDIAN_COADD_FLUX_{arm}"] = np.median(flux, axis=1)
        scores[f"MEDIAN_COADD_SNR_{arm}"] = np.median(flux * np.sqrt(ivar), axis=1)
        wave = WAVE[first : first + flux.shape[1]]
        images.append(fits.ImageHDU(wave, name=f"{arm}_WAVELENGTH"))
        images += [fits.ImageHDU(shard.images[n][arm], name=f"{arm}_{n}") for n in _IMAGES]
    tables = [fits.BinTableHDU(table, name=name) for name, table in shard.tables.items()]
    folder = destination / _REDUCTION / "healpix" / survey / program / str(pixel // 100)
    path = folder / str(pixel) / f"coadd-{survey}-{program}-{pixel}.fits"
    path.parent.mkdir(parents=True)
    fits.HDUList([fits.PrimaryHDU(header=shard.header), *tables, *images]).writeto(path)


if __name__ == "__main__":
    main()
