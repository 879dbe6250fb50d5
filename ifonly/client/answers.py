"""Replies as explanations, the same that ``ifonly.explain`` gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ifonly.change import Change
from ifonly.client.errors import ClientError
from ifonly.explanation import Explanation, Outcome
from ifonly.service.wire.replies import Action, Counterfactual, Effect, ExplanationReply, Prediction

SCORED_BY = {"copy": "onnx"}
"""What an explanation calls who scored it last, where the wire says it otherwise."""


@dataclass(frozen=True)
class Answered:
    """What came of one row of many: an explanation or an error."""

    row: int
    """Its place, from 0."""
    instance: Mapping[str, Any]
    """The row, as it was sent; empty where that is not known here."""
    explanation: Explanation | None = None
    error: ClientError | None = None
    id: str | int | None = None
    """What it was called when it was sent; of rows of jobs."""

    @property
    def ok(self) -> bool:
        return self.explanation is not None

    def unwrap(self) -> Explanation:
        """Raises
        ------
        ClientError
            What came instead.
        """
        if self.explanation is None:
            assert self.error is not None
            raise self.error
        return self.explanation


def explanation(reply: ExplanationReply, instance: Mapping[str, Any], language: str) -> Explanation:
    """``reply`` to the question about ``instance``, in the ``language`` that was asked for."""
    shared: dict[str, Any] = {
        "status": str(reply.status),
        "sentence": _said(reply.text, language),
        "instance": instance,
        "prediction": outcome(reply.prediction),
        "engine": reply.provenance.engine,
        "confirmed_by": SCORED_BY.get(reply.confirmation.by, reply.confirmation.by),
        "notes": tuple(_said(doubt.text, language) for doubt in reply.doubts or ()),
        "reply": reply,
        "language": language,
    }
    if not reply.counterfactuals:
        return Explanation(**shared)
    best, *others = reply.counterfactuals
    return Explanation(
        **shared,
        changes=_changes(best),
        counterfactual=best.instance,
        reached=outcome(best.prediction),
        cost=best.cost,
        alternatives=tuple(map(_changes, others)),
    )


def outcome(prediction: Prediction) -> Outcome:
    if prediction.score is not None:
        return Outcome(prediction.class_, {"value": prediction.score})
    if prediction.probabilities is not None:
        return Outcome(prediction.class_, prediction.probabilities)
    if prediction.class_ is None or prediction.probability is None:
        return Outcome(prediction.class_, {})
    return Outcome(prediction.class_, {prediction.class_: prediction.probability})


def _changes(found: Counterfactual) -> tuple[Change, ...]:
    return (*_moves(found.actions, False), *_moves(found.effects, True))


def _moves(moves: Iterable[Action | Effect], follows: bool) -> Iterable[Change]:
    for move in moves:
        span = move.sufficient_range if isinstance(move, Action) else None
        between = None if span is None else (float(span[0]), float(span[1]))
        yield Change(move.feature, move.from_, move.to, move.unit, between, follows)


def _said(text: Mapping[str, str], language: str) -> str:
    return text.get(language) or next(iter(text.values()), "")
