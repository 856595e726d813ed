"""What of a kind of data the back half asks for beyond its declaration: examples, plants, signs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from catalog_schema.vocabulary import ClassState
from pipeline.run import Run
from pipeline.science.measured import Finds, Measured


class Examples(NamedTuple):
    """Known phenomena planted in a survey's own ordinary candidates.

    Attributes
    ----------
    kinds : ndarray of str, shape (n,)
        Of `Waist.examples`.
    scores : pyarrow.Table
        Rows of `scores`; TARGETID is the host's.
    measured : Measured
        Arrays of shape (n, number of measurements).
    """

    kinds: NDArray[np.str_]
    scores: pa.Table
    measured: Measured


class Planted(NamedTuple):
    """One feature planted in copies of hosts, at every strength at which it shows.

    Attributes
    ----------
    injection : str
    strengths : ndarray, shape (n,)
    scores, measured : pyarrow.Table
        Rows of `scores` and `measurements`.
    """

    injection: str
    strengths: NDArray[np.float64]
    scores: pa.Table
    measured: pa.Table


@dataclass(frozen=True)
class Sign:
    """Something beside the features that tells a kind of example.

    Attributes
    ----------
    kind : str
        Of `Waist.examples`.
    rows : ndarray of int, shape (m,)
        Of the candidates that bear it.
    evidence : mapping
        Columns of `evidence` for these rows but for key, class and contribution; without any, the
        sign is not shown.
    """

    kind: str
    rows: NDArray[np.intp]
    evidence: Mapping[str, Any] = field(default_factory=dict)


class Signs(NamedTuple):
    """Signs of candidates, the columns `Waist.told` in which they are stated, NaN for null, and
    signs that were looked for and not found.
    """

    signs: tuple[Sign, ...] = ()
    told: Mapping[str, NDArray] = {}
    missing: tuple[Sign, ...] = ()


class Surroundings(NamedTuple):
    """Where candidates were taken.

    Attributes
    ----------
    places : mapping of str to ndarray of int, shape (n,)
        Columns of `Waist.surroundings`; -1 is null.
    groups : mapping of str to ndarray of int, shape (n,)
        What may be at fault together, by the name before ``_p_value``; -1 where not known.
    """

    places: Mapping[str, NDArray[np.int64]]
    groups: Mapping[str, NDArray[np.int64]]


class Knowledge:
    """The knowledge of a kind of which nothing is known; a kind overrides what it knows.

    Parameters
    ----------
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.config = run.config
        self.waist = run.kind.waist

    def find_states(self, scores: pa.Table, measured: Measured) -> NDArray[np.str_]:
        """Return for each candidate whether it can be classified, a `ClassState`, shape (n,)."""
        return np.full(scores.num_rows, ClassState.CLASSIFIED.value)

    def plant_examples(self, hosts: pa.Table) -> Examples | None:
        """Plant every phenomenon in every host that can show it; score and measure the result.

        Parameters
        ----------
        hosts : pyarrow.Table
            Keys of ordinary candidates.

        Returns
        -------
        Examples or None
            None where nothing can be learnt.
        """
        return None

    def plant_features(self, hosts: pa.Table) -> Iterator[Planted]:
        """Plant each feature at each strength of ``inject.strengths``, feature by feature.

        Parameters
        ----------
        hosts : pyarrow.Table
            Keys of ordinary candidates.
        """
        yield from ()

    def record_recall(self, injections: pa.Table) -> None:
        """Keep what share of planted features is found, where the model's training is tracked."""

    def find_signs(self, measured: pa.Table, state: NDArray[np.str_]) -> Signs:
        """Return the signs that measurements give.

        Parameters
        ----------
        measured : pyarrow.Table
            Rows of `measurements`.
        state : ndarray of str, shape (n,)
        """
        return Signs()

    def read_signs(self, members: pa.Table, is_open: NDArray[np.bool_]) -> tuple[Sign, ...]:
        """Return the signs that other datasets of the run give of its members.

        Parameters
        ----------
        members : pyarrow.Table
            Their keys.
        is_open : ndarray of bool, shape (n,)
            Members that are classified and bear no other sign.
        """
        return ()

    def locate_statistics(self, candidates: pa.Table) -> Finds:
        """Return what each statistic of candidates, given by their keys, found.

        Returns
        -------
        Finds
            Arrays of shape (n, number of statistics); of those without `Statistic.amplitude`
            nothing.
        """
        return Finds.nothing(candidates.num_rows, len(self.waist.statistics))

    def read_traits(self, candidates: pa.Table) -> NDArray[np.float64]:
        """Return how candidates were observed, given by their keys.

        Returns
        -------
        ndarray, shape (n, number of `Waist.traits`)
            NaN where that is not known.
        """
        return np.full((candidates.num_rows, len(self.waist.traits)), np.nan)

    def read_surroundings(self, members: pa.Table) -> Surroundings:
        """Return where the members of the run were taken, given by their keys."""
        return Surroundings({}, {})


def get_knowledge(run: Run) -> Knowledge:
    """Return what is known of the kind of data of a run."""
    made: Knowledge = resolve_name(run.path.knowledge)(run)
    return made
