"""Stage `adopt`: the parent samples, once all files have spoken, and every redshift."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pyarrow as pa

from catalog_schema.tables import CANDIDATES, TARGETS
from catalog_schema.vocabulary import Parent, RedshiftSource
from pipeline.lake.rows import split_by_shard
from pipeline.lake.store import columns_to_table, digest_rows
from pipeline.run import Run
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.survey import Findings, Survey
from pipeline.spectra.surveys import find_survey
from pipeline.stage import Job, Product, Task, get_shard


def adopt(run: Run) -> Job:
    """Confirm the extended parent and give every spectrum the redshift it is scored at.

    A core quasar keeps the catalogue's redshift. A candidate of the extended parent stays if the
    survey's other files confirm it, and takes their redshift where that is another one: of DESI the
    union of quasar finders, and QuasarNet. A negative control gets the redshift of a core quasar:
    it is scored as if it had been taken for one. Gates: `redshift_mismatch` (a file gives another
    redshift of the fitter than the catalogue), `not_confirmed`, `redshift_outside_range`.

    Returns
    -------
    Job
        Makes `targets` of `candidates`; a shard whose files are damaged, or say another redshift
        of most of its targets, fails; one that lacks some has a note.
    """
    config = run.config
    by_shard = split_by_shard(lend_redshifts(run.read(CANDIDATES.name)))
    survey = find_survey(run.store, config)
    with ThreadPoolExecutor(config.acquire.concurrency) as pool:
        identities = list(pool.map(survey.identify_findings, by_shard))
    tasks = tuple(
        Task(shard, rows.num_rows, (digest_rows(rows), *files), (rows,))
        for (shard, rows), files in zip(by_shard.items(), identities, strict=True)
    )
    shared = find_survey(run.store, config, config.run.workers)
    return Job(tasks, partial(_adopt_shard, shared, config.target))


def lend_redshifts(candidates: pa.Table) -> pa.Table:
    """Give every control the redshift of a core quasar, drawn by its TARGETID.

    Parameters
    ----------
    candidates : pyarrow.Table
        Rows of `candidates` of the whole run, at least one of them core.

    Returns
    -------
    pyarrow.Table
        The same rows; neither their order nor their shards matter to the draw.
    """
    z = candidates["Z"].to_numpy()
    parent = candidates["parent"].to_numpy()
    core = np.sort(z[parent == Parent.CORE.value])
    draw = hash_to_unit(candidates["TARGETID"].to_numpy(), Stream.REDSHIFT)
    lent = np.where(parent == Parent.CONTROL.value, core[(draw * len(core)).astype(np.intp)], z)
    return candidates.set_column(candidates.column_names.index("Z"), "Z", [lent])


def adopt_redshifts(
    candidates: pa.Table, findings: Findings, settings: TargetSettings
) -> tuple[pa.Table, dict[str, int]]:
    """Confirm candidates and adopt their redshifts.

    Parameters
    ----------
    candidates : pyarrow.Table
        Rows of `candidates`, controls with the redshift lent to them.
    findings : Findings
        Of the same rows, in the same order.
    settings : TargetSettings

    Returns
    -------
    targets : pyarrow.Table
        Rows of `targets`.
    dropped : dict
        Rows dropped by each gate.
    """
    is_control = candidates["parent"].to_numpy().astype(str) == Parent.CONTROL.value
    # A redshift that is not finite is inside no range.
    is_inside = (findings.z >= settings.z_min) & (findings.z <= settings.z_max)
    is_asked = ~findings.is_other
    is_kept = is_asked & findings.is_confirmed
    adopted = {
        "Z": findings.z,
        "ZERR": np.where(is_control, np.nan, findings.zerr),
        "z_source": np.where(is_control, RedshiftSource.DRAWN.value, findings.z_source),
        "qso_maskbits": findings.qso_maskbits,
    }
    columns = {n: adopted[n] if n in adopted else candidates[n] for n in TARGETS.names}
    kept = columns_to_table(TARGETS, columns).filter(pa.array(is_kept & is_inside))
    dropped = {
        "redshift_mismatch": int(findings.is_other.sum()),
        "not_confirmed": int((is_asked & ~findings.is_confirmed).sum()),
        "redshift_outside_range": int((is_kept & ~is_inside).sum()),
    }
    return kept, dropped


def _adopt_shard(survey: Survey, settings: TargetSettings, task: Task) -> Product:
    [candidates] = task.arguments
    findings = survey.find(get_shard(task), candidates, settings)
    targets, dropped = adopt_redshifts(candidates, findings, settings)
    counts = findings.counts
    return Product(
        (targets,),
        dropped,
        findings.notes,
        requests=dict(counts.requests),
        n_bytes=counts.n_bytes,
    )
