"""The isolation score: scikit-learn's numbers, and larger further out."""

import numpy as np
from sklearn.ensemble import IsolationForest

from pipeline.spectra.science.isolation import Isolation


def test_isolation_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    cloud = rng.standard_normal((400, 5)).astype(np.float32)
    cloud[:50] = cloud[0]
    forest = IsolationForest(n_estimators=40, random_state=7).fit(cloud)
    places = np.concatenate([cloud, 4 * rng.standard_normal((100, 5)).astype(np.float32)])
    found = Isolation(cloud, 40, seed=7).score(places)
    np.testing.assert_allclose(found, -forest.score_samples(places), rtol=1e-5)


def test_isolation_grows_outwards() -> None:
    rng = np.random.default_rng(0)
    cloud = rng.standard_normal((500, 4))
    isolation = Isolation(cloud, 50, seed=1)
    places = np.array([[0.0] * 4, [2.0] * 4, [8.0] * 4])
    scores = isolation.score(places)
    assert scores[0] < scores[1] < scores[2]
    assert ((scores > 0) & (scores < 1)).all()
    np.testing.assert_array_equal(scores, Isolation(cloud, 50, 1).score(places))
    assert isolation.score(np.zeros((0, 4))).shape == (0,)
