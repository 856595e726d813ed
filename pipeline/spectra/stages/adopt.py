"""Stage `adopt`: the parent samples, once the afterburners have spoken, and every redshift."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.tables import CANDIDATES, TARGETS
from catalog_schema.vocabulary import Parent, RedshiftSource
from pipeline.errors import DataError, MissingFileError
from pipeline.fits.tables import find_rows, read_columns
from pipeline.lake.layout import Shard
from pipeline.lake.rows import split_by_shard
from pipeline.lake.store import columns_to_table, digest_rows
from pipeline.run import Run
from pipeline.science.draw import Stream, hash_to_unit
from pipeline.settings.spectra import TargetSettings
from pipeline.settings.transport import AcquireSettings
from pipeline.spectra.desi.source import find_tree
from pipeline.spectra.desi.tree import DesiTree
from pipeline.spectra.science.union import NEW_REDSHIFT, unite_finders
from pipeline.stage import Job, Product, Task, get_shard
from pipeline.transport.sources import Source, booking, open_source, share_limits

_CONFIDENCES = ("C_LYA", "C_CIV", "C_CIII", "C_MgII", "C_Hbeta", "C_Halpha")
# Kind of file: its table, the column that says at which redshift the template fitter put the
# target, which may lack, and the columns of an afterburner's word, which may not.
_FILES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "redrock": ("REDSHIFTS", "Z", ()),
    "qso_mgii": ("MGII", "Z_RR", ("IS_QSO_MGII",)),
    "qso_qn": ("QN_RR", "Z_RR", ("IS_QSO_QN_NEW_RR", "Z_NEW", "ZERR_NEW", *_CONFIDENCES)),
}
# The same number, but for a catalogue that keeps it in single precision; in units of 1 + z.
_SAME_REDSHIFT = 1e-5


class Findings(NamedTuple):
    """What the afterburners say of each candidate, shapes (n,); nothing where they are silent."""

    is_mgii: NDArray[np.bool_]
    confidence: NDArray[np.float64]
    is_refitted: NDArray[np.bool_]
    z: NDArray[np.float64]
    zerr: NDArray[np.float64]

    def take(self, rows: NDArray[np.bool_]) -> "Findings":
        """Return the findings of some of the candidates."""
        return Findings._make(values[rows] for values in self)


def adopt(run: Run) -> Job:
    """Confirm the extended parent and give every spectrum the redshift it is scored at.

    A core quasar keeps the template fitter's redshift. A candidate of the extended parent stays if
    the union of quasar finders confirms it, and takes QuasarNet's redshift where that is another
    one. A negative control gets the redshift of a core quasar: it is scored as if it had been
    taken for one. Gates: `redshift_mismatch` (the shard's redrock, qso_mgii or qso_qn file gives
    another redshift of the fitter than the catalogue), `not_confirmed`, `redshift_outside_range`.

    Returns
    -------
    Job
        Makes `targets` of `candidates`; a shard whose files are damaged, or say another redshift
        of most of its targets, fails; one without the afterburners' has a note.
    """
    config = run.config
    tree = find_tree(run.store, config)
    by_shard = split_by_shard(lend_redshifts(run.read(CANDIDATES.name)))
    with ThreadPoolExecutor(config.acquire.concurrency) as pool:
        identities = [list(pool.map(partial(tree.identify, k), by_shard)) for k in _FILES]
    tasks = tuple(
        Task(shard, rows.num_rows, (digest_rows(rows), *files), (rows,))
        for (shard, rows), *files in zip(by_shard.items(), *identities, strict=True)
    )
    reading = share_limits(config.acquire, config.run.workers)
    return Job(tasks, partial(_adopt_shard, config.target, tree.root, tree.layout, reading))


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
    parent = candidates["parent"].to_numpy().astype(str)
    verdict = unite_finders(
        pc.fill_null(candidates["target_class"], "").to_numpy().astype(str),
        pc.equal(candidates["SPECTYPE"], "QSO").to_numpy(),
        findings.is_mgii,
        findings.confidence,
        findings.is_refitted,
        settings.quasarnet_threshold,
    )
    is_extended = parent == Parent.EXTENDED.value
    is_mended = is_extended & (verdict.bits & NEW_REDSHIFT != 0)
    is_control = parent == Parent.CONTROL.value
    z = np.where(is_mended, findings.z, candidates["Z"].to_numpy())
    zerr = np.where(is_mended, findings.zerr, candidates["ZERR"].to_numpy())
    z_source = np.select(
        [is_mended, is_control],
        [RedshiftSource.QUASARNET.value, RedshiftSource.DRAWN.value],
        default=RedshiftSource.REDROCK.value,
    )
    is_confirmed = ~is_extended | verdict.is_quasar
    # A redshift that is not finite is inside no range.
    is_inside = (z >= settings.z_min) & (z <= settings.z_max)
    adopted = {
        "Z": z,
        "ZERR": np.where(is_control, np.nan, zerr),
        "z_source": z_source,
        "qso_maskbits": verdict.bits,
    }
    columns = {n: adopted[n] if n in adopted else candidates[n] for n in TARGETS.names}
    kept = columns_to_table(TARGETS, columns).filter(pa.array(is_confirmed & is_inside))
    dropped = {
        "not_confirmed": int((~is_confirmed).sum()),
        "redshift_outside_range": int((is_confirmed & ~is_inside).sum()),
    }
    return kept, dropped


def _adopt_shard(
    settings: TargetSettings,
    location: str,
    layout: Callable[[Source], DesiTree],
    reading: AcquireSettings,
    task: Task,
) -> Product:
    [candidates], shard = task.arguments, get_shard(task)
    with booking(open_source(location, reading)) as source:
        tree = layout(source)
        findings, missing, is_other = read_findings(tree, shard, candidates)
    is_same = pa.array(~is_other)
    alike = findings.take(~is_other)
    targets, dropped = adopt_redshifts(candidates.filter(is_same), alike, settings)
    dropped = {"redshift_mismatch": int(is_other.sum()), **dropped}
    notes = (f"no {' and no '.join(missing)} file: its word is missing",) if missing else ()
    product = Product((targets,), dropped, notes)
    counts = source.counts
    return replace(product, requests=dict(counts.requests), n_bytes=counts.n_bytes)


def read_findings(
    tree: DesiTree, shard: Shard, candidates: pa.Table
) -> tuple[Findings, list[str], NDArray[np.bool_]]:
    """Join the afterburners' rows; also name the kinds of files that are not there.

    The last says which rows have another redshift in some file than in the catalogue.
    """
    wanted = candidates["TARGETID"].to_numpy()
    found: dict[str, NDArray] = {}
    missing = []
    is_other = np.zeros(len(wanted), bool)
    for kind, (hdu, fitted, columns) in _FILES.items():
        try:
            file = tree.find_file(kind, shard)
            table = read_columns(file, hdu, ("TARGETID", *columns), (fitted,))
        except MissingFileError:
            missing += [kind] if columns else []
            table = {name: np.zeros(0) for name in ("TARGETID", *columns)}
        rows, is_listed = find_rows(table["TARGETID"], wanted)
        if fitted in table and len(rows):
            is_other |= _find_others(str(file), candidates, is_listed, table[fitted][rows])
        for name in columns:
            found[name] = np.zeros(len(wanted), table[name].dtype)
            found[name][is_listed] = table[name][rows]
    confidence = np.nan_to_num(np.column_stack([found[name] for name in _CONFIDENCES])).max(axis=1)
    findings = Findings(
        found["IS_QSO_MGII"].astype(bool),
        confidence,
        found["IS_QSO_QN_NEW_RR"].astype(bool),
        found["Z_NEW"],
        found["ZERR_NEW"],
    )
    return findings, missing, is_other


def _find_others(
    name: str, candidates: pa.Table, is_listed: NDArray[np.bool_], fitted: NDArray
) -> NDArray[np.bool_]:
    """Mark the rows whose redshift a file gives otherwise; DataError if most are."""
    z = candidates["Z"].to_numpy()
    # The redshift of a control is a lent one.
    is_own = candidates["parent"].to_numpy().astype(str) != Parent.CONTROL.value
    difference = np.zeros(len(z))
    difference[is_listed] = np.abs(z[is_listed] - fitted) / (1 + np.abs(fitted))
    is_other = is_own & ~(difference <= _SAME_REDSHIFT)
    n, n_other = np.count_nonzero(is_own & is_listed), np.count_nonzero(is_other)
    if n_other > max(1, n / 2):
        raise DataError(
            f"{name}: {n_other} of {n} targets have another redshift in it than in the redshift "
            "catalogue: rows of one of the two are shifted or permuted"
        )
    return is_other
