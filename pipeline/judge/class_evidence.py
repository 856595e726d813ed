"""What tells a candidate's class: rows of `evidence`."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.kind import Kind
from catalog_schema.waist import NORMAL, ROW_KEY, Waist
from pipeline.judge.classifier import NEVER
from pipeline.judge.knowledge import Sign
from pipeline.judge.science.taxonomy import Taxonomy
from pipeline.judge.survey import Survey
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.science.draw import assign_folds


def gather_evidence(
    survey: Survey,
    kind: Kind,
    rows: NDArray[np.intp],
    taxonomies: tuple[Taxonomy, ...],
    departures: NDArray,
    probabilities: NDArray,
    waves: NDArray,
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
    waves : ndarray, shape (r, number of statistics)
        Where the statistics were found.
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
    value, error, wave = _get_values(survey, rows, waves)
    telling = np.where(np.isnan(value), 0.0, np.abs(terms))
    best = np.argsort(-telling, axis=1, kind="stable")[:, :n_told]
    row, column = np.repeat(np.arange(len(rows)), best.shape[1]), best.ravel()
    kept = telling[row, column] > 0
    row, column = row[kept], column[kept]
    keys = survey.members.take(pa.array(rows[row]))
    columns = {
        **{name: keys[name] for name in ROW_KEY},
        "anomaly_class": [waist.examples[name] for name in told[row]],
        "feature": features[column],
        "feature_value": value[row, column],
        "feature_error": error[row, column],
        "feature_wave": wave[row, column],
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


def _get_values(
    survey: Survey, rows: NDArray[np.intp], waves: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Return value, error and place of every feature, each of shape (r, number of features)."""
    statistics = to_matrix(survey.scores["statistics"].take(pa.array(rows))).astype(np.float64)
    unknown = np.full(statistics.shape, np.nan)
    value, error, wave = (
        np.hstack(pair)
        for pair in zip(
            (statistics, unknown, waves), (array[rows] for array in survey.values), strict=True
        )
    )
    return value, error, wave
