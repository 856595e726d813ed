"""The measured spectra of a run as the classifier sees them: matched rows, features, departures."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from catalog_schema.measurements import MEASUREMENTS
from catalog_schema.statistics import FILTER_WIDTHS, STATISTICS
from catalog_schema.tables import CHANGES, COADDS, MEASURED, SCORES, TIERS, arrow_schema
from catalog_schema.vocabulary import Parent, Tier
from pipeline import calibrate
from pipeline.config import Config
from pipeline.errors import UserError
from pipeline.science.calibration import standardise
from pipeline.science.measurements import find_significance
from pipeline.science.residuals import Measured
from pipeline.shards import finished_shards, read_shards
from pipeline.store import Store, to_matrix

FEATURES = np.array([*(s.name for s in STATISTICS), *(m.name for m in MEASUREMENTS)])
_KEY = ["SURVEY", "PROGRAM", "HEALPIX", "TARGETID"]
_PLACE = ["NIGHT", "PETAL_LOC", "FIBER"]
# Counts and indices are 0 in most spectra: their spread is none.
_MIN_SPREAD = 0.2


@dataclass(frozen=True)
class Survey:
    """What is known of the measured spectra, in the same order of rows; quasars come first.

    Attributes
    ----------
    scores, measured : pyarrow.Table
        Rows of `scores` and of `measurements`.
    tiers : pyarrow.Table
        Rows of `tiers`, of the quasars only.
    changes : pyarrow.Table
        Of `read_changes`.
    night, petal, fibre : ndarray of int64, shape (n_quasars,)
        Where most of the exposure time came from; -1 where that is not known.
    """

    scores: pa.Table
    measured: pa.Table
    tiers: pa.Table
    changes: pa.Table
    night: NDArray[np.int64]
    petal: NDArray[np.int64]
    fibre: NDArray[np.int64]

    @property
    def n_quasars(self) -> int:
        """Number of quasars."""
        return int(self.tiers.num_rows)

    @property
    def values(self) -> Measured:
        """The measurements, arrays of shape (n, number of measurements)."""
        names = ("measured", "measured_error", "measured_wave")
        return Measured(*(to_matrix(self.measured[name]).astype(np.float64) for name in names))

    @property
    def is_core(self) -> NDArray[np.bool_]:
        """Quasars of the core sample, shape (n,)."""
        return pc.equal(self.scores["parent"], Parent.CORE.value).to_numpy()

    @property
    def is_ordinary(self) -> NDArray[np.bool_]:
        """Quasars of the core sample that are in no tier, shape (n_quasars,)."""
        is_ungraded = pc.equal(self.tiers["tier"], Tier.NONE.value).to_numpy()
        return self.is_core[: self.n_quasars] & is_ungraded


def read_survey(store: Store) -> Survey:
    """Read measurements, and the scores and tiers of the same spectra.

    Raises
    ------
    UserError
        If a measured quasar has no tier, or a graded one no measurement.
    """
    shards = finished_shards(store, "measure")
    measured, scores = (
        pa.concat_tables(read_shards(store, name, shards).values())
        for name in (MEASURED.name, SCORES.name)
    )
    measured = _sort(measured)
    scores = _match(_sort(scores), measured)
    quasars = measured.filter(pc.not_equal(measured["parent"], Parent.CONTROL.value))
    tiers = _sort(store.read(store.lake.table(TIERS.name)))
    if not quasars.select(_KEY).combine_chunks().equals(tiers.select(_KEY).combine_chunks()):
        raise UserError(f"{store.root}: measurements and tiers are of different spectra; "
                        "run `qad run` again")  # fmt: skip
    coadds = pa.concat_tables(read_shards(store, COADDS.name, shards, [*_KEY, *_PLACE]).values())
    coadds = _match(_sort(coadds), tiers)
    places = (pc.fill_null(coadds[name], -1).to_numpy().astype(np.int64) for name in _PLACE)
    return Survey(scores, measured, tiers, read_changes(store, tiers), *places)


def read_changes(store: Store, quasars: pa.Table) -> pa.Table:
    """Return the most significant change of each quasar in which a broad line has changed.

    Returns
    -------
    pyarrow.Table
        Rows of `changes`, in order of `row`, the place among the quasars.
    """
    shards = finished_shards(store, "earlier")
    parts = read_shards(store, CHANGES.name, shards).values()
    known = pa.concat_tables([arrow_schema(CHANGES).empty_table(), *parts])
    changed = known.filter(pc.field("has_changed"))
    places = quasars.select(_KEY).append_column("row", pa.array(np.arange(quasars.num_rows)))
    changed = changed.append_column("strength", pc.abs(changed["line_change"]))
    changed = changed.join(places, _KEY, join_type="inner").sort_by(
        [("row", "ascending"), ("strength", "descending"), ("earlier_file", "ascending")]
    )
    return changed.take(pa.array(np.unique(changed["row"].to_numpy(), return_index=True)[1]))


def find_departures(
    survey: Survey, scores: pa.Table, measured: Measured, null: pa.Table, config: Config
) -> NDArray[np.float64]:
    """Return the departures of statistics and measurements, shape (n, number of features)."""
    ordinary = np.flatnonzero(survey.is_ordinary)
    reference = calibrate.get_conditions(survey.scores.take(pa.array(ordinary)))
    known = find_significance(survey.values)[ordinary]
    statistics, _, _ = calibrate.compare(scores, null, config.calibrate)
    wanted = calibrate.get_conditions(scores)
    physical = standardise(
        reference, known, wanted, find_significance(measured), config.calibrate.neighbours,
        _MIN_SPREAD,
    )  # fmt: skip
    return np.hstack([statistics, physical])


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
    return np.stack([np.hstack(pair) for pair in
                     zip((statistics, unknown, wave), measured, strict=True)])  # fmt: skip


def _sort(table: pa.Table) -> pa.Table:
    """Sort by key, controls last where there are any; arrays are carried along."""
    keys = table.select(_KEY)
    is_control = pa.array(np.zeros(table.num_rows, bool))
    if "parent" in table.column_names:
        is_control = pc.equal(table["parent"], Parent.CONTROL.value)
    order = keys.append_column("is_control", is_control).append_column(
        "row", pa.array(np.arange(table.num_rows))
    )
    by = [("is_control", "ascending"), *((name, "ascending") for name in _KEY)]
    return table.take(order.sort_by(by)["row"]).combine_chunks()


def _match(scores: pa.Table, measured: pa.Table) -> pa.Table:
    """Return the scores of the measured spectra, both sorted alike."""
    known = measured.select(_KEY).append_column("known", pa.array([True] * measured.num_rows))
    rows = scores.select(_KEY).append_column("row", pa.array(np.arange(scores.num_rows)))
    kept = rows.join(known, _KEY, join_type="inner").sort_by("row")["row"]
    return scores.take(kept).combine_chunks()
