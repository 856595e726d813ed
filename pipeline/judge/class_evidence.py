"""What tells a candidate's class: rows of `evidence`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.columns.evidence import FEATURES
from catalog_schema.kind import Kind
from catalog_schema.waist import NORMAL, ROW_KEY, Waist
from pipeline.judge.classifier import NEVER
from pipeline.judge.knowledge import Sign
from pipeline.judge.science.taxonomy import Taxonomy
from pipeline.judge.statements import state_amplitude, state_measurement, state_statistic
from pipeline.judge.survey import Survey
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.science.draw import assign_folds
from pipeline.science.measured import Finds, Measured, find_significance


def gather_evidence(
    survey: Survey,
    kind: Kind,
    rows: NDArray[np.intp],
    taxonomies: tuple[Taxonomy, ...],
    departures: NDArray,
    probabilities: NDArray,
    finds: Finds,
    n_told: int,
) -> pa.Table:
    """Return the most telling features of some members, as rows of `evidence`.

    They speak for the most probable kind of anomaly, also where the class is normal.

    Parameters
    ----------
    survey : Survey
    kind : Kind
    rows : ndarray of int, shape (r,)
        Which of the members.
    taxonomies : tuple of Taxonomy
        One for each fold.
    departures : ndarray, shape (n, number of features)
    probabilities : ndarray, shape (n, number of kinds)
    finds : Finds
        What the statistics found, arrays of shape (r, number of statistics).
    n_told : int
        Features told of each.
    """
    waist = kind.waist
    kinds, features = np.array(waist.kinds), np.array(waist.features)
    odd = np.flatnonzero(kinds != NORMAL)
    told = kinds[odd][np.argmax(probabilities[rows][:, odd], axis=1)]
    terms = np.zeros((len(rows), len(features)))
    targetids = survey.significance["TARGETID"].to_numpy()[rows]
    folds = assign_folds(targetids, len(taxonomies))
    for fold, taxonomy in enumerate(taxonomies):
        mine = np.flatnonzero(folds == fold)
        terms[mine] = taxonomy.explain(departures[rows[mine]], told[mine], NORMAL)
    shown = _Shown.gather(survey, rows, finds)
    telling = np.where(shown.is_known, np.abs(terms), 0.0)
    best = np.argsort(-telling, axis=1, kind="stable")[:, :n_told]
    row, column = np.repeat(np.arange(len(rows)), best.shape[1]), best.ravel()
    kept = telling[row, column] > 0
    row, column = row[kept], column[kept]
    keys = survey.members.take(pa.array(rows[row]))
    columns = {
        **{name: keys[name] for name in ROW_KEY},
        "anomaly_class": [waist.examples[name] for name in told[row]],
        "feature": features[column],
        **shown.list_columns(waist, row, column),
        "compared_mjd": pa.nulls(len(row)),
        "departure": departures[rows[row], column],
        "contribution": terms[row, column],
    }
    return columns_to_table(kind["evidence"], columns)


def describe_sign(
    sign: Sign, members: pa.Table, kind: Kind, before: NDArray, after: NDArray
) -> pa.Table:
    """Return what a sign adds to the odds of the members that bear it, as rows of `evidence`.

    Parameters
    ----------
    sign : Sign
        With its evidence.
    members : pyarrow.Table
        Keys of all members.
    kind : Kind
    before, after : ndarray, shape (n, number of kinds)
        Probabilities without and with the sign.
    """
    keys = members.take(pa.array(sign.rows))
    gain = _compare_with_normal(after[sign.rows], sign.kind, kind.waist) - _compare_with_normal(
        before[sign.rows], sign.kind, kind.waist
    )
    columns = {
        **dict.fromkeys((column.name for column in FEATURES), pa.nulls(len(sign.rows))),
        **{name: keys[name] for name in ROW_KEY},
        "anomaly_class": [kind.waist.examples[sign.kind]] * len(sign.rows),
        **sign.evidence,
        "contribution": gain,
    }
    return columns_to_table(kind["evidence"], columns)


def _compare_with_normal(probabilities: NDArray, example: str, waist: Waist) -> NDArray[np.float64]:
    """Return the logarithm of the odds of a kind of example against normal, shape (n,)."""
    likely = np.log(np.maximum(probabilities, NEVER))
    return likely[:, waist.kinds.index(example)] - likely[:, waist.kinds.index(NORMAL)]


@dataclass(frozen=True)
class _Shown:
    """Every feature of some members as the evidence shows it, arrays of shape (r, features).

    Attributes
    ----------
    statistic : ndarray
        The statistics; NaN of measurements.
    value, error, wave, snr : ndarray
        Of a statistic that is an amplitude's significance, value and error are the amplitude's.
    finds : Finds
        Of the statistics alone.
    """

    statistic: NDArray[np.float64]
    value: NDArray[np.float64]
    error: NDArray[np.float64]
    wave: NDArray[np.float64]
    snr: NDArray[np.float64]
    finds: Finds

    @classmethod
    def gather(cls, survey: Survey, rows: NDArray[np.intp], finds: Finds) -> "_Shown":
        """Return the features of some members."""
        statistic = to_matrix(survey.scores["statistics"].take(pa.array(rows))).astype(np.float64)
        is_snr = np.array([bool(each.amplitude) for each in survey.waist.statistics])
        measured = Measured(*(array[rows] for array in survey.values))
        measured_snr = np.where(np.isnan(measured.error), np.nan, find_significance(measured))
        unknown = np.full(measured.value.shape, np.nan)
        return cls(
            np.hstack([statistic, unknown]),
            np.hstack([np.where(is_snr, finds.value, statistic), measured.value]),
            np.hstack([finds.error, measured.error]),
            np.hstack([finds.wave, measured.wave]),
            np.hstack([np.where(is_snr, statistic, np.nan), measured_snr]),
            finds,
        )

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Features that the members show; an amplitude may be unknown though it is significant."""
        return ~(np.isnan(self.statistic) & np.isnan(self.value))

    def list_columns(
        self, waist: Waist, row: NDArray[np.intp], column: NDArray[np.intp]
    ) -> dict[str, Any]:
        """Return columns of `evidence` of some features of some rows."""
        registry = (*waist.statistics, *waist.measurements)
        n_statistics = len(waist.statistics)
        z, period = np.full((2, len(row)), np.nan)
        is_statistic = column < n_statistics
        place = row[is_statistic], column[is_statistic]
        z[is_statistic], period[is_statistic] = self.finds.z[place], self.finds.period[place]
        return {
            "statement": [self._state(waist, *each) for each in zip(row, column, strict=True)],
            "feature_value": self.value[row, column],
            "feature_error": self.error[row, column],
            "feature_unit": [registry[k].unit for k in column],
            "feature_snr": self.snr[row, column],
            "feature_wave": self.wave[row, column],
            "feature_z": z,
            "feature_period": period,
        }

    def _state(self, waist: Waist, row: int, column: int) -> str:
        value, error, wave, snr = (
            float(each[row, column]) for each in (self.value, self.error, self.wave, self.snr)
        )
        if column >= len(waist.statistics):
            measurement = waist.measurements[column - len(waist.statistics)]
            return state_measurement(measurement, value, error, wave, snr)
        statistic = waist.statistics[column]
        if not statistic.amplitude:
            return state_statistic(statistic, waist.reasons[statistic.reason], value)
        name = str(self.finds.name[row, column]) or statistic.name
        return state_amplitude(name, statistic.amplitude, value, error, snr, statistic.unit)
