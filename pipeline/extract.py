"""Stage `extract`: the targets' spectra, arms joined, one Parquet file per shard."""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.desi import ARM_PIXELS, WAVE_SIZE
from catalog_schema.tables import COADDS, FILES, TARGETS
from pipeline.config import Config, ExtractSettings
from pipeline.desi_files import read_arms, read_columns
from pipeline.layout import Shard
from pipeline.science.coadd import Spectra, join_arms, measure_coverage, measure_snr
from pipeline.shards import Product, Report, Task, finished_shards, run_shards
from pipeline.store import Store, columns_to_table, make_fingerprint
from pipeline.target import find_tree

STAGE = "extract"
REVISION = 1


def extract(store: Store, config: Config) -> Report:
    """Read the targets' spectra from the coadd files and join their arms.

    Gates: `not_in_coadd` (the file lacks the target), `dead` (no good pixel in any arm).

    Parameters
    ----------
    store : Store
        Reads `targets` and `files`, writes `coadds`.
    config : Config
        Reads ``run.source``, ``run.workers`` and ``extract``.

    Returns
    -------
    Report
        Of the dataset `coadds`; a shard whose file cannot be read is a failed outcome.
    """
    work = partial(_extract_shard, config.extract)
    return run_shards(store, STAGE, COADDS, plan(store, config), work, config.run.workers)


def plan(store: Store, config: Config) -> list[Task]:
    """Return one task per shard whose file is usable."""
    root = find_tree(store, config).root
    targets = store.read(
        store.lake.table(TARGETS.name), ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]
    )
    files = {
        Shard(row["SURVEY"], row["PROGRAM"], row["HEALPIX"]): row
        for row in store.read(store.lake.table(FILES.name)).to_pylist()
    }
    tasks = []
    for shard in finished_shards(store, "acquire"):
        targetids = np.sort(_select(targets, shard)["TARGETID"].to_numpy())
        inputs = [files[shard]["identity"], *map(str, targetids)]
        path = str(root / files[shard]["file_name"])
        fingerprint = make_fingerprint(STAGE, REVISION, [config.extract], inputs)
        tasks.append(Task(shard, fingerprint, len(targetids), (path, targetids)))
    return tasks


def spectra_to_table(shard: Shard, spectra: Spectra) -> pa.Table:
    """Lay joined spectra out as rows of `coadds`, with SNR and coverage per arm."""
    n = len(spectra.targetid)
    columns: dict[str, object] = {
        "SURVEY": [shard.survey] * n,
        "PROGRAM": [shard.program] * n,
        "HEALPIX": [shard.healpix] * n,
        "TARGETID": spectra.targetid,
        "snr": measure_snr(spectra.flux, spectra.ivar),
        "flux": spectra.flux,
        "ivar": spectra.ivar,
        "mask": spectra.mask,
    }
    for arm, (first, last) in ARM_PIXELS.items():
        flux, ivar = spectra.flux[:, first:last], spectra.ivar[:, first:last]
        columns[f"snr_{arm}"] = measure_snr(flux, ivar)
        columns[f"coverage_{arm}"] = measure_coverage(ivar)
    return columns_to_table(COADDS, columns)


def join_file(
    path: Path, rows: NDArray[np.intp], targetids: NDArray[np.int64], ivar_floor: float
) -> tuple[Spectra, dict[str, int], tuple[str, ...]]:
    """Read rows of a coadd file, join their arms and drop dead spectra.

    Returns
    -------
    spectra : Spectra
    dropped : dict
        Rows dropped by each gate.
    notes : tuple of str
    """
    spectra, n_invalid = join_arms(targetids, read_arms(path, rows), WAVE_SIZE, ivar_floor)
    is_alive = (spectra.ivar > 0).any(axis=1)
    notes: tuple[str, ...] = ()
    if n_invalid.any():
        notes = (
            f"{path.name}: {int(n_invalid.sum())} pixels of {np.count_nonzero(n_invalid)} spectra "
            "are not finite or have negative ivar; taken as bad pixels",
        )
    alive = Spectra(
        targetids[is_alive], spectra.flux[is_alive], spectra.ivar[is_alive], spectra.mask[is_alive]
    )
    return alive, {"dead": int((~is_alive).sum())}, notes


def _extract_shard(settings: ExtractSettings, task: Task) -> Product:
    path, wanted = Path(task.arguments[0]), task.arguments[1]
    listed = read_columns(path, "FIBERMAP", ("TARGETID",))["TARGETID"]
    order = np.argsort(listed, kind="stable")
    place = np.searchsorted(listed, wanted, sorter=order).clip(max=len(listed) - 1)
    is_there = listed[order[place]] == wanted
    rows = order[place][is_there]
    spectra, dropped, notes = join_file(path, rows, wanted[is_there], settings.ivar_floor)
    dropped["not_in_coadd"] = int((~is_there).sum())
    return Product(spectra_to_table(task.shard, spectra), dropped, notes)


def _select(targets: pa.Table, shard: Shard) -> pa.Table:
    is_here = pc.and_(
        pc.and_(
            pc.equal(targets["SURVEY"], shard.survey), pc.equal(targets["PROGRAM"], shard.program)
        ),
        pc.equal(targets["HEALPIX"], shard.healpix),
    )
    return targets.filter(is_here)
