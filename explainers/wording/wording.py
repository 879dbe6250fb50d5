"""Answers in words: the door to this package."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType

import numpy as np

from ifonly.explainers.answer import (
    Abstained,
    Action,
    AlreadyTarget,
    Answer,
    Blocker,
    Counterfactual,
    Effect,
    Infeasible,
    Prediction,
    Recourse,
    Unknown,
)
from ifonly.explainers.languages import LANGUAGES
from ifonly.explainers.reason import PrincipalReason, Reasons, ReasonStatus, SufficientReason
from ifonly.explainers.remedy import CommonAnswer, CommonSetting, Remedy, SettingKind
from ifonly.explainers.target import Demand, Target
from ifonly.explainers.terms import Status
from ifonly.explainers.wording.catalogue import Grammar, catalogue
from ifonly.explainers.wording.conventions import conventions
from ifonly.explainers.wording.gauges import Change, Gauge, gauges_of
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.limits import Limits
from ifonly.explainers.wording.many import CommonWords, Coverage, SaidSetting
from ifonly.explainers.wording.numerals import ceiling_percent
from ifonly.explainers.wording.outcomes import Outcome, Speech
from ifonly.explainers.wording.phrases import NOTHING, DecisionWords, OwnWords, Phrases, Readers
from ifonly.explainers.wording.reasons import HeldReading, ReasonWords
from ifonly.models.predictor import Row
from ifonly.models.schema import Decision, Schema
from ifonly.models.window import window_of

MAX_BLOCKERS = 8
"""Constraints that a sentence names; of more it gives the number."""

NO_PHRASES: Phrases = MappingProxyType({})


class Wording:
    """One model's answers, said in every language (:mod:`ifonly.explainers.languages`).

    Raises
    ------
    InvalidPolicy
        If a phrase of the policy or of the decision has a form that cannot be used; the key is
        the dotted path within the spec.
    """

    def __init__(
        self,
        schema: Schema,
        decision: Decision,
        phrases: Phrases = NO_PHRASES,
        *,
        grounds: Grounds = Grounds.MODEL,
    ) -> None:
        self._grounds = grounds
        self._window = window_of(schema)
        self._gauges = gauges_of(schema)
        # By themselves, in a table or a rule, columns are told by all that they are.
        alone = tuple(Gauge.of(feature) for feature in schema.features)
        self._labels = alone
        spoken = {tag: catalogue(tag) for tag in LANGUAGES}
        readers: Readers = {tag: each.clause for tag, each in spoken.items()}
        for gauge, each in product(self._gauges, spoken.values()):
            each.learn(gauge.unit)
        self._own = OwnWords.read(phrases, schema, readers)
        words = DecisionWords.read(decision, readers)
        self._voices: Mapping[str, _Voice] = {
            tag: _Voice(
                each.grammar(grounds),
                each.many(grounds),
                each.reasons(),
                each.limits(alone),
                Speech(decision, words, tag),
            )
            for tag, each in spoken.items()
        }

    @property
    def is_of_model(self) -> bool:
        """Whether it speaks of the model's arithmetic, and not of the equipment."""
        return self._grounds is Grounds.MODEL

    def sentence(
        self, answer: Answer, language: str, *, target: Target | None = None, best: str = ""
    ) -> str:
        """The whole answer: what would have flipped it and how sure that is, or why nothing.

        ``target`` is the problem's: an answer does not carry it. Without it the decision's
        desired class is spoken of. ``best``: the sentence of the first counterfactual, from
        whoever has it already.
        """
        voice = self._voice(language)
        match answer:
            case Recourse(counterfactuals=found, work=work):
                said = best or self.counterfactual(found[0], language, target=target)
                survives = [voice.grammar.survives()] if found[0].survives else []
                claim = _claim(voice.grammar, found[0], work.deadline_hit)
                return voice.joined([said, *survives, claim])
            case Infeasible(blocked_by=constraints, best=nearest, relaxation=way_out):
                parts = [voice.grammar.infeasible(voice.aim(target, answer.prediction))]
                if constraints:
                    named = [voice.limit(c) for c in constraints[:MAX_BLOCKERS]]
                    more = max(0, len(constraints) - MAX_BLOCKERS)
                    parts.append(voice.grammar.blocked(named, more))
                parts += voice.closest(nearest, target)
                if way_out is not None:
                    # Where the demand was lifted, the way out reaches less than was asked for.
                    surest = target and way_out.target
                    said = self.counterfactual(way_out.counterfactual, language, target=surest)
                    parts.append(voice.grammar.lifted(voice.limit(way_out.lifted), said))
                return voice.joined(parts)
            case Unknown(work=work, best=nearest):
                outcome = voice.aim(target, answer.prediction)
                # What stopped the search is said: the time, or the model rows.
                rows = None if work.deadline_hit else work.rows
                said = voice.grammar.unknown(outcome, rows)
                return voice.joined([said, *voice.closest(nearest, target)])
            case Abstained(chance=chance, graphs=graphs, chance_later=later):
                outcome = voice.aim(target, answer.prediction)
                # What is less sure is what stands in the way.
                is_later = later is not None and later < chance
                # Rounded down: 99.6 % must not be told as certainty.
                percent = math.floor(100.0 * (later if is_later and later is not None else chance))
                several = graphs is not None
                return voice.grammar.abstained(outcome, percent, several=several, later=is_later)
            case AlreadyTarget(prediction=prediction):
                return voice.joined(voice.already(target, prediction))

    def counterfactual(
        self,
        counterfactual: Counterfactual,
        language: str,
        *,
        target: Target | None = None,
        rank: int = 1,
    ) -> str:
        """One counterfactual in one sentence; from rank 2 on it begins "Alternatively". A second
        one says so where it rests on rounding."""
        voice = self._voice(language)
        actions = [self._change(a) for a in counterfactual.actions]
        effects = [self._change(e) for e in self._told(counterfactual)]
        # An effect may come out as it was, by rounding to whole numbers: nothing to tell.
        effects = [e for e in effects if e.before != e.after]
        outcome = voice.fact(target, counterfactual.prediction)
        said = voice.grammar.counterfactual(actions, effects, outcome, rank)
        rests = [voice.grammar.rests_on_rounding()] if counterfactual.rests_on_rounding else []
        return voice.joined([said, *rests])

    def _told(self, found: Counterfactual) -> Sequence[Effect]:
        """Effects that a sentence names: of a window the last reading of each other channel that
        follows; those of a channel that is moved are what moving it means."""
        window = self._window
        if window is None:
            return found.effects
        moved = {window.channel_at(action.column) for action in found.actions}
        last = window.steps - 1
        return [
            e for e in found.effects
            if window.channel_at(e.column) not in moved and e.column % window.steps == last
        ]  # fmt: skip

    def constraint(self, constraint: Blocker, language: str) -> str:
        """One constraint, or what the target demands, as a clause without a period: "the torque
        may only go down"."""
        return self._voice(language).limit(constraint)

    def value(self, column: int, value: float, language: str) -> str:
        """A reading with its unit: ``53.2 Nm``, ``216분``, ``H``."""
        self._voice(language)
        return self._gauges[column].value(value, language)

    def label(self, column: int, language: str) -> str:
        """What the feature is called."""
        self._voice(language)
        return self._labels[column].label(language)

    def change(self, action: Action | Effect, language: str) -> str:
        """What is done to the feature: ``7.5 Nm lower``, ``7.5 Nm 더 낮음``, ``H instead of L``."""
        return self._voice(language).grammar.change(self._change(action))

    def sufficient_range(self, action: Action, language: str) -> str | None:
        """Where the feature could be, the rest as in the answer: "anywhere between 38 and 53.2 Nm";
        None where that was not computed."""
        if action.sufficient_range is None:
            return None
        gauge = self._gauges[action.column]
        return self._voice(language).grammar.span(gauge, *action.sufficient_range)

    # --- one change of many machines ------------------------------------------------------------

    def common_change(self, settings: Sequence[CommonSetting], language: str) -> str:
        """What is set in common, for a table: ``torque 6 Nm lower, the tool replaced``."""
        return self._voice(language).many.change([self._setting(s) for s in settings])

    def common(self, remedy: Remedy, alarms: int, language: str, *, are_alarms: bool) -> str:
        """What one common change would have done, in one sentence; ``are_alarms``: whether rows
        that miss the target are called so."""
        coverage = Coverage(remedy.coverage, alarms, are_alarms)
        settings = [self._setting(s) for s in remedy.settings]
        return self._voice(language).many.cleared(settings, coverage)

    def common_answer(self, answer: CommonAnswer, language: str, *, are_alarms: bool) -> str:
        """The best that as few levers do as clear the most, and how sure that is."""
        voice, of, best = self._voice(language), len(answer.alarms), answer.best
        if not of:
            return voice.many.nothing_to_clear(len(answer.predictions))
        if best is None:
            levers = max((c.max_levers for c in answer.curves), default=1)
            return voice.many.none(levers, of, is_proven=answer.bound == 0)
        said = self.common(best, of, language, are_alarms=are_alarms)
        # The most levers of which it is known: a claim of two says more than one of one.
        known = [c for c in answer.curves if c.is_most and c.most == best.coverage]
        if known:
            cheapest = known[-1].best
            is_cheapest = (
                cheapest is not None
                and cheapest.status is Status.OPTIMAL
                and cheapest.cost >= best.cost
            )
            claim = voice.many.most(known[-1].max_levers, is_cheapest=is_cheapest)
        else:
            cut, last = answer.work.deadline_hit, answer.curves[-1]
            claim = voice.many.may_be_more(last.max_levers, last.most, out_of_time=cut)
        return voice.joined([said, claim])

    # --- readings that alone force a decision ---------------------------------------------------

    def reason(self, reason: SufficientReason, answer: Reasons, factual: Row, language: str) -> str:
        """One set of readings that alone force the decision, and how sure that is."""
        voice = self._voice(language)
        held = [self._held(j, factual) for j in reason.columns]
        said = voice.reasons.forced(held, voice.speech.of_prediction(answer.prediction))
        cut = answer.work.deadline_hit
        return voice.joined([said, voice.reasons.claim(reason.status, len(held), out_of_time=cut)])

    def reasons(self, answer: Reasons, factual: Row, language: str) -> str:
        """The first of them; where there is none, that it could not be told."""
        if answer.status is ReasonStatus.UNKNOWN:
            cut = answer.work.deadline_hit or answer.work.is_spent
            return self._voice(language).reasons.unknown(out_of_time=cut)
        return self.reason(answer.reasons[0], answer, factual, language)

    def principal_reason(
        self, reason: PrincipalReason, answer: Reasons, factual: Row, language: str
    ) -> str:
        """One main reading, and why it is one."""
        of = len(answer.reasons)
        within = sum(reason.column in each.columns for each in answer.reasons)
        held = self._held(reason.column, factual)
        return self._voice(language).reasons.principal(held, within, of, alone=reason.alone)

    def _held(self, column: int, factual: Row) -> HeldReading:
        return HeldReading(self._gauges[column], float(factual[column]))

    def _setting(self, setting: CommonSetting) -> SaidSetting:
        gauge = self._gauges[setting.column]
        if setting.kind is SettingKind.RELATIVE:
            return SaidSetting.by(gauge, setting.value)
        return SaidSetting.to(gauge, setting.value, self._own.of(setting.column, setting.value))

    def _change(self, moved: Action | Effect) -> Change:
        gauge = self._gauges[moved.column]
        is_set = isinstance(moved, Action)
        says_own = is_set and self._grounds is not Grounds.HISTORY  # "replaced" is what people do
        # What follows is done by nobody, so the plant's words for doing it do not fit.
        own = self._own.of(moved.column, moved.counterfactual) if says_own else NOTHING
        return Change(gauge, moved.factual, moved.counterfactual, own, computed=not is_set)

    def _voice(self, language: str) -> _Voice:
        try:
            return self._voices[language]
        except KeyError:
            known = ", ".join(LANGUAGES)
            raise ValueError(f"language is {language!r}, not one of {known}") from None


@dataclass(frozen=True, slots=True)
class _Voice:
    """One language."""

    grammar: Grammar
    many: CommonWords
    reasons: ReasonWords
    limits: Limits
    speech: Speech

    def joined(self, sentences: list[str]) -> str:
        """One after another."""
        return conventions(self.speech.language).between_sentences.join(sentences)

    def aim(self, target: Target | None, prediction: Prediction) -> Outcome:
        """What was asked for."""
        if target is None:
            return self.speech.of_default(prediction)
        return self.speech.of_target(target)

    def fact(self, target: Target | None, prediction: Prediction) -> Outcome:
        """What ``prediction``, known to meet the target, amounts to."""
        if target is None:
            return self.speech.of_prediction(prediction)
        return self.speech.of_target(target)

    def limit(self, blocker: Blocker) -> str:
        """What can stand in the way, as a clause."""
        if isinstance(blocker, Demand):
            return self.grammar.demanded(self.speech.odds(blocker))
        return self.limits.say(blocker)

    def already(self, target: Target | None, prediction: Prediction) -> list[str]:
        """Say that there is nothing to change; and how probable it is, where more is demanded."""
        if target is None or target.demand is None or target.met(np.array([prediction.scores]))[0]:
            return [self.grammar.already(self.fact(target, prediction))]
        # The demand is of changes; a factual that is decided as wanted
        # needs none, but may be less sure.
        said = [self.grammar.already(self.fact(target.decision_alone, prediction))]
        closest = self.speech.closest(prediction, target)
        if closest is not None:
            said.append(self.grammar.less_sure(closest, self.speech.odds(target.demand)))
        return said

    def closest(self, best: Prediction | None, target: Target | None) -> list[str]:
        found = None if best is None else self.speech.closest(best, target)
        return [] if found is None else [self.grammar.closest(found)]


def _claim(grammar: Grammar, best: Counterfactual, out_of_time: bool) -> str:
    """How sure it is that nothing smaller would have done."""
    if best.gap == 0.0:
        return grammar.proven_smallest()
    percent = None if best.gap is None else ceiling_percent(best.gap)
    # "At most 100 % smaller" says nothing.
    bounded = percent if percent is not None and percent < 100 else None
    return grammar.not_proven_smallest(bounded, out_of_time)
