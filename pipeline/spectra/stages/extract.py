"""Stage `extract`: the targets' spectra, arms joined, one Parquet file per shard.

The bytes of a shard are fetched here, in memory, and gone when its spectra are joined.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from catalog_schema.desi import SAMPLING
from catalog_schema.tables import FILES, TARGETS
from pipeline.fits.tables import find_rows
from pipeline.lake.layout import Lake, Shard
from pipeline.lake.store import digest_rows
from pipeline.run import Run
from pipeline.settings.spectra import ExtractSettings
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.desi.coadd_file import open_coadd, read_tables
from pipeline.spectra.desi.joined_file import join_file
from pipeline.spectra.desi.row_identity import (
    find_elsewhere,
    find_strangers,
    get_positions,
    read_fibres,
)
from pipeline.spectra.desi.source import find_tree
from pipeline.spectra.science.exposures import find_main_places
from pipeline.stage import Job, Product, Task, get_shard
from pipeline.transport.sources import booking, open_source, share_limits

_PLACE = ("TARGET_RA", "TARGET_DEC")


def extract(run: Run) -> Job:
    """Read the targets' spectra from the coadd files and join their arms.

    Gates: `not_in_coadd` (the file lacks the target), `dead` (no good pixel in any arm),
    `implausible_flux` and `implausible_noise` (values that cannot be flux or inverse variance in
    DESI's units), `position_mismatch` (the file puts the target elsewhere than the catalogue),
    `spectrum_mismatch` (the flux is not the one that SCORES lists). A file most of whose spectra
    fail one of the last four is refused whole.

    Returns
    -------
    Job
        Makes `coadds` of `targets` and `files`; a shard whose file cannot be read fails.
    """
    config = run.config
    shards = run.list_shards(FILES.name)
    targets = run.read_shards(TARGETS.name, shards, ["TARGETID", *_PLACE])
    files = {
        Shard(row["SURVEY"], row["PROGRAM"], row["HEALPIX"]): row
        for row in run.read(FILES.name).to_pylist()
    }
    tasks = []
    for shard in shards:
        targetids, *place = (targets[shard][name].to_numpy() for name in ("TARGETID", *_PLACE))
        inputs = (files[shard]["identity"], digest_rows(targets[shard]))
        arguments = (files[shard]["file_name"], files[shard]["identity"], targetids, tuple(place))
        tasks.append(Task(shard, len(targetids), inputs, arguments))
    location = find_tree(run.store, config).root
    reading = share_limits(config.acquire, config.run.workers)
    lake = run.store.lake
    return Job(tuple(tasks), partial(_extract_shard, config.extract, location, reading, lake))


def _extract_shard(
    settings: ExtractSettings, location: str, reading: AcquireSettings, lake: Lake, task: Task
) -> Product:
    name, identity, wanted, place = task.arguments
    shard = get_shard(task)
    with booking(open_source(location, reading)) as source:
        coadd = open_coadd(source.file(name), lake.index(shard), identity)
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
    product = Product((spectra_to_table(shard, spectra, SAMPLING, places),), dropped, notes)
    counts = source.counts
    return replace(product, requests=dict(counts.requests), n_bytes=counts.n_bytes)
