"""Stage `extract`: the targets' spectra, arms joined, one Parquet file per shard.

The bytes of a shard are fetched here, in memory, and gone when its spectra are joined.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.desi import SAMPLING
from catalog_schema.grids import Sampling
from catalog_schema.tables import COADDS, FILES, TARGETS
from catalog_schema.vocabulary import Arm
from pipeline.config import AcquireSettings, Config, ExtractSettings
from pipeline.errors import DataError, MissingFileError
from pipeline.flow.shards import Product, Report, Task, finished_shards, read_shards, run_shards
from pipeline.lake.layout import Lake, Shard
from pipeline.lake.store import Store, columns_to_table, digest_rows, make_fingerprint
from pipeline.spectra.desi.coadd_file import (
    CoaddFile,
    open_coadd,
    read_arms,
    read_tables,
    read_targetids,
)
from pipeline.spectra.desi.fits_tables import find_rows
from pipeline.spectra.desi.row_identity import (
    find_elsewhere,
    find_strangers,
    get_positions,
    read_fibres,
)
from pipeline.spectra.desi.tree import recognise_tree
from pipeline.spectra.plausibility import keep_plausible
from pipeline.spectra.sampled import attach_sampling
from pipeline.spectra.science.coadd import (
    ArmSpectra,
    Spectra,
    join_arms,
    measure_coverage,
    measure_snr,
)
from pipeline.spectra.science.exposures import find_main_places
from pipeline.spectra.stages.target import find_tree
from pipeline.transport.sources import booking, open_source, share_limits

STAGE = "extract"
REVISION = 4
_PLACE = ("TARGET_RA", "TARGET_DEC")
# Rows measured at a time: their arrays stay in the processor's cache.
_BLOCK_ROWS = 64


def extract(store: Store, config: Config) -> Report:
    """Read the targets' spectra from the coadd files and join their arms.

    Gates: `not_in_coadd` (the file lacks the target), `dead` (no good pixel in any arm),
    `implausible_flux` and `implausible_noise` (values that cannot be flux or inverse variance in
    DESI's units), `position_mismatch` (the file puts the target elsewhere than the catalogue),
    `spectrum_mismatch` (the flux is not the one that SCORES lists). A file most of whose spectra
    fail one of the last four is refused whole.

    Parameters
    ----------
    store : Store
        Reads `targets` and `files`, writes `coadds`.
    config : Config
        Reads ``run.source``, ``run.workers``, ``acquire`` and ``extract``.

    Returns
    -------
    Report
        Of the dataset `coadds`; a shard whose file cannot be read is a failed outcome.
    """
    location = find_tree(store, config).root
    reading = share_limits(config.acquire, config.run.workers)
    work = partial(_extract_shard, config.extract, location, reading, store.lake)
    return run_shards(store, STAGE, COADDS, plan(store, config), work, config.run.workers)


def plan(store: Store, config: Config) -> list[Task]:
    """Return one task per shard whose file is usable."""
    shards = finished_shards(store, "acquire")
    targets = read_shards(store, TARGETS.name, shards, ["TARGETID", *_PLACE])
    files = {
        Shard(row["SURVEY"], row["PROGRAM"], row["HEALPIX"]): row
        for row in store.read(store.lake.table(FILES.name)).to_pylist()
    }
    tasks = []
    for shard in shards:
        targetids, *place = (targets[shard][name].to_numpy() for name in ("TARGETID", *_PLACE))
        inputs = [files[shard]["identity"], digest_rows(targets[shard])]
        fingerprint = make_fingerprint(STAGE, REVISION, [config.extract], inputs)
        arguments = (files[shard]["file_name"], files[shard]["identity"], targetids, tuple(place))
        tasks.append(Task(shard, fingerprint, len(targetids), arguments))
    return tasks


def spectra_to_table(
    shard: Shard,
    spectra: Spectra,
    sampling: Sampling,
    places: NDArray[np.int64] | None = None,
) -> pa.Table:
    """Lay joined spectra out as rows of `coadds`, with SNR and coverage per arm.

    Parameters
    ----------
    shard : Shard
    spectra : Spectra
    sampling : Sampling
        Columns of an arm that it has not say that nothing is known of it.
    places : ndarray of int, shape (3, n), optional
        Night, petal and fibre; -1 is not known.
    """
    if places is None:
        places = np.full((3, len(spectra.targetid)), -1)
    blocks = [
        slice(first, first + _BLOCK_ROWS)
        for first in range(0, max(len(spectra.targetid), 1), _BLOCK_ROWS)
    ]
    rows = pa.concat_tables(
        _to_rows(shard, spectra.take(block), sampling, places[:, block]) for block in blocks
    )
    return attach_sampling(rows, sampling)


def join_file(
    coadd: CoaddFile,
    rows: NDArray[np.intp],
    targetids: NDArray[np.int64],
    ivar_floor: float,
    reading: AcquireSettings,
) -> tuple[Spectra, dict[str, int], tuple[str, ...]]:
    """Read rows of a coadd file, join their arms, drop dead and implausible spectra.

    Returns
    -------
    spectra : Spectra
    dropped : dict
        Rows dropped by each gate.
    notes : tuple of str

    Raises
    ------
    DataError
        If the file cannot be read, or most of its spectra are implausible.
    """
    arms = read_arms(coadd, rows, reading)
    spectra, dropped, notes = join_spectra(coadd.file.name, targetids, arms, ivar_floor)
    return spectra, dropped, coadd.notes + notes


def join_spectra(
    name: str, targetids: NDArray[np.int64], arms: list[ArmSpectra], ivar_floor: float
) -> tuple[Spectra, dict[str, int], tuple[str, ...]]:
    """Join the arms of a file's spectra; see `join_file`."""
    spectra, n_invalid, n_filled = join_arms(targetids, arms, SAMPLING.grid.size, ivar_floor)
    is_alive = spectra.ivar.max(axis=1, initial=0) > 0
    notes = tuple(
        f"{name}: {int(n_bad.sum())} pixels of {np.count_nonzero(n_bad)} spectra "
        f"{what}; taken as bad pixels"
        for n_bad, what in (
            (n_invalid, "are not finite or have negative ivar"),
            (n_filled, "are filled with one flux, though their ivar is above 0"),
        )
        if n_bad.any()
    )
    kept, dropped, doubts = keep_plausible(name, spectra.keep(is_alive), SAMPLING)
    return kept, {"dead": int((~is_alive).sum()), **dropped}, notes + doubts


def fetch_object(source: str, lake: Lake, shard: Shard, targetid: int, config: Config) -> Spectra:
    """Fetch one object's spectrum again.

    Where the lake keeps the index of the shard's file, as after `acquire`, this takes a request
    for the file's identity, one for its list of targets, and at most nine for the spectra.

    Parameters
    ----------
    source : str
        Location of the tree: folder, ``s3://`` or ``http(s)://`` address.
    lake : Lake
    shard : Shard
    targetid : int
    config : Config
        Reads ``acquire`` and ``extract``.

    Returns
    -------
    Spectra
        One row; none if no pixel of it is good.

    Raises
    ------
    DataError
        If the file or the object is not there.
    """
    tree = recognise_tree(open_source(source, config.acquire), config.run.survey)
    file = tree.file("coadd", shard)
    try:
        coadd = open_coadd(file, lake.index(shard))
    except MissingFileError:
        coadd = open_coadd(tree.find_file("coadd", shard))
    rows = np.flatnonzero(read_targetids(coadd) == targetid)[:1]
    if not len(rows):
        raise DataError(f"{file}: no target {targetid} in it; check SURVEY, PROGRAM and HEALPIX")
    floor = config.extract.ivar_floor
    return join_file(coadd, rows, np.array([targetid]), floor, config.acquire)[0]


def _to_rows(
    shard: Shard, spectra: Spectra, sampling: Sampling, places: NDArray[np.int64]
) -> pa.Table:
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
    for name, values in zip(("NIGHT", "PETAL_LOC", "FIBER"), places, strict=True):
        columns[name] = pa.array(values, mask=values < 0)
    for name in Arm.values():
        columns[f"snr_{name}"], columns[f"coverage_{name}"] = np.full(n, np.nan), np.zeros(n)
    for arm in sampling.arms:
        flux, ivar = spectra.flux[:, arm.pixels], spectra.ivar[:, arm.pixels]
        columns[f"snr_{arm.name}"] = measure_snr(flux, ivar)
        columns[f"coverage_{arm.name}"] = measure_coverage(ivar)
    return columns_to_table(COADDS, columns)


def _extract_shard(
    settings: ExtractSettings, location: str, reading: AcquireSettings, lake: Lake, task: Task
) -> Product:
    name, identity, wanted, place = task.arguments
    with booking(open_source(location, reading)) as source:
        coadd = open_coadd(source.file(name), lake.index(task.shard), identity)
        listed, exposures = read_tables(coadd)
        here = get_positions(read_fibres(coadd))
        rows, is_there = find_rows(listed, wanted)
        n_repeated = np.count_nonzero(np.isin(listed, wanted)) - len(rows)
        is_elsewhere = find_elsewhere(
            f"the redshift catalogue than in the FIBERMAP of {coadd.file}",
            (here[0][rows], here[1][rows]),
            (place[0][is_there], place[1][is_there]),
        )
        rows, found = rows[~is_elsewhere], wanted[is_there][~is_elsewhere]
        spectra, dropped, notes = join_file(coadd, rows, found, settings.ivar_floor, reading)
        is_stranger = find_strangers(coadd, find_rows(listed, spectra.targetid)[0], spectra)
    spectra = spectra.keep(~is_stranger)
    dropped |= {
        "not_in_coadd": int((~is_there).sum()),
        "position_mismatch": int(is_elsewhere.sum()),
        "spectrum_mismatch": int(is_stranger.sum()),
    }
    if n_repeated:
        notes += (f"{coadd.file.name}: {n_repeated} more rows of its targets; the first is taken",)
    places = find_main_places(exposures, spectra.targetid)
    notes = (*coadd.doubts, *notes)
    product = Product(spectra_to_table(task.shard, spectra, SAMPLING, places), dropped, notes)
    counts = source.counts
    return replace(product, requests=dict(counts.requests), n_bytes=counts.n_bytes)
