"""Ranks and states of candidates: every object once, the nearest first, one reason each."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from catalog_schema.vocabulary import MatchState
from pipeline.context.science.candidates import rank_candidates, settle_states

N = 6
PAIRS = st.lists(
    st.tuples(st.integers(0, N - 1), st.floats(0, 5), st.booleans()), min_size=0, max_size=20
)


@given(PAIRS)
def test_every_object_has_its_candidates_nearest_first_or_one_empty_row(pairs: list) -> None:
    position = np.array([pair[0] for pair in pairs], np.int64)
    separation = np.array([pair[1] for pair in pairs])
    is_near = np.array([pair[2] for pair in pairs], bool)
    ranked = rank_candidates(position, separation, is_near, N)
    assert np.all(np.diff(ranked.position) >= 0)
    for i in range(N):
        mine = np.flatnonzero((position == i) & is_near)
        places = ranked.place[ranked.position == i]
        ranks = ranked.rank[ranked.position == i]
        assert ranked.n_candidates[i] == len(mine)
        assert ranks.tolist() == list(range(1, max(len(mine), 1) + 1))
        if not len(mine):
            assert places.tolist() == [-1]
            continue
        assert sorted(places) == mine.tolist()
        assert np.all(np.diff(separation[places]) >= 0)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.booleans()), min_size=1)
)
def test_the_first_reason_that_holds_is_the_state(objects: list) -> None:
    n, failed, asked, covered = (np.array(values) for values in zip(*objects, strict=True))
    states = settle_states(n, np.flatnonzero(failed).tolist(), asked, covered)
    for i, state in enumerate(states):
        if not asked[i]:
            wanted = MatchState.NOT_QUERIED
        elif n[i]:
            # What was found is there, whatever the footprint and the service say.
            wanted = MatchState.MATCHED if n[i] == 1 else MatchState.AMBIGUOUS
        elif not covered[i]:
            wanted = MatchState.NOT_COVERED
        else:
            wanted = MatchState.SERVICE_ERROR if failed[i] else MatchState.NO_MATCH
        assert state == wanted
