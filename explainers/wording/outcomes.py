"""What is decided or scored, before it is put into a language."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal

from ifonly.explainers.answer import Prediction
from ifonly.explainers.languages import Language
from ifonly.explainers.target import Demand, Target
from ifonly.explainers.wording.conventions import conventions
from ifonly.explainers.wording.numerals import Number, apart, decimal, difference, percent, shown
from ifonly.explainers.wording.phrases import NOTHING, Clause, DecisionWords
from ifonly.explainers.wording.text import clean, label_of
from ifonly.explainers.wording.units import Unit
from ifonly.models.schema import Decision, Task

PERCENT = Unit("%")


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval of values, at least one side closed off."""

    lower: Number | None
    upper: Number | None
    unit: Unit
    below: bool = False
    """Whether ``upper`` itself is outside."""

    @property
    def is_point(self) -> bool:
        return self.lower is not None and self.lower == self.upper


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm is raised, or not."""

    noun: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision is a class, by its label."""

    label: str


@dataclass(frozen=True, slots=True)
class Score:
    """What the model predicts lies within bounds."""

    bounds: Bounds
    noun: str = ""
    """What is predicted; empty where the spec does not say."""
    class_label: str = ""
    """The class whose probability it is, if it is one."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The target, where nothing more is known of it."""


Matter = Alarm | Clause | Verdict | Score | Goal


@dataclass(frozen=True, slots=True)
class Odds:
    """The probability that a class must have besides being decided."""

    label: str
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class Outcome:
    """Something that is, or is not, the case."""

    matter: Matter
    holds: bool = True
    odds: Odds | None = None

    def denied(self) -> Outcome:
        """The opposite; of a class with a probability, that they are not both reached."""
        # Not "the other class": it may be the class and only lack the probability.
        if self.odds is not None:
            return Outcome(Verdict(self.odds.label), False, self.odds)
        return replace(self, holds=not self.holds)


@dataclass(frozen=True, slots=True)
class Closest:
    """The prediction nearest to the target, and what would have been needed."""

    label: str
    """The class whose probability it is; empty for a score."""
    value: Number
    unit: Unit
    needed: Bounds | None


@dataclass(frozen=True, slots=True)
class Speech:
    """A decision in one language."""

    decision: Decision
    words: DecisionWords
    language: Language

    def class_label(self, position: int) -> str:
        return label_of(self.decision.classes[position], self.language)

    def of_target(self, target: Target) -> Outcome:
        """What is the case when ``target`` is met."""
        if target.wanted is None:
            return Outcome(self._score(target))
        outcome = self.of_class(target.wanted)
        return outcome if target.demand is None else replace(outcome, odds=self.odds(target.demand))

    def odds(self, demand: Demand) -> Odds:
        """A demand in words."""
        lower, upper = (_side(v, PERCENT) for v in (demand.lower, demand.upper))
        return Odds(self.class_label(demand.wanted), Bounds(lower, upper, PERCENT))

    def of_default(self, prediction: Prediction) -> Outcome:
        """What is aimed at where no target is given."""
        if self.decision.desired is not None:
            return self.of_class(self.decision.desired)
        # Of two classes, whoever explains one aims at the other.
        if len(self.decision.classes) == 2 and prediction.decided >= 0:
            return self.of_class(1 - prediction.decided)
        return Outcome(Goal())

    def of_class(self, position: int) -> Outcome:
        """The decision is that class: by its clause, the alarm, the limit, or the label."""
        # From the plant's own words to the class's name: the first that there is.
        own = self._clause(position)
        if own is not None:
            return Outcome(own)
        two = len(self.decision.classes) == 2
        other = self._clause(1 - position) if two else None
        # Of two classes one is the other's opposite.
        if other is not None:
            return Outcome(other, holds=False)
        if self._alarm and two:
            return Outcome(Alarm(self._alarm), holds=position == self.decision.positive)
        if self._score_noun and self.decision.task is Task.REGRESSION:
            limit = self._limit(position, Unit.of(self.decision.unit))
            return Outcome(Score(limit, self._score_noun))
        return Outcome(Verdict(self.class_label(position)))

    def of_prediction(self, prediction: Prediction) -> Outcome:
        """What the model says of a row."""
        if prediction.decided >= 0:
            return self.of_class(prediction.decided)
        value = shown(decimal(prediction.scores[0]))
        unit = Unit.of(self.decision.unit)
        return Outcome(Score(Bounds(value, value, unit), self._score_noun))

    def closest(self, best: Prediction, target: Target | None) -> Closest | None:
        """How near ``best`` comes to ``target``, on the scale that decides."""
        if not all(math.isfinite(s) for s in best.scores):
            return None
        if self.decision.task is Task.REGRESSION:
            unit = Unit.of(self.decision.unit)
            needed = self._needed(target, unit)
            value = decimal(best.scores[0])
            return Closest("", _kept_apart(value, needed, None), unit, needed)
        # Scores that are no probabilities have no percent.
        if not all(0.0 <= s <= 1.0 for s in best.scores):
            return None
        shown_class = self._class_on_scale(target)
        if shown_class is None:
            return None
        needed = self._needed(target, PERCENT)
        value = percent(self._probability(best, shown_class))
        label = self.class_label(shown_class)
        return Closest(label, _kept_apart(value, needed, 0), PERCENT, needed)

    def _probability(self, prediction: Prediction, position: int) -> Decimal:
        """The probability of a class."""
        if self.decision.task is Task.MULTICLASS:
            return decimal(prediction.scores[position])
        # In decimals: 1 - 0.93 is 0.07 then, and not 0.06999999999999995.
        share = decimal(prediction.scores[0])
        return share if position == self.decision.positive else difference(Decimal(1), share)

    def _class_on_scale(self, target: Target | None) -> int | None:
        """The class whose probability tells how near the target is."""
        wanted = self.decision.desired if target is None else target.wanted
        if self.decision.task is Task.MULTICLASS:
            return wanted
        # Without a probability asked for, the threshold is on the positive class's scale.
        bounded = target is not None and target.wanted is not None and _bounds(target, PERCENT)
        return wanted if bounded else self.decision.positive

    def _needed(self, target: Target | None, unit: Unit) -> Bounds | None:
        bounds = None if target is None else _bounds(target, unit)
        if bounds is not None:
            return bounds
        wanted = self.decision.desired if target is None else target.wanted
        if wanted is None or self.decision.threshold is None:
            return None
        return self._limit(wanted, unit)

    def _limit(self, position: int, unit: Unit) -> Bounds:
        """Scores on the side of the threshold that means the class at ``position``."""
        assert self.decision.threshold is not None
        limit = _number(self.decision.threshold, unit)
        if position == self.decision.positive:
            return Bounds(limit, None, unit)
        # A score at the threshold is the positive class, so it is outside for the other.
        return Bounds(None, limit, unit, below=True)

    def _score(self, target: Target) -> Score:
        is_probability = self.decision.task is Task.BINARY
        unit = PERCENT if is_probability else Unit.of(self.decision.unit)
        bounds = _bounds(target, unit)
        assert bounds is not None, "a target without a class has a bound"
        if is_probability:
            return Score(bounds, class_label=self.class_label(self.decision.positive))
        return Score(bounds, self._score_noun)

    @property
    def _alarm(self) -> str:
        if not self.words.alarm:
            return ""
        return clean(self.words.alarm.get(self.language, conventions(self.language).alarm))

    @property
    def _score_noun(self) -> str:
        return clean(self.words.score.get(self.language, ""))

    def _clause(self, position: int) -> Clause | None:
        return self.words.clauses.get(position, NOTHING).get(self.language)


def _bounds(target: Target, unit: Unit) -> Bounds | None:
    lower, upper = (_side(v, unit) for v in (target.lower, target.upper))
    return None if lower is None and upper is None else Bounds(lower, upper, unit)


def _side(value: float, unit: Unit) -> Number | None:
    return None if math.isinf(value) else _number(value, unit)


def _number(value: float, unit: Unit) -> Number:
    exact = decimal(value)
    return Number(percent(exact) if unit is PERCENT else exact)


def _kept_apart(value: Decimal, needed: Bounds | None, places: int | None) -> Number:
    """``value`` in few digits, but never on the wrong side of what was needed."""
    limits = [] if needed is None else [n.value for n in (needed.lower, needed.upper) if n]
    # Only the nearest limit could be met by rounding.
    limit = min(limits, key=lambda x: abs(x - value), default=None)
    if places is not None:
        return apart(value, limit, places)
    rounded = shown(value)
    return apart(value, limit, 2) if not rounded.exact else rounded
