"""``causal.toml``: read whole, or refused with every reason."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import ifonly.explainers.causal
from ifonly.explainers.causal import build_model, parse_causal
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.spec import ApprovalStatus, NodeKind, NodeRole, json_schema
from ifonly.explainers.causal.storage import mechanism_to_json, root_to_json
from ifonly.explainers.causal.writing import write_causal
from ifonly.models.errors import SpecError
from tests.support.broken import Broken
from tests.unit.causal.example import FULL, SCHEMA
from tests.unit.models.test_spec_schema import objects

MILL = Broken(FULL, lambda text, file: parse_causal(text, file, SCHEMA), "mill/1/causal.toml")
edited, refused = MILL.edited, MILL.refused


def test_a_full_file_becomes_a_spec():
    spec = parse_causal(FULL.encode(), "causal.toml", SCHEMA)
    assert (spec.version, spec.status) == ("2026-01", ApprovalStatus.ACCEPTED)
    assert (spec.accepted_by, spec.accepted_at) == ("process engineering, line 3", "2026-01-31")
    assert spec.nodes["speed"].role is NodeRole.CONSEQUENCE
    assert spec.nodes["torque_before"].kind is NodeKind.LAGGED
    assert (spec.nodes["torque_before"].of, spec.nodes["torque_before"].lag) == ("torque", 1)
    assert spec.graph.edges == ((0, 1), (2, 3), (2, 4), (3, 4))
    assert spec.parents("power") == ("torque", "speed")
    assert spec.edges[0].evidence == "heat balance"
    assert spec.provenance.checks[0].value == 0.02
    assert spec.sha256 == hashlib.sha256(FULL.encode()).hexdigest()


def test_evidence_may_be_text_by_language_and_is_kept():
    text = edited('evidence = "heat balance"', 'evidence = {en = "heat", ko = "열"}')
    spec = parse_causal(text.encode(), "causal.toml", SCHEMA)
    assert spec.edges[0].evidence == {"en": "heat", "ko": "열"}
    again = parse_causal(write_causal(spec), "causal.toml", SCHEMA)
    assert again.edges == spec.edges
    for wrong in ('""', "{}", "{en = 7}", "7"):
        with pytest.raises(SpecError, match="evidence"):
            parse_causal(
                edited('evidence = "heat balance"', f"evidence = {wrong}").encode(),
                "causal.toml",
                SCHEMA,
            )


def test_a_latent_node_with_two_effects_is_a_hidden_common_cause():
    spec = parse_causal(FULL.encode(), "causal.toml", SCHEMA)
    assert [c.between for c in spec.hidden] == [("torque", "speed"), ("air", "process")]
    assert spec.hidden[0].rho == (-0.2, 0.3)
    assert spec.hidden[1].rho is None


def test_the_declared_mechanisms_become_a_model():
    spec = parse_causal(FULL.encode(), "causal.toml", SCHEMA)
    model = build_model(spec)
    row = np.array([300.0, 310.5, 40.0, 1530.0, 0.1 * 40 * 1530 + 5, 1.0])
    (changed,) = model.counterfactual(row, [2], np.array([[50.0]]))
    scale = np.exp(3 + 0.5) / np.exp(3 + 0.4)
    speed = 1400 + 30 * scale
    assert changed.tolist() == pytest.approx([300.0, 310.5, 50.0, speed, 5 * speed + 5, 1.0])


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ('version = "2026-01"\n', "", "", "missing 'version'"),
        ("format = 1", "format = 2", "format", "is 2"),
        ('status = "accepted"', 'status = "agreed"', "status", "not one of 'proposed'"),
        ('accepted_by = "process engineering, line 3"', "", "accepted_by", "is missing"),
        ('accepted_at = "2026-01-31"', 'accepted_at = "yesterday"', "accepted_at", "a date"),
        ("[nodes.air]", "[nodes.airs]", "nodes", "has no 'air'"),
        ("[nodes.air]", "[nodes.airs]", "nodes.airs.kind", "did you mean 'air'"),
        ('from = "air"', 'from = "ari"', "edges[0].from", "did you mean 'air'"),
        ('to = "speed"\nsign = "-"', 'to = "torque"', "edges", "form a loop: torque -> torque"),
        (
            'from = "weather"\nto = "air"',
            'from = "power"\nto = "torque"',
            "edges",
            "torque",
        ),
        ('from = "weather"\nto = "air"', 'from = "air"\nto = "weather"', "edges[4].to", "latent"),
        ('from = "weather"\nto = "air"', 'from = "air"\nto = "process"', "edges[4]", "edges[0], "),
        (
            'from = "torque"\nto = "power"',
            'from = "torque"\nto = "speed"\nsign = "+"',
            "edges[2]",
            "with sign '-', not '+'",
        ),
        (
            'kind = "latent"\nrole = "fixed"',
            'kind = "latent"\nrole = "actionable"',
            "nodes.weather.role",
            "a latent node is 'fixed'",
        ),
        (
            '[nodes.quality]\nrole = "fixed"',
            '[nodes.quality]\nrole = "consequence"',
            "nodes.quality.role",
            "no edge leads to it",
        ),
        (
            '[nodes.power]\nrole = "consequence"',
            '[nodes.power]\nrole = "fixed"',
            "nodes.power.role",
            "follows from",
        ),
        ('of = "torque"', 'of = "tork"', "nodes.torque_before.of", "did you mean 'torque'"),
        ("lag = 1", "lag = 0", "nodes.torque_before.lag", "below 1"),
        ("lag = 1\n", "", "nodes.torque_before.lag", "is missing for a lagged node"),
        ('["torque", "speed"]', '["torque", "torque"]', "confounders[0].between", "twice"),
        ('["torque", "speed"]', '["torque", "tork"]', "confounders[0].between", "'tork'"),
        ("[-0.2, 0.3]", "[0.3, -0.2]", "confounders[0].rho", "above"),
        ("[-0.2, 0.3]", "[-1.2, 0.3]", "confounders[0].rho[0]", "below -1"),
        ("{air = 1.0}", "{air = -1.0}", "mechanisms.process.coefficients.air", "sign '+'"),
        ("{air = 1.0}", "{}", "mechanisms.process.coefficients", "has no 'air'"),
        ("{air = 1.0}", "{air = 1.0, power = 2}", "mechanisms.process.coefficients.power", "cause"),
        ("/ torque", "/ tork", "mechanisms.speed.expression", "'tork' is not a parent"),
        ("/ torque", "/ open('x')", "mechanisms.speed.expression", "open"),
        ("log_scale =", "#", "mechanisms.speed.log_scale", "is missing"),
        ('noise = "location-scale"', "", "mechanisms.speed.log_scale", "noise is additive"),
        ("sd = 2.0", "intercept = 2.0", "mechanisms.air.intercept", "no meaning"),
        ('kind = "root"', 'kind = "linear"', "mechanisms.air.kind", "nothing acts on it"),
        ('kind = "linear"', 'kind = "root"', "mechanisms.process.kind", "follows from air"),
        ('kind = "linear"', 'kind = "basis"', "mechanisms.process.file", "is missing"),
        ("torque = 1, speed = 1", "air = 1", "mechanisms.power.terms[0].powers.air", "not a cause"),
        ("[mechanisms.air]", "[mechanisms.airs]", "mechanisms.airs", "did you mean 'air'"),
        (
            'from = "torque_before"\nto = "torque"',
            'from = "torque"\nto = "quality"',
            "nodes.quality.role",
            "'torque', which is actionable",
        ),
        ("sd = 2.0", "sd = nan", "mechanisms.air.sd", "not a finite number"),
        ("sd = 2.0", "sd = -1.0", "mechanisms.air.sd", "below 0"),
        ("rows = 1000", "rows = 0", "provenance.rows", "below 1"),
        (
            "sd = 2.0",
            'file = "../x"\nsha256 = "' + "0" * 64 + '"',
            "mechanisms.air.file",
            "'../x'",
        ),
        ("sd = 2.0", 'file = "mechanisms/a.json"', "mechanisms.air.sha256", "missing"),
    ],
)
def test_what_is_wrong_is_named(old, new, key, problem):
    MILL.check(old, new, key, problem)


def test_a_category_that_follows_from_something_may_have_no_mechanism():
    text = edited('from = "weather"\nto = "air"', 'from = "air"\nto = "quality"')
    parse_causal(text.encode(), "c", SCHEMA)
    text += '\n[mechanisms.quality]\nkind = "linear"\ncoefficients = {air = 1}\n'
    assert "no mechanisms for categories" in str(refused(text))


def test_a_loop_is_named_in_the_direction_of_its_edges():
    text = edited('from = "weather"\nto = "air"', 'from = "power"\nto = "torque"')
    message = str(refused(text))
    assert any(
        loop in message
        for loop in (
            "torque -> power -> torque",
            "power -> torque -> power",
            "torque -> speed -> power -> torque",
            "speed -> power -> torque -> speed",
            "power -> torque -> speed -> power",
        )
    ), message


def test_text_that_is_not_toml_is_refused_with_its_line():
    assert "line 2" in str(refused("format = 1\nnodes = "))


# --- files ------------------------------------------------------------------------------------

BASIS = """
[mechanisms.speed]
kind = "basis"
file = "mechanisms/speed.json"
sha256 = "{digest}"
"""


def with_file(data: bytes) -> str:
    start, end = FULL.index("[mechanisms.speed]"), FULL.index("[mechanisms.power]")
    digest = hashlib.sha256(data).hexdigest()
    return FULL[:start] + BASIS.format(digest=digest) + FULL[end:]


def linear_file(parents=("torque",)) -> bytes:
    from ifonly.explainers.causal.basis import linear

    return mechanism_to_json("speed", parents, Mechanism(linear(2.0, np.ones(len(parents)))))


def test_a_mechanism_is_read_from_its_file():
    data = linear_file()
    spec = parse_causal(with_file(data).encode(), "c", SCHEMA)
    model = build_model(spec, {"mechanisms/speed.json": data})
    assert model.mechanisms[3] is not None
    assert model.mechanisms[3].location(np.array([[5.0]])).tolist() == [7.0]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"{", "is not JSON"),
        (b"[]", "is not a table"),
        (linear_file(("air",)), "has parents"),
        (root_to_json("speed", Noise(1.0)), "parents"),
        (linear_file().replace(b'"weights": [2.0', b'"weights": [NaN'), "not finite"),
        (linear_file().replace(b'"exponents": [[0], [1]]', b'"exponents": [[0]]'), "broken"),
        (linear_file().replace(b'"parent": [0]', b'"parent": [3]'), "reads a parent"),
        (linear_file().replace(b'"location"', b'"place"'), "KeyError"),
    ],
)
def test_a_file_that_is_no_mechanism_of_its_node_is_refused(data, problem):
    spec = parse_causal(with_file(data).encode(), "c", SCHEMA)
    with pytest.raises(SpecError, match=problem) as caught:
        build_model(spec, {"mechanisms/speed.json": data}, "mill/1/causal.toml")
    assert caught.value.key == "mechanisms.speed.file"


def test_a_file_that_was_changed_or_is_missing_is_refused():
    spec = parse_causal(with_file(linear_file()).encode(), "c", SCHEMA)
    with pytest.raises(SpecError, match="sha256"):
        build_model(spec, {"mechanisms/speed.json": linear_file() + b" "})
    with pytest.raises(SpecError, match="is missing"):
        build_model(spec, {})


# --- the published schema ---------------------------------------------------------------------


def test_it_is_a_valid_schema_and_ships_beside_the_code():
    Draft202012Validator.check_schema(json_schema())
    path = Path(ifonly.explainers.causal.__file__).parent / "causal.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == json_schema()
    assert list(Draft202012Validator(json_schema()).iter_errors(tomllib.loads(FULL))) == []


def test_every_table_refuses_unknown_keys_and_every_key_is_described():
    tables = list(objects(json_schema()))
    assert len(tables) >= 8
    for path, table in tables:
        assert table.get("additionalProperties") not in (None, True), path
        for key, item in table.get("properties", {}).items():
            assert item.get("title"), f"{path}/{key}"
            assert item.get("description"), f"{path}/{key}"
