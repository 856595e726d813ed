"""What each learner makes of labels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from pipeline.judge.science.active import LEARNERS, predict_interest, score_by_neighbours

RNG = np.random.default_rng(5)
# The first 60 form a cluster of their own; the score tells little of them.
FEATURES = RNG.normal(size=(600, 6)) + np.repeat([[4.0], [0.0]], [60, 540], axis=0)
SCORE = RNG.exponential(size=600)
NOTHING = np.zeros(0, int)


@pytest.mark.parametrize("name", LEARNERS)
def test_without_labels_the_score_ranks(name: str) -> None:
    interest = LEARNERS[name](FEATURES, SCORE, NOTHING, np.zeros(0), 1)
    assert (np.argsort(interest) == np.argsort(SCORE)).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_likes_of_the_interesting_rise(name: str) -> None:
    labelled = np.array([*range(12), *range(100, 140)])
    labels = (labelled < 60).astype(float)
    learn = LEARNERS[name]
    rise = np.argsort(np.argsort(learn(FEATURES, SCORE, labelled, labels, 1)))
    rise -= np.argsort(np.argsort(SCORE))
    assert rise[12:60].mean() > rise[140:].mean() + 10
    assert rise[12:60].mean() > rise[100:140].mean() + 10


@pytest.mark.parametrize("name", LEARNERS)
def test_the_same_labels_give_the_same_bits(name: str) -> None:
    labelled, labels = np.arange(40), np.arange(40) % 2.0
    learn = LEARNERS[name]
    first = learn(FEATURES, SCORE, labelled, labels, 1)
    assert (first == learn(FEATURES, SCORE, labelled, labels, 1)).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_constant_features_and_scores_are_no_fault(name: str) -> None:
    labelled, labels = np.array([0, 1]), np.array([1.0, 0.0])
    interest = LEARNERS[name](np.zeros((9, 3)), np.ones(9), labelled, labels, 1)
    assert np.isfinite(interest).all()


@settings(max_examples=10)
@given(seed=st.integers(0, 999), n=st.sampled_from([30, 4097]), n_labels=st.integers(1, 25))
def test_kernel_is_scikit_learns_gaussian_process(seed: int, n: int, n_labels: int) -> None:
    rng = np.random.default_rng(seed)
    features, score = rng.normal(3, 2, (n, 4)), rng.exponential(7, n)
    labelled, labels = rng.permutation(n)[:n_labels], rng.integers(0, 2, n_labels).astype(float)
    places = (features - features.mean(0)) / features.std(0)
    mean = 0.1 * (score - score.mean()) / score.std()
    process = GaussianProcessRegressor(RBF(3 * np.sqrt(4.0)), alpha=0.3, optimizer=None)
    learnt = process.fit(places[labelled], labels - mean[labelled]).predict(places)
    found = predict_interest(features, score, labelled, labels, 1)
    np.testing.assert_allclose(found, mean + learnt, atol=1e-9)


def test_neighbours_weigh_the_user_near_labels_and_the_score_far_from_them() -> None:
    labelled, labels = np.arange(60), np.r_[np.ones(30), np.zeros(30)]
    features = FEATURES.copy()
    features[599] = 1e4
    found = score_by_neighbours(features, SCORE, labelled, labels, 1)
    raw = 5 * (SCORE - SCORE.min()) / np.ptp(SCORE)
    np.testing.assert_allclose(score_by_neighbours(features, SCORE, NOTHING, labels, 1), raw)
    # Where the label is, the user's score counts alone: from 0.1 for none to 0.95 for the largest.
    share = found[:60][raw[:60] > 0] / raw[:60][raw[:60] > 0]
    assert ((share > 0.1) & (share < 0.95)).all()
    assert share[:30].mean() > 0.5
    assert share[30:].mean() < 0.5
    assert found[599] == pytest.approx(raw[599], rel=1e-6)
    # Equation 4 about one label, told exactly by every tree: 0.1 + 0.85 of it, nearer or farther.
    alone = score_by_neighbours(features[:40], SCORE[:40], np.array([3]), np.ones(1), 1)
    scaled = (features[:40] - features[:40].mean(0)) / features[:40].std(0)
    distance = np.linalg.norm(scaled - scaled[3], axis=1)
    weight = np.tanh(np.exp(distance / distance.mean()) - 1 + np.arctanh(0.95))
    low, high = SCORE[:40].min(), SCORE[:40].max()
    np.testing.assert_allclose(alone, 5 * (SCORE[:40] - low) / (high - low) * weight)


@pytest.mark.parametrize("name", LEARNERS)
def test_units_of_features_and_score_decide_nothing(name: str) -> None:
    labelled = np.arange(0, 600, 20)
    labels = (labelled < 60).astype(float)
    one, other = (
        LEARNERS[name](features, score, labelled, labels, 1)
        for features, score in ((FEATURES, SCORE), (FEATURES * 2**10 + 64, SCORE * 4))
    )
    # Rounding of the shifted features may move a cut of a tree.
    assert np.corrcoef(np.argsort(np.argsort(one)), np.argsort(np.argsort(other)))[0, 1] > 0.99
