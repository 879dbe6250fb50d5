"""Answers as lines of the output: plain values, column by column, as its schema has them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ifonly.explainers.answer import (
    Abstained,
    Action,
    Counterfactual,
    Effect,
    Infeasible,
    Prediction,
    Recourse,
)
from ifonly.explainers.terms import WayName
from ifonly.explainers.ways import NamedWay
from ifonly.models.errors import FieldProblem
from ifonly.models.schema import Decision, Schema, Task
from ifonly.service.ask.explain import Explanation
from ifonly.service.ask.write_sentences import SentenceWriter
from ifonly.service.bulk.asking import RowAnswer, RowContradiction, RowFailure
from ifonly.service.bulk.options import BulkOptions
from ifonly.service.served.registry import ServedModel

Line = Mapping[str, Any]
"""By column; a column that is not there is null."""

INVALID, FAILED, CONTRADICTORY = "invalid", "failed", "contradictory"
"""Statuses of rows that no answer has: no instance of the model; not answered, by a fault; left
nothing by the question's own constraints."""


class LineWriter:
    """Writes answers about one model."""

    def __init__(self, model: ServedModel, options: BulkOptions) -> None:
        self._schema: Schema = model.schema
        self._decision: Decision = model.decision
        self._options = options
        self._speaker = SentenceWriter(model, options.languages) if options.languages else None

    def line(self, answer: RowAnswer) -> Line:
        """What is told of one row besides the model's word on it."""
        if isinstance(answer, RowFailure):
            return {"status": FAILED, "problem": problem(answer.problem)}
        if isinstance(answer, RowContradiction):
            return {"status": CONTRADICTORY, "blocked_by": list(answer.keys)}
        return {**self._answered(answer), **self.sentences(answer)}

    def sentences(self, explanation: Explanation) -> Line:
        """The answer in words, as the service's reply has it."""
        if self._speaker is None:
            return {}
        said = self._speaker.sentences(explanation)
        return {f"sentence_{tag}": text for tag, text in said.items()}

    def _answered(self, explanation: Explanation) -> dict[str, Any]:
        answer = explanation.answer
        line: dict[str, Any] = {
            "status": answer.status.value,
            "deadline_hit": answer.work.deadline_hit,
        }
        if isinstance(answer, Recourse):
            first, *others = answer.counterfactuals
            line |= {"verified": True, **self._found(first)}
            if self._options.alternatives > 1:
                line["alternatives"] = [self._found(other) for other in others]
        elif isinstance(answer, Infeasible):
            line["blocked_by"] = [blocker.origin.key for blocker in answer.blocked_by]
            if answer.relaxation is not None:
                found = self._found(answer.relaxation.counterfactual)
                told = {key: found[key] for key in ("cost", "actions", "effects")}
                line["relaxation"] = {"lifted": answer.relaxation.lifted.origin.key, **told}
        elif isinstance(answer, Abstained):
            line["chance"] = answer.chance
        if explanation.ways is not None:
            line["ways"] = [self._way(way) for way in explanation.ways]
        return line

    def _way(self, way: NamedWay) -> dict[str, Any]:
        # The smallest is the row's own answer, and what is the same as another is told by its name.
        is_told = way.found is None or way.same_as is not None or way.name is WayName.SMALLEST
        return {
            "name": way.name.value,
            "status": way.status.value,
            "same_as": None if way.same_as is None else way.same_as.value,
            "why": None if way.why is None else way.why.value,
            "survives_factor": way.survives,
            **({} if is_told or way.found is None else self._found(way.found)),
        }

    def _found(self, found: Counterfactual) -> dict[str, Any]:
        decision, probability, score = said(found.prediction, self._decision)
        return {
            "cost": found.cost,
            "lower_bound": _finite(found.lower_bound),
            "gap": found.gap,
            "actions": [self._action(action) for action in found.actions],
            "effects": [self._effect(effect) for effect in found.effects],
            "decision_after": decision,
            "probability_after": probability,
            "score_after": score,
            "chance": found.chance,
            "survives": found.survives,
            "survival": None if found.assurance is None else found.assurance.survival,
            "rests_on_rounding": found.rests_on_rounding,
        }

    def _action(self, action: Action) -> dict[str, Any]:
        low, high = action.sufficient_range or (None, None)
        if self._schema.features[action.column].kind.is_categorical:
            low = high = None  # codes say nothing here
        return {**self._moved(action), "low": _finite(low), "high": _finite(high)}

    def _effect(self, effect: Effect) -> dict[str, Any]:
        names = self._schema.names
        return {**self._moved(effect), "via": [names[j] for j in effect.via]}

    def _moved(self, moved: Action | Effect) -> dict[str, Any]:
        feature = self._schema.features[moved.column]
        is_named = feature.kind.is_categorical
        suffix = "_category" if is_named else ""
        values = {"from": moved.factual, "to": moved.counterfactual}
        told = {
            key + suffix: feature.write(value) if is_named else _finite(value)
            for key, value in values.items()
        }
        return {"feature": feature.name, "unit": feature.unit or None, **told}


def said(
    prediction: Prediction, decision: Decision
) -> tuple[str | None, float | None, float | None]:
    """The decision, its probability, and the score where there is but one, of one prediction."""
    scores = np.array([prediction.scores])
    names, probabilities, own = columns_said(scores, np.array([prediction.decided]), decision)
    return (
        names[0],
        None if probabilities is None else float(probabilities[0]),
        None if own is None else float(own[0]),
    )


def columns_said(
    scores: Any, decided: Any, decision: Decision
) -> tuple[Sequence[str | None], Any | None, Any | None]:
    """The same of many predictions: each a column, or None where there is none."""
    classes = [*decision.class_names, None]  # -1, where nothing decides, is the last
    names = [classes[k] for k in decided.tolist()]
    if decision.task is Task.REGRESSION:
        return names, None, scores[:, 0]
    if decision.task is Task.MULTICLASS:
        return names, scores[np.arange(len(scores)), decided], None
    own = scores[:, 0]
    return names, np.where(decided == decision.positive, own, 1.0 - own), own


def problem(found: FieldProblem) -> dict[str, Any]:
    """One fault of one row."""
    low = high = allowed = None
    if isinstance(found.limit, tuple | list) and found.limit:
        is_interval = len(found.limit) == 2 and all(isinstance(e, int | float) for e in found.limit)
        if is_interval:
            low, high = (_finite(float(end)) for end in found.limit)
        else:
            allowed = [str(name) for name in found.limit]
    return {
        "field": found.field or None,
        "problem": found.problem,
        "value": None if found.value is None else str(found.value),
        "unit": found.unit or None,
        "low": low,
        "high": high,
        "allowed": allowed,
    }


def _finite(value: float | None) -> float | None:
    """A number as the output may hold it: nothing in place of NaN and of open ends."""
    return value if value is not None and math.isfinite(value) else None
