"""Counts how many published anomalies, and ordinary quasars, a finished run finds strange.

Usage: python benchmarks/known_objects.py DATA --root DIR

DIR is a finished run. The lists below DATA never change, so that models can be compared:

- ``catalogs/squad_half.csv``: 1,033 anomalous quasars of SDSS by type (BALs of several colours,
  FeLoBALs, reddened ones, peculiar CIV and SiIV; the SQuAD catalogue), matched by position with
  what the run has judged;
- ``desi_clagn``: 28 published changing-look quasars (Guo et al.), their DESI spectra judged by the
  run's model and classifier;
- ``sdss``: SDSS spectra of ordinary quasars, interpolated to DESI's grid. To a model of DESI's
  noise they are foreign, and more look strange than ordinary quasars should.
"""

import argparse
import csv
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from astropy.coordinates import SkyCoord
from astropy.io import fits
from numpy.typing import NDArray

from catalog_schema.desi import WAVE_SIZE, WAVE_START, WAVE_STEP
from catalog_schema.statistics import STRANGE_P_VALUE
from catalog_schema.waist import KEY
from pipeline.config import Config
from pipeline.flow.apply import apply
from pipeline.flow.data_path import start_run
from pipeline.flow.root import open_root, read_saved_config
from pipeline.run import Run

_WAVE = WAVE_START + WAVE_STEP * np.arange(WAVE_SIZE)
_SDSS_STEP = 1e-4
# Arcsec. Fibres of both surveys are wider.
_RADIUS = 1.5


def main() -> None:
    """Parse the call, judge both lists and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--root", type=Path, required=True)
    call = parser.parse_args()
    store = open_root(call.root)
    config = read_saved_config(store)
    model = str(store.lake.model(start_run(store, config).model_id))
    report_published(start_run(store, config), call.data / "catalogs" / "squad_half.csv")
    lists = {
        "changing-look": list_changing_look(call.data / "desi_clagn"),
        "SDSS": list_sdss(call.data / "sdss"),
    }
    for name, spectra in lists.items():
        with tempfile.TemporaryDirectory() as scratch:
            report(name, judge(spectra, Path(scratch), config, model), len(spectra))


def report_published(run: Run, path: Path) -> None:
    """Print by type how many objects of a published list the run holds, and finds strange."""
    published = pl.read_csv(path, columns=["RA", "DEC", "Anomaly_Type"])
    places = run.read_shards(
        "targets", run.list_shards("targets"), [*KEY, "TARGET_RA", "TARGET_DEC"]
    )
    held = join_key(
        pa.concat_tables(places.values()),
        run.read("significance").select([*KEY, "p_value"]),
        run.read("classes").select([*KEY, "joint_p_value", "anomaly_class"]),
        run.read("tiers").select([*KEY, "tier"]),
    )
    lists = (published["RA"], published["DEC"]), (held["TARGET_RA"], held["TARGET_DEC"])
    listed, judged = (SkyCoord(*(c.to_numpy() for c in pair), unit="deg") for pair in lists)
    nearest, distance, _ = listed.match_to_catalog_sky(judged)
    is_held = distance.arcsec < _RADIUS
    found = published.filter(is_held).hstack(held[nearest[is_held]])
    print(
        f"{path.name}: {len(published)} objects, {len(found)} within {_RADIUS} arcsec of one judged"
    )
    for name, rows in found.sort("Anomaly_Type").group_by("Anomaly_Type", maintain_order=True):
        report(f"  {name[0]}", rows, len(rows))


def join_key(*tables: pa.Table) -> pl.DataFrame:
    """Return the rows that all tables have, with all their columns."""
    first, *others = (pl.DataFrame(pl.from_arrow(table)) for table in tables)
    for other in others:
        first = first.join(other, on=KEY, maintain_order="left")
    return first


def list_changing_look(folder: Path) -> dict[str, tuple[float, NDArray, NDArray]]:
    """Return redshift, flux and ivar on DESI's grid of each published changing-look quasar."""
    found = {}
    for row in csv.DictReader((folder / "pairs.csv").open()):
        path = folder / Path(row["desi_csv"]).name
        table = np.genfromtxt(path, delimiter=",", names=True)
        found[row["sdss_name"]] = (float(row["z"]), table["flux"], table["ivar"])
    return found


def list_sdss(folder: Path) -> dict[str, tuple[float, NDArray, NDArray]]:
    """Return the same of every SDSS spectrum that the SDSS pipeline calls a quasar."""
    found = {}
    for path in sorted(folder.glob("spec-*.fits")):
        with fits.open(path) as hdus:
            spectrum, facts = hdus[1].data, hdus[2].data
            if str(facts["CLASS"][0]).strip() != "QSO":
                continue
            wave = 10.0 ** spectrum["loglam"]
            # A pixel of DESI is a fraction of one of SDSS, and so noisier.
            share = WAVE_STEP / (_WAVE * np.log(10) * _SDSS_STEP)
            flux = np.interp(_WAVE, wave, spectrum["flux"], left=0, right=0)
            good = np.where(spectrum["ivar"] > 0, spectrum["ivar"], 0)
            ivar = np.interp(_WAVE, wave, good, left=0, right=0) * share
            found[path.stem] = (float(facts["Z"][0]), flux, ivar)
    return found


def judge(
    spectra: dict[str, tuple[float, NDArray, NDArray]], scratch: Path, config: Config, model: str
) -> pl.DataFrame:
    """Score loose files with a finished model, as `qad score --model` does."""
    source = scratch / "spectra"
    source.mkdir()
    for name, (_, flux, ivar) in spectra.items():
        table = pl.DataFrame({"wave": _WAVE, "flux": flux, "ivar": ivar})
        table.write_csv(source / f"{name}.csv")
    redshifts = scratch / "redshifts.csv"
    rows = {"file": [f"{name}.csv" for name in spectra], "Z": [z for z, _, _ in spectra.values()]}
    pl.DataFrame(rows).write_csv(redshifts)
    run = config.run.model_copy(update={"source": str(source), "ledger_url": "", "lake": ""})
    path, reports = apply(scratch, config.model_copy(update={"run": run}), model, redshifts)
    faults = [fault for made in reports for fault in made.failed]
    if path is None or faults:
        raise SystemExit(f"nothing scored: {faults}")
    return pl.read_parquet(path)


def report(name: str, rows: pl.DataFrame, n_given: int) -> None:
    """Print how many are strange, by the score alone and by score and class together."""
    by_score = (rows["p_value"] < STRANGE_P_VALUE).sum()
    jointly = (rows["joint_p_value"].fill_null(1) < STRANGE_P_VALUE).sum()
    counts = rows["anomaly_class"].fill_null("not classified").value_counts().sort("count")
    print(
        f"{name}: {n_given} spectra, {len(rows)} scored; p below {STRANGE_P_VALUE}: {by_score}, "
        f"joint p: {jointly}, in a tier: {(rows['tier'] != 'none').sum()}"
    )
    print("   ", ", ".join(f"{n} {kind}" for kind, n in reversed(counts.rows())))


if __name__ == "__main__":
    main()
