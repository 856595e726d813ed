"""A run on a cluster of several nodes, one of which dies, ends in the same release."""

import os
import time
from pathlib import Path

import pytest
from command_line import run_arguments, sums
from forked import start_qad

pytestmark = pytest.mark.slow


def test_node_killed_mid_run_costs_only_its_shards(
    survey: Path, finished: Path, tmp_path: Path
) -> None:
    from ray.cluster_utils import Cluster

    root, output = tmp_path / "root", tmp_path / "output"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        doomed = cluster.add_node(num_cpus=2)
        process = start_qad(
            *run_arguments(survey, root, run__workers=3),
            env=os.environ | {"RAY_ADDRESS": cluster.address},
            stdout=output,
            stderr=output,
        )
        deadline = time.monotonic() + 120
        while not list(root.glob("lake/coadds/*/*/*")) and time.monotonic() < deadline:
            assert process.is_alive(), output.read_text()
            time.sleep(0.01)
        cluster.remove_node(doomed, allow_graceful=False)
        process.join(300)
        assert process.exitcode == 0, output.read_text()
    finally:
        cluster.shutdown()
    assert sums(root) == sums(finished)
