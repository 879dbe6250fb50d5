"""English: "Had the model read the torque as 7.5 Nm lower, it would not have raised the alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ifonly.explainers.languages import Language
from ifonly.explainers.wording.en.clauses import as_been, as_read, as_was, compared, listed, then
from ifonly.explainers.wording.en.own_words import EnglishClause, own_clause
from ifonly.explainers.wording.gauges import Change, Gauge, quantity
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.numerals import count
from ifonly.explainers.wording.outcomes import (
    Alarm,
    Bounds,
    Closest,
    Goal,
    Odds,
    Outcome,
    Score,
    Verdict,
)
from ifonly.explainers.wording.units import Unit

LANGUAGE: Language = "en"


@dataclass(frozen=True, slots=True)
class Said:
    """An outcome as a sentence's parts."""

    subject: str
    again: str
    """The subject where "the model" was just named."""
    infinitive: str
    """``have raised the alarm``."""
    fact: str
    """``raised the alarm``, ``did not raise the alarm``."""
    holds: bool
    rider: str = ""
    """How probable besides."""

    def would(self, *, still: bool = False) -> str:
        words = ["would", *(["still"] if still else []), *([] if self.holds else ["not"])]
        return " ".join([*words, self.infinitive]) + self.rider

    def with_which(self) -> str:
        """As a clause in the middle of a sentence."""
        comma = "," if self.rider.startswith(",") else ""
        return f"{self.subject} {self.would()}{comma}"


@dataclass(frozen=True, slots=True)
class English:
    """The grammar of the sentences."""

    grounds: Grounds

    # --- values and changes ---------------------------------------------------------------------

    def change(self, change: Change) -> str:
        """``7.5 Nm lower``, ``H instead of L``, ``the tool replaced``: for a table."""
        own = own_clause(change)
        return f"{own.subject} {own.predicate}" if own else compared(change)

    def span(self, gauge: Gauge, low: float, high: float) -> str:
        if low == high:
            return gauge.value(low, LANGUAGE)
        return f"anywhere between {gauge.bare(low, LANGUAGE)} and {gauge.value(high, LANGUAGE)}"

    # --- sentences ------------------------------------------------------------------------------

    def counterfactual(
        self, actions: Sequence[Change], effects: Sequence[Change], outcome: Outcome, rank: int
    ) -> str:
        said = self.said(outcome)
        if self.grounds is Grounds.MODEL:
            read = listed([as_read(c) for c in (*actions, *effects)])
            sentence = f"had the model read {read}, {said.again} {said.would()}."
        elif self.grounds is Grounds.HISTORY:
            moved_too = [c.gauge for c in effects]
            was = listed([as_was(c, c.gauge not in moved_too) for c in actions])
            follows = f"by the same laws {then(effects)}{said.subject} {said.would()}"
            sentence = (
                f"had circumstances been other, so that {was}, {follows}. "
                "This tells of a past that was not, and is no advice."
            )
        else:
            been = listed([as_been(c, "" if i else "been") for i, c in enumerate(actions)])
            sentence = f"had {been}, {then(effects)}{said.subject} {said.would()}."
        return _capital(f"alternatively, {sentence}" if rank > 1 else sentence)

    def rests_on_rounding(self) -> str:
        """Say that another session of the graph may deny the counterfactual."""
        return (
            "This rests on rounding: where the model is run with other threads or with other rows "
            "beside it, its decision may be another."
        )

    def survives(self) -> str:
        return "This holds whatever the sensors' declared tolerances make of the readings."

    def proven_smallest(self) -> str:
        if self.grounds is Grounds.HISTORY:
            return "This is proven to be the smallest such difference."
        return "This is proven to be the smallest such change that is allowed."

    def not_proven_smallest(self, percent: int | None, out_of_time: bool) -> str:
        smaller = "a smaller one" if percent is None else f"one up to {percent} % smaller"
        why = ", because the search ran out of time" if out_of_time else ""
        return f"It is not proven to be the smallest{why}: {smaller} may exist."

    def infeasible(self, outcome: Outcome) -> str:
        said = self.said(outcome.denied())
        if self.grounds is Grounds.MODEL:
            start = "Whatever the model had read within what is allowed"
            return f"{start}, {said.again} {said.would(still=True)}; this is proven."
        start = "Whatever had been changed within what is allowed"
        if self.grounds is Grounds.HISTORY:
            start = "Whatever had been otherwise, the laws being the same"
        return f"{start}, {said.subject} {said.would(still=True)}; this is proven."

    def blocked(self, constraints: Sequence[str], more: int) -> str:
        rest = [f"and {count(more)} more"] if more else []
        return f"What stands in the way: {'; '.join([*constraints, *rest])}."

    def lifted(self, constraint: str, counterfactual: str) -> str:
        """What would do without one constraint: a statement, never advice to lift it."""
        return f"Were it not that {constraint}: {_uncapital(counterfactual)}"

    def unknown(self, outcome: Outcome, rows: int | None) -> str:
        """``rows`` scored, or None where the time ran out."""
        said = self.said(outcome)
        spent = (
            "in the time allowed"
            if rows is None
            else f"within the search budget ({count(rows)} model rows scored)"
        )
        return (
            f"No change with which {said.with_which()} was found {spent}. "
            "It is not proven that there is none."
        )

    def abstained(
        self, outcome: Outcome, percent: int, *, several: bool, later: bool = False
    ) -> str:
        """``percent`` of the mechanisms that fit the data, for the surest change; ``several``: by
        the weights of graphs that may be the true one; ``later``: of draws of mechanisms and of
        what is left of the machine's own noise when it is carried out."""
        over = ", by the weights of the graphs that may be the true one" if several else ""
        said = self.said(outcome)
        if later:
            return (
                "No change is sure enough to be answered with. The surest one found, after which "
                f"{said.subject} {said.would()}, does so when it is carried out in {percent} % of "
                "the draws of causal mechanisms and of what is left of this machine's own "
                f"noise{over}: less than the policy asks for."
            )
        return (
            "No change is sure enough to be answered with. The surest one found, after which "
            f"{said.subject} {said.would()}, does so for {percent} % of the causal mechanisms "
            f"that fit the data{over}, and not by the margin that the policy asks for."
        )

    def already(self, outcome: Outcome) -> str:
        said = self.said(outcome)
        return _capital(f"{said.subject} {said.fact}{said.rider}: there is nothing to change.")

    def less_sure(self, closest: Closest, demanded: Odds) -> str:
        """Say that the factual is as wanted, and less probable than is demanded of a change."""
        value = quantity(closest.value, closest.unit, LANGUAGE)
        return (
            f"The model gave '{closest.label}' a probability of {value}; "
            f"{_interval(demanded.bounds)} is demanded of a change only."
        )

    def demanded(self, odds: Odds) -> str:
        """As one of the things that stand in the way."""
        return f"a probability {_at_least(odds)} for '{odds.label}' is demanded"

    def closest(self, closest: Closest) -> str:
        value = quantity(closest.value, closest.unit, LANGUAGE)
        what = f"a probability of {value} for '{closest.label}'" if closest.label else value
        needed = f" ({_interval(closest.needed)} is needed)" if closest.needed else ""
        return f"The closest prediction found is {what}{needed}."

    # --- parts ----------------------------------------------------------------------------------

    def said(self, outcome: Outcome) -> Said:
        of_model = self.grounds is Grounds.MODEL
        holds = outcome.holds
        rider = _rider(outcome, by_model=of_model and isinstance(outcome.matter, Alarm))
        match outcome.matter:
            case Alarm(noun) if of_model:
                fact = f"raised {noun}" if holds else f"did not raise {noun}"
                return Said("the model", "it", f"have raised {noun}", fact, holds, rider)
            case Alarm(noun):
                fact = "sounded" if holds else "did not sound"
                return Said(noun, noun, "have sounded", fact, holds, rider)
            case EnglishClause(subject, predicate):
                fact = f"was {predicate}" if holds else f"was not {predicate}"
                return Said(subject, subject, f"have been {predicate}", fact, holds, rider)
            case Verdict(label):
                names = ("the model's decision", "its decision")
                subject, again = names if of_model else ("the decision", "the decision")
                fact = f"was '{label}'" if holds else f"was not '{label}'"
                return Said(subject, again, f"have been '{label}'", fact, holds, rider)
            case Score() as score:
                return self._said_score(score, holds)
            case Goal() if of_model:
                fact = "reached the target" if holds else "did not reach the target"
                return Said("the model", "it", "have reached the target", fact, holds)
            case Goal():
                fact = "was reached" if holds else "was not reached"
                return Said("the target", "the target", "have been reached", fact, holds)
            case _:
                raise AssertionError(f"{outcome.matter} in an English sentence")

    def _said_score(self, score: Score, holds: bool) -> Said:
        noun = f"the probability of '{score.class_label}'" if score.class_label else score.noun
        where = _interval(score.bounds)
        if self.grounds is not Grounds.MODEL:
            subject = noun or "the prediction"
            fact = f"was {where}" if holds else f"was not {where}"
            return Said(subject, subject, f"have been {where}", fact, holds)
        if not noun:
            fact = f"predicted {where}" if holds else f"did not predict {where}"
            return Said("the model", "it", f"have predicted {where}", fact, holds)
        put = f"put {noun} {_placed(score.bounds)}"
        fact = put if holds else f"did not {put}"
        return Said("the model", "it", f"have {put}", fact, holds)


def _interval(bounds: Bounds) -> str:
    """``between 50 and 65 mg/m³``, ``65 mg/m³ or less``, ``below 65 mg/m³``."""
    low, high = _ends(bounds)
    if bounds.is_point:
        return high
    if low and high:
        return f"between {low} and {high}"
    return f"{low} or more" if low else f"below {high}" if bounds.below else f"{high} or less"


def _placed(bounds: Bounds) -> str:
    """``below 65 mg/m³``, ``at 65 mg/m³ or less``: behind "put"."""
    plain = _interval(bounds)
    return plain if plain.startswith(("between", "below")) else f"at {plain}"


def _ends(bounds: Bounds) -> tuple[str, str]:
    """Both ends, the unit once: ``50`` and ``65 mg/m³``; empty where open."""
    unit = bounds.unit
    shared = bounds.upper is not None and not unit.stands_in_front(LANGUAGE)
    low_unit = Unit("") if shared else unit
    low = "" if bounds.lower is None else quantity(bounds.lower, low_unit, LANGUAGE)
    high = "" if bounds.upper is None else quantity(bounds.upper, unit, LANGUAGE)
    return low, high


def _rider(outcome: Outcome, *, by_model: bool) -> str:
    """How probable besides, of what was or would have been; ``by_model``: the model is the
    subject already."""
    if outcome.odds is None:
        return ""
    if isinstance(outcome.matter, Verdict):
        return f" with a probability {_at_least(outcome.odds)}"
    sure = f"{_sure(outcome.odds)} sure of '{outcome.odds.label}'"
    return f", being {sure}" if by_model else f", with the model {sure}"


def _sure(odds: Odds) -> str:
    """``at least 95 %``, ``between 60 and 80 %``."""
    return _at_least(odds).removeprefix("of ")


def _at_least(odds: Odds) -> str:
    low, high = _ends(odds.bounds)
    if low and high:
        return _interval(odds.bounds)
    return f"of at least {low}" if low else f"of at most {high}"


def _uncapital(text: str) -> str:
    return text[:1].lower() + text[1:]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
