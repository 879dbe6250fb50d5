"""Answers that were searched for here, written as explanations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ifonly.change import Change, Value
from ifonly.explainers.answer import Answer, JointBox, Prediction, Recourse
from ifonly.explainers.wording import Wording
from ifonly.explanation import Explanation, Outcome
from ifonly.models.schema import Decision, Feature, Schema, Task


@dataclass(frozen=True, eq=False)
class Writer:
    """Writes answers about one model."""

    schema: Schema
    decision: Decision
    wording: Wording
    language: str
    values: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """What the caller's table holds for each category of a feature; by default its name."""

    def _value(self, feature: Feature, number: float) -> Value:
        known = self.values.get(feature.name)
        if known is None or math.isnan(number):
            return feature.write(number)
        found: Value = known[int(number)]
        return found

    def _row(self, row: Any) -> Mapping[str, Any]:
        if not self.values:
            return self.schema.write(row)
        features = zip(self.schema.features, np.asarray(row).tolist(), strict=True)
        return {f.name: self._value(f, number) for f, number in features}

    def outcome(self, prediction: Prediction) -> Outcome:
        names, scores = self.decision.class_names, prediction.scores
        decided = names[prediction.decided] if names and prediction.decided >= 0 else None
        if self.decision.task is Task.MULTICLASS:
            return Outcome(decided, dict(zip(names, scores, strict=True)))
        if self.decision.task is Task.REGRESSION:
            return Outcome(decided, {"value": scores[0]})
        positive = self.decision.positive
        of = {names[positive]: scores[0], names[1 - positive]: 1.0 - scores[0]}
        return Outcome(decided, of)

    def changes(self, found: Any) -> tuple[Change, ...]:
        return tuple(
            self._change(moved, follows)
            for follows, moves in ((False, found.actions), (True, found.effects))
            for moved in moves
        )

    def _change(self, moved: Any, follows: bool) -> Change:
        feature = self.schema.features[moved.column]
        span = getattr(moved, "sufficient_range", None)
        return Change(
            feature.name,
            self._value(feature, moved.factual),
            self._value(feature, moved.counterfactual),
            feature.unit,
            # Of ordered categories it is one of codes, which say nothing here.
            None if feature.kind.is_categorical else span,
            follows,
        )

    def write(self, row: Any, target: Any, answer: Answer, **more: Any) -> Explanation:
        """``answer`` to the question about ``row``, which was asked with ``target``."""
        shared = {
            "status": str(answer.status),
            "sentence": self.wording.sentence(answer, self.language, target=target),
            "instance": self._row(row),
            "prediction": self.outcome(answer.prediction),
            "engine": answer.work.engine,
            "answer": answer,
            "schema": self.schema,
            "language": self.language,
            **more,
        }
        if not isinstance(answer, Recourse):
            return Explanation(**shared)
        best, *others = answer.counterfactuals
        return Explanation(
            **shared,
            changes=self.changes(best),
            counterfactual=self._row(best.row),
            reached=self.outcome(best.prediction),
            cost=best.cost,
            alternatives=tuple(map(self.changes, others)),
            joint_box=self._box(best.joint_box),
        )

    def _box(self, box: JointBox | None) -> Mapping[str, tuple[Value, Value]] | None:
        if box is None:
            return None
        sides = ((self.schema.features[side.column], side) for side in box.sides)
        return {f.name: (self._value(f, side.low), self._value(f, side.high)) for f, side in sides}
