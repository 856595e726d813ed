"""The reference population: what is normal, and how far scores depart from it."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.kind import Kind
from catalog_schema.waist import ROW_KEY, Waist
from pipeline.judge.science.calibration import (
    find_neighbours,
    standardise_among,
    take_own,
    take_strange_side,
)
from pipeline.judge.science.tail import Tail, fit_tail
from pipeline.lake.align import find_rows
from pipeline.lake.store import columns_to_table, to_matrix
from pipeline.run import Run
from pipeline.settings.judge import CalibrateSettings

_SMALLEST_RATIO = 1e-6
_TINY = 1e-300
# Reasons that count together.
_STRONGEST = 3


@dataclass(frozen=True)
class Comparison:
    """How candidates compare with a reference population.

    Attributes
    ----------
    departures : ndarray, shape (n, number of statistics)
    evidence : ndarray, shape (n, number of reasons)
        −ln of the p-value of the largest departure of each reason.
    score, p_value : ndarray, shape (n,)
    """

    departures: NDArray
    evidence: NDArray
    score: NDArray
    p_value: NDArray


@dataclass(frozen=True)
class Population:
    """A reference population with all that candidates are compared with, made by `from_rows`.

    Attributes
    ----------
    waist : Waist
    settings : CalibrateSettings
    keys : pyarrow.Table
        ROW_KEY of the members.
    conditions, statistics : ndarray, shapes (n, d) and (n, k)
        Scaled, and on scales where normal ones scatter evenly.
    strangest, surprises : ndarray, shape (n, number of reasons)
        Largest departure of each reason, and the same in units of its own spread.
    of_reasons : tuple of Tail
        Distribution of the surprises of each reason.
    combined : ndarray, shape (n, 1)
        Strongest evidence of the members, added up.
    scores : ndarray, shape (n,)
    of_scores : Tail
        Their distribution.
    """

    waist: Waist
    settings: CalibrateSettings
    keys: pa.Table
    conditions: NDArray
    statistics: NDArray
    strangest: NDArray
    surprises: NDArray
    of_reasons: tuple[Tail, ...]
    combined: NDArray
    scores: NDArray
    of_scores: Tail

    @classmethod
    def from_rows(cls, null: pa.Table, waist: Waist, settings: CalibrateSettings) -> "Population":
        """Return the population of rows of `null`."""
        surprises, scores = to_matrix(null["surprises"]), null["anomaly_score"].to_numpy()
        of_reasons = _fit_reasons(surprises, settings)
        return cls(
            waist,
            settings,
            null.select(ROW_KEY),
            locate(null, waist),
            _get_statistics(null, waist),
            _take_strangest(to_matrix(null["departures"]), waist),
            surprises,
            of_reasons,
            _combine(_weigh_reasons(surprises, surprises, of_reasons)),
            scores,
            fit_tail(scores, settings.tail_fraction, settings.contamination),
        )

    def find_intervals(
        self, scores: pa.Table, score: NDArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the limits of the 95 per cent interval of each p-value, each of shape (n,).

        Parameters
        ----------
        scores : pyarrow.Table
            Rows of `scores`.
        score : ndarray, shape (n,)
            Of their comparison with this population.
        """
        own = find_rows(self.keys, scores)
        return self.of_scores.find_intervals(score, take_own(self.scores, own))

    def compare(self, scores: pa.Table) -> Comparison:
        """Compare rows of `scores` with the population; none of its members with itself."""
        waist, own = self.waist, find_rows(self.keys, scores)
        near = find_neighbours(
            self.conditions,
            locate(scores, waist),
            self.settings.neighbours,
            (self.keys["TARGETID"].to_numpy(), scores["TARGETID"].to_numpy()),
        )
        departures = standardise_among(near, self.statistics, _get_statistics(scores, waist))
        surprises = standardise_among(near, self.strangest, _take_strangest(departures, waist))
        evidence = _weigh_reasons(surprises, take_own(self.surprises, own), self.of_reasons)
        score = standardise_among(near, self.combined, _combine(evidence))[:, 0]
        p_value = self.of_scores.p_values(score, take_own(self.scores, own))
        return Comparison(departures, evidence, score, p_value)


def read_population(run: Run) -> Population:
    """Return the reference population of a run's model."""
    return Population.from_rows(run.read("null"), run.kind.waist, run.config.calibrate)


def make_null(scores: pa.Table, kind: Kind, settings: CalibrateSettings) -> pa.Table:
    """Return the reference population of a run as rows of `null`."""
    waist = kind.waist
    conditions, statistics = locate(scores, waist), _get_statistics(scores, waist)
    targetid = scores["TARGETID"].to_numpy()
    near = find_neighbours(conditions, conditions, settings.neighbours, (targetid, targetid))
    departures = standardise_among(near, statistics, statistics)
    strangest = _take_strangest(departures, waist)
    surprises = standardise_among(near, strangest, strangest).astype(np.float32)
    evidence = _weigh_reasons(surprises, surprises, _fit_reasons(surprises, settings))
    combined = _combine(evidence)
    total = standardise_among(near, combined, combined)
    columns = {
        **{name: scores[name] for name in (*ROW_KEY, "statistics")},
        **{name: scores[name] for name in waist.condition_names},
        "departures": departures.astype(np.float32),
        "surprises": surprises,
        "anomaly_score": total[:, 0],
    }
    return columns_to_table(kind["null"], columns)


def weigh(scores: pa.Table, null: pa.Table, kind: Kind, settings: CalibrateSettings) -> pa.Table:
    """Compare scores with a reference population, as rows of `significance`.

    Parameters
    ----------
    scores : pyarrow.Table
        Rows of `scores`.
    null : pyarrow.Table
        Rows of `null`.
    kind : Kind
    settings : CalibrateSettings
    """
    population = Population.from_rows(null, kind.waist, settings)
    found = population.compare(scores)
    low, high = population.find_intervals(scores, found.score)
    columns = {
        **{name: scores[name] for name in ROW_KEY},
        "anomaly_score": found.score,
        "p_value": found.p_value,
        "p_value_low": low,
        "p_value_high": high,
        "score_rank": rank(found.score),
        "score_rank_low": pa.nulls(len(found.score), pa.int32()),
        "score_rank_high": pa.nulls(len(found.score), pa.int32()),
        "reason": np.array(list(kind.waist.reasons))[np.argmax(found.evidence, axis=1)],
        "departures": found.departures.astype(np.float32),
    }
    return columns_to_table(kind["significance"], columns)


def compare(
    scores: pa.Table, null: pa.Table, waist: Waist, settings: CalibrateSettings
) -> Comparison:
    """Compare rows of `scores` with a reference population, rows of `null`."""
    return Population.from_rows(null, waist, settings).compare(scores)


def rank(score: NDArray) -> NDArray[np.int32]:
    """Return the place of each score, 1 for the largest, shape (n,)."""
    ranks = np.empty(len(score), np.int32)
    ranks[np.argsort(-score, kind="stable")] = np.arange(1, len(score) + 1)
    return ranks


def locate(rows: pa.Table, waist: Waist) -> NDArray[np.float64]:
    """Return the scaled conditions of rows of `scores`, `null` or `norms`, shape (n, d)."""
    return waist.locate({name: rows[name].to_numpy() for name in waist.condition_names})


def _get_statistics(rows: pa.Table, waist: Waist) -> NDArray[np.float64]:
    """Return the raw statistics on scales where normal ones scatter evenly, shape (n, k)."""
    values = to_matrix(rows["statistics"]).astype(np.float64)
    ratio = waist.is_ratio
    values[:, ratio] = np.log(np.maximum(values[:, ratio], _SMALLEST_RATIO))
    return values


def _take_strangest(departures: NDArray, waist: Waist) -> NDArray[np.float64]:
    """Return the largest departure towards strangeness of each reason, shape (n, reasons)."""
    strange = take_strange_side(departures.astype(np.float64), waist.is_two_sided)
    reasons = np.array([statistic.reason for statistic in waist.statistics])
    return np.stack([strange[:, reasons == each].max(axis=1) for each in waist.reasons], axis=1)


def _fit_reasons(surprises: NDArray, settings: CalibrateSettings) -> tuple[Tail, ...]:
    """Return the distribution of each reason's surprises in a population."""
    return tuple(
        fit_tail(values, settings.tail_fraction, settings.contamination) for values in surprises.T
    )


def _weigh_reasons(
    surprises: NDArray, own: NDArray, tails: tuple[Tail, ...]
) -> NDArray[np.float64]:
    """Return −ln of the p-value of each surprise, (n, reasons); `own` as of `Tail.p_values`."""
    p_values = [
        tail.p_values(*columns) for tail, *columns in zip(tails, surprises.T, own.T, strict=True)
    ]
    return np.asarray(-np.log(np.maximum(np.stack(p_values, axis=1), _TINY)))


def _combine(evidence: NDArray) -> NDArray[np.float64]:
    """Add up the strongest evidence, shape (n, 1).

    One strong reason decides alone, and a few weak ones do together; more would add but noise.
    """
    strongest = np.sort(evidence, axis=1)[:, -_STRONGEST:]
    return np.asarray(strongest.sum(axis=1, keepdims=True))
