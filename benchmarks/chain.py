"""Measures FITS -> coadds -> restframe: each step, the stages, two workers, memory.

Usage: [QAD_BENCH_PYTHON=PYTHON] python benchmarks/chain.py [--files 3] [--repeats 5] [--scaling]

CPU microseconds per spectrum, one thread; files of 500 targets of which 60 are quasars. With
``--scaling`` also the seconds of 1 and 2 workers on files without RESOLUTION (1 GB of disk).
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from side_by_side import read_peak, time_in_turns, time_peers
from synthetic import FIRST_TARGETID, write_coadd, write_tree

from catalog_schema.desi import SAMPLING, WAVE_SIZE
from catalog_schema.tables import COADDS, RESTFRAME, TARGETS
from pipeline.config import Config, load_config
from pipeline.flow.data_path import start_run
from pipeline.flow.root import Root
from pipeline.flow.runner import run_stage
from pipeline.lake.layout import Shard
from pipeline.lake.store import Store
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.data_path import ACQUIRE, ADOPT, EXTRACT, PREPROCESS, TARGET
from pipeline.spectra.desi.coadd_file import open_coadd, read_arms, read_tables, read_targetids
from pipeline.spectra.desi.joined_file import join_file
from pipeline.spectra.desi.row_identity import find_strangers
from pipeline.spectra.grids import make_run_grid
from pipeline.spectra.plausibility import keep_plausible
from pipeline.spectra.science.coadd import join_arms
from pipeline.spectra.science.restframe import find_window_starts
from pipeline.spectra.windows import make_windows
from pipeline.stage import Stage
from pipeline.transport.sources import local_file

N_TARGETS, N_QUASARS = 500, 60
SHARD = Shard("main", "dark", 0)
MADE = {"fingerprint": "", "n_expected": 0, "n_made": 0}


def prepare(folder: Path, config: Config) -> Root:
    """Run the stages before the chain."""
    store = Root(folder / "root")
    run = start_run(store, config)
    for stage in (TARGET, ADOPT, ACQUIRE):
        run_stage(run, stage)
    return store


def time_steps(store: Store, path: Path, wanted: pa.Table, repeats: int) -> dict[str, float]:
    """Return seconds of the public functions that the stages are made of, for one file."""
    index, config = store.lake.index(SHARD), Config()
    grid, floor = make_run_grid(config), config.extract.ivar_floor
    targetids = wanted["TARGETID"].to_numpy()
    coadd = open_coadd(local_file(path), index)
    rows = np.flatnonzero(np.isin(read_targetids(coadd), targetids))
    arms = read_arms(coadd, rows, AcquireSettings())
    spectra, _, _ = join_arms(targetids, arms, WAVE_SIZE, floor)
    table = spectra_to_table(SHARD, spectra, SAMPLING)
    windows = make_windows(table, wanted, config.preprocess, grid).tables[0]
    coadds, restframe = (Path(store.root) / f"{name}.parquet" for name in ("coadds", "restframe"))
    store.write(coadds, table, COADDS, **MADE)
    carried = [name for name in table.column_names if name != "mask"]

    def read() -> None:
        opened = open_coadd(local_file(path), index, coadd.index.identity)
        read_tables(opened)
        read_arms(opened, rows, AcquireSettings())

    return time_in_turns(
        {
            "read rows": read,
            "join arms": lambda: join_arms(targetids, arms, WAVE_SIZE, floor),
            "gates: noise, SCORES": lambda: (
                keep_plausible(path.name, spectra, SAMPLING),
                find_strangers(coadd, rows, spectra),
            ),
            "SNR, coverage, table": lambda: spectra_to_table(SHARD, spectra, SAMPLING),
            "write coadds": lambda: store.write(coadds, table, COADDS, **MADE),
            "read coadds": lambda: store.read(coadds, carried),
            "deredden, resample, norm": lambda: make_windows(
                table, wanted, config.preprocess, grid
            ),
            "write restframe": lambda: store.write(restframe, windows, RESTFRAME, **MADE),
        },
        repeats,
    )


def time_stages(store: Root, config: Config, repeats: int) -> dict[str, float]:
    """Return seconds of the two stages from an empty dataset, ledger included."""

    def again(stage: Stage) -> None:
        shutil.rmtree(store.lake.dataset(stage.dataset.name), ignore_errors=True)
        run_stage(start_run(store, config), stage)

    works = {
        "stage extract": lambda: again(EXTRACT),
        "stage preprocess": lambda: again(PREPROCESS),
    }
    return time_in_turns(works, repeats)


def report_steps(options: argparse.Namespace, folder: Path) -> None:
    """Print the table of steps, the stages and the peer."""
    paths = write_tree(folder / "tree", options.files, N_TARGETS, N_QUASARS)
    config = load_config(None, source=str(folder / "tree"))
    store = prepare(folder, config)
    run = start_run(store, config)
    targets = pa.concat_tables(run.read_shards(TARGETS.name, run.list_shards("files")).values())
    n = targets.num_rows
    steps = time_steps(store, paths[0], targets.slice(0, N_QUASARS), 3 * options.repeats)
    stages = time_stages(store, config, options.repeats)
    z, grid = targets["Z"].to_numpy(), make_run_grid(config)
    start, _ = find_window_starts(grid, SAMPLING.grid, z)
    peers = time_peers(
        "chain",
        2,
        paths=[str(path) for path in paths],
        z=z,
        targetid=targets["TARGETID"].to_numpy(),
        centres=grid.wave[start[:, None] + np.arange(grid.window)],
    )
    print(f"{'':28}{'us/spectrum':>12}{'spectra/s':>12}")
    without = sum(steps.values()) - steps["write coadds"] - steps["read coadds"]
    rows = {name: seconds / N_QUASARS for name, seconds in steps.items()}
    rows["sum"] = sum(steps.values()) / N_QUASARS
    rows["sum, coadds not kept"] = without / N_QUASARS
    rows |= {name: seconds / n for name, seconds in stages.items()}
    rows["both stages"] = sum(stages.values()) / n
    for name, seconds in rows.items():
        print(f"{name:28}{1e6 * seconds:12.1f}{1 / seconds:12.0f}")
    gates = rows["gates: noise, SCORES"]
    print(f"{'gates / stage extract':28}{gates / rows['stage extract']:12.3f}")
    for name, seconds in peers.items():
        print(
            f"{name:28}{1e6 * seconds / n:12.1f}{n / seconds:12.0f}  "
            f"{seconds / n / rows['both stages']:.1f}x the stages, "
            f"{seconds / n / rows['sum, coadds not kept']:.1f}x the sum without kept coadds, "
            "which it does not keep either"
        )


def report_scaling(folder: Path) -> None:
    """Print the wall seconds of the two stages with one and two workers."""
    write_tree(folder / "tree", 32, 320, 320, resolution=False)
    import ray

    begin = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    ray.shutdown()
    start_up = time.perf_counter() - begin
    print(f"\n{'workers':10}{'seconds':>10}{'spectra/s':>12}   {32 * 320} spectra")
    for workers in (1, 2):
        overrides = (f"run.workers={workers}",)
        config = load_config(None, overrides, source=str(folder / "tree"))
        place = folder / str(workers)
        store = prepare(place, config)
        begin = time.perf_counter()
        run = start_run(store, config)
        for stage in (EXTRACT, PREPROCESS):
            run_stage(run, stage)
        seconds = time.perf_counter() - begin
        # Ray starts once for each stage.
        starts = 2 * start_up if workers > 1 else 0.0
        print(
            f"{workers:<10}{seconds:10.1f}{32 * 320 / seconds:12.0f}   Ray's start: {starts:.1f} s"
        )


def report_memory(folder: Path) -> None:
    """Print the peak memory of processes that work on one file each."""
    print(f"\n{'targets':>8}{'quasars':>9}{'peak MB':>9}{'over the smallest, kB per quasar':>35}")
    smallest = None
    for n_targets in (200, 1000, 4000):
        path = folder / f"coadd-main-dark-{n_targets}.fits"
        write_coadd(path, n_targets, resolution=False)
        command = [sys.executable, __file__, "--peak-of", str(path)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        n_quasars, peak = n_targets * N_QUASARS // N_TARGETS, float(done.stdout)
        smallest = smallest or (n_quasars, peak)
        growth = 1e3 * (peak - smallest[1]) / max(n_quasars - smallest[0], 1)
        print(f"{n_targets:8}{n_quasars:9}{peak:9.0f}{growth:35.0f}")


def print_peak(path: Path) -> None:
    """Do the chain for one file and print this process's peak memory in MB."""
    config = Config()
    coadd = open_coadd(local_file(path))
    rows = np.arange(0, coadd.n_rows, N_TARGETS / N_QUASARS).astype(np.intp)
    spectra, *_ = join_file(
        coadd, rows, FIRST_TARGETID + rows, config.extract.ivar_floor, AcquireSettings()
    )
    n = len(spectra.targetid)
    with tempfile.TemporaryDirectory() as folder:
        store = Root(Path(folder))
        store.write(
            Path(folder) / "coadds", spectra_to_table(SHARD, spectra, SAMPLING), COADDS, **MADE
        )
        del spectra
        table = store.read(Path(folder) / "coadds")
        targets = pa.table(
            {
                "Z": np.full(n, 2.0),
                "EBV": np.full(n, 0.1),
                "split": ["train"] * n,
                "parent": ["core"] * n,
                "control": pa.nulls(n, pa.string()),
            }
        )
        windows = make_windows(table, targets, config.preprocess, make_run_grid(config)).tables[0]
        store.write(Path(folder) / "restframe", windows, RESTFRAME, **MADE)
    print(read_peak())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scaling", action="store_true")
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    pa.set_cpu_count(1)
    if options.peak_of:
        print_peak(options.peak_of)
        return
    with tempfile.TemporaryDirectory() as folder:
        report_steps(options, Path(folder) / "steps")
        report_memory(Path(folder))
        if options.scaling:
            report_scaling(Path(folder) / "scaling")


if __name__ == "__main__":
    main()
