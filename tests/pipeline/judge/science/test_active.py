"""What each learner makes of labels."""

import numpy as np
import pytest

from pipeline.judge.science.active import LEARNERS

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
