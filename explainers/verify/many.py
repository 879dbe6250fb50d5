"""One change for many as an exported answer tells it, checked row by row against the documents.

That no other change clears more, or as many for less, is the search's proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import cached_property
from itertools import pairwise

import numpy as np

from ifonly.explainers.verify.checker import Checker, Score
from ifonly.explainers.verify.drafts import Proposal
from ifonly.explainers.verify.reading import Reading, moved
from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.rulebook import Asked, Rulebook, Terms
from ifonly.explainers.verify.sections import Json, NotAnAnswer, Section, refusing_other_json
from ifonly.models.rounding import UNKNOWN, Rounding

NEAR = Decimal("1e-9")
"""Of a mean of costs, which is rounded to twelve digits."""


def check_common(
    answer: Json,
    request: Json | None,
    book: Rulebook,
    score: Score,
    rounding: Rounding = UNKNOWN,
) -> list[Section]:
    """Every check of an exported answer about many rows; parameters and errors are those of
    :func:`ifonly.explainers.verify.exported.check_answer`. The rows are in the request."""
    if request is None:
        raise NotAnAnswer("which rows were asked about is in the request, which is not there")
    with refusing_other_json():
        terms = book.terms(
            Asked(
                request.get("target"),
                request.get("constraints", {}),
                answer["semantics"],
                request.get("seed", 0),
            )
        )
        rows = [tuple(book.schema.read(row).tolist()) for row in request["instances"]]
        return list(_Common(answer, terms, rows, score, rounding).sections())


@dataclass(frozen=True, eq=False)
class _Common:
    answer: Json
    terms: Terms
    rows: Sequence[tuple[float, ...]]
    score: Score
    rounding: Rounding

    def sections(self) -> Iterator[Section]:
        yield Section("alarms", tuple(self._alarms()))
        known: dict[str, Section] = {}
        for i, curve in enumerate(self.answer["curves"]):
            yield Section(f"curves.{i}", tuple(self._curve(curve)))
            for k, point in enumerate(curve["points"]):
                # Points of several curves are often one change.
                said = repr(point)
                if said not in known:
                    known[said] = Section(f"curves.{i}.points.{k}", tuple(self._point(point)))
                    yield known[said]

    @cached_property
    def _left_out(self) -> set[int]:
        return {each["row"] for each in self.answer["left_out"]}

    @property
    def _places(self) -> list[int]:
        return [i for i in range(len(self.rows)) if i not in self._left_out]

    def _alarms(self) -> Iterator[Check]:
        goal = self.terms.goal
        if self.answer["target"]["source"] == "policy":
            goal = goal.alone
        scores = self.score(np.array(self.rows)).tolist()
        met = {i for i, row in enumerate(scores) if goal.met(row)}
        told = f"{sorted(met)} are decided as wanted, {sorted(self._left_out)} left out"
        yield Check("left_out", met == self._left_out, told)
        count = self.answer["alarms"]
        yield Check("alarms", count == len(self._places), f"{count} told of {len(self._places)}")

    def _curve(self, curve: Json) -> Iterator[Check]:
        points, most = curve["points"], curve["most"]
        pairs = [(p["cost"], p["coverage"]) for p in points]
        rises = all(a[0] <= b[0] and a[1] < b[1] for a, b in pairwise(pairs))
        yield Check("curve", rises, f"cost and coverage of each point: {pairs}")
        best = points[-1]["coverage"] if points else 0
        yield Check("most", best <= most, f"at most {most} claimed, {best} found")
        is_reached = curve["most_is_reached"]
        yield Check("most_is_reached", is_reached is (best == most), f"{is_reached} is said")
        few = all(len(p["settings"]) <= curve["max_levers"] for p in points)
        yield Check("levers", few, f"at most {curve['max_levers']} are set")

    def _point(self, point: Json) -> Iterator[Check]:
        cleared, total = point["cleared"], Decimal(0)
        failed: list[str] = []
        for i in self._places:
            factual, action = self.rows[i], self._action(point, self.rows[i])
            if action is not None:
                was, now = Reading(factual), Reading(action)
                total += self.terms.price.of(now, was, moved(now, was))
            if i in cleared:
                checker = Checker(self.terms, factual, self.score).firm(self.rounding)
                report = None if action is None else checker.check(Proposal(action))
                if report is None or not report.holds:
                    why = "it cannot be set" if report is None else "; ".join(report.reasons)
                    failed.append(f"row {i}: {why}")
        rows = set(cleared) <= set(self._places) and len(set(cleared)) == len(cleared)
        others = {each["row"] for each in point["uncleared"]}
        rows = rows and others == set(self._places) - set(cleared)
        yield Check("rows", rows, "each alarm is cleared or not, once")
        said = point["coverage"]
        yield Check("coverage", said == len(cleared), f"{said} said of {len(cleared)} told")
        yield Check("cleared", not failed, "; ".join(failed) or f"all {len(cleared)} hold")
        mean, cost = total / len(self._places), Decimal(repr(point["cost"]))
        fits = abs(mean - cost) <= NEAR * max(Decimal(1), mean)
        yield Check("cost", fits, f"{cost} claimed, {mean:.12g} recomputed")
        bound = point["lower_bound"]
        if bound is not None:
            yield Check("bound", bound <= point["cost"], f"nothing below {bound} claimed")
        is_proven = bound is not None and bound >= point["cost"]
        status = point["status"]
        yield Check("status", (status == "optimal") is is_proven, f"{status}, with bound {bound}")

    def _action(self, point: Json, factual: Sequence[float]) -> list[float] | None:
        """What is set on one row; None where it cannot be told."""
        action = list(factual)
        for setting in point["settings"]:
            j = self.terms.schema.index(setting["feature"])
            feature = self.terms.schema.features[j]
            if setting["kind"] == "absolute":
                action[j] = feature.read(setting["to"])
                continue
            if feature.resolution is None or factual[j] != factual[j]:
                return None
            # By the nearest value of the grid, of two the lower.
            steps = Decimal(repr(factual[j])) / feature.resolution
            nearest = (steps - Decimal("0.5")).to_integral_value(ROUND_CEILING)
            moved_by = Decimal(repr(setting["delta"])) / feature.resolution
            action[j] = float((nearest + moved_by) * feature.resolution)
        return action
