"""Alerts and dashboard ask in PromQL for what a real scrape tells, by labels that it has."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.clients.conftest import calls

pytestmark = pytest.mark.clients

DEPLOY = Path(__file__).parents[3] / "deploy"
OF_PROMETHEUS = {"job", "instance"}
"""Labels that every metric has once it is scraped."""
OF_SEVERAL_PROCESSES = {"pid"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
VARIABLES = {"$__rate_interval": "5m", "$model": "milling-machine"}
Labels = dict[str, set[str] | None]
"""By metric; None: nothing was counted yet."""


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana/ifonly.json").read_text())
    return found


def of_alerts() -> list[str]:
    groups = yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def of_panels() -> Iterator[str]:
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            assert "$" not in expression
            yield expression


@pytest.fixture(scope="module")
def told(client: httpx.Client, alarm: dict[str, Any]) -> Labels:
    """Every metric of a scrape, after something of each kind was asked."""
    here = "/api/v1/models/milling-machine"
    for path, body in (
        ("explanations", {"instance": alarm}),
        ("explanations", {"instance": {"torque": "much"}}),
        ("predictions", {"instances": [alarm]}),
    ):
        client.post(f"{here}/{path}", json=body)
    labels: Labels = defaultdict(lambda: None)
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for suffix in SUFFIXES.get(family.type, ("",)) if not family.samples else ():
            labels[family.name + suffix] = None
        for sample in family.samples:
            labels[sample.name] = (labels[sample.name] or set()) | {*sample.labels}
    return {**labels, "up": set()}


def wrong_with(asked: dict[str, Any], told: Labels) -> str | None:
    """Why an expression can never find what it asks for."""
    if "error" in asked:
        return str(asked["error"])
    names = {name for name, _ in asked["selected"]}
    if unknown := names - {*told}:
        return f"no metric {unknown}"
    has = OF_PROMETHEUS | OF_SEVERAL_PROCESSES
    for name, labels in asked["selected"]:
        if (known := told[name]) is not None and (unknown := {*labels} - known - OF_PROMETHEUS):
            return f"{name} has no label {unknown}"
    if any(told[name] is None for name in names):
        return None
    unknown = {*asked["by"]} - has.union(*(told[name] or () for name in names))
    return f"none has the label {unknown}" if unknown else None


def test_every_expression_asks_for_what_is_told(told: Labels) -> None:
    expressions = [*of_alerts(), *of_panels()]
    found = calls("deploy", json.dumps(expressions), how="_promql")["told"]
    wrong = [
        (e, why) for e, a in zip(expressions, found, strict=True) if (why := wrong_with(a, told))
    ]
    assert wrong == []
    names = {name for asked in found for name, _ in asked["selected"]}
    assert {"process_cpu_seconds_total", "request_explain_seconds_bucket", "up"} < names
    variable = dashboard()["templating"]["list"][1]["query"]["query"]
    assert variable.removeprefix("label_values(").split("{")[0] in told


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("sum(rate(ifonly_claims_total[5m])", "paren"),
        ("rate(ifonly_claims_total)", "expected type matrix"),
        ("ifonly_claims", "no metric"),
        ("request_explain_seconds", "no metric"),
        ('ifonly_claims_total{state="optimal"}', "no label {'state'}"),
        ("sum by (model) (ifonly_claims_total)", "the label {'model'}"),
    ],
)
def test_an_expression_that_finds_nothing_is_found(told: Labels, expression: str, why: str) -> None:
    (asked,) = calls("deploy", json.dumps([expression]), how="_promql")["told"]
    assert why in (wrong_with(asked, told) or "")
