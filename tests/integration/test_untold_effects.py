"""A what-if whose effect nobody can tell is refused, by name: the model is asked about no row in
which a number is missing that was read or set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ifonly.explainers.causal.errors import CausalError
from ifonly.models.predictor import Rows, Scores
from ifonly.models.repository import load_folder
from ifonly.service.ask.question import Rung
from ifonly.service.ask.what_if import what_if
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.small_models import linear
from tests.oracle.verify.test_laws import action_on, factual_of
from tests.support.causal_files import SCHEMA, Documents, draw_documents

SPEC = """
format = 1
name = "dryer"
version = "1"
task = "regression"
[[features]]
name = "valve"
kind = "continuous"
bounds = [-100.0, 100.0]
resolution = 0.1
missing = true
[[features]]
name = "pump"
kind = "continuous"
bounds = [-100.0, 100.0]
resolution = 0.1
[[features]]
name = "flow"
kind = "continuous"
bounds = [-1000.0, 1000.0]
resolution = 0.1
[[features]]
name = "load"
kind = "continuous"
bounds = [-1000.0, 1000.0]
resolution = 0.1
[policy.features]
valve.scale = 1.0
pump.scale = 1.0
flow.scale = 1.0
load.scale = 1.0
"""
CAUSAL = """
format = 1
version = "1"
status = "accepted"
accepted_by = "a test"
accepted_at = "2026-01-31"
edges = [
  {from = "valve", to = "flow"}, {from = "pump", to = "flow"}, {from = "flow", to = "load"},
]
nodes.valve.role = "actionable"
nodes.pump.role = "actionable"
nodes.flow.role = "actionable"
nodes.load.role = "consequence"
mechanisms.valve.kind = "root"
mechanisms.pump.kind = "root"
[mechanisms.flow]
kind = "linear"
coefficients = {valve = 2.0, pump = 0.5}
sd = 0.1
[mechanisms.load]
kind = "expression"
expression = "sqrt(flow)"
sd = 0.1
"""
UNREAD = {"valve": None, "pump": 1.0, "flow": 4.0, "load": 2.0}
READ = UNREAD | {"valve": 1.0}


def folder(root: Path, name: str, spec: str, causal: bytes, files: dict[str, bytes]) -> Path:
    own = root / name / "1"
    own.mkdir(parents=True)
    (own / "spec.toml").write_text(spec, encoding="utf-8")
    width = spec.count("[[features]]")
    (own / "model.onnx").write_bytes(linear([[1.0]] * width, [0.0]).SerializeToString())
    for file, data in {"causal.toml": causal, **files}.items():
        (own / file).parent.mkdir(exist_ok=True)
        (own / file).write_bytes(data)
    return own


@pytest.fixture(scope="module")
def dryer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root = tmp_path_factory.mktemp("dryer")
    folder(root, "dryer", SPEC, CAUSAL.encode(), {})
    with (
        serving(Settings(models=root)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("instance", "settings", "rung", "said"),
    [
        (UNREAD, {"valve": 2.0}, "counterfactual", "flow: valve, a cause of it, was not read"),
        (UNREAD, {"pump": 2.0}, "counterfactual", "flow: valve, a cause of it, was not read"),
        (UNREAD, {"pump": 2.0}, "intervention", "flow: valve, a cause of it, was not read"),
        (READ, {"flow": -1.0}, "counterfactual", "load: its mechanism has no number for that"),
        (READ, {"flow": -1.0}, "intervention", "load: its mechanism has no number for that"),
    ],
)  # fmt: skip
def test_an_effect_that_nobody_can_tell_is_refused_by_name(
    dryer: httpx.Client, instance: dict[str, Any], settings: dict[str, float], rung: str, said: str
) -> None:
    body = {"instance": instance, "set": settings, "rung": rung}
    refused = dryer.post("/api/v1/models/dryer/what-if", json=body)
    assert refused.status_code == 422
    (fault,) = refused.json()["errors"]
    assert fault["pointer"] == "/set"
    assert fault["detail"] == f"what follows cannot be told: {said}"
    told = dryer.post("/api/v1/models/dryer/what-if", json=body | {"rung": "association"})
    assert told.status_code == 200, told.text
    held = body | {"set": {"valve": 2.0, "flow": 9.0}}
    followed = dryer.post("/api/v1/models/dryer/what-if", json=held).json()
    assert ("load" in followed["instance"], followed["instance"]["flow"]) == (True, 9.0)


RANDOM = """
format = 1
name = "drawn"
version = "1"
task = "regression"
[[features]]
name = "a"
kind = "continuous"
bounds = [-3.0, 3.0]
resolution = 0.1
[[features]]
name = "grade"
kind = "ordinal"
categories = ["L", "M", "H"]
[[features]]
name = "b"
kind = "integer"
bounds = [-40, 40]
[[features]]
name = "c"
kind = "continuous"
bounds = [-30.0, 30.0]
resolution = 0.1
[[features]]
name = "d"
kind = "continuous"
bounds = [-30.0, 30.0]
resolution = 0.1
missing = true
[[features]]
name = "e"
kind = "continuous"
bounds = [-90.0, 90.0]
resolution = 0.1
[policy.features]
a.scale = 1.0
b.scale = 1.0
c.scale = 1.0
d.scale = 1.0
e.scale = 1.0
"""


def served(root: Path, seed: int, documents: Documents) -> ServedModel:
    """With a noise that can be drawn anew, also where a document says nothing of it."""
    text = documents.text
    for kind in (b"linear", b"polynomial", b"expression", b"trees", b"onnx"):
        text = text.replace(b"kind = '%b'" % kind, b"kind = '%b'\nsd = 0.5" % kind)
    files = dict(documents.files)
    return prepare(load_folder(folder(root / str(seed), "drawn", RANDOM, text, files)))


def noting(model: ServedModel, asked: list[Rows]) -> ServedModel:
    """``model``, which remembers what it was asked about."""
    true = model.deployed.predictor

    class Noting:
        def score(self, rows: Rows) -> Scores:
            asked.append(rows.copy())
            return true.score(rows)

    return replace(model, deployed=replace(model.deployed, predictor=Noting()))


def test_no_row_is_scored_in_which_something_cannot_be_told_whatever_the_mechanisms(
    tmp_path: Path,
) -> None:
    assert tuple(f.name for f in SCHEMA.features) == ("a", "grade", "b", "c", "d", "e")
    seen: Counter[str] = Counter()
    for seed in range(16):
        asked: list[Rows] = []
        model = noting(served(tmp_path, seed, draw_documents(seed)), asked)
        draw = np.random.default_rng(seed)
        for _ in range(12):
            factual = factual_of(draw)
            settings = action_on(draw, factual)
            for rung in (Rung.COUNTERFACTUAL, Rung.INTERVENTION):
                asked.clear()
                try:
                    found = what_if(model, factual, settings, rung)
                except CausalError as error:
                    assert not asked
                    seen[f"{type(error).__name__}, {rung}"] += 1
                    continue
                seen[f"told, {rung}"] += 1
                unread = [j for j in np.flatnonzero(np.isnan(factual)) if j not in settings]
                for rows in asked:
                    lost = np.isnan(rows)
                    lost[:, unread] = False
                    lost[0] &= not np.array_equal(rows[0], factual, equal_nan=True)
                    assert not lost.any(), (seed, settings, rung)
                    assert not np.isinf(rows).any()
                assert all(not math.isinf(v) for v in found.row)
    assert min(seen[f"told, {rung}"] for rung in (Rung.COUNTERFACTUAL, Rung.INTERVENTION)) >= 50
    assert seen[f"Untold, {Rung.COUNTERFACTUAL}"] >= 10, seen
