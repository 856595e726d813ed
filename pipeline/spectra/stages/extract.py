"""Stage `extract`: the targets' spectra, arms joined, one Parquet file per shard.

The bytes of a shard are fetched here, in memory, and gone when its spectra are joined.
"""

from functools import partial

from catalog_schema.grids import Sampling
from catalog_schema.tables import FILES, TARGETS
from pipeline.lake.layout import Shard
from pipeline.lake.store import digest_rows
from pipeline.run import Run
from pipeline.settings.spectra import ExtractSettings
from pipeline.spectra.coadd_rows import spectra_to_table
from pipeline.spectra.survey import Survey, Wanted
from pipeline.spectra.surveys import find_sampling, find_survey
from pipeline.stage import Job, Product, Task, get_shard

_COLUMNS = ("TARGETID", "TARGET_RA", "TARGET_DEC")


def extract(run: Run) -> Job:
    """Read the targets' spectra from the files of the shards, their arms joined.

    Gates: `not_in_coadd` (the file lacks the target), `dead` (no good pixel in any arm),
    `implausible_flux` and `implausible_noise` (values that cannot be flux or inverse variance in
    DESI's units), `position_mismatch` (the file puts the target elsewhere than the catalogue),
    `spectrum_mismatch` (the flux is not the one that SCORES lists). A file of DESI most of whose
    spectra fail one of the last four is refused whole.

    Returns
    -------
    Job
        Makes `coadds` of `targets` and `files`; a shard whose file cannot be read fails.
    """
    config, lake = run.config, run.store.lake
    shards = run.list_shards(FILES.name)
    targets = run.read_shards(TARGETS.name, shards, _COLUMNS)
    files = {
        Shard(row["SURVEY"], row["PROGRAM"], row["HEALPIX"]): row
        for row in run.read(FILES.name).to_pylist()
    }
    tasks = []
    for shard in shards:
        name, identity = files[shard]["file_name"], files[shard]["identity"]
        targetid, ra, dec = (targets[shard][column].to_numpy() for column in _COLUMNS)
        wanted = Wanted(name, identity, targetid, ra, dec, lake.index(shard))
        inputs = (identity, digest_rows(targets[shard]))
        tasks.append(Task(shard, len(wanted.targetid), inputs, (wanted,)))
    survey = find_survey(run.store, config, config.run.workers)
    work = partial(_extract_shard, survey, config.extract, find_sampling(config))
    return Job(tuple(tasks), work)


def _extract_shard(
    survey: Survey, settings: ExtractSettings, sampling: Sampling, task: Task
) -> Product:
    [wanted], shard = task.arguments, get_shard(task)
    read = survey.read(shard, wanted, settings)
    coadds = spectra_to_table(shard, read.spectra, sampling, read.places)
    counts = read.counts
    return Product(
        (coadds,),
        read.dropped,
        read.notes,
        requests=dict(counts.requests),
        n_bytes=counts.n_bytes,
    )
