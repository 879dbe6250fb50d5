"""Graphs that are wrong are caught, each in its way; the one that is right is not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ifonly.explainers.causal import CausalModel, Graph
from ifonly.explainers.causal.falsify import falsify
from ifonly.explainers.causal.independence import (
    Dependence,
    Residuals,
    conditional,
    distance_correlation,
    holm,
)
from ifonly.explainers.causal.learning import learn
from ifonly.explainers.causal.mechanism import Mechanism, NoiseForm
from ifonly.explainers.causal.spec import CheckResult
from ifonly.explainers.causal.validate import DEPENDENT, NodeValidation, validate
from tests.support.equipment import (
    AIR,
    EDGES,
    GRAPH,
    LOAD,
    NAMES,
    SPEED,
    TEMPERATURE,
    TORQUE,
    VIBRATION,
    WEAR,
    equipment_rows,
)

ROWS = equipment_rows(2000)
NUMBERS = [False] * 8
ADDITIVE = (NoiseForm.ADDITIVE,)


def verdict(graph: Graph):
    return falsify(graph, ROWS, NUMBERS, np.random.default_rng(0), n_permutations=3)


@cache
def learned(graph: Graph) -> CausalModel:
    rows = equipment_rows(1500, seed=1)
    rng = np.random.default_rng(0)
    mechanisms: list[Mechanism | None] = []
    for j, causes in enumerate(graph.parents):
        if not causes:
            mechanisms.append(None)
            continue
        x, flags = rows[:, list(causes)], [False] * len(causes)
        mechanisms.append(learn(x, rows[:, j], flags, rng, ("basis",), ADDITIVE).mechanism)
    return CausalModel(NAMES, graph, tuple(mechanisms))


def test_nothing_is_found_against_the_true_graph():
    found = falsify(GRAPH, ROWS, NUMBERS, np.random.default_rng(0), n_permutations=19)
    assert found.agrees
    assert found.broken == 0.0
    assert found.statements == 28 - 10
    assert found.p == 0.05
    assert min(found.shuffled) > 0.0


@pytest.mark.parametrize("edge", EDGES)
def test_a_removed_edge_is_named_as_missing(edge):
    found = verdict(Graph.of(8, [e for e in EDGES if e != edge]))
    assert frozenset(edge) in {frozenset((f.a, f.b)) for f in found.missing}


@pytest.mark.parametrize("edge", [(AIR, VIBRATION), (AIR, SPEED), (WEAR, TEMPERATURE)])
def test_an_added_edge_is_named_as_superfluous(edge):
    found = verdict(Graph.of(8, [*EDGES, edge]))
    assert [(f.a, f.b) for f in found.superfluous] == [edge]
    assert not found.missing


def test_a_reversed_edge_is_named_by_the_noise_that_it_leaves():
    turned = [e for e in EDGES if e != (TORQUE, SPEED)] + [(SPEED, TORQUE)]
    graph = Graph.of(8, turned)
    model = learned(graph)
    found = validate(model, equipment_rows(3000), NUMBERS, np.random.default_rng(0), 1)
    assert (SPEED, TORQUE) in [(t.cause, t.effect) for t in found.reversed]
    assert not all(check.passed for check in found.checks(NAMES))


def test_the_true_model_passes_every_check():
    model = learned(GRAPH)
    found = validate(model, ROWS, NUMBERS, np.random.default_rng(0), 1)
    assert found.reversed == ()
    checks = found.checks(NAMES)
    assert all(check.passed for check in checks), [c for c in checks if not c.passed]
    assert {c.check for c in checks} == {
        "held-out fit",
        "noise independence",
        "graph",
        "invertibility",
        "composition",
    }
    by_name = {n.name: n for n in found.nodes}
    assert by_name["wear"].explained > 0.95
    assert found.invertibility <= 1e-9


@pytest.mark.slow
def test_a_mechanism_of_the_wrong_shape_leaves_noise_that_depends_on_its_causes():
    rows = equipment_rows(1500, seed=1)
    model = learned(GRAPH)
    x = rows[:, list(GRAPH.parents[SPEED])]
    rng = np.random.default_rng(0)
    line = learn(x, rows[:, SPEED], [False], rng, ("linear",), ADDITIVE).mechanism
    wrong = replace(
        model, mechanisms=(*model.mechanisms[:SPEED], line, *model.mechanisms[SPEED + 1 :])
    )
    found = validate(wrong, ROWS, NUMBERS, np.random.default_rng(0), 1)
    failed = [n.name for n in found.nodes if not n.noise_is_independent]
    assert failed == ["speed"]


def test_distance_correlation_sees_bends_and_is_small_without_dependence():
    rng = np.random.default_rng(0)
    a, e = rng.normal(size=(500, 1)), rng.normal(size=(500, 1))
    bend = distance_correlation(a, a**2 + 0.1 * e, rng)
    assert bend.effect > 0.4
    assert bend.p < 1e-9
    nothing = distance_correlation(a, e, rng)
    assert nothing.effect < 0.1
    assert nothing.p > 0.05
    assert distance_correlation(a, np.zeros((500, 1)), rng).effect == 0.0


def test_independence_is_rejected_no_more_often_than_said():
    ps = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        ps.append(distance_correlation(rng.normal(size=(60, 2)), rng.normal(size=(60, 1)), rng).p)
    assert np.mean(np.array(ps) < 0.05) <= 0.1


@pytest.mark.slow
def test_p_values_of_true_independence_are_spread_evenly():
    ps = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        z = rng.normal(size=300)
        rows = np.column_stack([z, np.sin(z) + rng.normal(size=300), z**2 + rng.normal(size=300)])
        ps.append(conditional(Residuals(rows, [False] * 3), 1, 2, frozenset({0})).p)
    assert np.mean(np.array(ps) < 0.05) <= 0.1


def test_a_nominal_column_is_tested_by_its_categories():
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, 1000).astype(float)
    follows = np.array([0.0, 2.0, -2.0])[kind.astype(int)] + rng.normal(size=1000)
    rows = np.column_stack([kind, follows, follows + rng.normal(size=1000)])
    residuals = Residuals(rows, [True, False, False])
    assert conditional(residuals, 0, 1, frozenset()).effect > 0.3
    assert conditional(residuals, 0, 2, frozenset({1})).effect < 0.1


def test_holm_corrects_for_the_number_of_tests():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_a_load_that_is_never_read_shows_as_a_missing_edge():
    # Without the load, torque and vibration share a hidden cause.
    rows = np.delete(ROWS, LOAD, axis=1)
    kept = [j for j in range(8) if j != LOAD]
    place = {j: k for k, j in enumerate(kept)}
    edges = [(place[a], place[b]) for a, b in EDGES if LOAD not in (a, b)]
    found = falsify(
        Graph.of(7, edges), rows, [False] * 7, np.random.default_rng(0), n_permutations=0
    )
    assert (place[TORQUE], place[VIBRATION]) in [(f.a, f.b) for f in found.missing]
    assert (place[WEAR], place[TEMPERATURE]) not in [(f.a, f.b) for f in found.missing]


def test_equivalence_is_shown_by_enough_rows_and_not_by_few():
    wider = Graph.of(8, [*EDGES, (AIR, VIBRATION)])
    few = falsify(wider, equipment_rows(150), NUMBERS, np.random.default_rng(0), 0)
    assert few.agrees
    assert not few.is_shown
    # What few rows do not show to be idle is not called idle.
    assert (AIR, VIBRATION) in [(f.a, f.b) for f in few.unseen]
    many = falsify(GRAPH, ROWS, NUMBERS, np.random.default_rng(0), 0)
    assert many.is_shown
    assert many.shown == many.statements


@pytest.mark.parametrize(("n", "least", "most"), [(100, 0.0, 0.0), (1000, 0.9, 1.0)])
def test_independence_of_noise_is_shown_by_enough_rows_only(n, least, most):
    shown = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        a, b = rng.normal(size=(2, n, 1))
        shown.append(distance_correlation(a, b, rng).upper < DEPENDENT)
    assert least <= np.mean(shown) <= most


def test_what_depends_by_the_margin_is_rarely_shown_not_to():
    shown = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        a, e = rng.normal(size=(2, 600, 1))
        # A line whose distance correlation is the margin.
        shown.append(distance_correlation(a, 0.136 * a + e, rng).upper < DEPENDENT)
    assert np.mean(shown) <= 0.1


def test_of_what_never_varied_nothing_is_shown():
    rng = np.random.default_rng(0)
    a, still = rng.normal(size=(500, 1)), np.zeros((500, 1))
    assert distance_correlation(a, still, rng).upper == 1.0
    assert distance_correlation(still, a, rng).upper == 0.0


@pytest.mark.parametrize(
    ("within", "rows", "result"),
    [
        (0.95, 2000, CheckResult.TESTED),
        (0.95, 40, CheckResult.NOT_REJECTED),
        (1.0, 20, CheckResult.NOT_REJECTED),
        (1.0, 200, CheckResult.FAILED),
        (0.8, 200, CheckResult.FAILED),
        (float("nan"), 2000, CheckResult.NOT_REJECTED),
    ],
)
def test_a_share_within_the_noise_is_judged_by_its_interval(within, rows, result):
    node = NodeValidation("n", 0.5, 0.0, within, Dependence(0.0, 1.0), rows)
    assert node.fit_result is result


def test_the_noise_of_a_node_is_tested_not_rejected_or_failed():
    def of(effect: float, p: float, upper: float) -> CheckResult:
        return NodeValidation("n", 0.5, 0.0, 0.95, Dependence(effect, p, upper), 100).noise_result

    assert of(0.03, 0.5, 0.08) is CheckResult.TESTED
    assert of(0.03, 0.5, 0.2) is CheckResult.NOT_REJECTED
    assert of(0.2, 0.3, 0.4) is CheckResult.NOT_REJECTED
    assert of(0.2, 0.01, 0.3) is CheckResult.FAILED


def test_every_edge_that_failed_is_a_check_of_its_own():
    edges = [e for e in EDGES if e != (TORQUE, SPEED)] + [(AIR, VIBRATION)]
    found = validate(
        learned(Graph.of(8, edges)), equipment_rows(2000), NUMBERS, np.random.default_rng(0), 1
    )
    parts = {(c.check, frozenset(c.between)) for c in found.checks(NAMES) if c.between}
    assert ("missing edge", frozenset((NAMES[TORQUE], NAMES[SPEED]))) in parts
    assert ("idle edge", frozenset((NAMES[AIR], NAMES[VIBRATION]))) in parts
    assert all(c.result is CheckResult.FAILED for c in found.checks(NAMES) if c.between)
