"""Does a reference population stand for candidates that it has nothing to do with?

Three questions. Is a candidate inside the population, in the conditions on which statistics depend
and in how it was observed? Are statistics and traits of all candidates together distributed as
those of members under like conditions? Are there as few low p-values as there may be? A sample
holds anomalies, which the first must not ask about and the other two must allow for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import binom, kstwo

from catalog_schema.vocabulary import DomainReason
from pipeline.judge.science.calibration import find_neighbours, standardise_among

# Members of the population that must be near, as many as the smallest group of the calibration.
_N_NEAR = 40
# Share of a sample that may be unlike the population: its anomalies.
ANOMALOUS = 0.1
# Of ordinary candidates this share has a p-value below it.
LOW = 0.05
# Chance of what is seen, were the population theirs, below which it is not.
SURPRISE = 0.01
# A trait ends half again as far out as it reaches in all but this share of the members, of which
# some are faulty.
_RARE, _MARGIN = 0.005, 1.5
# Fewer cannot show that the calibration holds.
_FEWEST = 20
# A smaller spread of a trait, which is a logarithm or like one, is rounding.
_MIN_SPREAD = 0.01


@dataclass(frozen=True)
class Labels:
    """Names of what candidates are compared by.

    Attributes
    ----------
    conditions, traits : tuple of str
    reasons : tuple of str
        Of each statistic; several may share one.
    """

    conditions: tuple[str, ...]
    traits: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Sample:
    """A population, or candidates to be compared with it.

    Attributes
    ----------
    conditions : ndarray, shape (n, d)
        Scaled so that near ones are alike.
    traits : ndarray, shape (n, t)
        How they were observed; NaN where not known.
    departures : ndarray, shape (n, k)
        Statistics in robust sigma of the members most alike.
    objects : ndarray of int, shape (n,)
        Which objects they are: none is compared with itself.
    """

    conditions: NDArray[np.float64]
    traits: NDArray[np.float64]
    departures: NDArray[np.float64]
    objects: NDArray[np.int64]


@dataclass(frozen=True)
class Difference:
    """How candidates and population differ in one respect.

    Attributes
    ----------
    name : str
        A condition, a trait or a reason.
    distance : float
        Largest difference of the two distribution functions, 0 to 1 (Kolmogorov-Smirnov). Of a
        reason, that of the statistic in which it is largest.
    shift : float
        Median of the candidates less that of the members: in robust sigma, of a condition in its
        scale.
    p_value : float
        Chance of such a distance if but the share `ANOMALOUS` is unlike the population, times the
        number of comparisons, at most 1.
    """

    name: str
    distance: float
    shift: float
    p_value: float


@dataclass(frozen=True)
class Domain:
    """How a population stands to other candidates.

    Attributes
    ----------
    condition_distance, trait_distance : ndarray, shape (n,)
        Distance from the population over that at which it ends.
    odd : ndarray of str, shape (n,)
        Condition or trait in which a candidate is outside the population; empty inside.
    ranges : tuple of Difference
        Conditions, in which samples may differ: nothing is concluded from them.
    differences : tuple of Difference
        Traits and reasons of the candidates inside the conditions.
    n_low, n : int
        Candidates inside the conditions whose p-value is below `LOW`, and all of them that have
        one.
    """

    condition_distance: NDArray[np.float64]
    trait_distance: NDArray[np.float64]
    odd: NDArray[np.str_]
    ranges: tuple[Difference, ...]
    differences: tuple[Difference, ...]
    n_low: int
    n: int

    @property
    def is_seen(self) -> bool:
        """Whether there are enough of them to see if the calibration holds."""
        return self.n >= _FEWEST

    @property
    def is_alike(self) -> bool:
        """Whether low p-values are as few as anomalies may make them."""
        return bool(binom.sf(self.n_low - 1, self.n, LOW + ANOMALOUS) >= SURPRISE)

    @property
    def mismatches(self) -> tuple[Difference, ...]:
        """Traits and reasons in which they are not of the population, the largest first."""
        found = [each for each in self.differences if each.p_value < SURPRISE]
        return tuple(sorted(found, key=lambda each: -each.distance))

    @property
    def reason(self) -> str:
        """Why the population vouches for none of them; empty where it does."""
        if self.mismatches:
            return self.mismatches[0].name
        if not self.is_alike:
            return DomainReason.P_VALUES.value
        return "" if self.is_seen else DomainReason.FEW.value

    @property
    def reasons(self) -> NDArray[np.str_]:
        """Why the population does not vouch for each of them; empty where it does, shape (n,)."""
        return np.where(self.odd == "", self.reason, self.odd)


def find_domain(
    reference: Sample, wanted: Sample, p_values: NDArray, labels: Labels, neighbours: int
) -> Domain:
    """Compare candidates with the population that gave their p-values.

    Parameters
    ----------
    reference : Sample
        Members of the population.
    wanted : Sample
        Candidates; none is allowed.
    p_values : ndarray, shape (n,)
        Of the candidates; NaN for what has none.
    labels : Labels
    neighbours : int
        Members with which traits are compared, as statistics are.

    Returns
    -------
    Domain
        Outside in its conditions is a candidate that is farther from its 40th neighbour of the
        population than any member is from its own, or beyond all members by a unit of a condition;
        outside in a trait, one that departs 1.5 times as much as 99.5 % of the members do, and at
        least by 1.5 sigma. Traits and statistics are compared with those of the 40 members nearest
        each candidate, so that members chosen by their conditions are alike.
    """
    traits = _compare_traits(reference, wanted, neighbours)
    condition_distance = _measure_distance(reference.conditions, wanted.conditions)
    excess = _measure_excess(*traits)
    trait_distance = excess.max(axis=1, initial=0)
    is_inside = condition_distance <= 1
    odd = np.where(trait_distance > 1, _name_largest(excess, labels.traits), "")
    centred = _in_sigma(reference.conditions, wanted.conditions)
    odd = np.where(is_inside, odd, _name_largest(centred, labels.conditions))
    differences = _compare(
        (*labels.traits, *labels.reasons),
        np.hstack([traits[0], reference.departures]),
        _count_matches(reference.conditions, wanted.conditions[is_inside]),
        np.hstack([traits[1], wanted.departures])[is_inside],
    )
    alike = np.ones(len(reference.conditions))
    ranges = _compare(labels.conditions, reference.conditions, alike, wanted.conditions)
    listed = p_values[is_inside & ~np.isnan(p_values)]
    n_low = int((listed < LOW).sum())
    return Domain(condition_distance, trait_distance, odd, ranges, differences, n_low, len(listed))


def _compare_traits(
    reference: Sample, wanted: Sample, neighbours: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the traits of members and candidates in sigma of the members most alike.

    Infinite where a candidate lacks what every member has.
    """
    departures = []
    for sample in (reference, wanted):
        near = find_neighbours(
            reference.conditions,
            sample.conditions,
            neighbours,
            (reference.objects, sample.objects),
        )
        found = standardise_among(near, reference.traits, sample.traits, _MIN_SPREAD)
        # Equal numbers of another precision are equal.
        departures.append(np.round(found, 3))
    is_lacking = np.isnan(wanted.traits) & ~np.isnan(reference.traits).any(axis=0)
    return departures[0], np.where(is_lacking, np.inf, departures[1])


def _measure_distance(reference: NDArray, wanted: NDArray) -> NDArray[np.float64]:
    """Return how far candidates are from the population over where it ends, shape (n,)."""
    tree = cKDTree(reference)
    near = max(min(_N_NEAR, len(reference) - 1), 1)
    # A member's first neighbour is itself.
    end = tree.query(reference, [near + 1])[0].max()
    found = tree.query(wanted, [near])[0][:, 0]
    distance = np.divide(found, end, out=np.where(found > 0, np.inf, 0.0), where=end > 0)
    # A member that is alone far out in one condition hides who is far out in another.
    beyond = np.maximum(reference.min(axis=0) - wanted, wanted - reference.max(axis=0))
    return np.maximum(distance, beyond.max(axis=1, initial=0))


def _measure_excess(reference: NDArray, wanted: NDArray) -> NDArray[np.float64]:
    """Return how far each trait departs over where the population ends, shape (n, t)."""
    reach = np.quantile(np.abs(reference), 1 - _RARE, axis=0)
    return np.asarray(np.abs(wanted) / (_MARGIN * np.maximum(reach, 1)))


def _in_sigma(reference: NDArray, wanted: NDArray) -> NDArray[np.float64]:
    """Return values in robust sigma of the population's, shape of `wanted`."""
    low, centre, high = np.quantile(reference, [0.1587, 0.5, 0.8413], axis=0)
    return np.asarray((wanted - centre) / np.maximum((high - low) / 2, 1e-9))


def _name_largest(departures: NDArray, names: Sequence[str]) -> NDArray[np.str_]:
    """Return the name of the column that is farthest from 0, shape (n,)."""
    if not names:
        return np.full(len(departures), "")
    return np.array(names)[np.argmax(np.abs(departures), axis=1)]


def _count_matches(reference: NDArray, wanted: NDArray) -> NDArray[np.float64]:
    """Return of how many candidates each member is one of the 40 nearest, shape (r,)."""
    near = cKDTree(reference).query(wanted, range(1, min(_N_NEAR, len(reference)) + 1))[1]
    return np.bincount(near.ravel(), minlength=len(reference)).astype(np.float64)


def _compare(
    names: Sequence[str], reference: NDArray, weights: NDArray, wanted: NDArray
) -> tuple[Difference, ...]:
    """Compare the columns of two samples; of those that share a name the most distant counts.

    Parameters
    ----------
    names : sequence of str, length k
    reference, wanted : ndarray, shapes (r, k) and (n, k)
    weights : ndarray, shape (r,)
        Of the members.
    """
    n = len(wanted)
    if not n:
        return ()
    # As many equally weighted members would tell as much (Kish 1965).
    m = weights.sum() ** 2 / (weights**2).sum()
    size = max(round(n * m / (n + m)), 1)
    found: dict[str, Difference] = {}
    for k, name in enumerate(names):
        distance, shift = _find_distance(reference[:, k], weights, wanted[:, k])
        if name in found and found[name].distance >= distance:
            continue
        # What is unlike moves the distribution function by its share at most.
        chance = float(kstwo.sf(max(distance - ANOMALOUS, 0), size))
        found[name] = Difference(name, distance, shift, min(chance * len(names), 1.0))
    return tuple(found.values())


def _find_distance(reference: NDArray, weights: NDArray, wanted: NDArray) -> tuple[float, float]:
    """Return the largest difference of two distribution functions, and that of the medians."""
    order = np.argsort(reference, kind="stable")
    ordered, ours = reference[order], np.sort(wanted)
    shares = np.concatenate([[0], np.cumsum(weights[order])]) / weights.sum()
    places = np.unique(np.concatenate([ordered, ours]))
    theirs = shares[np.searchsorted(ordered, places, side="right")]
    steps = np.searchsorted(ours, places, side="right") / len(ours)
    median = ordered[np.searchsorted(shares[1:], 0.5).clip(max=len(ordered) - 1)]
    return float(np.abs(theirs - steps).max()), float(np.median(ours) - median)
