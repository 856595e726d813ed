"""The planner: every wanted byte, no byte twice, never dearer than a fixed rule."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.transport.ranges import (
    Image,
    Link,
    Plan,
    choose_gap,
    cut_ranges,
    merge_ranges,
    plan_ranges,
)
from pipeline.transport.transfer import LinkMeter

LINKS = st.builds(
    Link,
    latency=st.floats(1e-6, 0.2),
    bandwidth=st.floats(1e5, 1e10),
    concurrency=st.integers(1, 64),
    cpu=st.floats(0, 1e-2),
)
FIXED_GAPS = (0, 2**14, 2**16, 2**20, 2**40)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[list[Image], np.ndarray]:
    """Images of one file, other data between them, and rows of interest."""
    n_rows = draw(st.integers(1, 40))
    images, place = [], 0
    for _ in range(draw(st.integers(1, 9))):
        place += draw(st.integers(0, 2**18))
        images.append(Image(place, draw(st.integers(1, 12000)), n_rows))
        place = images[-1].stop
    rows = draw(st.lists(st.integers(0, n_rows - 1), max_size=n_rows))
    return images, np.array(rows, dtype=int)


def _covers(plan: Plan, image: Image, row: int) -> bool:
    start = image.start + row * image.row_bytes
    return any(low <= start and start + image.row_bytes <= high for low, high in plan.ranges)


@settings(max_examples=150, deadline=None)
@given(
    layouts(), LINKS, st.sampled_from(["auto", "hdus", "rows"]), st.none() | st.integers(0, 9999)
)
def test_every_wanted_row_lies_in_one_of_disjoint_sorted_ranges(layout, link, mode, gap) -> None:
    images, rows = layout
    plan = plan_ranges(images, rows, link, mode, gap)
    assert all(_covers(plan, image, row) for image in images for row in rows)
    edges = [edge for wanted in plan.ranges for edge in wanted]
    assert all(low < high for low, high in plan.ranges)
    assert edges == sorted(edges)
    assert not (len(rows) == 0 and plan.ranges)


@settings(max_examples=150, deadline=None)
@given(layouts(), LINKS)
def test_choice_costs_no_more_than_any_fixed_rule(layout, link) -> None:
    images, rows = layout
    chosen = plan_ranges(images, rows, link).cost(link)
    for mode in ("hdus", "rows"):
        for gap in FIXED_GAPS:
            assert chosen <= plan_ranges(images, rows, link, mode, gap).cost(link) * (1 + 1e-9)


@settings(max_examples=100, deadline=None)
@given(layouts(), LINKS)
def test_gap_is_the_best_of_all_that_occur(layout, link) -> None:
    images, _ = layout
    pieces = [(image.start, image.stop) for image in images]
    gaps = {0, *(b[0] - a[1] for a, b in pairwise(pieces))}

    def cost(gap: int) -> float:
        merged = merge_ranges(pieces, gap)
        return link.cost(sum(stop - start for start, stop in merged), len(merged))

    assert cost(choose_gap(pieces, link)) <= min(map(cost, gaps)) * (1 + 1e-9)


@given(LINKS, st.integers(0, 10**9), st.integers(0, 1000))
def test_a_transfer_costs_the_longer_of_bytes_and_waiting_and_every_request_s_work(
    link: Link, n_bytes: int, n_requests: int
) -> None:
    work = n_requests * link.cpu
    # As many first bytes are waited for at a time as there are connections.
    waiting = n_requests / link.concurrency * link.latency
    expected = max(n_bytes / link.bandwidth, waiting) + work
    assert link.cost(n_bytes, n_requests) == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 100), st.integers(0, 100))
def test_ranges_are_merged_as_far_apart_as_the_gap_and_no_farther(apart: int, gap: int) -> None:
    both = [(200 + apart, 300 + apart), (100, 200)]
    merged = [(100, 300 + apart)] if apart <= gap else sorted(both)
    assert merge_ranges(both, gap) == merged


@given(st.integers(1, 100))
def test_what_keeps_to_the_limit_is_not_cut(limit: int) -> None:
    assert cut_ranges([(0, limit)], range(1, limit), limit) == [(0, limit)]
    # Whole where it begins or ends, cut where it must be.
    assert cut_ranges([(0, limit + 1)], [0, 1, limit + 1], limit) == [(0, 1), (1, limit + 1)]


def test_slow_link_takes_rows_and_distant_one_merges() -> None:
    images = [Image(i * 40_000_000, 11_000, 500) for i in range(3)]
    rows = np.arange(0, 500, 8)
    thin = plan_ranges(images, rows, Link(1e-3, 1e6, 16))
    far = plan_ranges(images, rows, Link(0.2, 1e9, 1))
    assert len(thin.ranges) == 3 * len(rows)
    assert len(far.ranges) <= 3


def test_whole_images_win_a_tie() -> None:
    images = [Image(0, 100, 4)]
    assert plan_ranges(images, np.arange(4), Link(1, 1e9)).mode == "hdus"


def test_meter_follows_the_link() -> None:
    meter = LinkMeter(concurrency=4)
    for _ in range(60):
        meter.observe_request(latency=0.5, n_bytes=1000, cpu=2e-3)
        meter.observe_batch(n_bytes=10**7, n_requests=1, seconds=1.0)
    assert abs(meter.link.latency - 0.5) < 0.01
    assert abs(meter.link.cpu - 2e-3) < 1e-4
    assert abs(meter.link.bandwidth / 1e7 - 1) < 0.1


@given(
    edges=st.lists(st.integers(0, 500), min_size=2, max_size=8, unique=True).map(sorted),
    places=st.lists(st.integers(0, 500), max_size=8, unique=True).map(sorted),
    limit=st.integers(1, 200),
)
def test_cut_ranges_hold_the_same_bytes_and_keep_to_the_limit(
    edges: list[int], places: list[int], limit: int
) -> None:
    ranges = list(zip(edges[::2], edges[1::2], strict=False))
    cut = cut_ranges(ranges, places, limit)
    assert merge_ranges(cut, 0) == merge_ranges(ranges, 0)
    assert {edge for part in cut for edge in part} <= {*edges, *places}
    for start, stop in cut:
        inside = [place for place in places if start < place < stop]
        assert stop - start <= limit or not inside
