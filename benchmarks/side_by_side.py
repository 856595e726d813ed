"""Measures alternatives in turns, in CPU time, so that other work on the machine hits all alike."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping


def time_in_turns(works: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return each work's median CPU seconds; a first turn, for compilers and caches, is dropped."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 1):
        for name, work in works.items():
            gc.collect()
            begin = time.process_time()
            work()
            if turn:
                seconds[name].append(time.process_time() - begin)
    return {name: statistics.median(values) for name, values in seconds.items()}
