"""What tells a spectrum's class: rows of `evidence`."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.lines import LINES
from catalog_schema.tables import EVIDENCE, ROW_KEY
from catalog_schema.vocabulary import AnomalyClass
from pipeline.judge.classifier import FEATURES, KINDS, NEVER
from pipeline.judge.measured_survey import Survey, get_feature_values
from pipeline.judge.science.taxonomy import Taxonomy
from pipeline.lake.store import columns_to_table
from pipeline.settings.judge import ClassifySettings
from pipeline.spectra.examples import KIND_CLASSES, NORMAL
from pipeline.spectra.model.models import assign_folds

CHANGING_LOOK = AnomalyClass.CHANGING_LOOK.value


def gather_evidence(
    survey: Survey,
    rows: NDArray[np.intp],
    taxonomies: tuple[Taxonomy, ...],
    departures: NDArray,
    probabilities: NDArray,
    settings: ClassifySettings,
) -> pa.Table:
    """Return the most telling features of some quasars, as rows of `evidence`.

    They speak for the most probable kind of anomaly, also where the class is normal.

    Parameters
    ----------
    survey : Survey
    rows : ndarray of int, shape (r,)
        Which of the quasars.
    taxonomies : tuple of Taxonomy
        One for each fold.
    departures : ndarray, shape (n, number of features)
    probabilities : ndarray, shape (n, number of kinds)
    settings : ClassifySettings
    """
    kinds = np.array(KINDS)
    odd = np.flatnonzero(kinds != NORMAL)
    kind = kinds[odd][np.argmax(probabilities[rows][:, odd], axis=1)]
    terms = np.zeros((len(rows), len(FEATURES)))
    targetids = survey.significance["TARGETID"].to_numpy()[rows]
    folds = assign_folds(targetids, len(taxonomies))
    for fold, taxonomy in enumerate(taxonomies):
        mine = np.flatnonzero(folds == fold)
        terms[mine] = taxonomy.explain(departures[rows[mine]], kind[mine], NORMAL)
    value, error, wave = get_feature_values(survey, rows)
    telling = np.where(np.isnan(value), 0.0, np.abs(terms))
    best = np.argsort(-telling, axis=1, kind="stable")[:, : settings.evidence]
    row, column = np.repeat(np.arange(len(rows)), best.shape[1]), best.ravel()
    kept = telling[row, column] > 0
    row, column = row[kept], column[kept]
    keys = survey.significance.select(ROW_KEY).take(pa.array(rows[row]))
    columns = {
        **{name: keys[name] for name in ROW_KEY},
        "anomaly_class": [KIND_CLASSES[name] for name in kind[row]],
        "feature": FEATURES[column],
        "feature_value": value[row, column],
        "feature_error": error[row, column],
        "feature_wave": wave[row, column],
        "compared_mjd": pa.nulls(len(row)),
        "departure": departures[rows[row], column],
        "contribution": terms[row, column],
    }
    return columns_to_table(EVIDENCE, columns)


def describe_changes(changes: pa.Table, before: NDArray, after: NDArray) -> pa.Table:
    """Return the changes that made a changing look, as rows of `evidence`.

    Parameters
    ----------
    changes : pyarrow.Table
        Of `measured_survey.read_changes`.
    before, after : ndarray, shape (n, number of kinds)
        Probabilities without and with the changes.
    """
    rows, lines = changes["row"].to_numpy(), changes["changed_line"].to_pylist()
    gain = _compare_with_normal(after[rows]) - _compare_with_normal(before[rows])
    columns = {
        **{name: changes[name] for name in ROW_KEY},
        "anomaly_class": [CHANGING_LOOK] * len(rows),
        "feature": [f"{line}_change" for line in lines],
        "feature_value": changes["line_ratio"],
        "feature_error": changes["line_ratio_error"],
        "feature_wave": [LINES[line].wave for line in lines],
        "compared_mjd": changes["earlier_mjd"],
        "departure": changes["line_change"],
        "contribution": gain,
    }
    return columns_to_table(EVIDENCE, columns)


def _compare_with_normal(probabilities: NDArray) -> NDArray[np.float64]:
    """Return the logarithm of the odds of a changing look against normal, shape (n,)."""
    likely = np.log(np.maximum(probabilities, NEVER))
    return likely[:, KINDS.index(CHANGING_LOOK)] - likely[:, KINDS.index(NORMAL)]
