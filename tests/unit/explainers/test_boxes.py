"""Boxes of settings: how they grow, what stops them, and what becomes of wrong proofs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import ClassVar

import numpy as np
import pytest

from ifonly.explainers.answer import BoxSide, JointBox, Recourse
from ifonly.explainers.beside import Beside
from ifonly.explainers.constraints import Axes, Immutable, Mask, Origin, Range, Source
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.joint_box import with_joint_boxes
from ifonly.explainers.menu import count_of_sets, menu, sets_of
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search import boxes
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.box_rules import halves, part
from ifonly.explainers.search.boxes import Growth, Side, every_row
from ifonly.explainers.search.counterexample import BROKEN, PROVEN, BoxVerdict
from ifonly.explainers.space import Axis, Grid
from ifonly.explainers.target import Target
from ifonly.explainers.terms import BoxProof, FaceEnd, Status
from ifonly.models.predictor import Rows, Scores
from ifonly.models.rounding import Known, Rounding
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

HEAT = Feature("heat", Kind.CONTINUOUS, "K", 0.0, 10.0, Decimal("1"))
LOAD = Feature("load", Kind.CONTINUOUS, "Nm", 0.0, 10.0, Decimal("0.5"))
DECISION = Decision(Task.BINARY, (Category("ok"), Category("alarm")), 1, 0.5, desired=0)
ORIGIN = Origin(Source.REQUEST, "test")


class Both:
    """An alarm unless both are low enough: neither can clear it alone."""

    def score(self, rows: Rows) -> Scores:
        return ((rows[:, 0] > 6.0) | (rows[:, 1] > 5.0)).astype(np.float64)[:, None]


def problem(rules: Sequence[str] = ()) -> Problem:
    policy = Policy.read({"rules": list(rules)}, Schema((HEAT, LOAD)), DECISION)
    return policy.problem(np.array([9.0, 9.0]))


def boxed(asked: Problem, deadline: Deadline | None = None) -> tuple[JointBox | None, Recourse]:
    answer = explain(asked, Both(), engine=Blackbox())
    assert isinstance(answer, Recourse)
    until = deadline or Deadline.never()
    beside = Beside.of(asked, Both(), answer.work, engine=Blackbox(), deadline=until)
    told = with_joint_boxes(beside, answer)
    return told.counterfactuals[0].joint_box, told


def test_a_model_of_which_nothing_is_known_is_asked_about_every_setting() -> None:
    box, _ = boxed(problem())
    assert box is not None
    assert box.proof is BoxProof.ASKED
    assert box.sides == (
        BoxSide(0, 0.0, 6.0, FaceEnd.EDGE, FaceEnd.TIGHT),
        BoxSide(1, 0.0, 5.0, FaceEnd.EDGE, FaceEnd.TIGHT),
    )


def test_a_rule_holds_all_over_a_box() -> None:
    box, _ = boxed(problem(["heat + load >= 8"]))
    assert box is not None
    heat, load = box.sides
    assert heat.low + load.low >= 8.0
    assert (heat.high, load.high) == (6.0, 5.0)
    assert FaceEnd.CUT not in {heat.below, load.below}
    # The largest of those that an order leads to: of 3 x 5 steps or fewer.
    assert box.size == pytest.approx(
        (heat.high - heat.low + 1) * (load.high - load.low + 0.5) / 100
    )


def test_without_time_no_box_is_claimed() -> None:
    box, told = boxed(problem(), Deadline(0.0, clock=lambda: 1.0))
    assert box is None
    assert told.work.deadline_hit


def test_a_box_that_holds_a_setting_that_is_none_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Whatever it proves, the checker tries the corners.
    monkeypatch.setattr(boxes, "settle", lambda *_, **__: BoxVerdict(PROVEN.held))
    box, told = boxed(problem())
    assert box is None
    assert any("joint box: " in reason for reason in told.work.rejected)


@dataclass(frozen=True)
class Below:
    """Proves that the sum of two settings stays below a limit."""

    most: float
    is_proof: ClassVar[bool] = True
    sharpened_by: ClassVar[Sequence[int]] = ()

    def holds(self, axes: Axes) -> BoxVerdict:
        return PROVEN if axes[0].high + axes[1].high <= self.most else BROKEN

    def answers(self, actions: Rows) -> Mask:
        return np.asarray(actions.sum(axis=1) <= self.most)


def test_of_several_orders_the_largest_box_is_kept_and_its_faces_are_shown_to_be_tight() -> None:
    whole = Axis(Grid(1, 0), 0, 101)
    sides = [Side(0, whole, 0, 1.0), Side(1, whole, 0, 1.0)]
    grown = Growth(problem(), Below(100.0), sides, Deadline.never()).best()
    assert grown is not None
    # Half and half: no other rectangle below the diagonal is larger.
    assert grown.ends == ((0, 50), (0, 50))
    assert grown.faces == ((FaceEnd.EDGE, FaceEnd.TIGHT), (FaceEnd.EDGE, FaceEnd.TIGHT))


@pytest.mark.parametrize("at", [0, 3, 9, 10])
def test_parts_of_an_axis_are_its_values_in_order(at: int) -> None:
    axis = Axis(Grid(1, 1), 3, 8, (0.05, 0.55, 2.0))
    values = axis.values().tolist()
    for stop in range(at + 1, len(axis) + 1):
        assert part(axis, at, stop).values().tolist() == values[at:stop]
    one, other = halves(axis)
    assert [*one.values(), *other.values()] == values


def test_every_row_of_a_box_is_told_once() -> None:
    axes = (Axis(others=(1.0, 2.0)), Axis(Grid(1, 0), 5, 3))
    assert every_row(axes).tolist() == [[a, b] for a in (1.0, 2.0) for b in (5.0, 6.0, 7.0)]


TARGETS: dict[str, Callable[[Decision], Target]] = {
    "decided": lambda d: Target(d, 0),
    "sure": lambda d: Target(d, 0, 0.9),
    "between": lambda d: Target(d, 0, 0.6, 0.8),
    "score": lambda d: Target(d, None, 0.2, 0.7),
    "nothing": lambda d: Target(d, 1, 0.0, 0.1),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("rounding", [Rounding(), Rounding((1e-5,), (1e-3,), Known.BOUNDED)])
def test_every_score_is_in_a_target_or_in_one_of_its_opposites(
    kind: str, rounding: Rounding
) -> None:
    target = TARGETS[kind](DECISION).firm(rounding)
    edges = [e for t in target.opposites or () for e in (t.lower, t.upper) if 0.0 <= e <= 1.0]
    beside = [np.nextafter(e, way) for e in edges for way in (-np.inf, np.inf)]
    scores = np.array([*np.linspace(0.0, 1.0, 2_001), *edges, *beside])[:, None]
    within = target.met(scores)
    against = np.any([t.met(scores) for t in target.opposites or ()], axis=0)
    assert (within ^ against).all()


def test_a_class_or_one_of_its_rivals_is_decided_whatever_rounding_does() -> None:
    three = Decision(Task.MULTICLASS, tuple(map(Category, "abc")), desired=0)
    rounding = Rounding((1e-3,) * 3, (0.0,) * 3, Known.BOUNDED)
    target = Target(three, 1).firm(rounding)
    draw = np.random.default_rng(0)
    scores = draw.dirichlet((1.0, 1.0, 1.0), 500)
    scores[::2, 0] = scores[::2, 1] + draw.uniform(-4e-3, 4e-3, 250)
    assert target.opposites is not None
    against = np.any([t.met(scores) for t in target.opposites], axis=0)
    assert (target.met(scores) | against).all()
    assert (target.met(scores) & against).sum() == 0
    assert Target(three, 1, 0.9).opposites is None


def test_what_is_frozen_outside_of_its_range_leaves_the_others_cut() -> None:
    asked = problem()
    frozen = (
        Range(0, 0.0, 5.0, origin=ORIGIN), Immutable(0, origin=ORIGIN), Immutable(1, origin=ORIGIN),
    )  # fmt: skip
    axes = replace(asked, constraints=frozen).axes_if_set
    assert (len(axes[0]), axes[1].values().tolist()) == (0, [9.0])


def test_sets_are_counted_as_they_are_made() -> None:
    for n, most in ((1, 3), (4, 2), (6, 3)):
        assert len(list(sets_of(range(n), most))) == count_of_sets(n, most)


def test_a_menu_without_time_decides_nothing_but_what_the_answer_says() -> None:
    asked = problem()
    answer = explain(asked, Both(), engine=Blackbox())
    over = Deadline(0.0, clock=lambda: 1.0)
    beside = Beside.of(asked, Both(), answer.work, engine=Blackbox(), deadline=over)
    found = menu(beside, answer, 2)
    assert [entry.status for entry in found.entries] == [
        Status.UNKNOWN, Status.UNKNOWN, Status.OPTIMAL,
    ]  # fmt: skip
    assert found.work.deadline_hit
