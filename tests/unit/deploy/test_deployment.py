"""What is deployed agrees with what is built: ports, paths, names of settings and of metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from bench import chart_schema
from ifonly.service.doors.cli.commands import app as command_line
from ifonly.service.doors.http import permissions
from ifonly.service.doors.http.hosts import Hosts
from ifonly.service.metrics import Metrics
from ifonly.service.settings import Settings
from tests.support.kustomized import built, by_name

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
OVERLAYS = sorted((DEPLOY / "overlays").iterdir())
OF_KUBERNETES = [
    m for m in MANIFESTS if m.stem not in ("kustomization", "inferenceservice")
]  # whose schemas Kubernetes itself has
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PORT = int(re.search(r"^EXPOSE (\d+)", DOCKERFILE, re.M).group(1))  # type: ignore[union-attr]
RULES = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"][0]["rules"]


def documents() -> Iterator[tuple[str, Any]]:
    for file in (*MANIFESTS, DEPLOY / "compose.yaml"):
        for document in yaml.safe_load_all(file.read_text()):
            yield file.name, document


def witness() -> Any:
    """The deployment of the witness."""
    manifests = yaml.safe_load_all((DEPLOY / "kubernetes/witness.yaml").read_text())
    return next(document for document in manifests if document["kind"] == "Deployment")


def nodes(tree: Any) -> Iterator[Any]:
    yield tree
    for child in (
        tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    ):
        yield from nodes(child)


def under(name: str) -> list[Any]:
    """Every value of that key, anywhere."""
    return [
        node[name] for _, tree in documents() for node in nodes(tree)
        if isinstance(node, dict) and name in node
    ]  # fmt: skip


@pytest.mark.parametrize("file", OF_KUBERNETES, ids=lambda f: f.stem)
def test_manifests_are_what_kubernetes_takes(file: Path) -> None:
    for document in yaml.safe_load_all(file.read_text()):
        kubernetes_validate.validate(document, "1.33", strict=True)


def test_a_manifest_that_kubernetes_does_not_take_is_found() -> None:
    document = yaml.safe_load((DEPLOY / "kubernetes/service.yaml").read_text())
    document["spec"]["prots"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, "1.33", strict=True)


@pytest.mark.parametrize("folder", [DEPLOY / "kubernetes", *OVERLAYS], ids=lambda f: f.name)
def test_what_is_built_is_what_kubernetes_takes_and_kustomize_builds(folder: Path) -> None:
    objects = built(folder)
    for one in objects.values():
        kubernetes_validate.validate(one, "1.33", strict=True)
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not here: what it builds is not compared")
    command = ["kubectl", "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert by_name(done.stdout) == objects


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda f: f.name)
def test_models_are_where_the_service_looks_for_them(folder: Path) -> None:
    pod = built(folder)["Deployment", "ifonly"]["spec"]["template"]["spec"]
    (service,) = pod["containers"]
    where = {e["name"]: e["value"] for e in service["env"]}["IFONLY_MODELS"]
    (mount,) = [m for m in service["volumeMounts"] if m["mountPath"] == where]
    assert mount["name"] in {volume["name"] for volume in pod["volumes"]}
    group = typer.main.get_group(command_line)
    for first in pod.get("initContainers", []):
        assert (where, mount["name"]) in {
            (m["mountPath"], m["name"]) for m in first["volumeMounts"]
        }
        assert first["image"] == service["image"]
        program, *command = first["command"]
        assert program == "ifonly"
        context = typer.Context(group)
        models: Any = group.get_command(context, command[0])
        pull = models.get_command(context, command[1])
        given = pull.make_context(command[1], command[2:]).params  # fails on what is no option
        assert str(given["models"]) == where


def test_the_chart_knows_every_setting() -> None:
    """Else: ``python -m bench.chart_schema``."""
    text = chart_schema.SCHEMA.read_text(encoding="utf-8")
    assert chart_schema.written(text) == text
    fields = Settings.model_fields.items()
    secrets = {name for name, field in fields if "SecretStr" in str(field.annotation)}
    assert secrets >= {"database_url", "audit_log_key", "oidc_client_secret"}
    assert {*chart_schema.settings()} == (
        {*Settings.model_fields} - chart_schema.OF_THE_CHART - secrets
    )


def test_every_manifest_is_applied_or_says_why_not() -> None:
    applied = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())["resources"]
    apart = {"kustomization.yaml", "secret.example.yaml", "inferenceservice.yaml", "witness.yaml"}
    assert {m.name for m in MANIFESTS} == {*applied} | apart


def test_every_setting_that_is_deployed_exists() -> None:
    known = {f"IFONLY_{name.upper()}" for name in Settings.model_fields}
    pages = [ROOT / "docs" / name for name in ("runbook.md", "api.md", "events.md")]
    files = (*MANIFESTS, DEPLOY / "compose.yaml", *pages)
    named = {n for file in files for n in re.findall(r"IFONLY_[A-Z_]+[A-Z]", file.read_text())}
    assert named <= known
    assert len(named) > 10


def test_the_settings_that_are_deployed_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    configured = yaml.safe_load((DEPLOY / "kubernetes/configmap.yaml").read_text())["data"]
    secret = yaml.safe_load((DEPLOY / "kubernetes/secret.example.yaml").read_text())["stringData"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for given in (configured | secret, compose["services"]["ifonly"]["environment"]):
        with monkeypatch.context() as environment:
            for name, value in given.items():
                environment.setenv(name, value)
            chosen = Settings()
        assert chosen.processes == 2
        assert chosen.store_url.startswith("postgresql://ifonly:")


def test_ports_probes_and_the_user_are_the_images() -> None:
    ports = [port for ports in under("ports") for port in ports if "containerPort" in port]
    assert {port["containerPort"] for port in ports} == {PORT}
    for probe in under("httpGet"):
        assert ("GET", probe["path"]) in permissions.PUBLIC
        assert probe["port"] in ("http", PORT)
    user = int(re.search(r"^USER (\d+)", DOCKERFILE, re.M).group(1))  # type: ignore[union-attr]
    others = witness()["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
    assert {*under("runAsUser")} == {user, others}
    assert others != user  # whose heads it cosigns
    for mounts in under("volumeMounts"):
        for mount in mounts:
            assert mount["mountPath"] in ("/tmp", "/app/var")
    assert "WORKDIR /app" in DOCKERFILE


def test_docker_is_sent_what_it_copies() -> None:
    sent = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.M))
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    assert {source for line in copied for source in line.split()} == sent


def test_the_image_has_the_projects_version() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    version = re.search(r'^version = "(.+)"', project, re.M).group(1)  # type: ignore[union-attr]
    images = {i for i in under("image") if isinstance(i, str) and i.startswith("ifonly")}
    assert images == {"ifonly", f"ifonly:{version}"}
    for overlay in OVERLAYS:  # kustomize sets the version of what the manifests have, not of these
        text = (overlay / "kustomization.yaml").read_text()
        assert {*re.findall(r"image: (\S+)", text)} <= {f"ifonly:{version}"}
    chart = yaml.safe_load((DEPLOY / "helm/ifonly/Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
    assert {*under("newTag")} == {version}


def test_everything_selects_the_pods_that_there_are() -> None:
    deployment = yaml.safe_load((DEPLOY / "kubernetes/deployment.yaml").read_text())
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    cosigns = witness()["spec"]["template"]["metadata"]["labels"]
    policy = yaml.safe_load((DEPLOY / "kubernetes/networkpolicy.yaml").read_text())
    found = [s for s in under("selector") if isinstance(s, dict)]
    found.append(policy["spec"]["podSelector"])
    selectors = [s for s in found if s.get("matchLabels", s) != cosigns]
    assert len(selectors) == 4
    assert len(found) == 6
    for selector in selectors:
        wanted = selector.get("matchLabels", selector)
        assert wanted.items() <= labels


def test_a_pod_lives_longer_than_its_shutdown_takes() -> None:
    deployment = yaml.safe_load((DEPLOY / "kubernetes/deployment.yaml").read_text())
    settings = yaml.safe_load((DEPLOY / "kubernetes/configmap.yaml").read_text())["data"]
    pod = deployment["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    needed = pause + int(settings["IFONLY_SHUTDOWN_SECONDS"])
    assert pod["terminationGracePeriodSeconds"] > needed


def test_the_explainer_takes_what_kserves_controller_adds() -> None:
    service = yaml.safe_load((DEPLOY / "kubernetes/inferenceservice.yaml").read_text())
    (container,) = service["spec"]["explainer"]["containers"]
    assert container["name"] == "kserve-container"
    program, command = container["command"]
    assert program == "ifonly"
    group = typer.main.get_group(command_line)
    taken = group.get_command(typer.Context(group), command)
    assert taken is not None
    options = {name for parameter in taken.params for name in parameter.opts}
    assert options >= {"--model_name", "--predictor_host", "--http_port", "--workers"}


def test_alerts_are_of_metrics_that_exist_and_the_runbook_has_each() -> None:
    metrics = Metrics()
    text = metrics.told(0, 0, 0).decode()
    families = set(re.findall(r"^# TYPE (\w+)", text, re.M))
    runbook = (ROOT / "docs/runbook.md").read_text()
    for rule in RULES:
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
        named = re.findall(r"\b((?:ifonly|request)_\w+)", rule["expr"])
        for name in named:
            assert {name, re.sub(r"_(bucket|count|sum)$", "", name)} & families, name
        assert named or "up{" in rule["expr"]
        assert f"### {rule['alert']}" in runbook
    told = set(re.findall(r"^### (Ifonly\w+)", runbook, re.M))
    assert told == {rule["alert"] for rule in RULES}


def test_the_volumes_of_compose_are_declared() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    mounted = {
        volume.partition(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", [])
    }
    assert mounted == {*compose["volumes"]}
    assert json.dumps(compose["services"]["ifonly"]["ports"]) == f'["127.0.0.1:8080:{PORT}"]'


def test_panels_lie_side_by_side_and_have_numbers_of_their_own() -> None:
    panels = json.loads((DEPLOY / "grafana/ifonly.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len({*cells}) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_what_watches_is_given_the_files_that_there_are() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    given = {c["source"] for s in compose["services"].values() for c in s.get("configs", [])}
    assert given == {*compose["configs"]}
    assert all((DEPLOY / config["file"]).is_file() for config in compose["configs"].values())
    targets = {c["source"]: c["target"] for c in compose["services"]["grafana"]["configs"]}
    provided = yaml.safe_load((DEPLOY / "grafana/dashboards.yaml").read_text())["providers"]
    assert Path(targets["dashboard"]).parent == Path(provided[0]["options"]["path"])
    watching = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())
    scraped = watching["scrape_configs"][0]
    assert f'{{job="{scraped["job_name"]}"' in (DEPLOY / "grafana/ifonly.json").read_text().replace(
        "\\", ""
    )
    assert scraped["static_configs"] == [{"targets": [f"ifonly:{PORT}"]}]
    (secret,) = compose["services"]["prometheus"]["secrets"]
    assert scraped["authorization"]["credentials_file"] == f"/run/secrets/{secret}"
    kept_out = (ROOT / ".gitignore").read_text().splitlines()
    assert f"/deploy/{compose['secrets'][secret]['file']}" in kept_out


def test_whom_the_pods_may_call_is_named_and_nobody_else() -> None:
    policy = yaml.safe_load((DEPLOY / "kubernetes/networkpolicy.yaml").read_text())
    cosigns = witness()["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    for rule in policy["spec"]["egress"]:
        assert rule["ports"]
        for peer in rule["to"]:  # without one it would be everybody
            assert peer.get("ipBlock") or {*peer["podSelector"]} & {
                "matchLabels",
                "matchExpressions",
            }
    assert cosigns in [
        peer["podSelector"].get("matchLabels")
        for rule in policy["spec"]["egress"]
        for peer in rule["to"]
    ]


def test_the_names_by_which_it_is_asked_are_allowed() -> None:
    """Those of the Services; probes come by address."""
    configured = yaml.safe_load((DEPLOY / "kubernetes/configmap.yaml").read_text())["data"]
    environment = witness()["spec"]["template"]["spec"]["containers"][0]["env"]
    of_witness = {e["name"]: e["value"] for e in environment}["IFONLY_ALLOWED_HOSTS"]
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for names, asked in (
        (configured["IFONLY_ALLOWED_HOSTS"], ("ifonly", "ifonly.ifonly.svc", "10.2.3.4")),
        (configured["IFONLY_ALLOWED_HOSTS"], ("milling-machine.ifonly.example",)),
        (of_witness, ("ifonly-witness", "ifonly-witness.ifonly.svc.cluster.local")),
        (compose["ifonly"]["environment"]["IFONLY_ALLOWED_HOSTS"], ("ifonly", "localhost")),
        (compose["witness"]["environment"]["IFONLY_ALLOWED_HOSTS"], ("witness",)),
    ):
        hosts = Hosts.of(Settings(host="0.0.0.0", allowed_hosts=names))
        assert all(hosts.has(name) for name in asked)
        assert not hosts.has("evil.example")


def test_the_tool_that_lists_the_parts_is_one_version() -> None:
    script = (ROOT / ".ci/sbom.sh").read_text()
    assert re.search(r"^tool=[a-z-]+==\d+\.\d+\.\d+$", script, re.M)
    assert ".ci/sbom.sh" in (ROOT / "Makefile").read_text()


def test_the_base_image_can_be_named_by_its_digest() -> None:
    assert {*re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)} == {"${BASE}"}


def test_every_stage_is_built_on_one_image_and_not_on_a_name() -> None:
    bases = dict(re.findall(r"^ARG (\w+)=(\S+)", DOCKERFILE, re.M))
    stages = [x.split()[0].strip("${}") for x in re.findall(r"^FROM (.+)", DOCKERFILE, re.M)]
    assert len(stages) == 2
    for stage in stages:
        assert re.fullmatch(r"python:3\.12-slim@sha256:[0-9a-f]{64}", bases[stage])
