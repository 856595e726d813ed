"""A run on a cluster of several nodes, one of which dies, ends in the same release."""

import os
import subprocess
import time
from pathlib import Path

import pytest
from command_line import QAD, Run, run_arguments, sums

pytestmark = pytest.mark.slow


def test_node_killed_mid_run_costs_only_its_shards(
    survey: Path, finished: Path, tmp_path: Path, qad: Run
) -> None:
    from ray.cluster_utils import Cluster

    root = tmp_path / "root"
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        doomed = cluster.add_node(num_cpus=2)
        process = subprocess.Popen(
            [str(QAD), *run_arguments(survey, root, run__workers=3)],
            env=os.environ | {"RAY_ADDRESS": cluster.address}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        deadline = time.monotonic() + 120
        while not list(root.glob("lake/coadds/*/*/*")) and time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.01)
        cluster.remove_node(doomed, allow_graceful=False)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
    finally:
        cluster.shutdown()
    assert sums(root) == sums(finished)
