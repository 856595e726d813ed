"""Map and clusters: planted groups are found again, noise is not, everything repeats."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from pipeline.judge.science.families import draw_map, find_axes, find_clusters


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


@pytest.mark.parametrize("seed", range(3))
def test_clusters_follow_their_rows_and_the_largest_comes_first(seed: int) -> None:
    axes = make_groups()
    cluster, _ = find_clusters(axes, 8, 0, seed=0)
    order = np.random.default_rng(seed).permutation(len(axes))
    again, stability = find_clusters(3 * axes[order] - 7, 8, 0, seed=0)
    np.testing.assert_array_equal(again, cluster[order])
    assert not stability.any()
    sizes = np.bincount(cluster)[1:]
    assert (np.diff(sizes) <= 0).all()
    assert sizes.min() >= 8


def test_stability_is_the_mean_likeness_to_what_samples_show() -> None:
    """One cluster that every sample shows whole, and points that belong to none in any."""
    rng = np.random.default_rng(2)
    axes = np.concatenate([rng.normal(0, 1e-3, (40, 3)), rng.normal(9, 1e-3, (40, 3))])
    _, stability = find_clusters(axes, 8, 5, seed=0)
    np.testing.assert_allclose(stability, 1, atol=0.35)
    assert (stability <= 1).all()
    one, other = (find_clusters(make_groups(), 8, n, seed=1)[1] for n in (1, 40))
    assert np.abs(one - other).max() < 0.6


def test_axes_keep_all_distances_and_lead_with_the_widest() -> None:
    features = np.random.default_rng(3).normal(5, [1, 9, 3], (50, 3))
    axes = find_axes(features, 0)
    np.testing.assert_allclose(pdist(axes), pdist(features))
    np.testing.assert_allclose(axes.mean(0), 0, atol=1e-9)
    np.testing.assert_allclose(
        np.cov(axes.T), np.diag(np.sort(axes.var(0, ddof=1))[::-1]), atol=1e-9
    )
    np.testing.assert_allclose(
        find_axes(features[:, :1], 0), features[:, :1] - features[:, 0].mean()
    )
    assert find_axes(np.random.default_rng(4).normal(size=(60, 40)), 0).shape == (60, 20)


def test_what_is_no_anchor_lies_where_its_likes_are() -> None:
    features = np.repeat(make_groups()[60:100], 2, axis=0)
    plane = draw_map(features, 40, seed=0)
    anchors = np.unique(np.linspace(0, 79, 40).astype(int))
    twins = anchors ^ 1
    np.testing.assert_allclose(plane[twins], plane[anchors], atol=1e-4)
    # Beside each other on the map: the two groups, whole.
    first, second = plane[:50], plane[50:]
    assert np.linalg.norm(first.mean(0) - second.mean(0)) > max(first.std(), second.std())


def test_few_points_lie_on_their_leading_axes() -> None:
    features = np.random.default_rng(5).normal(size=(10, 6))
    np.testing.assert_allclose(draw_map(features, 100, 0), find_axes(features, 0)[:, :2], atol=1e-5)
    assert len(np.unique(draw_map(np.random.default_rng(5).normal(size=(11, 6)), 100, 0))) == 22
