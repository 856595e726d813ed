"""The scored candidates of a run as the classifier sees them: matched rows and their features."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.vocabulary import Parent
from catalog_schema.waist import ROW_KEY, Waist
from pipeline.errors import UserError
from pipeline.judge.science.grades import find_q_values
from pipeline.lake.align import find_rows
from pipeline.lake.store import to_matrix
from pipeline.run import Run
from pipeline.science.measured import Measured

# The widest columns of `scores`; no kind's knowledge asks for them.
_UNREAD = ("latent", "seed_statistics")


@dataclass(frozen=True)
class Survey:
    """What is known of the candidates, in the same order of rows; controls come last.

    Attributes
    ----------
    waist : Waist
    scores, measured : pyarrow.Table
        Rows of `scores` and of `measurements`; of a kind without them, keys and samples alone.
    significance : pyarrow.Table
        Rows of `significance`, of the members, which are all but the controls.
    is_ordinary : ndarray of bool, shape (n_members,)
        Members of the core sample that the score alone would put in no tier.
    """

    waist: Waist
    scores: pa.Table
    measured: pa.Table
    significance: pa.Table
    is_ordinary: NDArray[np.bool_]

    @property
    def n_members(self) -> int:
        """Number of candidates that are no controls."""
        return int(self.significance.num_rows)

    @property
    def members(self) -> pa.Table:
        """Their keys."""
        return self.significance.select(ROW_KEY)

    @cached_property
    def values(self) -> Measured:
        """The measurements, arrays of shape (n, number of measurements)."""
        return read_measured(self.measured, self.waist)

    @property
    def is_core(self) -> NDArray[np.bool_]:
        """Members of the core sample, shape (n,)."""
        return pc.equal(self.scores["parent"], Parent.CORE.value).to_numpy()


def read_survey(run: Run) -> Survey:
    """Read measurements, and the scores and their significance of the same candidates.

    Raises
    ------
    UserError
        If a measured member has no significance, or the other way round, or none is measured.
    """
    root, waist = run.store.root, run.kind.waist
    source = "measurements" if waist.measurements else "scores"
    shards = run.list_shards(source)
    if not shards:
        raise UserError(f"{root}: nothing was measured; see `qad status --failed`")
    columns = [name for name in run.kind["scores"].names if name not in _UNREAD]
    scores = _sort(pa.concat_tables(run.read_shards("scores", shards, columns).values()))
    if waist.measurements:
        measured = _sort(pa.concat_tables(run.read_shards(source, shards).values()))
        scores = _match(scores, measured)
    else:
        measured = scores.select([*ROW_KEY, "parent", "control"])
    members = measured.filter(pc.not_equal(measured["parent"], Parent.CONTROL.value))
    rows = _sort(run.read("significance"))
    if not members.select(ROW_KEY).combine_chunks().equals(rows.select(ROW_KEY).combine_chunks()):
        raise UserError(
            f"{root}: measurements and significance are of different rows; run `qad run` again"
        )
    q_values = find_q_values(rows["p_value"].to_numpy())
    is_core = pc.equal(members["parent"], Parent.CORE.value).to_numpy()
    is_ordinary = is_core & ~(q_values <= run.config.classify.ordinary_level)
    return Survey(waist, scores, measured, rows, is_ordinary)


def read_measured(rows: pa.Table, waist: Waist) -> Measured:
    """Return the measurements of rows of `measurements`, arrays of shape (n, their number)."""
    if not waist.measurements:
        return Measured(*np.zeros((3, rows.num_rows, 0)))
    names = ("measured", "measured_error", "measured_wave")
    return Measured(*(to_matrix(rows[name]).astype(np.float64) for name in names))


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
    """Return the scores of the measured candidates, both sorted alike."""
    return scores.filter(pa.array(find_rows(measured, scores) >= 0)).combine_chunks()
