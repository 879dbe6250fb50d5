"""Other graphs that may be the true one: ``[[alternatives]]`` of ``causal.toml``."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from ifonly.explainers.causal import build_alternatives, build_model, parse_causal
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.explainers.causal.storage import mechanism_to_json
from ifonly.explainers.causal.writing import write_causal
from ifonly.models.errors import SpecError
from tests.support.broken import Broken
from tests.unit.causal.example import FULL, SCHEMA

OTHERS = """
[[alternatives]]
name = "torque-speed-reversed"
weight = 0.25
source = "validation"
reason = "Both directions leave independent noise."
remove = [["torque", "speed"]]
add = [["speed", "torque"]]

[alternatives.mechanisms.torque]
kind = "linear"
intercept = 90
coefficients = {speed = -0.03}
sd = 2.0

[[alternatives]]
name = "hidden"
weight = 0.125
source = "expert"
remove = [["air", "process"]]
confounders = [{between = ["air", "process"], strength = 0.5}, {between = ["torque", "speed"]}]

[alternatives.mechanisms.process]
kind = "root"
sd = 1.5
"""
BOTH = FULL + OTHERS
MILL = Broken(BOTH, lambda text, file: parse_causal(text, file, SCHEMA), "mill/1/causal.toml")
ROW = np.array([300.0, 310.5, 40.0, 1530.0, 0.1 * 40 * 1530 + 5, 1.0])


def test_each_is_a_graph_of_its_own():
    spec = parse_causal(BOTH.encode(), "causal.toml", SCHEMA)
    reversed_, hidden = spec.alternatives
    assert (reversed_.name, reversed_.weight, reversed_.source) == (
        "torque-speed-reversed", 0.25, "validation",
    )  # fmt: skip
    assert spec.weight == 0.625
    one = spec.under(reversed_)
    assert (one.graph.edges, one.alternatives) == (((0, 1), (3, 2), (2, 4), (3, 4)), ())
    # A root now, of which nothing is known; its old law would read a cause that is none.
    assert "speed" not in one.mechanisms
    other = spec.under(hidden)
    assert other.graph.edges == ((2, 3), (2, 4), (3, 4))
    # What it declares of two features stands instead of what the main graph does.
    assert [(c.between, c.rho, c.strength) for c in other.hidden] == [
        (("air", "process"), None, 0.5), (("torque", "speed"), None, None),
    ]  # fmt: skip


def test_each_becomes_a_model():
    spec = parse_causal(BOTH.encode(), "causal.toml", SCHEMA)
    reversed_, hidden = build_alternatives(spec)
    # Setting the speed moves the torque there, and power by its own law; nothing in the main one.
    (row,) = reversed_.counterfactual(ROW, [3], np.array([[1630.0]]))
    assert row.tolist() == pytest.approx([300, 310.5, 37.0, 1630, 0.1 * 37 * 1630 + 5, 1])
    (main,) = build_model(spec).counterfactual(ROW, [3], np.array([[1630.0]]))
    assert main[2] == 40.0
    assert hidden.roots[1] is not None
    assert hidden.roots[1].sd == 1.5
    assert hidden.counterfactual(ROW, [0], np.array([[310.0]]))[0, 1] == 310.5


def test_what_is_written_is_read_again():
    spec = parse_causal(BOTH.encode(), "c", SCHEMA)
    again = parse_causal(write_causal(spec), "c", SCHEMA)
    assert again.alternatives == spec.alternatives
    assert again.mechanisms == spec.mechanisms


def test_without_any_the_main_graph_is_sure():
    spec = parse_causal(FULL.encode(), "c", SCHEMA)
    assert (spec.alternatives, spec.weight, build_alternatives(spec)) == ((), 1.0, ())


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ('name = "hidden"', 'name = "main"', "alternatives[1].name", "'main', which is taken"),
        ('name = "hidden"', 'name = "torque-speed-reversed"', "alternatives[1].name", "taken"),
        ('name = "hidden"', 'name = "a b"', "alternatives[1].name", "'a b'"),
        ('name = "hidden"\n', "", "alternatives[1]", "missing 'name'"),
        ("weight = 0.125", "weight = 0.75", "alternatives", "sum to 1.00"),
        ("weight = 0.125", "weight = 0", "alternatives[1].weight", "0"),
        ("weight = 0.125", "weight = 1", "alternatives[1].weight", "1"),
        ("weight = 0.125", "weight = nan", "alternatives[1].weight", "not a finite number"),
        ('source = "expert"', 'source = "me"', "alternatives[1].source", "'me'"),
        ('[["speed", "torque"]]', '[["speed", "tork"]]', "alternatives[0].add[0].to", "'torque'"),
        ('[["speed", "torque"]]', '[["speed"]]', "alternatives[0].add[0]", "length 1"),
        ('[["speed", "torque"]]', '[["power", "torque"]]', "alternatives[0].edges", "loop"),
        ('[["speed", "torque"]]', '[["torque", "power"]]', "alternatives[0].add[0]", "is an edge"),
        (
            '[["speed", "torque"]]',
            '[["speed", "torque"], ["speed", "torque"]]',
            "alternatives[0].add[1]",
            "before",
        ),
        ('[["torque", "speed"]]', '[["speed", "air"]]', "alternatives[0].remove[0]", "is no edge"),
        ('[["speed", "torque"]]', '[["air", "weather"]]', "alternatives[0].add[0].to", "latent"),
        ("{speed = -0.03}", "{air = 1}", "alternatives[0].mechanisms.torque.coefficients", "speed"),
        ('kind = "root"\nsd = 1.5', 'kind = "basis"', "alternatives[1].mechanisms.process.kind",
         "nothing acts on it"),
        (
            "alternatives.mechanisms.process]",
            "alternatives.mechanisms.air]",
            "alternatives[1].mechanisms.air",
            "has the causes of the main graph",
        ),
        ('["air", "process"], strength', '["air", "proces"], strength',
         "alternatives[1].confounders[0].between", "did you mean 'process'"),
        ("weight = 0.125", "weight = 0.125\nedges = []", "alternatives[1]", "edges"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(old, new, key, problem):
    MILL.check(old, new, key, problem)


def test_one_that_changes_nothing_is_refused():
    text = FULL + '[[alternatives]]\nname = "same"\nweight = 0.5\n'
    assert "changes nothing" in str(MILL.refused(text))


def test_a_mechanism_in_a_file_is_read_and_told_by_its_place():
    location = build_alternatives(parse_causal(BOTH.encode(), "c", SCHEMA))[0].mechanisms[2]
    assert location is not None
    data = mechanism_to_json("torque", ("speed",), Mechanism(location.location))
    inline = 'kind = "linear"\nintercept = 90\ncoefficients = {speed = -0.03}\nsd = 2.0'
    path = "mechanisms/torque-speed-reversed.torque.json"
    digest = hashlib.sha256(data).hexdigest()
    text = MILL.edited(inline, f'kind = "linear"\nfile = "{path}"\nsha256 = "{digest}"')
    spec = parse_causal(text.encode(), "c", SCHEMA)
    (row,) = build_alternatives(spec, {path: data})[0].counterfactual(ROW, [3], np.array([[1630]]))
    assert row[2] == pytest.approx(37.0)
    with pytest.raises(SpecError) as caught:
        build_alternatives(spec, {})
    assert caught.value.key == "alternatives[0].mechanisms.torque.file"
