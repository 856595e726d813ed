"""Draws by identity: even, the same for ever, independent between streams."""

import numpy as np

from pipeline.science.draw import Stream, hash_to_unit

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
