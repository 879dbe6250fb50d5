"""Explanations as what is compared between groups: what is known of each, and by which bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.fairness.measures import MeasureName
from ifonly.service.audit.fairness import measuring
from ifonly.service.audit.fairness.measuring import FairnessQuestion, compared, measures
from ifonly.service.audit.fairness.recorded import asked_once
from ifonly.service.audit.fairness.table import csv_of, short_rows
from ifonly.service.audit.fairness.telling import FairnessScope, told
from ifonly.service.audit.recourse_by_group.cases import LeverChange, RecourseCase
from ifonly.service.errors import InvalidRequest

LEVER = (LeverChange("torque", "Nm", -1.0),)


def case(status: str, cost: float | None = None, **more) -> RecourseCase:
    levers = () if cost is None else LEVER
    return RecourseCase("x", status, **{"policy": "a", "cost": cost, "levers": levers, **more})


EVERY = [
    case("already_target"),
    case("optimal", 2.0, lower_bound=2.0, chance=0.95),
    case("feasible", 3.0, lower_bound=1.5),
    case("feasible", 3.0),
    case("feasible", 3.0, lower_bound=4.0),  # a bound above what was found is none
    case("infeasible"),
    case("unknown"),
    case("abstained"),
]


def test_each_status_says_what_is_known_of_the_cost():
    found = {measure.name: measure for measure in measures(EVERY)}
    decision, cost, none = (
        found[n] for n in (MeasureName.DECISION, MeasureName.COST, MeasureName.NO_RECOURSE)
    )
    assert decision.of.all()
    assert decision.lower.tolist() == [0.0] + 7 * [1.0]
    assert cost.of.tolist() == none.of.tolist() == [False] + 7 * [True]
    ends = list(zip(cost.lower[1:].tolist(), cost.upper[1:].tolist(), strict=True))
    inf = math.inf
    assert ends == [(2, 2), (1.5, 3), (0, 3), (3, 3), (inf, inf), (0, inf), (0, inf)]
    shares = list(zip(none.lower[1:].tolist(), none.upper[1:].tolist(), strict=True))
    assert shares == [(0, 0)] * 4 + [(1, 1), (0, 1), (0, 1)]
    assert found[MeasureName.LEVERS].of.sum() == 4
    assert found[MeasureName.CHANCE].of.sum() == 1
    assert measures([]) == ()


def test_costs_of_another_spec_are_not_compared():
    some = [case("optimal", 1.0)] * 3 + [case("optimal", 9.0, policy="b")] * 2
    cost = next(m for m in measures(some) if m.name is MeasureName.COST)
    assert cost.of.tolist() == [True] * 3 + [False] * 2


def test_erased_explanations_are_counted_and_in_no_group():
    cases = [
        *(case("optimal", float(k), attributes={"line": "=a" if k % 2 else "b"}) for k in range(8)),
        case("infeasible", attributes={"line": "b"}),
        case("optimal", 1.0, attributes={}),
        case("optimal", erased=True),
    ]
    question = FairnessQuestion(("attribute:line", "attribute:line"), least=1)
    found = compared(cases, {}, question)
    assert (len(found.cases), found.erased) == (10, 1)
    sizes = {group.parts: group.size for group in found.audit.grouping.groups}
    # Not to have said it is a value like others.
    assert sizes == {
        (("attribute:line", "b"),): 5,
        (("attribute:line", "=a"),): 4,
        (("attribute:line", ""),): 1,
    }
    reply = told(found, {}, FairnessScope("mill"))
    assert reply.outcomes == []
    assert {group.label["en"] for group in reply.groups} >= {"line: not given", "line: =a"}
    cost = next(d for d in reply.differences if d.measure == "cost" and d.of == 5)
    assert cost.median is not None
    assert (cost.median.low, cost.median.high) == (4.0, 4.0)
    table = csv_of(reply, "en").decode("utf-8-sig")
    assert "\n=a" not in table
    assert len(list(short_rows(reply, "ko"))) == 3 * sum(d.tested is not None
                                                         for d in reply.differences)  # fmt: skip


@pytest.mark.parametrize("tag", ["en", "ko", "ja"])
def test_the_same_is_said_in_every_language(tag):
    cases = [case("optimal", 1.0, attributes={"line": "ab"[k % 2]}) for k in range(8)]
    cases.append(case("optimal", 2.0, policy="b", attributes={"line": "a"}))
    found = compared(cases, {}, FairnessQuestion(("attribute:line",), least=2))
    reply = told(found, {}, FairnessScope("mill"))
    assert reply.policies == 2
    assert all(note[tag] for note in reply.notes)
    assert all(group.label[tag] for group in reply.groups)
    assert np.isfinite([d.tested.p for d in reply.differences if d.tested]).all()


def test_more_groups_than_are_compared_are_refused(monkeypatch):
    monkeypatch.setattr(measuring, "MOST_GROUPS", 3)
    cases = [case("optimal", 1.0, attributes={"line": str(k % 4)}) for k in range(12)]
    with pytest.raises(InvalidRequest, match="there are 4 groups; 3 are compared at most"):
        compared(cases, {}, FairnessQuestion(("attribute:line",), least=2))


def test_what_has_no_advice_and_is_asked_again_counts_once():
    reading: dict[str, Any] = {"instance": {"torque": 50.0}, "attributes": {"line": "1"}}
    asked = [
        case("unknown", **reading),
        case("infeasible", time_us=5, **reading),
        case("infeasible", time_us=6, **reading),
        case("infeasible", time_us=6, instance={"torque": 50.0}, attributes={"line": "2"}),
        case("infeasible", time_us=6, erased=True),
        case("infeasible", time_us=7, erased=True),
        # Beyond the window it is another moment.
        case("infeasible", time_us=99, **reading),
        case("optimal", 2.0, time_us=100, **reading),
    ]
    assert [asked.index(each) for each in asked_once(asked, 10)] == [1, 3, 4, 5, 7]
    assert asked_once(EVERY[1:5], 10) == EVERY[1:5]
