"""When an action has its effect, in words."""

from __future__ import annotations

from collections.abc import Iterator

from explainers.causal.timing import Duration
from explainers.wording import Language
from explainers.wording.conventions import conventions
from explainers.wording.numerals import figure
from models.schema import Labels
from service.ask.over_time import OverTime
from service.words.catalogue import in_each, say


def length(amount: float, unit: str, tag: Language) -> str:
    """``10 min``"""
    return say(f"time.{unit}", tag, amount=figure(amount, 6))


def of_steps(steps: int, step: Duration, tag: Language) -> str:
    return length(float(step.amount * steps), step.unit, tag)


def in_words(over: OverTime, *, is_wanted: bool) -> Labels:
    """When all of it has arrived, and from when on the decision is as wanted; ``is_wanted``: some
    decision is."""

    def told(tag: Language) -> str:
        return conventions(tag).between_sentences.join(_sentences(over, is_wanted, tag))

    return in_each(told)


def _sentences(over: OverTime, is_wanted: bool, tag: Language) -> Iterator[str]:
    trajectory = over.course.trajectory
    whole, wanted, step = trajectory.whole, over.wanted_from, trajectory.step
    if whole == 0:
        yield say("time.at_once", tag)
    elif whole is None:
        yield say("time.never", tag)
    else:
        yield say("time.whole", tag, time=of_steps(whole, step, tag))
    if wanted is None and is_wanted:
        yield say("time.holds_not", tag, time=of_steps(over.course.last, step, tag))
    # What all of it takes is said already.
    elif wanted == 0 and whole != 0:
        yield say("time.holds_at_once", tag)
    elif wanted and wanted != whole:
        yield say("time.holds", tag, time=of_steps(wanted, step, tag))
    if over.decision_changes > 1:
        yield say("time.changes", tag, count=over.decision_changes)
