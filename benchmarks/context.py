"""Goes from spectra to reviewed anomalies on two surveys, and prints what the releases hold.

Usage: python benchmarks/context.py mock --root DIR
       python benchmarks/context.py real --root DIR --data ../shared/data

*mock*: the mock survey with its own two catalogues. *real*: the survey drawn from real
eigen-spectra with four published catalogues (docs/examples/local-catalogues.toml). The latter's
positions are made up, so some of its quasars are moved, with their spectra, to the pixels of known
objects: to the DESI positions of SDSS quasars, to positions of SQuAD and 2QZ, and to the optical
counterparts of eROSITA's sources.

In both, SIMBAD is asked at an address where nobody listens, and no other service is asked.

The reviewer is a stand-in that knows the truth: planted astrophysical anomalies are anomalous,
planted faults artefacts, all else ordinary. A second one is unsure of every fifth object.
"""

import argparse
import csv
import subprocess
import sys
from importlib import resources
from pathlib import Path

import duckdb
import numpy as np
from astropy import units
from astropy.io import fits
from astropy.table import Table
from mocpy import MOC

from catalog_schema.desi import HEALPIX_ORDER
from catalog_schema.vocabulary import MatchState
from pipeline.lake.layout import Shard
from pipeline.science.sky import find_cells
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.tree import HealpixTree
from pipeline.transport.sources import open_source

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "local-catalogues.toml"
UNANSWERED = """
[crossmatch]
ask = ["simbad"]
ask_for = "all"
max_attempts = 2
backoff_s = 0.1

[crossmatch.catalogues.simbad]
url = "http://127.0.0.1:9/tap"

[rank]
audit_fraction = 0.3
"""
REDUCTION = Path("spectro/redux/iron")
ZCATALOG = REDUCTION / "zcatalog/v1/zall-pix-iron.fits"
N_REVIEWS = 120
# Catalogue: its columns of positions where an optical telescope would find the object, and how many
# quasars are moved there.
PLACES = {
    "sdss_desi_pairs_half.csv": ("ra_desi", "dec_desi", 250),
    "squad_half.csv": ("RA", "DEC", 60),
    "2QZ_deg.csv": ("ra", "dec", 60),
    "eroextra_final.fits": ("LS10_RA", "LS10_DEC", 60),
}
Positions = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Parse the call, go the way, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("survey", choices=("mock", "real"))
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="Folder with survey/ and catalogs/.")
    call = parser.parse_args()
    root, settings = call.root, call.root / "context.toml"
    root.mkdir(parents=True, exist_ok=True)
    if call.survey == "mock":
        source: str | Path = "mock"
        text = resources.files("pipeline").joinpath("configs", "mock.toml").read_text()
        settings.write_text(text + UNANSWERED)
    else:
        source = move_survey(call.data, root / "survey")
        settings.write_text(EXAMPLE.read_text())
    chosen = ("--source", source, "--config", settings, "--root", root)
    qad("run", *chosen, "--version", "0.1.0")
    write_reviews(root, root / "reviews.csv")
    qad("review", "import", root / "reviews.csv", "--root", root)
    qad("review", "show", "--root", root)
    qad("rank", "--root", root, "--config", settings)
    qad("release", "build", *chosen, "--version", "0.2.0")
    qad("release", "validate", root / "releases/0.2.0")
    describe(root / "releases/0.2.0/catalog")


def qad(*words: object) -> None:
    """Call the command line, which prints what it does."""
    print("$ qad", *words, flush=True)
    command = "from pipeline.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", command, *map(str, words)], check=True)


def move_survey(data: Path, tree: Path) -> Path:
    """Make a tree of the survey in which some quasars lie at known objects, unless it is there."""
    if tree.exists():
        return tree
    (tree / ZCATALOG).parent.mkdir(parents=True)
    (tree / "catalogs").symlink_to((data / "catalogs").resolve())
    for folder in (data / "survey" / REDUCTION / "healpix").glob("*/*/*/*"):
        link = tree / folder.relative_to(data / "survey")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(folder.resolve())
    known = {name: read_positions(data / "catalogs" / name, *PLACES[name][:2]) for name in PLACES}
    rng = np.random.default_rng(1)
    drawn = []
    for name, (*_, count) in PLACES.items():
        rows = rng.choice(len(known[name][0]), count, replace=False)
        drawn.append(np.array(known[name])[:, rows])
    ra, dec = np.concatenate(drawn, axis=1)
    with fits.open(data / "survey" / ZCATALOG) as hdus:
        rows = hdus["ZCATALOG"].data
        moved = rng.permutation(np.flatnonzero(rows["SPECTYPE"] == "QSO"))[: len(ra)]
        left = rows[moved].copy()
        rows["TARGET_RA"][moved], rows["TARGET_DEC"][moved] = ra, dec
        rows["HEALPIX"][moved] = find_cells(ra, dec, HEALPIX_ORDER)
        write_moved(data / "survey", tree, left, rows[moved])
        hdus.writeto(tree / ZCATALOG, checksum=True)
    print(f"{len(moved)} quasars moved to known objects")
    sky = MOC.from_lonlat(*(values * units.deg for values in known["2QZ_deg.csv"]), max_norder=6)
    sky.save(tree / "2qz-moc.fits", format="fits")
    return tree


def write_moved(survey: Path, tree: Path, left: np.ndarray, moved: np.ndarray) -> None:
    """Write the spectra of moved quasars to the files of their new pixels."""
    keys = [(row["SURVEY"], row["PROGRAM"], int(row["HEALPIX"])) for row in moved]
    for key in dict.fromkeys(keys):
        parts = []
        for at in (at for at, other in enumerate(keys) if other == key):
            old = find_coadd(survey, left["SURVEY"][at], left["PROGRAM"][at], left["HEALPIX"][at])
            with fits.open(old) as hdus:
                parts.append(take_target(hdus, moved[at]))
        joined = [fits.PrimaryHDU()]
        for name in parts[0]:
            kind = fits.BinTableHDU if parts[0][name].dtype.names else fits.ImageHDU
            values = [part[name] for part in parts]
            whole = values[0] if name.endswith("WAVELENGTH") else np.concatenate(values)
            joined.append(kind(whole, name=name))
        path = find_coadd(tree, *key)
        path.parent.mkdir(parents=True, exist_ok=True)
        fits.HDUList(joined).writeto(path, checksum=True)


def take_target(hdus: fits.HDUList, row: np.void) -> dict[str, np.ndarray]:
    """Return a target's rows of every HDU of its coadd, at its new position."""
    ids = hdus["FIBERMAP"].data["TARGETID"]
    taken = {}
    for hdu in hdus[1:]:
        data = np.asarray(hdu.data)
        if data.dtype.names:
            taken[hdu.name] = data[data["TARGETID"] == row["TARGETID"]]
        else:
            taken[hdu.name] = data if data.ndim == 1 else data[ids == row["TARGETID"]]
    for name in ("TARGET_RA", "TARGET_DEC"):
        taken["FIBERMAP"][name] = row[name]
    return taken


def find_coadd(root: Path, survey: str, program: str, pixel: int) -> Path:
    """Return the path of a pixel's coadd in a tree."""
    tree = HealpixTree(open_source(str(root), AcquireSettings()))
    return root / tree.file("coadd", Shard(survey, program, int(pixel))).path


def read_positions(path: Path, ra: str, dec: str) -> Positions:
    """Return the valid positions of a catalogue, degrees."""
    table = (
        Table.read(path, unit_parse_strict="silent") if path.suffix == ".fits" else Table.read(path)
    )
    places = np.array([table[ra], table[dec]], float)
    valid = places[:, (places[0] >= 0) & (np.abs(places[1]) <= 90)]
    return valid[0], valid[1]


def write_reviews(root: Path, file: Path) -> None:
    """Write what two stand-ins say of the head of the queue, for `qad review import`."""
    queue = f"{root}/releases/0.1.0/catalog/queue.parquet"
    head = f"SELECT TARGETID FROM '{queue}' ORDER BY queue_rank LIMIT {N_REVIEWS}"
    kinds = {}
    for truth in root.glob("mock/*-truth.parquet"):
        kinds = dict(duckdb.sql(f"SELECT TARGETID, kind FROM '{truth}'").fetchall())
    verdicts = {"astrophysical": "anomalous", "instrumental": "artefact"}
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["TARGETID", "VI_scanner", "VI_quality", "QAD_verdict", "QAD_is_blinded"])
        for number, (targetid,) in enumerate(duckdb.sql(head).fetchall()):
            verdict = verdicts.get(kinds.get(targetid), "ordinary")
            writer.writerow([targetid, "one", 4, verdict, True])
            writer.writerow([targetid, "two", 4, verdict if number % 5 else "unsure", True])


def describe(catalog: Path) -> None:
    """Print states by catalogue, classes with evidence, events and queue of a release."""
    states = ", ".join(f"n_{state.value} AS {state.value}" for state in MatchState)
    asked = "access <> 'none'"
    sums = ", ".join(f"sum(n_{state.value})::INT" for state in MatchState)
    for question in (
        f"SELECT catalogue, access, {states}, round(chance_rate, 5) AS chance_rate "
        f"FROM '{catalog}/catalogues.parquet' WHERE {asked} UNION ALL "
        f"SELECT count(*) || ' others', 'none', {sums}, NULL "
        f"FROM '{catalog}/catalogues.parquet' WHERE NOT {asked}",
        f"SELECT class_state, anomaly_class, count(*) AS objects, sum(n)::INT AS evidence "
        f"FROM '{catalog}/quasars.parquet' LEFT JOIN (SELECT TARGETID, count(*) AS n "
        f"FROM '{catalog}/evidence.parquet' GROUP BY 1) USING (TARGETID) GROUP BY 1, 2 "
        "ORDER BY objects DESC",
        f"SELECT reviewer, verdict, count(*) AS events FROM '{catalog}/reviews.parquet' "
        "GROUP BY 1, 2 ORDER BY 1, 2",
        f"SELECT queue_source, count(*) AS queued, min(queue_rank) AS first "
        f"FROM '{catalog}/queue.parquet' GROUP BY 1",
        f"SELECT * FROM '{catalog.parent}/validation/purity.parquet'",
    ):
        duckdb.sql(question).show(max_width=160)


if __name__ == "__main__":
    main()
