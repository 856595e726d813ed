"""Draws by identity: even, the same for ever, independent between streams."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.science.draw import Stream, assign_folds, hash_to_unit

# Neighbouring TARGETIDs beyond 2^53, as DESI's are, and negative ones.
IDS = np.concatenate([39627000000000000 + np.arange(10_000), -np.arange(1, 10_000)])


def test_draws_are_even() -> None:
    draw = hash_to_unit(IDS)
    assert ((draw >= 0) & (draw < 1)).all()
    counts = np.histogram(draw, 20, (0, 1))[0]
    expected = len(IDS) / 20
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_streams_are_independent() -> None:
    one, other = hash_to_unit(IDS), hash_to_unit(IDS, stream=Stream.REDSHIFT)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.03


def test_neighbours_are_independent() -> None:
    draw = hash_to_unit(IDS[:10_000])
    assert abs(np.corrcoef(draw[1:], draw[:-1])[0, 1]) < 0.04


def test_draws_are_the_same_for_ever() -> None:
    """A change here redraws the controls: a new revision of `target` and `adopt`."""
    values = hash_to_unit(np.array([0, 1, 39627000000000000, -7]))
    np.testing.assert_allclose(values, EXPECTED, atol=1e-12)


EXPECTED = [0.8833108082136426, 0.5665615751722809, 0.46789393454639927, 0.4223342175278125]


@given(n_folds=st.integers(1, 9))
def test_folds_are_even_and_every_spectrum_of_an_object_is_in_one(n_folds: int) -> None:
    folds = assign_folds(IDS, n_folds)
    counts = np.bincount(folds)
    assert len(counts) == n_folds
    assert np.abs(counts - len(IDS) / n_folds).max() < 5 * np.sqrt(len(IDS) / n_folds)
    order = np.random.default_rng(n_folds).permutation(len(IDS))
    np.testing.assert_array_equal(assign_folds(IDS[order], n_folds), folds[order])


def test_folds_know_nothing_of_the_other_draws() -> None:
    folds = assign_folds(IDS, 2)
    for stream in set(Stream) - {Stream.FOLD}:
        assert abs(np.corrcoef(folds, hash_to_unit(IDS, stream))[0, 1]) < 0.04
