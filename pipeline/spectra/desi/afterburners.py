"""What redrock and the afterburners, MgII finder and QuasarNet, say of a shard's candidates."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.vocabulary import Parent, RedshiftSource
from pipeline.errors import DataError, MissingFileError
from pipeline.fits.tables import find_rows, read_columns
from pipeline.lake.layout import Shard
from pipeline.settings.spectra import TargetSettings
from pipeline.spectra.desi.tree import DesiTree
from pipeline.spectra.science.union import NEW_REDSHIFT, unite_finders
from pipeline.spectra.survey import Findings

_CONFIDENCES = ("C_LYA", "C_CIV", "C_CIII", "C_MgII", "C_Hbeta", "C_Halpha")
# Kind of file: its table, the column that says at which redshift the template fitter put the
# target, which may lack, and the columns of an afterburner's word, which may not.
KINDS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "redrock": ("REDSHIFTS", "Z", ()),
    "qso_mgii": ("MGII", "Z_RR", ("IS_QSO_MGII",)),
    "qso_qn": ("QN_RR", "Z_RR", ("IS_QSO_QN_NEW_RR", "Z_NEW", "ZERR_NEW", *_CONFIDENCES)),
}
# The same number, but for a catalogue that keeps it in single precision; in units of 1 + z.
_SAME_REDSHIFT = 1e-5


def read_findings(
    tree: DesiTree, shard: Shard, candidates: pa.Table, settings: TargetSettings
) -> Findings:
    """Let the union of quasar finders speak of a shard's candidates.

    A candidate of the extended parent is confirmed by the union alone, and takes QuasarNet's
    redshift where that is another one. The others keep theirs.

    Parameters
    ----------
    tree : DesiTree
    shard : Shard
    candidates : pyarrow.Table
        Rows of `candidates`.
    settings : TargetSettings
        Its confidence above which QuasarNet counts.

    Raises
    ------
    DataError
        If a file is damaged, or says another redshift of most of its targets.
    """
    found, missing, is_other = _read_files(tree, shard, candidates)
    confidences = np.column_stack([found[name] for name in _CONFIDENCES])
    verdict = unite_finders(
        pc.fill_null(candidates["target_class"], "").to_numpy().astype(str),
        pc.equal(candidates["SPECTYPE"], "QSO").to_numpy(),
        found["IS_QSO_MGII"].astype(bool),
        np.nan_to_num(confidences).max(axis=1),
        found["IS_QSO_QN_NEW_RR"].astype(bool),
        settings.quasarnet_threshold,
    )
    is_extended = candidates["parent"].to_numpy().astype(str) == Parent.EXTENDED.value
    is_mended = is_extended & (verdict.bits & NEW_REDSHIFT != 0)
    sources = RedshiftSource.QUASARNET.value, RedshiftSource.REDROCK.value
    return Findings(
        np.where(is_mended, found["Z_NEW"], candidates["Z"].to_numpy()),
        np.where(is_mended, found["ZERR_NEW"], candidates["ZERR"].to_numpy()),
        np.where(is_mended, *sources),
        verdict.bits,
        ~is_extended | verdict.is_quasar,
        is_other,
        (f"no {' and no '.join(missing)} file: its word is missing",) if missing else (),
        tree.source.counts,
    )


def _read_files(
    tree: DesiTree, shard: Shard, candidates: pa.Table
) -> tuple[dict[str, NDArray], list[str], NDArray[np.bool_]]:
    """Join the afterburners' rows; also name the kinds of files that are not there.

    The last says which rows have another redshift in some file than in the catalogue.
    """
    wanted = candidates["TARGETID"].to_numpy()
    found: dict[str, NDArray] = {}
    missing = []
    is_other = np.zeros(len(wanted), bool)
    for kind, (hdu, fitted, columns) in KINDS.items():
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
    return found, missing, is_other


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
