"""The measured spectra of a run as the classifier sees them: matched rows and their features."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.statistics import FILTER_WIDTHS, STATISTICS
from catalog_schema.tables import (
    CHANGES,
    COADDS,
    MEASURED,
    ROW_KEY,
    SCORES,
    SIGNIFICANCE,
    arrow_schema,
)
from catalog_schema.vocabulary import Parent
from pipeline.errors import UserError
from pipeline.judge.classifier import read_measured
from pipeline.judge.science.grades import find_q_values
from pipeline.lake.store import to_matrix
from pipeline.run import Run
from pipeline.spectra.science.residuals import Measured

_PLACE = ["NIGHT", "PETAL_LOC", "FIBER"]


@dataclass(frozen=True)
class Survey:
    """What is known of the measured spectra, in the same order of rows; quasars come first.

    Attributes
    ----------
    scores, measured : pyarrow.Table
        Rows of `scores` and of `measurements`.
    significance : pyarrow.Table
        Rows of `significance`, of the quasars only.
    changes : pyarrow.Table
        Of `read_changes`.
    is_ordinary : ndarray of bool, shape (n_quasars,)
        Quasars of the core sample that the score alone would put in no tier.
    night, petal, fibre : ndarray of int64, shape (n_quasars,)
        Where most of the exposure time came from; -1 where that is not known.
    """

    scores: pa.Table
    measured: pa.Table
    significance: pa.Table
    changes: pa.Table
    is_ordinary: NDArray[np.bool_]
    night: NDArray[np.int64]
    petal: NDArray[np.int64]
    fibre: NDArray[np.int64]

    @property
    def n_quasars(self) -> int:
        """Number of quasars."""
        return int(self.significance.num_rows)

    @cached_property
    def values(self) -> Measured:
        """The measurements, arrays of shape (n, number of measurements)."""
        return read_measured(self.measured)

    @property
    def is_core(self) -> NDArray[np.bool_]:
        """Quasars of the core sample, shape (n,)."""
        return pc.equal(self.scores["parent"], Parent.CORE.value).to_numpy()


def read_survey(run: Run) -> Survey:
    """Read measurements, and the scores and their significance of the same spectra.

    Raises
    ------
    UserError
        If a measured quasar has no significance, or the other way round, or none is measured.
    """
    root, shards = run.store.root, run.list_shards(MEASURED.name)
    if not shards:
        raise UserError(f"{root}: no spectrum was measured; see `qad status --failed`")
    measured, scores = (
        pa.concat_tables(run.read_shards(name, shards).values())
        for name in (MEASURED.name, SCORES.name)
    )
    measured = _sort(measured)
    scores = _match(_sort(scores), measured)
    quasars = measured.filter(pc.not_equal(measured["parent"], Parent.CONTROL.value))
    rows = _sort(run.read(SIGNIFICANCE.name))
    if not quasars.select(ROW_KEY).combine_chunks().equals(rows.select(ROW_KEY).combine_chunks()):
        raise UserError(
            f"{root}: measurements and significance are of different spectra; run `qad run` again"
        )
    q_values = find_q_values(rows["p_value"].to_numpy())
    is_core = pc.equal(quasars["parent"], Parent.CORE.value).to_numpy()
    coadds = pa.concat_tables(run.read_shards(COADDS.name, shards, [*ROW_KEY, *_PLACE]).values())
    coadds = _match(_sort(coadds), rows)
    places = (pc.fill_null(coadds[name], -1).to_numpy().astype(np.int64) for name in _PLACE)
    is_ordinary = is_core & ~(q_values <= run.config.classify.ordinary_level)
    return Survey(scores, measured, rows, _read_changes(run, rows), is_ordinary, *places)


def _read_changes(run: Run, quasars: pa.Table) -> pa.Table:
    """Return the most significant change of each quasar in which a broad line has changed.

    Returns
    -------
    pyarrow.Table
        Rows of `changes`, in order of `row`, the place among the quasars.
    """
    parts = run.read_shards(CHANGES.name, run.list_shards(CHANGES.name)).values()
    known = pa.concat_tables([arrow_schema(CHANGES).empty_table(), *parts])
    changed = known.filter(pc.field("has_changed"))
    places = quasars.select(ROW_KEY).append_column("row", pa.array(np.arange(quasars.num_rows)))
    changed = changed.append_column("strength", pc.abs(changed["line_change"]))
    changed = changed.join(places, ROW_KEY, join_type="inner").sort_by(
        [("row", "ascending"), ("strength", "descending"), ("earlier_file", "ascending")]
    )
    return changed.take(pa.array(np.unique(changed["row"].to_numpy(), return_index=True)[1]))


def get_feature_values(survey: Survey, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return value, error and wavelength of every feature, shape (3, n, number of features)."""
    scores, taken = survey.scores, pa.array(rows)
    statistics = to_matrix(scores["statistics"].take(taken)).astype(np.float64)
    unknown = np.full(statistics.shape, np.nan)
    wave = unknown.copy()
    for sign in ("emission", "absorption"):
        first = [s.name for s in STATISTICS].index(f"{sign}_{FILTER_WIDTHS[0]}")
        places = to_matrix(scores[f"{sign}_wave"].take(taken))
        wave[:, first : first + len(FILTER_WIDTHS)] = places
    measured = [array[rows] for array in survey.values]
    return np.stack(
        [np.hstack(pair) for pair in zip((statistics, unknown, wave), measured, strict=True)]
    )


def _sort(table: pa.Table) -> pa.Table:
    """Sort by key, controls last where there are any; arrays are carried along."""
    keys = table.select(ROW_KEY)
    is_control = pa.array(np.zeros(table.num_rows, bool))
    if "parent" in table.column_names:
        is_control = pc.equal(table["parent"], Parent.CONTROL.value)
    order = keys.append_column("is_control", is_control).append_column(
        "row", pa.array(np.arange(table.num_rows))
    )
    by = [("is_control", "ascending"), *((name, "ascending") for name in ROW_KEY)]
    return table.take(order.sort_by(by)["row"]).combine_chunks()


def _match(scores: pa.Table, measured: pa.Table) -> pa.Table:
    """Return the scores of the measured spectra, both sorted alike."""
    known = measured.select(ROW_KEY).append_column("known", pa.array([True] * measured.num_rows))
    rows = scores.select(ROW_KEY).append_column("row", pa.array(np.arange(scores.num_rows)))
    kept = rows.join(known, ROW_KEY, join_type="inner").sort_by("row")["row"]
    return scores.take(kept).combine_chunks()
