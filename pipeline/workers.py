"""Spreads tasks over this process or over Ray's workers, on this machine or on a cluster."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from pipeline.numerics import limit_threads

_T = TypeVar("_T")
_R = TypeVar("_R")
# The blocks of `sharing_ray` that are open, outermost first.
_blocks: list[ExitStack] = []


@contextmanager
def sharing_ray() -> Iterator[None]:
    """Share one Ray among all that is spread in the block: its start and imports cost seconds.

    It starts when first needed and stops with the outermost block. A Ray that somebody else
    started in this process is used and left running.
    """
    with ExitStack() as block:
        _blocks.append(block)
        block.callback(_blocks.pop)
        yield


def run_here(
    run: Callable[[_T], _R], tasks: Sequence[_T], start: Callable[[Sequence[_T]], None]
) -> Iterator[_R]:
    """Run tasks one after the other in this process; `start` is told each before."""
    for task in tasks:
        start([task])
        yield run(task)


def run_on_ray(
    run: Callable[[_T], _R],
    tasks: Sequence[_T],
    start: Callable[[Sequence[_T]], None],
    workers: int,
    estimate_memory: Callable[[_T], int],
    *,
    spread: bool = False,
) -> Iterator[_R]:
    """Run tasks as Ray tasks, on the cluster at ``RAY_ADDRESS`` if that is set.

    Parameters
    ----------
    run : callable
        Module-level function, or a partial of one, that depends on its task alone: a task whose
        worker dies is run again.
    tasks : sequence
    start : callable
        Told each task as it is handed over.
    workers : int
        Tasks that run at a time.
    estimate_memory : callable
        Bytes that a task may take.
    spread : bool
        Whether tasks go to as many nodes as there are, for each fills a node's disk.

    Yields
    ------
    Results in the order in which they end.

    Raises
    ------
    Exception
        What `run` raised, as it raised it.
    """
    import ray

    with sharing_ray():
        connect(workers)
        remote: Any = ray.remote(max_retries=3)(call_from)
        shipped = ray.put(run)
        nodes = [node["Resources"] for node in ray.nodes() if node["Resources"].get("CPU")]
        roomiest = max((node.get("memory", 0) for node in nodes), default=0)
        waiting = list(reversed(tasks))
        running: list = []
        while waiting or running:
            # Twice the workers keeps every one busy without queueing the whole survey.
            while waiting and len(running) < 2 * workers:
                task = waiting.pop()
                start([task])
                # More than any node has would wait for ever.
                needs = {
                    "num_cpus": 1,
                    "memory": min(estimate_memory(task), int(roomiest)),
                    "scheduling_strategy": "SPREAD" if spread else "DEFAULT",
                }
                running.append(remote.options(**needs).remote(Path.cwd(), shipped, task))
            ready, running = ray.wait(running, num_returns=1)
            yield _get_result(ready[0])


def connect(workers: int) -> None:
    """Start Ray inside a block of `sharing_ray`, unless it runs."""
    import ray

    if ray.is_initialized():
        return
    address = os.environ.get("RAY_ADDRESS")
    resources: dict[str, Any] = {} if address else {"num_cpus": workers, "include_dashboard": False}
    # Not None: that would join whatever other run has a Ray of its own on this machine.
    ray.init(
        address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **resources
    )
    _blocks[0].callback(ray.shutdown)


def call_from(folder: Path, run: Callable[[_T], _R], task: _T) -> _R:
    """Run a task on a worker: on one thread, and where the driver works.

    Relative paths count from there. A node that has no such folder keeps its own, and absolute
    paths need none.
    """
    with ExitStack() as block, limit_threads():
        with suppress(OSError):
            block.enter_context(chdir(folder))
        return run(task)


def _get_result(reference: Any) -> Any:
    import ray

    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # Ray wraps the worker's error in its traceback; the cause is the line for the user.
        raise error.cause from None
