"""The RayJob renders, names what exists, and starts no node without a memory bound or a secret."""

import copy
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
OVERLAY = ROOT / "deploy" / "kuberay-gpu" / "kustomization.yaml"
# Stages that see the whole survey run in the head.
_HEAD_STAGES = ("calibrate", "classify", "grade", "control", "crossmatch")
# Quasars of the fullest shard of DR1, of which a task takes so many MiB and those of the libraries.
_LARGEST_SHARD = 1000
# Ray keeps this part of a node's memory for tasks, the rest for objects.
_RAY_SHARE = 0.7


def load_plain() -> dict[str, Any]:
    return yaml.safe_load(MANIFEST.read_text())


def load_on_gpu() -> dict[str, Any]:
    """Apply the overlay's JSON patches (RFC 6902) to the manifest, as kustomize does."""
    overlay, job = yaml.safe_load(OVERLAY.read_text()), load_plain()
    [base] = overlay["resources"]
    listed = yaml.safe_load((OVERLAY.parent / base / "kustomization.yaml").read_text())
    assert [(OVERLAY.parent / base / name).resolve() for name in listed["resources"]] == [MANIFEST]
    [patch] = overlay["patches"]
    group, version = job["apiVersion"].split("/")
    target = {"group": group, "version": version, "kind": job["kind"]}
    assert patch["target"] == target | {"name": job["metadata"]["name"]}
    for change in yaml.safe_load(patch["patch"]):
        *parents, last = (
            word.replace("~1", "/").replace("~0", "~") for word in change["path"].split("/")[1:]
        )
        place: Any = job
        for word in parents:
            place = place[int(word)] if isinstance(place, list) else place[word]
        assert (last in place) == (change["op"] == "replace"), change["path"]
        place[last] = copy.deepcopy(change["value"])
    return job


@pytest.fixture(scope="module", params=[load_plain, load_on_gpu])
def job(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param()


def read_gib(text: str) -> float:
    assert text.endswith("Gi")
    return float(text.removesuffix("Gi"))


def get_limits(group: dict[str, Any]) -> dict[str, str]:
    [container] = group["template"]["spec"]["containers"]
    return container["resources"]["limits"]


def read_peaks() -> dict[str, float]:
    """Return the peak memory of each stage as docs/performance.md has it measured, GiB."""
    text = (ROOT / "docs" / "performance.md").read_text()
    chapter = text.split("benchmarks/dr1_rehearsal.py`)")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` .*\| ([\d.]+) \|$", chapter, re.MULTILINE)
    return {stage: float(peak) for stage, peak in rows}


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
            assert limits.keys() - {"nvidia.com/gpu"} == {"cpu", "memory", "ephemeral-storage"}
            assert container["resources"]["requests"] == limits


def test_head_has_the_memory_that_the_stages_were_measured_to_take() -> None:
    """With half of it to spare, and not several times as much."""
    head, *_ = _groups(load_plain())
    peaks = read_peaks()
    assert peaks.keys() == set(_HEAD_STAGES)
    assert 1.5 <= read_gib(get_limits(head)["memory"]) / max(peaks.values()) <= 3


def test_head_has_the_memory_that_training_may_take() -> None:
    from pipeline.config import Config

    head, *_ = _groups(load_plain())
    assert read_gib(get_limits(head)["memory"]) >= 1.5 * Config().train.memory_limit


def test_workers_have_memory_for_a_full_shard_on_every_cpu() -> None:
    from pipeline.flow.runner import Piece, estimate_memory
    from pipeline.stage import Task

    of_task = estimate_memory(Piece(Task(n_expected=_LARGEST_SHARD), (), "")) / 2**30
    for group in _groups(load_plain())[1:]:
        limits = get_limits(group)
        assert _RAY_SHARE * read_gib(limits["memory"]) >= int(limits["cpu"]) * of_task * 0.99


def test_workers_have_disk_for_the_windows_of_a_member() -> None:
    from pipeline.config import load_config
    from pipeline.spectra.grids import make_run_grid

    n_bytes = 1_550_000 * make_run_grid(load_config(None, source="s3://desidata/dr1")).window * 4
    for group in _groups(load_plain())[1:]:
        assert read_gib(get_limits(group)["ephemeral-storage"]) * 2**30 >= 1.25 * n_bytes


def test_gpu_is_the_head_s_and_nothing_else_changes() -> None:
    plain, on_gpu = load_plain(), load_on_gpu()
    added = {"--set train.device=cuda", "--set train.batch_size=4096"}
    words = on_gpu["spec"]["entrypoint"]
    for setting in added:
        assert setting in words
        words = words.replace(f" {setting}", "")
    assert words == plain["spec"]["entrypoint"]
    head, *workers = _groups(on_gpu)
    assert get_limits(head)["nvidia.com/gpu"] == "1"
    assert workers == _groups(plain)[1:]
    tolerated = [each["key"] for each in head["template"]["spec"]["tolerations"]]
    assert tolerated == ["nvidia.com/gpu"]


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
