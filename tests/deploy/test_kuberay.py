"""The RayJob renders, names what exists, and starts no node without a memory bound or a secret."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# Fields of the operator's custom resource, ray.io/v1.
_JOB_FIELDS = {
    "activeDeadlineSeconds",
    "backoffLimit",
    "clusterSelector",
    "deletionStrategy",
    "entrypoint",
    "entrypointNumCpus",
    "entrypointNumGpus",
    "entrypointResources",
    "jobId",
    "managedBy",
    "metadata",
    "preRunningDeadlineSeconds",
    "rayClusterSpec",
    "runtimeEnvYAML",
    "shutdownAfterJobFinishes",
    "submissionMode",
    "submitterConfig",
    "submitterPodTemplate",
    "suspend",
    "ttlSecondsAfterFinished",
}
_WORKER_FIELDS = {
    "groupName",
    "replicas",
    "minReplicas",
    "maxReplicas",
    "rayStartParams",
    "template",
}
MANIFEST = ROOT / "deploy" / "kuberay" / "rayjob.yaml"


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    return yaml.safe_load(MANIFEST.read_text())


def _groups(job: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = job["spec"]["rayClusterSpec"]
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def test_kind_and_version(job: dict[str, Any]) -> None:
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    pinned = re.search(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]


def test_every_field_is_one_of_the_operator_s(job: dict[str, Any]) -> None:
    assert job["spec"].keys() <= _JOB_FIELDS
    cluster = job["spec"]["rayClusterSpec"]
    assert cluster.keys() == {"rayVersion", "headGroupSpec", "workerGroupSpecs"}
    assert cluster["headGroupSpec"].keys() == {"rayStartParams", "template"}
    for group in cluster["workerGroupSpecs"]:
        assert group.keys() == _WORKER_FIELDS
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in _groups(job):
        # The operator passes these to `ray start`, which takes text only.
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_entrypoint_is_a_command_whose_settings_hold(job: dict[str, Any]) -> None:
    from pipeline.cli.main import qad
    from pipeline.config import load_config
    from pipeline.lake.files import is_object
    from pipeline.lake.layout import Lake

    words = job["spec"]["entrypoint"].split()
    assert words[0] == "qad"
    command = qad.commands[words[1]]
    given = dict(command.make_context(words[1], words[2:]).params)
    config = load_config(None, given["overrides"], source=given["source"])
    assert is_object(Lake(given["root"], config.run.lake).home)
    workers = job["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    cpus = sum(
        group["replicas"] * int(container["resources"]["limits"]["cpu"])
        for group in workers
        for container in group["template"]["spec"]["containers"]
    )
    assert config.run.workers == cpus


def test_every_node_bounds_what_it_takes(job: dict[str, Any]) -> None:
    for group in _groups(job):
        for container in group["template"]["spec"]["containers"]:
            limits = container["resources"]["limits"]
            assert limits.keys() == {"cpu", "memory", "ephemeral-storage"}
            assert container["resources"]["requests"] == limits


def test_head_mounts_what_the_entrypoint_names(job: dict[str, Any]) -> None:
    head, *workers = (group["template"]["spec"] for group in _groups(job))
    volumes = {volume["name"] for volume in head["volumes"]}
    [container] = head["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    for word in job["spec"]["entrypoint"].split():
        assert not word.startswith("/") or any(word.startswith(path) for path in mounted), word
    assert all("volumes" not in pod for pod in workers)


def test_secrets_are_references(job: dict[str, Any]) -> None:
    for group in _groups(job):
        for container in group["template"]["spec"]["containers"]:
            assert all("secretRef" in source for source in container["envFrom"])
            assert "env" not in container
    assert not re.search(r"(?i)(password|secret_?key|token)\s*[:=]", MANIFEST.read_text())
