"""The place that gave a target most of its light, whatever the order of its exposures."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.spectra.science.exposures import Exposures, find_main_places

ROWS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.integers(20210101, 20210103),
        st.integers(0, 1),
        st.integers(0, 2),
        st.integers(1, 3),
    ),
    max_size=30,
)


@given(rows=ROWS, order=st.randoms(use_true_random=False))
def test_it_is_the_longest_by_count_whatever_the_order(rows: list, order) -> None:
    shuffled = order.sample(rows, len(rows))
    columns = np.array(shuffled, np.int64).reshape(-1, 5).T
    targets = np.array([3, 1, 9, 2])
    found = find_main_places(Exposures(*columns[:4], columns[4].astype(float)), targets)
    for targetid, place in zip(targets, found.T.tolist(), strict=True):
        seconds: dict[tuple, int] = {}
        for row in rows:
            if row[0] == targetid:
                seconds[row[1:4]] = seconds.get(row[1:4], 0) + row[4]
        longest = min(seconds, key=lambda key: (-seconds[key], key), default=(-1, -1, -1))
        assert tuple(place) == longest
