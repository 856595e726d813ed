"""Map and clusters: planted groups are found again, noise is not, everything repeats."""

import numpy as np

from pipeline.judge.science.families import draw_map, find_clusters


def make_groups(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    groups = [rng.normal(centre, 0.3, (size, 8)) for centre, size in ((0, 60), (6, 25), (-6, 15))]
    return np.concatenate([*groups, rng.uniform(-30, 30, (10, 8))])


def test_planted_groups_are_stable_clusters() -> None:
    cluster, stability = find_clusters(make_groups(), 8, 6, seed=0)
    assert [np.bincount(cluster[a:b]).argmax() for a, b in ((0, 60), (60, 85), (85, 100))] == [
        1,
        2,
        3,
    ]
    assert (stability[:100][cluster[:100] > 0] > 0.75).all()
    assert (stability[cluster == 0] == 0).all()


def test_scattered_points_form_no_stable_cluster() -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, (80, 8))
    cluster, stability = find_clusters(noise, 8, 6, seed=0)
    assert (stability[cluster > 0] < 0.75).all()


def test_too_few_points() -> None:
    cluster, stability = find_clusters(np.zeros((3, 2)), 8, 2, seed=0)
    assert not cluster.any()
    assert not stability.any()
    assert draw_map(np.ones((3, 4)), 100, 0).shape == (3, 2)
    assert draw_map(np.ones((1, 1)), 100, 0).shape == (1, 2)


def test_map_keeps_neighbours_together() -> None:
    features = make_groups()[:100]
    plane = draw_map(features, 100, seed=0)
    centres = [plane[a:b].mean(0) for a, b in ((0, 60), (60, 85), (85, 100))]
    spread = max(plane[a:b].std() for a, b in ((60, 85), (85, 100)))
    assert min(np.linalg.norm(centres[0] - c) for c in centres[1:]) > spread
    np.testing.assert_array_equal(plane, draw_map(features, 100, seed=0))


def test_others_lie_among_their_anchors() -> None:
    plane = draw_map(make_groups()[:100], 50, seed=0)
    assert plane.shape == (100, 2)
    assert np.isfinite(plane).all()
