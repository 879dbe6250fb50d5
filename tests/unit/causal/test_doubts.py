"""Which actions rest on a part that failed: against the definition, path by path."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from ifonly.explainers.causal import Graph, parse_causal
from ifonly.explainers.causal.doubts import doubts_of, failed_parts
from ifonly.explainers.causal.spec import CausalSpec, CheckResult, ProvenanceCheck
from ifonly.explainers.causal.writing import write_causal
from ifonly.models.errors import SpecError
from ifonly.models.schema import Feature, Kind, Schema
from tests.unit.causal.example import FULL
from tests.unit.causal.example import SCHEMA as EXAMPLE

N = 5
SCHEMA = Schema(tuple(Feature(f"x{j}", Kind.CONTINUOUS) for j in range(N)))


def spec_of(graph: Graph, *doubts: ProvenanceCheck) -> CausalSpec:
    head = 'format = 1\nversion = "1"\nstatus = "proposed"\n'
    nodes = "".join(f'nodes.x{j}.role = "actionable"\n' for j in range(N))
    edges = "".join(f'[[edges]]\nfrom = "x{i}"\nto = "x{j}"\n' for i, j in graph.edges)
    return replace(parse_causal((head + nodes + edges).encode(), "c", SCHEMA), doubts=doubts)


def failed(check: str, *, node: str = "", between: tuple[str, str] | None = None):
    return ProvenanceCheck(check, False, node, between=between, result=CheckResult.FAILED)


def moved(graph: Graph, acted: frozenset[int]) -> frozenset[int]:
    """What is set, and what follows step by step; what is set follows nothing."""
    found = set(acted)
    for j in graph.order:
        if j not in acted and found & set(graph.parents[j]):
            found.add(j)
    return frozenset(found)


def graphs():
    rng = np.random.default_rng(0)
    for _ in range(12):
        order = rng.permutation(N)
        pairs = [(int(order[a]), int(order[b])) for a, b in combinations(range(N), 2)]
        yield Graph.of(N, [p for p in pairs if rng.random() < 0.4])


def subsets():
    for count in range(1, N + 1):
        yield from map(frozenset, combinations(range(N), count))


def test_an_idle_edge_is_rested_on_where_the_cause_moves_and_the_effect_is_not_set():
    for graph in graphs():
        for i, j in graph.edges:
            (doubt,) = doubts_of(spec_of(graph, failed("idle edge", between=(f"x{i}", f"x{j}"))))
            for acted in subsets():
                assert doubt.is_under(acted) is (i in moved(graph, acted) and j not in acted)


def test_a_reversed_edge_is_rested_on_where_either_end_moves_and_not_both_are_set():
    for graph in graphs():
        for i, j in graph.edges:
            part = failed("reversed edge", between=(f"x{i}", f"x{j}"))
            (doubt,) = doubts_of(spec_of(graph, part))
            for acted in subsets():
                either = bool({i, j} & moved(graph, acted))
                assert doubt.is_under(acted) is (either and not {i, j} <= acted)


def test_a_missing_edge_is_rested_on_where_what_it_could_move_is_not_set():
    for graph in graphs():
        joined = {frozenset(e) for e in graph.edges}
        for i, j in combinations(range(N), 2):
            if frozenset((i, j)) in joined:
                continue
            part = failed("missing edge", between=(f"x{i}", f"x{j}"))
            (doubt,) = doubts_of(spec_of(graph, part))
            # An edge that closed a loop could not be the missing one.
            ways = [(a, b) for a, b in ((i, j), (j, i)) if a not in graph.descendants[b]]
            for acted in subsets():
                moving = moved(graph, acted)
                wrong = any((a in moving or b in moving) and b not in acted
                            for a, b in ways)  # fmt: skip
                assert doubt.is_under(acted) is wrong


def test_a_mechanism_is_rested_on_where_its_node_follows_and_the_whole_where_anything_does():
    for graph in graphs():
        whole = doubts_of(spec_of(graph, failed("invertibility")))[0]
        for j in range(N):
            (doubt,) = doubts_of(spec_of(graph, failed("held-out fit", node=f"x{j}")))
            for acted in subsets():
                follows = moved(graph, acted) - acted
                assert doubt.is_under(acted) is (j in follows)
                assert whole.is_under(acted) is bool(follows)


def test_in_another_past_nothing_is_severed():
    graph = Graph.of(N, [(0, 1)])
    (doubt,) = doubts_of(spec_of(graph, failed("idle edge", between=("x0", "x1"))))
    assert not doubt.is_under([0, 1])
    assert doubt.is_under([0, 1], severed=())
    assert not doubt.is_under([1], severed=())


def test_what_failed_is_told_of_its_part_and_of_the_whole_only_where_no_part_is_known():
    edge = failed("idle edge", between=("x0", "x1"))
    passed = ProvenanceCheck("held-out fit", True, "x1")
    assert failed_parts([passed, failed("graph"), edge]) == (replace(edge, result=None),)
    assert failed_parts([passed, failed("graph")]) == (replace(failed("graph"), result=None),)
    assert failed_parts([passed]) == ()
    assert failed_parts([]) is None


def test_files_of_before_say_only_whether_a_check_passed():
    spec = parse_causal(FULL.encode(), "c", EXAMPLE)
    assert spec.doubts is None
    assert doubts_of(spec) == ()
    assert {c.result for c in spec.provenance.checks} == {None}
    by_pass = {c.passed: c.standing for c in spec.provenance.checks}
    assert by_pass.get(True, CheckResult.TESTED) is CheckResult.TESTED
    assert by_pass.get(False, CheckResult.FAILED) is CheckResult.FAILED


@pytest.mark.parametrize(
    "doubts",
    [
        None,
        (),
        (
            ProvenanceCheck("idle edge", False, "", 0.01, 0.1, "a note", ("air", "process")),
            ProvenanceCheck("held-out fit", False, "speed", 0.5, 0.95),
        ),
    ],
)
def test_doubts_survive_being_written(doubts):
    spec = replace(parse_causal(FULL.encode(), "c", EXAMPLE), doubts=doubts)
    assert parse_causal(write_causal(spec), "c", EXAMPLE).doubts == doubts


def test_a_doubt_of_what_is_not_there_is_refused():
    head, rest = FULL.split("[nodes.air]", 1)
    for part, problem in (
        ('node = "fan"', "is not a feature"),
        ('between = ["air", "air"]', "names one feature twice"),
    ):
        text = f'{head}[[doubts]]\ncheck = "c"\n{part}\n[nodes.air]{rest}'
        with pytest.raises(SpecError, match=problem):
            parse_causal(text.encode(), "c", EXAMPLE)
