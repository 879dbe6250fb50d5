"""When an action has its effect, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ifonly.explainers.causal.timing import Duration
from ifonly.explainers.wording import Language, is_language
from ifonly.explainers.wording.conventions import conventions
from ifonly.explainers.wording.numerals import figure
from ifonly.models.schema import Labels
from ifonly.service.words.catalogue import in_each, say


def length(amount: float, unit: str, tag: Language) -> str:
    """``10 min``"""
    return say(f"time.{unit}", tag, amount=figure(amount, 6))


def duration(of: Duration, tag: Language, times: int = 1) -> str:
    return length(float(of.amount * times), of.unit, tag)


@dataclass(frozen=True)
class Timing:
    """When an action has its effect, in steps."""

    step: Duration
    whole: int | None
    """Until nothing moves any more; None: never."""
    last: int
    """That was looked at."""
    wanted_from: int | None
    """From when on the decision is as wanted to the last; None: it is not then."""
    changes: int
    """Of the decision, until the last."""


def in_words(timing: Timing, *, is_wanted: bool) -> Labels:
    """When all of it has arrived, and from when on the decision is as wanted; ``is_wanted``: some
    decision is."""

    def told(tag: Language) -> str:
        return conventions(tag).between_sentences.join(_sentences(timing, is_wanted, tag))

    return in_each(told)


def _sentences(timing: Timing, is_wanted: bool, tag: Language) -> Iterator[str]:
    whole, wanted, step = timing.whole, timing.wanted_from, timing.step
    if whole == 0:
        yield say("time.at_once", tag)
    elif whole is None:
        yield say("time.never", tag)
    else:
        yield say("time.whole", tag, time=duration(step, tag, whole))
    if wanted is None and is_wanted:
        yield say("time.holds_not", tag, time=duration(step, tag, timing.last))
    # What all of it takes is said already.
    elif wanted == 0 and whole != 0:
        yield say("time.holds_at_once", tag)
    elif wanted and wanted != whole:
        yield say("time.holds", tag, time=duration(step, tag, wanted))
    if timing.changes > 1:
        yield say("time.changes", tag, count=timing.changes)


def broken(rule: str, tag: str) -> str:
    """That a rule, in words, does not hold on the way, and does in the end."""
    assert is_language(tag)
    return say("time.broken", tag, rule=rule)
