"""From a graph and rows to files that lie beside a model, and back."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.causal import build_model, parse_causal
from ifonly.explainers.causal.fit import fit
from ifonly.explainers.causal.mechanism import NoiseForm
from ifonly.explainers.causal.writing import write_causal
from ifonly.models.schema import Feature, Kind, Schema
from tests.unit.causal.example import FULL, SCHEMA

GRAPH = """
format = 1
version = "1"
status = "proposed"
nodes.air.role = "fixed"
nodes.process.role = "consequence"
nodes.torque.role = "actionable"
nodes.speed.role = "consequence"
nodes.power.role = "consequence"
nodes.quality.role = "fixed"
edges = [
  {from = "air", to = "process"},
  {from = "torque", to = "speed"},
  {from = "torque", to = "power"},
  {from = "speed", to = "power"},
  {from = "air", to = "quality"},
]
[mechanisms.power]
kind = "expression"
expression = "torque * speed / 9.549"
"""


def rows_of(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    air = rng.normal(300, 2, n)
    torque = np.abs(rng.normal(40, 8, n)) + 5
    speed = 1000 + 20_000 / torque + rng.normal(0, 40, n)
    power = torque * speed / 9.549 + rng.normal(0, 30, n)
    quality = (air > 301).astype(float)
    return np.column_stack([air, air + 10 + rng.normal(0, 1, n), torque, speed, power, quality])


@pytest.fixture(scope="module")
def fitted():
    spec = parse_causal(GRAPH.encode(), "c", SCHEMA)
    return fit(spec, rows_of(800), np.random.default_rng(0))


def test_every_node_gets_what_it_needs(fitted):
    by_name = {node.name: node for node in fitted.nodes}
    assert set(by_name) == {"air", "process", "torque", "speed", "power"}
    assert (by_name["air"].kind, by_name["torque"].kind) == ("root", "root")
    assert by_name["power"].kind == "expression"
    assert by_name["power"].sd == pytest.approx(30, rel=0.1)
    assert by_name["speed"].sd == pytest.approx(40, rel=0.1)
    assert by_name["process"].noise is NoiseForm.ADDITIVE
    assert len(by_name["speed"].likelihoods) == 6


def test_the_files_are_named_with_their_digests_and_read_back_as_the_same_model(fitted):
    text = write_causal(fitted.spec, "fitted in a test")
    assert text.startswith(b"# fitted in a test\n")
    again = parse_causal(text, "c", SCHEMA)
    assert again.mechanisms == fitted.spec.mechanisms
    assert again.edges == fitted.spec.edges
    model = build_model(again, fitted.files)
    rows, values = rows_of(5), np.full((5, 1), 30.0)
    assert (
        model.counterfactual(rows, [2], values) == fitted.model.counterfactual(rows, [2], values)
    ).all()


def test_a_lever_moves_what_follows_as_the_truth_does(fitted):
    rows = rows_of(50)
    moved = fitted.model.counterfactual(rows, [2], np.full((50, 1), 30.0))
    speed = rows[:, 3] + 20_000 / 30 - 20_000 / rows[:, 2]
    inside = (rows[:, 2] > 25) & (rows[:, 2] < 55)
    assert np.abs(moved[inside, 3] - speed[inside]).max() < 20
    assert (moved[:, [0, 1, 5]] == rows[:, [0, 1, 5]]).all()


def test_a_category_that_follows_from_something_is_left_as_it_is(fitted):
    assert "quality" not in fitted.spec.mechanisms
    assert fitted.model.mechanisms[5] is None


def test_what_was_drawn_again_looks_like_what_was_seen(fitted):
    schema = Schema(tuple(f for f in SCHEMA.features if f.name != "quality"))
    text = GRAPH.replace('nodes.quality.role = "fixed"\n', "").replace(
        '  {from = "air", to = "quality"},\n', ""
    )
    again = fit(
        parse_causal(text.encode(), "c", schema), rows_of(800)[:, :5], np.random.default_rng(0)
    )
    drawn = again.model.interventional(np.random.default_rng(1), 4000)
    seen = rows_of(4000)[:, :5]
    assert drawn.mean(axis=0) == pytest.approx(seen.mean(axis=0), rel=0.02)
    assert drawn.std(axis=0) == pytest.approx(seen.std(axis=0), rel=0.15)
    assert np.corrcoef(drawn.T) == pytest.approx(np.corrcoef(seen.T), abs=0.12)


def test_rows_with_missing_readings_are_left_out_node_by_node():
    spec = parse_causal(GRAPH.encode(), "c", SCHEMA)
    rows = rows_of(100)
    rows[:60, 1] = np.nan
    kinds, forms = ("linear",), (NoiseForm.ADDITIVE,)
    found = fit(spec, rows, np.random.default_rng(0), kinds=kinds, forms=forms)
    assert {n.name: n.rows for n in found.nodes} == {
        "air": 100,
        "process": 40,
        "torque": 100,
        "speed": 100,
        "power": 100,
    }
    rows[:90, 1] = np.nan
    with pytest.raises(ValueError, match="process has 10 complete rows, the least is 20"):
        fit(spec, rows, np.random.default_rng(0), kinds=kinds, forms=forms)


def test_a_name_that_no_file_may_have_still_gets_one():
    schema = Schema((Feature("공기 온도/K", Kind.CONTINUOUS),))
    text = 'format = 1\nversion = "1"\nstatus = "proposed"\nnodes."공기 온도/K".role = "fixed"\n'
    spec = parse_causal(text.encode(), "c", schema)
    found = fit(spec, np.random.default_rng(0).normal(size=(50, 1)), np.random.default_rng(0))
    again = parse_causal(write_causal(found.spec), "c", schema)
    assert build_model(again, found.files).roots[0] is not None


def test_every_key_survives_being_written():
    spec = parse_causal(FULL.encode(), "c", SCHEMA)
    again = parse_causal(write_causal(spec), "c", SCHEMA)
    assert {**vars(again), "sha256": ""} == {**vars(spec), "sha256": ""}


def test_awkward_text_survives_being_written():
    awkward = 'quote " backslash \\ line\nbreak\ttab \u0007 한국어 # [x]'
    text = FULL.replace("title =", "#").replace("drawing 12-7", "%")
    spec = parse_causal(text.encode(), "c", SCHEMA)
    from dataclasses import replace

    changed = replace(spec, provenance=replace(spec.provenance, source=awkward))
    assert parse_causal(write_causal(changed), "c", SCHEMA).provenance.source == awkward
