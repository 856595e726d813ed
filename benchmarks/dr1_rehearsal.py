"""Rehearses the stages that see all of DR1 at once: minutes and peak memory of each.

Usage: python benchmarks/dr1_rehearsal.py [--rows 1550000] [--shards 12000] [--sources 10000000]
       [--root FOLDER] [--stages calibrate classify ...] [--memory 16] [--set section.key=value ...]

Writes a lake of synthetic scores, measurements and places (kept where --root names a folder and
used again by the next call), as many quasars as DR1 has in as many files; statistics depend on the
conditions, some are missing, some rows are strange. Then each stage is run by the pipeline's own
runner in a process of its own. Phenomena cannot be planted where there are no spectra: hosts get
features that stand out instead. At the end the comparison with like candidates is timed against
`numpy.quantile` over the same neighbours. Fails where a stage takes more than --memory GiB.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cdshealpix.nested import healpix_to_lonlat
from crossmatch import draw_sky
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from side_by_side import read_peak, time_in_turns
from synthetic_lake import Columns, write_rows

from catalog_schema.desi import FINE_ORDER, HEALPIX_ORDER
from catalog_schema.kinds import SPECTRA as KIND
from catalog_schema.vocabulary import ControlKind, Parent, ShardState
from catalog_schema.waist import NORMAL
from pipeline.config import load_config
from pipeline.flow.root import Root
from pipeline.flow.runner import list_pieces, run_stage
from pipeline.judge.knowledge import Examples
from pipeline.judge.science.calibration import standardise
from pipeline.judge.survey import read_measured
from pipeline.lake.files import remove
from pipeline.lake.layout import Shard
from pipeline.lake.model_files import write_card
from pipeline.lake.store import replace_columns, to_matrix
from pipeline.ledger.outcome import Outcome
from pipeline.numerics import limit_threads
from pipeline.run import Run
from pipeline.spectra.data_path import SPECTRA
from pipeline.spectra.knowledge import SpectraKnowledge
from pipeline.stage import Per

STAGES = ("calibrate", "classify", "grade", "control", "crossmatch")
SEEDS = 2
_STRANGE, _MISSING, _SHIFT = 0.003, 0.05, 8.0
_SAMPLES = {Parent.CORE: 0.9, Parent.EXTENDED: 0.09, Parent.CONTROL: 0.01}
_FIRST_TARGETID = 39_627_000_000_000_000
# Stages whose books are left empty: what they make is optional, or comes later.
_NOT_RUN = ("earlier", "reconstruct")
_COMPARED, _NEIGHBOURS = 2000, 200


class Planted(SpectraKnowledge):
    """Knowledge of spectra that plants in the features themselves."""

    def plant_examples(self, hosts: pa.Table) -> Examples:
        """Let a few features of every host stand out, other ones for each kind of example."""
        rng, waist = np.random.default_rng(3), self.waist
        scores = self.run.read_rows("scores", hosts)
        measured = read_measured(self.run.read_rows("measurements", hosts), waist)
        statistics = to_matrix(scores["statistics"])
        kinds = [kind for kind in waist.kinds if kind not in (NORMAL, *waist.teachers)]
        tables = []
        for _ in kinds:
            changed = statistics.copy()
            changed[:, rng.choice(statistics.shape[1], 4, replace=False)] += _SHIFT
            tables.append(replace_columns(scores, {"statistics": changed}))
        joined = type(measured)(*(np.tile(values, (len(kinds), 1)) for values in measured))
        return Examples(np.repeat(kinds, len(hosts)), pa.concat_tables(tables), joined)


PATH = replace(SPECTRA, knowledge="dr1_rehearsal:Planted")


def write_lake(root: Root, n_rows: int, n_shards: int, n_sources: int) -> None:
    """Write what the stages read, and an external catalogue with half of the objects in it."""
    rng = np.random.default_rng(11)
    pixels = np.sort(rng.integers(0, n_shards, n_rows))
    edges = np.searchsorted(pixels, np.arange(n_shards + 1))
    shards = [Shard("main", "dark", pixel) for pixel in range(n_shards)]
    depth = FINE_ORDER - HEALPIX_ORDER
    inside = (pixels.astype(np.uint64) << np.uint64(2 * depth)) + rng.integers(
        0, 4**depth, n_rows, dtype=np.uint64
    )
    ra, dec = (angle.deg for angle in healpix_to_lonlat(inside, FINE_ORDER))
    for shard in shards:
        rows = slice(edges[shard.healpix], edges[shard.healpix + 1])
        if rows.start < rows.stop:
            _write_shard(root, shard, rows.start, ra[rows], dec[rows], rng)
    is_known = rng.random(n_rows) < 0.5
    other = draw_sky(rng, n_sources)
    columns = {
        "ra": np.r_[ra[is_known], other[0]],
        "dec": np.r_[dec[is_known], other[1]],
        "id": np.arange(is_known.sum() + n_sources),
    }
    pq.write_table(pa.table(columns), root.root / "sources.parquet")
    model = root.lake.model("rehearsal")
    model.mkdir(parents=True)
    write_card(model, {"id": "rehearsal", "folds": 4})
    counts = np.diff(edges)
    made = [stage.name for stage in PATH.stages if stage.per is Per.SHARD]
    with root.ledger.closing() as ledger:
        ledger.record(
            Outcome(
                shard, stage, ShardState.DONE, counts[shard.healpix], counts[shard.healpix],
                content=stage,
            )
            for shard in shards
            for stage in made
            if counts[shard.healpix] and stage not in _NOT_RUN
        )  # fmt: skip


def _write_shard(
    root: Root, shard: Shard, first: int, ra: NDArray, dec: NDArray, rng: np.random.Generator
) -> None:
    n = len(ra)
    parent = rng.choice([p.value for p in _SAMPLES], n, p=list(_SAMPLES.values())).astype(object)
    is_control = parent == Parent.CONTROL.value
    control = np.where(is_control, rng.choice(ControlKind.values(), n), None)
    snr, z = rng.lognormal(0.7, 0.8, n), rng.uniform(0.3, 3.8, n)
    strange = rng.random(n) < _STRANGE
    n_statistics = len(KIND.waist.statistics)
    common: Columns = {
        **{
            name: np.full(n, value)
            for name, value in zip(("SURVEY", "PROGRAM"), shard[:2], strict=True)
        },
        "HEALPIX": np.full(n, shard.healpix),
        "TARGETID": _FIRST_TARGETID + first + np.arange(n),
        "parent": parent,
        "control": control,
        "TARGET_RA": ra,
        "TARGET_DEC": dec,
        "Z": z,
        "snr": snr,
        "log_snr": np.log10(snr),
        "coverage": rng.beta(8, 2, n),
        "NIGHT": 20210401 + rng.integers(0, 400, n),
        "PETAL_LOC": rng.integers(0, 10, n),
        "FIBER": rng.integers(0, 5000, n),
        "model_id": np.full(n, "rehearsal"),
        "rival_z": np.full(n, np.nan),
        "rival_p_value": np.full(n, np.nan),
    }
    statistics = np.abs(rng.standard_normal((n, SEEDS * n_statistics), dtype=np.float32))
    statistics *= (1 + 0.3 * snr * z)[:, None]
    statistics[strange, : SEEDS * n_statistics : 7] *= _SHIFT
    statistics[rng.random(statistics.shape, dtype=np.float32) < _MISSING] = np.nan
    scores = {"statistics": statistics[:, :n_statistics], "seed_statistics": statistics}
    measured = rng.standard_normal((n, len(KIND.waist.measurements)), dtype=np.float32)
    measured[rng.random(measured.shape, dtype=np.float32) < 4 * _MISSING] = np.nan
    values = {"measured": measured, "measured_error": np.where(np.isnan(measured), np.nan, 1.0)}
    sizes = {"wave": 1, "latent": 32, "seed_statistic": SEEDS * n_statistics}
    for name in ("targets", "scores", "measurements", "coadds"):
        path = root.lake.shard(name, shard)
        write_rows(path, KIND[name], common | scores | values, rng, **sizes)


def run_alone(name: str, folder: Path, overrides: Sequence[str]) -> dict[str, float]:
    """Run a stage in this process; return its wall and CPU seconds, peak GiB and rows."""
    root = Root(folder)
    sources = {"files": [str(folder / "sources.parquet")], "id": "id"}
    catalogue = f"crossmatch.catalogues={{sources = {_to_toml(sources)}}}"
    config = load_config(None, [catalogue, *overrides])
    run = Run(root, root.ledger, config, PATH, root.lake.model("rehearsal"))
    stage = PATH[name]
    for piece in list_pieces(run, stage):
        for path in piece.paths:
            remove(path)
    begin, busy = time.perf_counter(), sum(os.times()[:4])
    with limit_threads():
        report = run_stage(run, stage)
    largest_child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {
        "wall": time.perf_counter() - begin,
        "cpu": sum(os.times()[:4]) - busy,
        "peak": max(read_peak() * 1e6, largest_child) / 2**30,
        "rows": float(report.n_made),
    }


def _to_toml(values: dict[str, object]) -> str:
    return "{" + ", ".join(f"{name} = {json.dumps(value)}" for name, value in values.items()) + "}"


def call(*words: str) -> dict[str, float]:
    """Call this script in a process of its own, whose peak memory is then its alone."""
    done = subprocess.run(
        [sys.executable, __file__, *words], check=True, stdout=subprocess.PIPE, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rehearse(
    folder: Path, stages: Sequence[str], overrides: Sequence[str], n_rows: int, memory: float
) -> bool:
    """Print what every stage took; return whether all kept to the memory."""
    print(f"{'stage':12}{'minutes':>9}{'CPU min':>9}{'peak GiB':>10}{'rows/s':>10}")
    peaks = []
    for name in stages:
        settings = [word for override in overrides for word in ("--set", override)]
        found = call("--alone", name, "--root", str(folder), *settings)
        peaks.append(found["peak"])
        print(
            f"{name:12}{found['wall'] / 60:9.1f}{found['cpu'] / 60:9.1f}{found['peak']:10.1f}"
            f"{n_rows / found['wall']:10,.0f}",
            flush=True,
        )
    print(f"largest: {max(peaks):.1f} of {memory:g} GiB")
    return max(peaks) <= memory


def compare_quantiles(n_rows: int) -> None:
    """Print what a row takes that is compared with those alike, ours and by `numpy.quantile`."""
    rng = np.random.default_rng(5)
    conditions = rng.normal(size=(n_rows, 3)) * 3
    statistics = rng.standard_normal((n_rows, len(KIND.waist.statistics)))
    tree = cKDTree(conditions)
    some = tree.indices[: min(_COMPARED, n_rows)]
    wanted, values = conditions[some], statistics[some]

    def by_numpy() -> NDArray[np.float64]:
        near = cKDTree(conditions).query(wanted, k=_NEIGHBOURS)[1]
        local = statistics[near]
        local = np.where(np.isnan(local), values[:, None], local)
        low, centre, high = np.quantile(local, [0.1587, 0.5, 0.8413], axis=1)
        departure = values - centre
        return departure / np.where(departure > 0, high - centre, centre - low)

    works = {
        "ours": lambda: standardise(conditions, statistics, wanted, values, _NEIGHBOURS),
        "numpy.quantile": by_numpy,
        "tree of the population": lambda: cKDTree(conditions),
    }
    assert np.array_equal(works["ours"](), by_numpy())
    seconds = time_in_turns(works, 2)
    # Once for all rows, however many they are.
    tree_seconds = seconds.pop("tree of the population")
    print(f"\n{statistics.shape[1]} statistics beside {_NEIGHBOURS} neighbours of {n_rows:,}")
    for name, total in seconds.items():
        ratio = (total - tree_seconds) / (seconds["ours"] - tree_seconds)
        print(f"{name:16}{1e6 * (total - tree_seconds) / len(some):9.0f} us/row{ratio:8.1f}")


def main() -> None:
    """Write the lake where there is none, rehearse, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_550_000)
    parser.add_argument("--shards", type=int, default=12_000)
    parser.add_argument("--sources", type=int, default=10_000_000)
    parser.add_argument("--memory", type=float, default=16.0, help="GiB that a stage may take")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--root", type=Path, help="keep the lake here; default: a temporary folder")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(run_alone(options.alone, options.root, options.overrides)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.root or Path(scratch)
        if not (folder / "models").exists():
            write_lake(Root(folder), options.rows, options.shards, options.sources)
        is_within = rehearse(
            folder, options.stages, options.overrides, options.rows, options.memory
        )
    compare_quantiles(options.rows)
    sys.exit(not is_within)


if __name__ == "__main__":
    main()
