"""In which box may all values of an answer be chosen at once? (decision 0136)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product

import numpy as np

from ifonly.explainers.answer import BoxSide, Counterfactual, JointBox, Recourse
from ifonly.explainers.beside import Beside, together
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.inquiry import NEVER, Inquiry
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.box_provers import box_provers
from ifonly.explainers.search.box_rules import part
from ifonly.explainers.search.boxes import GrownBox, Growth, Side
from ifonly.explainers.space import Axis
from ifonly.explainers.terms import BoxProof
from ifonly.explainers.verify import Checker, Proposal
from ifonly.models.predictor import Row
from ifonly.models.schema import Kind

MOST_CORNERS = 8
FURTHER = 8
"""Settings within a box, besides its corners, that the checker tries."""


def with_joint_boxes(beside: Beside, answer: Recourse) -> Recourse:
    """``answer`` with the joint box of each of its counterfactuals that sets several features, in
    the time of ``beside``, each its share.

    Raises
    ------
    GraphError
        If the model cannot score rows.
    """
    deadline = beside.asking.deadline
    left, found = len(answer.counterfactuals), []
    for each in answer.counterfactuals:
        until = deadline.sooner(1.0 / left)
        found.append(with_joint_box(beside.problem, each, beside.checker, beside.asking, until))
        left -= 1
    beside.deadline_hit = deadline.expired()
    work = together(answer.work, beside.work("boxes"))
    return replace(answer, counterfactuals=tuple(found), work=work)


def with_joint_box(
    problem: Problem,
    found: Counterfactual,
    checker: Checker,
    asking: Inquiry,
    deadline: Deadline = NEVER,
) -> Counterfactual:
    """``found`` with its joint box, if it sets several features and there is one that holds.

    Parameters
    ----------
    problem : Problem
        What ``found`` is an answer to.
    found : Counterfactual
    checker : Checker
        Of the same question; tries settings of the box, corners first, with the deployed model.
    asking : Inquiry
    deadline : Deadline
        Of the box alone; faces that it cuts say so.
    """
    if len(found.actions) < 2:
        return found
    if not found.rests_on_rounding:
        problem, checker = problem.firm(asking.rounding), checker.firm(asking.rounding)
    action = found.action_on(problem.factual)
    meter = asking.meter.until(deadline)
    columns = [a.column for a in found.actions]
    with suppress(DeadlineReached, NotEligible), asking.watch("complete"):
        for prover in box_provers(asking.engine, problem, meter, deadline, columns):
            sides = list(_sides(problem, found, action))
            grown = Growth(problem, prover, sides, deadline).best()
            if grown is None:
                continue
            box = _told(sides, grown, BoxProof.PROVEN if prover.is_proof else BoxProof.ASKED)
            if not _holds(checker, asking, action, sides, grown):
                return found
            return replace(found, joint_box=box)
    return found


def _sides(problem: Problem, found: Counterfactual, action: Row) -> Iterator[Side]:
    columns = [a.column for a in found.actions]
    consequences = problem.consequences
    follows = consequences is not None and bool(consequences.effects(columns))
    axes = problem.axes_if_set if follows else problem.inert.single_axes
    for own in found.actions:
        j, value = own.column, float(action[own.column])
        axis = axes[j]
        # With the value that was read a feature is not set, and may follow from the others.
        if problem.schema.features[j].kind is Kind.NOMINAL or value not in axis:
            axis = Axis(others=(value,))
        else:
            axis = _around(axis, value, float(problem.factual[j]), is_cut=follows)
        hint = None
        if own.sufficient_range is not None and all(v in axis for v in own.sufficient_range):
            low, high = own.sufficient_range
            hint = axis.position(low), axis.position(high)
        cost = problem.cost.features[j]
        yield Side(j, axis, axis.position(value), cost.scale, hint)


def _around(axis: Axis, value: float, stays: float, *, is_cut: bool) -> Axis:
    """The numbers of an axis; ``is_cut``: those on the answer's side of the value that was read."""
    first, stop = 0, len(axis) - axis.has_missing
    if is_cut and not np.isnan(stays):
        at = axis.below(stays)
        if value < stays:
            stop = min(stop, at)
        else:
            first = at + (stays in axis)
    return part(axis, first, stop)


def _told(sides: Sequence[Side], grown: GrownBox, proof: BoxProof) -> JointBox:
    each = zip(sides, grown.ends, grown.faces, strict=True)
    told = (BoxSide(s.column, *s.values(ends), *faces) for s, ends, faces in each)
    return JointBox(tuple(told), proof, grown.size)


def _holds(
    checker: Checker, asking: Inquiry, action: Row, sides: Sequence[Side], grown: GrownBox
) -> bool:
    """Whether the checker finds the settings of a box that it tries to be answers."""
    with asking.watch("verify"):
        tried = list(_tried(action, sides, grown))
        reports = checker.check_all(Proposal(each) for each in tried)
    for each, report in zip(tried, reports, strict=True):
        if not report.holds:
            asking.reject(each, report.reasons, "joint box: ")
            return False
    return True


def _tried(action: Row, sides: Sequence[Side], grown: GrownBox) -> Iterator[list[float]]:
    """Corners first, then others drawn at random, the same each time."""
    rng = np.random.default_rng(0)
    corners = list(product(*(dict.fromkeys(ends) for ends in grown.ends)))[:MOST_CORNERS]
    inside = [[int(rng.integers(a, b + 1)) for a, b in grown.ends] for _ in range(FURTHER)]
    for positions in dict.fromkeys((*corners, *map(tuple, inside))):
        row = action.copy()
        for side, at in zip(sides, positions, strict=True):
            row[side.column] = side.axis.values(np.array([at], dtype=np.int64))[0]
        yield row.tolist()
