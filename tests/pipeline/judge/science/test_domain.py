"""Whether a population stands for spectra that are not its own."""

from dataclasses import replace

import numpy as np
import pytest
from conditions import Conditions
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import binomtest, ks_2samp

from pipeline.judge.science.domain import Domain, Labels, Sample, find_domain

LABELS = Labels(
    ("log_snr", "Z", "coverage"),
    ("noise", "depth"),
    ("reconstruction", "reconstruction", "latent"),
)
NOISE = 0.03


def draw(seed: int, n: int, **moved: float) -> Sample:
    """Draw spectra of one survey; `moved` adds to a condition, a trait or a statistic."""
    rng = np.random.default_rng(seed)
    add = dict.fromkeys(("log_snr", "z", "coverage", "noise", "chi2", "latent"), 0.0) | moved
    log_snr, z = rng.normal(0.3, 0.3, n), rng.uniform(0.5, 3.5, n)
    traits = [
        NOISE * rng.normal(size=n) + add["noise"],
        # It follows the conditions, as the depth of an arm does.
        0.3 * log_snr + 0.1 * rng.standard_t(5, n),
    ]
    statistics = rng.normal(size=(n, 3)) + np.array([0, add["chi2"], add["latent"]])
    conditions = Conditions(
        log_snr + add["log_snr"], z + add["z"], rng.uniform(0.9, 1, n) + add["coverage"]
    )
    objects = rng.integers(2**62, size=n)
    return Sample(conditions.at, np.column_stack(traits), statistics, objects)


REFERENCE = draw(0, 600)


def compare(wanted: Sample, p_values: np.ndarray | None = None, reference=REFERENCE) -> Domain:
    p_values = np.linspace(0.06, 1, len(wanted.objects)) if p_values is None else p_values
    return find_domain(reference, wanted, p_values, LABELS, 200)


def take(sample: Sample, rows: np.ndarray) -> Sample:
    return Sample(*(values[rows] for values in vars(sample).values()))


@pytest.mark.parametrize("n", [1, 5, 20, 100, 5000])
def test_own_kind_is_vouched_for_but_for_one_in_a_hundred(n: int) -> None:
    n_draws = 100 if n < 5000 else 5
    found = [compare(draw(seed, n)) for seed in range(1, n_draws + 1)]
    assert sum(bool(domain.mismatches) for domain in found) <= 0.01 * n_draws
    assert np.mean([(domain.odd != "").mean() for domain in found]) <= 0.01
    assert {domain.reason for domain in found if not domain.mismatches} == {
        "" if n >= 20 else "few"
    }


@pytest.mark.parametrize("n", [20, 200])
def test_own_kind_with_a_tenth_of_anomalies_is_vouched_for(n: int) -> None:
    for seed in range(1, 30):
        wanted, p = draw(seed, n), np.random.default_rng(seed).random(n)
        wanted.departures[: n // 10] += 30
        p[: n // 10] = 1e-9
        domain = compare(wanted, p)
        assert (domain.mismatches, domain.is_alike) == ((), True)
        assert (domain.odd != "").mean() < 0.06


@pytest.mark.parametrize("low", [-9.0, 2.5])
def test_members_chosen_by_their_conditions_are_alike(low: float) -> None:
    """A trait follows the signal-to-noise ratio: so does that of bright members alone."""
    wanted = draw(1, 2000)
    z = np.expm1(0.3 * wanted.conditions[:, 1])
    for rows in (z > low, wanted.conditions[:, 0] > 2):
        domain = compare(take(wanted, rows))
        assert domain.mismatches == ()
        assert domain.reason == ""
    assert max(each.distance for each in domain.ranges) > 0.5


@pytest.mark.parametrize(
    ("moved", "name"),
    [
        ({"noise": np.log(1.5)}, "noise"),
        ({"noise": -np.log(1.5)}, "noise"),
        ({"chi2": 1.0}, "reconstruction"),
        ({"chi2": -1.0}, "reconstruction"),
        ({"latent": 1.5}, "latent"),
    ],
)
@pytest.mark.parametrize("n", [100, 5000])
def test_what_differs_is_told_by_its_name(moved: dict, name: str, n: int) -> None:
    domain = compare(draw(1, n, **moved))
    assert domain.reason == name
    assert [each.name for each in domain.mismatches] == [name]
    assert np.sign(domain.mismatches[0].shift) == np.sign(next(iter(moved.values())))
    assert (domain.reasons != "").all()
    assert np.mean(domain.reasons == name) > 0.98


def test_five_spectra_that_all_differ_are_told() -> None:
    domain = compare(draw(1, 5, chi2=6.0))
    assert [each.name for each in domain.mismatches] == ["reconstruction"]
    assert set(domain.reasons) == {"reconstruction"}


def test_one_spectrum_of_other_noise_is_told_and_one_with_an_odd_statistic_is_not() -> None:
    """A single one may be an anomaly; how it was observed is none."""
    one = compare(draw(1, 1, noise=np.log(1.5)))
    assert one.reasons.tolist() == ["noise"]
    assert one.trait_distance[0] > 1 >= one.condition_distance[0]
    strange = compare(draw(1, 1, chi2=30.0))
    assert (strange.mismatches, strange.reasons.tolist()) == ((), ["few"])


@pytest.mark.parametrize(("moved", "name"), [({"z": 6.0}, "Z"), ({"log_snr": 3.0}, "log_snr")])
def test_conditions_that_the_population_lacks_are_told_by_name(moved: dict, name: str) -> None:
    far, near = draw(1, 30, **moved), draw(2, 30)
    both = Sample(
        *(
            np.concatenate(pair)
            for pair in zip(vars(near).values(), vars(far).values(), strict=True)
        )
    )
    domain = compare(both)
    assert set(domain.reasons[30:]) == {name}
    assert (domain.condition_distance[30:] > 1).all()
    assert np.mean(domain.reasons[:30] == "") > 0.9
    assert domain.mismatches == ()
    assert compare(far).differences == ()
    assert compare(far).n == 0


def test_an_arm_that_every_member_has_is_missed_and_one_that_some_lack_is_not() -> None:
    wanted = draw(1, 30)
    wanted.traits[:3, 0] = np.nan
    assert compare(wanted).reasons[:3].tolist() == ["noise"] * 3
    reference = replace(REFERENCE, traits=REFERENCE.traits.copy())
    reference.traits[::10, 0] = np.nan
    assert compare(wanted, reference=reference).odd[:3].tolist() == [""] * 3


def test_no_spectrum_at_all() -> None:
    domain = compare(draw(1, 0))
    assert (domain.n, domain.differences, domain.ranges) == (0, (), ())
    assert domain.reasons.shape == domain.trait_distance.shape == (0,)


def test_a_kind_without_traits() -> None:
    labels = replace(LABELS, traits=())
    reference, wanted = (replace(s, traits=s.traits[:, :0]) for s in (REFERENCE, draw(1, 40)))
    domain = find_domain(reference, wanted, np.full(40, 0.5), labels, 200)
    assert domain.reason == ""
    assert not domain.trait_distance.any()


def test_a_trait_that_all_share_does_not_differ_by_its_precision() -> None:
    reference, wanted = draw(0, 600), draw(1, 50)
    for sample, precision in ((reference, np.float32), (wanted, np.float64)):
        sample.traits[:, 1] = precision(np.log(0.8 / 6000))
    domain = find_domain(reference, wanted, np.full(50, 0.5), LABELS, 200)
    assert {each.name: each.distance for each in domain.differences}["depth"] == 0


def test_the_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    """By condition no member counts more than another."""
    wanted = draw(1, 30, log_snr=0.5)
    for k, each in enumerate(compare(wanted).ranges):
        ours, theirs = wanted.conditions[:, k], REFERENCE.conditions[:, k]
        assert each.distance == pytest.approx(ks_2samp(ours, theirs).statistic)
        # The one asks where half of the members are reached, the other amid the two in the middle.
        assert each.shift == pytest.approx(np.median(ours) - np.median(theirs), abs=0.05)


@pytest.mark.parametrize(("n", "n_low"), [(20, 9), (100, 30), (1000, 200)])
def test_too_many_low_p_values_are_another_kind(n: int, n_low: int) -> None:
    p = np.r_[np.full(n_low, 1e-4), np.full(n - n_low, 0.5)]
    domain = compare(draw(1, n), p)
    assert not domain.is_alike
    assert domain.reason == "p_values"


def test_few_spectra_show_nothing() -> None:
    domain = compare(draw(1, 3), np.array([0.9, np.nan, 0.01]))
    assert (domain.n_low, domain.n, domain.is_seen) == (1, 2, False)


def test_population_smaller_than_a_neighbourhood() -> None:
    domain = compare(draw(0, 5), reference=draw(0, 5))
    assert (domain.condition_distance <= 1).all()


@given(seed=st.integers(0, 999), n=st.integers(2, 90))
def test_outside_is_what_is_farther_from_its_fortieth_neighbour_than_any_member_or_beyond_all(
    seed: int, n: int
) -> None:
    reference, wanted = draw(seed, n), draw(seed + 1, 20)
    wanted.conditions[:, 0] *= 3
    p_values = np.random.default_rng(seed).uniform(0, 0.1, 20)
    p_values[::4], p_values[1] = np.nan, 0.05
    k = min(40, n - 1)
    places = reference.conditions
    own = np.sort(cdist(places, places), axis=1)[:, k].max()
    found = np.sort(cdist(wanted.conditions, places), axis=1)[:, k - 1] / own
    # Or by a unit beyond all of them in one condition.
    beyond = np.abs(wanted.conditions - wanted.conditions.clip(places.min(0), places.max(0)))
    distance = np.maximum(found, beyond.max(axis=1))
    domain = compare(wanted, p_values, reference)
    np.testing.assert_allclose(domain.condition_distance, distance)
    listed = p_values[(distance <= 1) & ~np.isnan(p_values)]
    assert (domain.n, domain.n_low) == (len(listed), sum(p < 0.05 for p in listed))


@given(n=st.integers(1, 400), share=st.floats(0, 0.4))
def test_alike_unless_chance_makes_so_many_low_ones_in_one_case_of_a_hundred(
    n: int, share: float
) -> None:
    n_low = int(share * n)
    chance = binomtest(n_low, n, 0.15, alternative="greater").pvalue
    nothing = np.zeros(n)
    domain = Domain(nothing, nothing, np.full(n, ""), (), (), n_low, n)
    assert domain.is_alike == (chance >= 0.01)
    assert domain.is_seen == (n >= 20)
    words = {(False, False): "p_values", (False, True): "p_values", (True, False): "few"}
    assert set(domain.reasons) == {words.get((domain.is_alike, domain.is_seen), "")}
