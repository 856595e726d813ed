"""Plans which byte ranges to ask for: a pure function of what is wanted and of the link."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Range = tuple[int, int]
Mode = Literal["auto", "hdus", "rows"]


@dataclass(frozen=True)
class Link:
    """What requests cost on the way to a source.

    Attributes
    ----------
    latency : float
        Seconds to a request's first byte.
    bandwidth : float
        Bytes per second of all connections together.
    concurrency : int
        Requests under way at the same time.
    cpu : float
        Seconds of this machine's work per request.
    """

    latency: float
    bandwidth: float
    concurrency: int = 1
    cpu: float = 0.0

    def cost(self, n_bytes: float, n_requests: float) -> float:
        """Return the seconds that a transfer takes."""
        waiting = n_requests * self.latency / self.concurrency
        return max(n_bytes / self.bandwidth, waiting) + n_requests * self.cpu


@dataclass(frozen=True)
class Image:
    """Place of an image in a file: first byte, bytes per row, rows.

    An image that cannot be cut by rows (a compressed one) is a single row.
    """

    start: int
    row_bytes: int
    n_rows: int

    @property
    def stop(self) -> int:
        """First byte after the image."""
        return self.start + self.row_bytes * self.n_rows


@dataclass(frozen=True)
class Plan:
    """Ranges to ask for, in order: ``hdus`` reads images whole, ``rows`` parts of them."""

    mode: Mode
    gap: int
    ranges: tuple[Range, ...]

    @property
    def n_bytes(self) -> int:
        """Bytes to fetch."""
        return sum(stop - start for start, stop in self.ranges)

    def cost(self, link: Link) -> float:
        """Return the seconds that the plan takes on a link."""
        return link.cost(self.n_bytes, len(self.ranges))


def plan_ranges(
    images: Sequence[Image],
    rows: NDArray[np.intp],
    link: Link,
    mode: Mode = "auto",
    gap: int | None = None,
) -> Plan:
    """Choose between whole images and rows, and how far apart two ranges may lie to be merged.

    Parameters
    ----------
    images : sequence of Image
        Disjoint; their rows correspond to each other.
    rows : ndarray of int
        Rows wanted, in any order.
    link : Link
    mode : {'auto', 'hdus', 'rows'}
    gap : int, optional
        Bytes that two merged ranges may lie apart; by default the cheapest on this link.

    Returns
    -------
    Plan
        The cheapest. Of two that cost the same the whole images win: their checksum can be
        verified.
    """
    wanted = np.unique(rows)
    pieces = {"hdus": [(image.start, image.stop) for image in images] if len(wanted) else []}
    if mode != "hdus":
        pieces["rows"] = [piece for image in images for piece in _cut(image, wanted)]
    if mode == "rows":
        del pieces["hdus"]
    plans = []
    for name, ranges in pieces.items():
        chosen = choose_gap(ranges, link) if gap is None else gap
        plans.append(Plan(name, chosen, tuple(merge_ranges(ranges, chosen))))  # type: ignore[arg-type]
    return min(plans, key=lambda plan: plan.cost(link))


def merge_ranges(ranges: Sequence[Range], gap: int) -> list[Range]:
    """Merge disjoint ranges that lie at most `gap` bytes apart; the result is in order."""
    merged: list[Range] = []
    for start, stop in sorted(ranges):
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], stop)
        else:
            merged.append((start, stop))
    return merged


def cut_ranges(ranges: Sequence[Range], places: Sequence[int], limit: int) -> list[Range]:
    """Cut ranges that are longer than a limit, but only at some places.

    Parameters
    ----------
    ranges : sequence of Range
    places : sequence of int
        Where a range may be cut, in order, e.g. where images begin.
    limit : int
        Bytes; what lies between two places stays in one piece also if it is longer.
    """
    cut: list[Range] = []
    for start, stop in ranges:
        first = start
        inside = [place for place in places if start < place < stop]
        for place, following in pairwise([*inside, stop]):
            if following - first > limit:
                cut.append((first, place))
                first = place
        cut.append((first, stop))
    return cut


def choose_gap(ranges: Sequence[Range], link: Link) -> int:
    """Return the gap whose merged ranges cost least: every gap that occurs is tried."""
    if len(ranges) < 2:
        return 0
    edges = np.array(sorted(ranges), dtype=np.int64)
    gaps = np.sort(edges[1:, 0] - edges[:-1, 1])
    payload = int((edges[:, 1] - edges[:, 0]).sum())
    n_bytes = payload + np.concatenate([[0], np.cumsum(gaps)])
    # Equal gaps are merged together or not at all.
    tried = np.flatnonzero(np.append(gaps[1:] > gaps[:-1], True)) + 1
    steps = [0, *tried.tolist()] if gaps[0] > 0 else tried.tolist()
    costs = [link.cost(float(n_bytes[step]), len(edges) - step) for step in steps]
    best = steps[int(np.argmin(costs))]
    return int(gaps[best - 1]) if best else 0


def _cut(image: Image, wanted: NDArray[np.intp]) -> list[Range]:
    if image.n_rows == 1:
        return [(image.start, image.stop)] if len(wanted) else []
    starts = (image.start + wanted * image.row_bytes).tolist()
    return [(start, start + image.row_bytes) for start in starts]
