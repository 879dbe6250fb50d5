"""Past rows asked again under another policy, model or graph: what would have been otherwise?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.answer import Answer, Recourse
from ifonly.explainers.verify import Proposal
from ifonly.models.predictor import Row, Rows
from ifonly.service.ask.question import checker_of
from ifonly.service.errors import CannotReplay
from ifonly.service.offline.past_rows import alarms, answered, question_of
from ifonly.service.served.registry import ServedModel


@dataclass(frozen=True)
class RowAnswer:
    """What one folder says of one row."""

    alarm: bool
    """The decision is not the one that is desired."""
    status: str = ""
    """Of its explanation; empty where there is no alarm."""
    action: tuple[tuple[str, Any], ...] = ()
    """Features that are set, and to what; empty where nothing is answered."""
    cost: float | None = None


@dataclass(frozen=True)
class ReplayedRow:
    """One row under both folders."""

    number: int
    was: RowAnswer
    now: RowAnswer
    still: bool | None
    """Whether the old answer would be one now: allowed, sure enough and in the target."""
    truth: bool | None
    """What really happened; None: not known."""


@dataclass(frozen=True)
class PolicyReplay:
    """What came out: each row under both folders."""

    cases: tuple[ReplayedRow, ...]

    @property
    def summary(self) -> dict[str, int | float | dict[str, int]]:
        """Counts; of what really happened only where that is known."""
        cases = self.cases
        gone = [c for c in cases if c.was.alarm and not c.now.alarm]
        new = [c for c in cases if c.now.alarm and not c.was.alarm]
        # Actions are compared only where both folders have one.
        both = [c for c in cases if c.was.action and c.now.action]
        found: dict[str, int | float | dict[str, int]] = {
            "rows": len(cases),
            "alarms_before": sum(c.was.alarm for c in cases),
            "alarms_after": sum(c.now.alarm for c in cases),
            "alarms_gone": len(gone),
            "alarms_new": len(new),
            "status_before": _counted(c.was.status for c in cases),
            "status_after": _counted(c.now.status for c in cases),
            "same_action": sum(c.was.action == c.now.action for c in both),
            "other_action": sum(c.was.action != c.now.action for c in both),
            "answer_lost": sum(bool(c.was.action) and c.now.alarm and not c.now.action
                               for c in cases),
            "answer_won": sum(bool(c.now.action) and c.was.alarm and not c.was.action
                              for c in cases),
            "old_answers_that_still_hold": sum(c.still is True for c in cases),
            "old_answers_that_no_longer_hold": sum(c.still is False for c in cases),
        }  # fmt: skip
        # Without known outcomes zeros would read as: no alarm was missed.
        if any(c.truth is not None for c in cases):
            found |= {
                "true_alarms_missed_now": sum(c.truth is True for c in gone),
                "false_alarms_avoided_now": sum(c.truth is False for c in gone),
                "true_alarms_found_now": sum(c.truth is True for c in new),
                "false_alarms_raised_now": sum(c.truth is False for c in new),
            }
        return found


def replay_policy(
    before: ServedModel,
    after: ServedModel,
    rows: Rows,
    truth: Sequence[bool | None],
    seconds: float,
) -> PolicyReplay:
    """``rows`` ``(n, d)`` under both; ``seconds`` for each search.

    Raises
    ------
    CannotReplay
        If the two do not read the same features, or one of them desires no class.
    GraphError
        If a model cannot score the rows.
    """
    # One set of rows is asked of both, and a missing column would have to be invented.
    if before.schema.names != after.schema.names:
        raise CannotReplay(
            f"{before.name} {before.version} reads {', '.join(before.schema.names)}, "
            f"{after.name} {after.version} reads {', '.join(after.schema.names)}"
        )
    decided = [alarms(model, rows) for model in (before, after)]
    return PolicyReplay(tuple(_cases(before, after, rows, truth, decided, seconds)))


def _cases(
    before: ServedModel,
    after: ServedModel,
    rows: Rows,
    truth: Sequence[bool | None],
    decided: Sequence[Sequence[bool]],
    seconds: float,
) -> Iterator[ReplayedRow]:
    for k, row in enumerate(rows):
        was, answer = _said(before, row, decided[0][k], seconds)
        now, _ = _said(after, row, decided[1][k], seconds)
        # Without an alarm there is nothing that an answer would have to hold against.
        still = _holds(after, row, answer) if now.alarm else None
        yield ReplayedRow(k, was, now, still, truth[k])


def _said(
    model: ServedModel, row: Row, alarm: bool, seconds: float
) -> tuple[RowAnswer, Answer | None]:
    if not alarm:
        return RowAnswer(False), None
    answer = answered(model, row, seconds)
    if not isinstance(answer, Recourse):
        return RowAnswer(True, answer.status.value), answer
    first, features = answer.counterfactuals[0], model.schema.features
    done = tuple(
        (features[a.column].name, features[a.column].write(a.counterfactual)) for a in first.actions
    )
    return RowAnswer(True, answer.status.value, done, first.cost), answer


def _holds(model: ServedModel, row: Row, answer: Answer | None) -> bool | None:
    """Whether the first answer of another folder is one here."""
    if not isinstance(answer, Recourse):
        return None
    # The action, not the resulting row: what follows from it is the new folder's to say.
    action = answer.counterfactuals[0].action_on(row)
    checker = checker_of(model, question_of(model, row))
    # The checker decides, as for an answer: no second definition of what is allowed.
    return checker.check(Proposal(action.tolist())).holds


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(name for name in names if name).items()))
