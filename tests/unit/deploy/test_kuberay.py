"""``deploy/kuberay``: what Kubernetes takes of it; what agrees with command and image."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

pytest.importorskip("pyarrow")
from ifonly.service.doors.cli.bulk import app as bulk

ROOT = Path(__file__).resolve().parents[3]
KUBERAY = ROOT / "deploy" / "kuberay"
SPEC = {
    "activeDeadlineSeconds", "backoffLimit", "clusterSelector", "entrypoint", "entrypointNumCpus",
    "entrypointNumGpus", "entrypointResources", "jobId", "metadata", "rayClusterSpec",
    "runtimeEnvYAML", "shutdownAfterJobFinishes", "submissionMode", "submitterConfig",
    "submitterPodTemplate", "suspend", "ttlSecondsAfterFinished",
}  # fmt: skip
CLUSTER = {
    "authOptions", "autoscalerOptions", "enableInTreeAutoscaling", "headGroupSpec",
    "headServiceAnnotations", "rayVersion", "suspend", "workerGroupSpecs",
}  # fmt: skip
GROUP = {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"}
"""Fields of KubeRay's own schema (v1), which is not in Kubernetes'."""


def documents() -> list[dict[str, Any]]:
    return [*yaml.safe_load_all((KUBERAY / "rayjob.yaml").read_text())]


def job() -> dict[str, Any]:
    (found,) = [one for one in documents() if one["kind"] == "RayJob"]
    spec: dict[str, Any] = found["spec"]
    return spec


def pods() -> list[dict[str, Any]]:
    cluster = job()["rayClusterSpec"]
    return [group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_what_is_of_kubernetes_is_what_it_takes() -> None:
    for one in documents():
        if one["apiVersion"] == "v1":
            kubernetes_validate.validate(one, "1.33", strict=True)
    for pod in pods():
        whole = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "a"}}
        kubernetes_validate.validate(whole | {"template": pod}, "1.33", strict=True)


def test_what_is_of_kuberay_is_spelled_as_it_spells_it() -> None:
    spec = job()
    cluster = spec["rayClusterSpec"]
    assert spec.keys() <= SPEC
    assert cluster.keys() <= CLUSTER
    assert cluster["headGroupSpec"].keys() <= GROUP
    for group in cluster["workerGroupSpecs"]:
        assert group.keys() <= GROUP
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


def test_the_command_is_one_and_its_work_is_kept() -> None:
    run = shlex.split(job()["entrypoint"].partition("||")[0])
    assert run[:2] == ["ifonly", "bulk"]
    command = typer.main.get_group(bulk).commands["run"]
    given = command.make_context("run", run[2:]).params  # fails on what is no option
    (head, *workers) = pods()
    mounts = {mount["mountPath"] for mount in head["spec"]["containers"][0]["volumeMounts"]}
    assert str(given["work"].parent) in mounts
    assert given["engine"] == "ray"
    (group,) = job()["rayClusterSpec"]["workerGroupSpecs"]
    cores = int(workers[0]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    assert given["workers"] == cores * group["maxReplicas"]  # each actor has a place


def test_all_machines_are_alike() -> None:
    containers = [pod["spec"]["containers"][0] for pod in pods()]
    assert len({one["image"] for one in containers}) == 1
    assert len({yaml.safe_dump(one["env"]) for one in containers}) == 1
    image = (KUBERAY / "Dockerfile").read_text()
    ray = job()["rayClusterSpec"]["rayVersion"]
    assert f"FROM rayproject/ray:{ray}-py" in image
    assert f"ray=={ray}" in (ROOT / "requirements/clients/ray.in").read_text()
    # Of one Python: the wheel of the one is installed in the other.
    (python,) = re.findall(r"^ARG BASE=python:(3\.\d+)", (ROOT / "Dockerfile").read_text(), re.M)
    assert f"-py{python.replace('.', '')}\n" in image
