"""Actions as proposals to the checker, and its reports of those that hold as counterfactuals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ifonly.explainers.answer import (
    Action,
    Counterfactual,
    Effect,
    GraphChance,
    OverGraphs,
    Prediction,
)
from ifonly.explainers.problem import Problem
from ifonly.explainers.verify import Proposal, Report
from ifonly.explainers.verify.reading import differing
from ifonly.models.predictor import Row


def proposal_of(problem: Problem, action: Row) -> Proposal:
    """What the engines' own definitions claim of an action, for the checker to recompute."""
    actions = np.array([action], dtype=np.float64)
    row = problem.rows_of(actions)[0].tolist()
    return Proposal(actions[0].tolist(), row, float(problem.cost_of(actions)[0]))


def counterfactual_of(
    problem: Problem,
    proposal: Proposal,
    report: Report,
    ranges: Mapping[int, tuple[float, float]],
    lower_bound: float | None = None,
) -> Counterfactual:
    """A proposal that holds, with the scores that the checker was given."""
    before = problem.factual.tolist()
    columns = differing(proposal.action, before)
    assert proposal.cost is not None
    return Counterfactual(
        row=report.row,
        actions=tuple(Action(j, before[j], proposal.action[j], ranges.get(j)) for j in columns),
        cost=proposal.cost,
        prediction=Prediction.of(problem.target.decision, np.array([report.scores])),
        lower_bound=lower_bound,
        effects=tuple(_effects(before, proposal.action, report)),
        chance=report.chance,
        chance_later=chance_later(report),
        graphs=over_graphs(report),
        survives=problem.survives is not None,
    )


def chance_later(report: Report) -> float | None:
    """Share of draws by which the action flips when it is carried out; None: all noise stays."""
    return None if report.chance_later is None else report.chance_later.share


def over_graphs(report: Report) -> OverGraphs | None:
    """How sure it is under each graph that may be the true one; None where there is one alone."""
    if not report.graphs:
        return None
    each = tuple(GraphChance(g.name, g.weight, g.chance) for g in report.graphs)
    return OverGraphs(each, min(report.graphs, key=lambda g: g.lower).name)


def _effects(before: Sequence[float], action: Sequence[float], report: Report) -> Iterator[Effect]:
    """What reads otherwise than it is set, by the checker's own paths."""
    for j in differing(report.row, action):
        yield Effect(j, before[j], report.row[j], report.via.get(j, ()))
