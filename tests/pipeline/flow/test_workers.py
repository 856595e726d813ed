"""Spreading tasks over Ray: one Ray for what a block spreads, errors as they were raised."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info

from pipeline.errors import UserError
from pipeline.workers import call_from, run_here, run_on_ray, sharing_ray


@pytest.mark.slow
def test_a_block_shares_one_ray_and_stops_it() -> None:
    import ray

    # Workers cannot import the tests, so the work travels by value.
    def name_node(task: int) -> str:
        if task < 0:
            raise UserError("no room")
        return ray.get_runtime_context().get_node_id()

    def spread(tasks: list[int]) -> list[str]:
        return list(run_on_ray(name_node, tasks, ignore, 2, lambda task: 0))

    with sharing_ray():
        assert not ray.is_initialized()
        nodes = spread([1, 2, 3]) + spread([4])
        assert len(nodes) == 4
        assert len(set(nodes)) == 1
        with pytest.raises(UserError, match=r"^no room$"):
            spread([5, -1])
    assert not ray.is_initialized()


def test_relative_paths_count_from_the_driver_s_folder(tmp_path: Path) -> None:
    here = Path.cwd()
    assert call_from(tmp_path, lambda _: (Path.cwd(), count_threads()), 0) == (tmp_path, {1})
    # A node that has no such folder.
    assert call_from(tmp_path / "none", lambda task: task, 2) == 2
    assert Path.cwd() == here


def count_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info()}


def test_tasks_start_one_after_the_other_here() -> None:
    seen: list[object] = []

    def run(task: int) -> int:
        seen.append(task)
        return task * 2

    assert list(run_here(run, [1, 2], seen.append)) == [2, 4]
    assert seen == [[1], 1, [2], 2]


def ignore(_: Sequence[int]) -> None:
    """Take no notice of a start."""
