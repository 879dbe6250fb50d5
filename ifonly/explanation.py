"""Answers as a notebook shows them and a program takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, overload

from ifonly.change import Change, Read, Value
from ifonly.drawing import document, drawn

if TYPE_CHECKING:  # what a client needs not: it is told answers, and makes none
    import pandas

    from ifonly.explainers.answer import Answer
    from ifonly.models.schema import Schema
    from ifonly.service.wire.replies import ExplanationReply


@dataclass(frozen=True)
class Outcome:
    """What the model says of one row."""

    decision: str | None
    """The class; None where nothing decides."""
    scores: Mapping[str, float]
    """Probability of each class, or ``{"value": …}``; of two classes a service tells that of the
    decision alone."""


@dataclass(frozen=True, eq=False)
class Explanation:
    """The smallest change that would have flipped the decision on one row, or why there is none."""

    status: str
    """``optimal`` (proven smallest), ``feasible``, ``infeasible`` (proven), ``unknown``,
    ``already_target`` or ``abstained``."""
    sentence: str
    """The answer in words."""
    instance: Mapping[str, Read]
    """The row, by name."""
    prediction: Outcome
    """Of the row."""
    changes: tuple[Change, ...] = ()
    counterfactual: Mapping[str, Read] | None = None
    """The row with the changes; None where there is no answer."""
    reached: Outcome | None = None
    """What the model says of that."""
    cost: float | None = None
    alternatives: tuple[tuple[Change, ...], ...] = ()
    """Other answers, each with other features than those before it."""
    joint_box: Mapping[str, tuple[Value, Value]] | None = None
    """Between what all that is set may be chosen at once; None where it was not asked for, one
    feature is set, or nothing is known of boxes."""
    engine: str = ""
    """Who searched: ``blackbox`` proves only what it has enumerated."""
    confirmed_by: str = ""
    """Who scored the answer last: ``estimator`` itself, ``onnx`` or ``predictor``."""
    notes: tuple[str, ...] = ()
    """What is particular to this row."""
    answer: Answer | None = None
    """The whole answer, with bounds and work, where it was searched for here."""
    reply: ExplanationReply | None = None
    """The whole reply, with proof, causes and record, where a service was asked."""
    schema: Schema | None = None
    language: str = "en"

    def __str__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "status": self.status,
            "sentence": self.sentence,
            "instance": dict(self.instance),
            "prediction": _told(self.prediction),
            "changes": [_plain(change) for change in self.changes],
            "counterfactual": None if self.counterfactual is None else dict(self.counterfactual),
            "reached": None if self.reached is None else _told(self.reached),
            "cost": self.cost,
            "alternatives": [[_plain(c) for c in other] for other in self.alternatives],
            **({} if self.joint_box is None else {"joint_box": _ends(self.joint_box)}),
            "engine": self.engine,
            "confirmed_by": self.confirmed_by,
            "notes": list(self.notes),
        }

    def to_pandas(self) -> pandas.DataFrame:
        """A line a change."""
        import pandas

        columns = list(Change.__dataclass_fields__)
        return pandas.DataFrame([asdict(c) for c in self.changes], columns=columns)

    def _repr_html_(self) -> str:
        return document([self._drawn()], (), self.language)

    def _drawn(self) -> str:
        features = () if self.schema is None else self.schema.features
        ends = {feature.name: (feature.lower, feature.upper) for feature in features}
        return drawn(self.status, self.sentence, self.changes, ends, self.notes, self.language)


@dataclass(frozen=True, eq=False)
class Explanations(Sequence[Explanation]):
    """One explanation for each row that was asked about."""

    each: tuple[Explanation, ...]
    assumptions: tuple[str, ...] = ()
    """What was taken from data or guessed, and how the model was read."""

    def __len__(self) -> int:
        return len(self.each)

    @overload
    def __getitem__(self, index: int) -> Explanation: ...
    @overload
    def __getitem__(self, index: slice) -> Explanations: ...
    def __getitem__(self, index: int | slice) -> Explanation | Explanations:
        if isinstance(index, slice):
            return Explanations(self.each[index], self.assumptions)
        return self.each[index]

    def __iter__(self) -> Iterator[Explanation]:
        return iter(self.each)

    def __str__(self) -> str:
        return "\n".join(map(str, self.each))

    def __repr__(self) -> str:
        return f"<Explanations: {len(self)}>\n{self}"

    def to_dict(self) -> dict[str, Any]:
        """What JSON can hold."""
        return {
            "assumptions": list(self.assumptions),
            "explanations": [each.to_dict() for each in self.each],
        }

    def to_pandas(self) -> pandas.DataFrame:
        """A line a row: its status and sentence, and the counterfactual's features, which are
        missing where there is none."""
        import pandas

        found = [
            {
                "status": each.status,
                "cost": each.cost,
                "changed": ", ".join(change.feature for change in each.changes),
                **(each.counterfactual or dict.fromkeys(each.instance)),
                "sentence": each.sentence,
            }
            for each in self.each
        ]
        return pandas.DataFrame(found)

    def _repr_html_(self) -> str:
        language = self.each[0].language if self.each else "en"
        return document([each._drawn() for each in self.each], self.assumptions, language)


def _told(outcome: Outcome) -> dict[str, Any]:
    return {"decision": outcome.decision, "scores": dict(outcome.scores)}


def _ends(box: Mapping[str, tuple[Value, Value]]) -> dict[str, list[Value]]:
    return {name: list(ends) for name, ends in box.items()}


def _plain(change: Change) -> dict[str, Any]:
    span = change.sufficient_range
    return {**asdict(change), "sufficient_range": None if span is None else list(span)}
