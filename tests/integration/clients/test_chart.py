"""The Helm chart, rendered by Helm: what Kubernetes takes, and what ``deploy/kubernetes`` has."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bench.chart_schema import SCHEMA, settings
from ifonly.service.settings import Settings
from tests.integration.clients.conftest import calls
from tests.support.kustomized import Object, built, by_name

pytestmark = pytest.mark.clients

Charts = list[dict[tuple[str, str], Object]]
DEPLOY = Path(__file__).parents[3] / "deploy"
URL = {"address": "s3://models.example/plant", "every": 60, "secret": "ifonly-models"}
SAME: dict[str, dict[str, Any]] = {
    "kubernetes": {},
    "overlays/models-claim": {"models": {"from": "claim"}},
    "overlays/models-url": {"models": {"from": "url", "url": URL}},
}
"""Folders of deploy/, and the values that render the same."""
OUTSIDE = [{"ipBlock": {"cidr": "192.0.2.1/32"}}]
EVERYTHING = {
    "image": {"repository": "r.example/i", "tag": "9", "pullPolicy": "Always"},
    "serviceAccount": "reader",
    "models": {"from": "url", "url": URL | {"sha256": "ab" * 32, "every": 0}},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "t", "annotations": {"a": "b"}},
    "autoscaling": {"enabled": True},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "dashboard": {"enabled": True},
    "service": {"annotations": {"a": "b"}},
    "networkPolicy": {"egress": [{"to": OUTSIDE, "ports": [{"port": 5432, "protocol": "TCP"}]}]},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}  # fmt: skip
OPERATORS = {"PrometheusRule", "ServiceMonitor"}
"""Kinds of Prometheus' operator, of which Kubernetes knows nothing."""
NOTHING = {
    name: {"enabled": False} for name in ("migration", "networkPolicy", "podDisruptionBudget")
} | {"models": {"from": "claim", "claim": {"name": "theirs", "readOnly": True}}}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"settings": {"proceses": 2}}, "proceses"),
    ({"settings": {"processes": 0}}, "processes"),
    ({"settings": {"database_url": "postgresql://a:b@c/d"}}, "database_url"),
    ({"settings": {"no_auth": True}}, "no_auth"),
    ({"secret": ""}, "secret"),
    ({"models": {"from": "git"}}, "from"),
    ({"models": {"from": "url"}}, "address"),
    ({"models": {"from": "url", "url": URL | {"sha256": "abc"}}}, "sha256"),
    ({"replica": 2}, "replica"),
]
"""Values that are refused, and what the refusal names."""
ODD: dict[str, Any] = {
    "audit_witnesses": {"http://w.example/api/v1/witness": "key"},
    "witness_logs": ["one", "two"],
    "max_job_bytes": 33_554_433,
    "model_memory_bytes": 1 << 40,
    "rate_per_second": 0.25,
    "refresh_seconds": 5.0,
    "shutdown_seconds": 45,
    "public_url": 'https://i.example/?a="b"',
    "allowed_hosts": "here.example",
}
"""Settings of every type."""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """All of it, rendered in one process."""
    values = [*SAME.values(), EVERYTHING, NOTHING, {"settings": ODD}, *(v for v, _ in WRONG)]
    return calls("deploy", str(SCHEMA.parent), json.dumps(values), how="_helm")


@pytest.fixture(scope="module")
def charts(told: dict[str, Any]) -> Charts:
    found = []
    for rendered in told["told"][: len(SAME) + 3]:
        assert "error" not in rendered, rendered["error"]
        files = (text for name, text in rendered["files"].items() if not name.endswith(".txt"))
        found.append({key: one for text in files for key, one in by_name(text).items()})
    return found


def test_helm_finds_nothing_to_mend(told: dict[str, Any]) -> None:
    assert [m for m in told["lint"]["messages"] if "icon" not in m["error"]] == []
    assert told["lint"]["errors"] == []


def test_what_is_rendered_is_what_kubernetes_takes(charts: Charts) -> None:
    kinds = set()
    for (kind, _), one in (pair for chart in charts for pair in chart.items()):
        kinds.add(kind)
        if kind not in OPERATORS:
            kubernetes_validate.validate(one, "1.33", strict=True)
    assert kinds == {
        "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Ingress", "Job", "NetworkPolicy",
        "PersistentVolumeClaim", "PodDisruptionBudget", "Service", *OPERATORS,
    }  # fmt: skip


@pytest.mark.parametrize("folder", SAME)
def test_chart_and_manifests_are_the_same(charts: Charts, folder: str) -> None:
    chart = deepcopy(charts[[*SAME].index(folder)])
    manifests = built(DEPLOY / folder)
    del manifests["Namespace", "ifonly"]  # `helm install --create-namespace`
    # As a hook it comes before the ConfigMap, whose values are written out instead.
    settings = chart["ConfigMap", "ifonly"]["data"]
    (container,) = chart["Job", "ifonly-migrate"]["spec"]["template"]["spec"]["containers"]
    assert {e["name"]: e["value"] for e in container.pop("env")} == settings
    container["envFrom"].insert(0, {"configMapRef": {"name": "ifonly"}})
    # Named by hand there: under which domain KServe has its services.
    names = manifests["ConfigMap", "ifonly"]["data"]["IFONLY_ALLOWED_HOSTS"].split(",")
    assert names[:-1] == settings["IFONLY_ALLOWED_HOSTS"].split(",")
    settings["IFONLY_ALLOWED_HOSTS"] += f",{names[-1]}"
    assert {key: bare(one) for key, one in chart.items()} == {
        key: bare(one) for key, one in manifests.items()
    }


HELMS = {
    "app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by",
    "helm.sh/chart", "helm.sh/hook", "helm.sh/hook-delete-policy", "helm.sh/resource-policy",
    "checksum/settings",
}  # fmt: skip


def bare(tree: Any, *, is_top: bool = True) -> Any:
    """Without what only Helm says, and the labels of whole objects, by which nobody selects."""
    if isinstance(tree, list):
        return [bare(child, is_top=False) for child in tree]
    if not isinstance(tree, dict):
        return tree
    kept = {k: bare(v, is_top=False) for k, v in tree.items() if k not in HELMS}
    kept = {k: v for k, v in kept.items() if not (k == "annotations" and not v)}
    if is_top:
        kept["metadata"].pop("labels", None)
    return kept


def test_everything_selects_the_pods_that_there_are(
    charts: Charts,
) -> None:
    chart = charts[len(SAME)]
    pods = chart["Deployment", "ifonly"]["spec"]["template"]["metadata"]["labels"].items()
    service = chart["Service", "ifonly"]
    assert service["spec"]["selector"].items() <= pods
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert chart[kind, "ifonly"]["spec"]["selector"]["matchLabels"].items() <= pods
    policy = chart["NetworkPolicy", "ifonly"]["spec"]
    job = chart["Job", "ifonly-migrate"]["spec"]["template"]["metadata"]["labels"].items()
    for labels in (pods, job):  # both call the database
        assert policy["podSelector"]["matchLabels"].items() <= labels
    assert policy["egress"][-1]["to"] == OUTSIDE
    monitor = chart["ServiceMonitor", "ifonly"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "ifonly"
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    assert "replicas" not in chart["Deployment", "ifonly"]["spec"]  # the autoscaler's
    names = chart["ConfigMap", "ifonly"]["data"]["IFONLY_ALLOWED_HOSTS"].split(",")
    assert chart["Ingress", "ifonly"]["spec"]["rules"][0]["host"] in names


def test_models_are_pinned_or_mounted(charts: Charts) -> None:
    pinned, mounted = (c["Deployment", "ifonly"]["spec"]["template"]["spec"] for c in charts[-3:-1])
    (first,) = pinned["initContainers"]
    assert first["command"][-2:] == ["--sha256", "ab" * 32]
    assert first["image"] == pinned["containers"][0]["image"] == "r.example/i:9"
    assert "initContainers" not in mounted
    assert mounted["volumes"][-1]["persistentVolumeClaim"] == {"claimName": "theirs"}
    assert mounted["containers"][0]["volumeMounts"][-1] == {
        "name": "models", "mountPath": "/models", "readOnly": True,
    }  # fmt: skip
    assert ("PersistentVolumeClaim", "ifonly-models") not in charts[-2]


def test_alerts_and_dashboard_are_the_ones_that_there_are(charts: Charts) -> None:
    chart = charts[len(SAME)]
    rule = chart["PrometheusRule", "ifonly"]
    assert rule["spec"] == yaml.safe_load((DEPLOY / "alerts.yaml").read_text())
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    dashboard = chart["ConfigMap", "ifonly-dashboard"]
    assert dashboard["data"]["ifonly.json"] == (DEPLOY / "grafana/ifonly.json").read_text()
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_no_secret_is_rendered(charts: Charts) -> None:
    assert not [key for chart in charts for key in chart if key[0] == "Secret"]


def test_settings_of_every_type_arrive_as_they_were_said(
    charts: Charts, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in charts[-1]["ConfigMap", "ifonly"]["data"].items():
        monkeypatch.setenv(name, value)
    arrived = Settings().model_dump(mode="json")
    assert {name: arrived[name] for name in ODD} == ODD
    pod = charts[-1]["Deployment", "ifonly"]["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > pause + ODD["shutdown_seconds"]


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[named for _, named in WRONG])
def test_what_is_wrong_is_refused_by_name(told: dict[str, Any], number: int) -> None:
    refusal = told["told"][len(SAME) + 3 + number]
    assert WRONG[number][1] in refusal["error"]


def test_every_value_is_described() -> None:
    values = yaml.safe_load((SCHEMA.parent / "values.yaml").read_text())
    schema = json.loads(SCHEMA.read_text())["properties"]
    assert values.keys() == schema.keys() - {"global"}
    readme = (SCHEMA.parent / "README.md").read_text()
    assert [name for name in values if f"`{name}`" not in readme] == []
    assert {*values["settings"]} <= {*settings()}
