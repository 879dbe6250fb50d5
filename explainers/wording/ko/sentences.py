"""Korean, 합니다체: "모델에 입력된 토크가 7.5 Nm 더 낮았다면, 모델은 경보를 울리지 않았을 것입니다"

Every predicate is kept as the past stem it ends in (``울리지 않았``): the endings of all moods
attach to that one form (``-다면``, ``-을 것입니다``, ``-을``, ``-으므로``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ifonly.explainers.languages import Language
from ifonly.explainers.wording.gauges import Change, Gauge, quantity
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.ko.clauses import adjective, by, if_been, if_read, if_was, then
from ifonly.explainers.wording.ko.own_words import KoreanClause, own_clause
from ifonly.explainers.wording.ko.particles import (
    MUST_BE,
    OBJECT,
    SUBJECT,
    TO,
    TOPIC,
    WAS,
    Particle,
    attach,
)
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
from ifonly.explainers.wording.text import bracketed

LANGUAGE: Language = "ko"


@dataclass(frozen=True, slots=True)
class Said:
    """An outcome as a sentence's parts."""

    subject: str
    """Without a particle; empty where the predicate has its own."""
    past: str
    """``경보를 울리지 않았``: the predicate's past stem."""
    lead: str = ""
    """What comes before the subject."""

    def with_particle(self, particle: Particle) -> str:
        subject = f"{attach(self.subject, particle)} " if self.subject else ""
        return f"{self.lead}{subject}{self.past}"

    def would(self, particle: Particle = TOPIC) -> str:
        return f"{self.with_particle(particle)}을 것입니다."


@dataclass(frozen=True, slots=True)
class Korean:
    """The grammar of the sentences."""

    grounds: Grounds

    # --- values and changes ---------------------------------------------------------------------

    def change(self, change: Change) -> str:
        """``7.5 Nm 더 낮음``, ``L 대신 H``, ``공구를 교체``: for a table."""
        own = own_clause(change)
        if own:
            return own.noun
        if change.is_numeric:
            return f"{by(change)} 더 {adjective(change).noun}"
        before, after = change.values(LANGUAGE)
        return f"{before} 대신 {after}"

    def span(self, gauge: Gauge, low: float, high: float) -> str:
        if low == high:
            return gauge.value(low, LANGUAGE)
        return f"{gauge.bare(low, LANGUAGE)}~{gauge.value(high, LANGUAGE)} 사이"

    # --- sentences ------------------------------------------------------------------------------

    def counterfactual(
        self, actions: Sequence[Change], effects: Sequence[Change], outcome: Outcome, rank: int
    ) -> str:
        said = self.said(outcome)
        if self.grounds is Grounds.MODEL:
            sentence = f"{if_read([*actions, *effects])}, {said.would()}"
        elif self.grounds is Grounds.HISTORY:
            was = if_was(actions, [c.gauge for c in effects])
            sentence = (
                f"상황이 달라 {was}, {then(effects, '같은 법칙에 따라')}{said.would()} "
                "이는 실제와 다른 과거에 대한 설명이며 조치에 대한 권고가 아닙니다."
            )
        else:
            particle = TOPIC if effects or not isinstance(outcome.matter, Alarm) else SUBJECT
            sentence = f"{if_been(actions)}, {then(effects)}{said.would(particle)}"
        return f"또는 {sentence}" if rank > 1 else sentence

    def rests_on_rounding(self) -> str:
        """Say that another session of the graph may deny the counterfactual."""
        return (
            "이 결과는 반올림 오차에 달려 있어, 모델을 다른 스레드 수로 실행하거나 다른 행과 함께 "
            "계산하면 판정이 달라질 수 있습니다."
        )

    def survives(self) -> str:
        return "센서의 허용 오차 안에서 값이 어떻게 읽히더라도 결과는 같습니다."

    def proven_smallest(self) -> str:
        if self.grounds is Grounds.HISTORY:
            return "이보다 작은 차이는 없음이 증명되었습니다."
        return "허용된 변경 가운데 이보다 작은 변경은 없음이 증명되었습니다."

    def not_proven_smallest(self, percent: int | None, out_of_time: bool) -> str:
        why = "제한 시간 안에 탐색이 끝나지 않아, " if out_of_time else ""
        smaller = "이보다 작은" if percent is None else f"이보다 최대 {percent} % 작은"
        return f"{why}가장 작은 변경인지는 증명되지 않았으며, {smaller} 변경이 있을 수 있습니다."

    def infeasible(self, outcome: Outcome) -> str:
        said = self.said(outcome.denied())
        start = (
            "허용된 범위에서 모델에 어떤 값이 입력되었더라도"
            if self.grounds is Grounds.MODEL
            else "허용된 범위에서 무엇을 바꾸었더라도"
        )
        if self.grounds is Grounds.HISTORY:
            start = "같은 법칙 아래 무엇이 달랐더라도"
        return f"{start}, {said.would()} 이는 증명된 결과입니다."

    def blocked(self, constraints: Sequence[str], more: int) -> str:
        rest = [f"그 밖에 {count(more)}건"] if more else []
        return f"이를 막는 제약은 다음과 같습니다: {'; '.join([*constraints, *rest])}."

    def lifted(self, constraint: str, counterfactual: str) -> str:
        """What would do without one constraint: a statement, never advice to lift it."""
        return f"'{constraint}'이라는 제약만 없다면 다음과 같습니다: {counterfactual}"

    def unknown(self, outcome: Outcome, rows: int | None) -> str:
        """``rows`` scored, or None where the time ran out."""
        spent = "제한 시간 안에" if rows is None else f"탐색 한도(모델 계산 {count(rows)}건) 안에서"
        that = f"{self.said(outcome).with_particle(SUBJECT)}을 변경"
        return f"{spent} {that}을 찾지 못했습니다. 그런 변경이 없다고 증명된 것은 아닙니다."

    def abstained(
        self, outcome: Outcome, percent: int, *, several: bool, later: bool = False
    ) -> str:
        """``percent`` of the mechanisms that fit the data, for the surest change; ``several``: by
        the weights of graphs that may be the true one; ``later``: of draws of mechanisms and of
        what is left of the machine's own noise when it is carried out."""
        over = "맞을 수 있는 그래프의 가중치로 보아 " if several else ""
        if later:
            return (
                "답이 될 만큼 확실한 변경이 없습니다. 찾은 것 가운데 가장 확실한 변경도 실행할 "
                f"때에는 {over}인과 관계와 설비 고유의 잡음을 함께 추출한 경우의 {percent} %에서 "
                f"{self.said(outcome).with_particle(SUBJECT)}을 것이며, "
                "정책이 요구하는 비율에는 미치지 못합니다."
            )
        return (
            "답이 될 만큼 확실한 변경이 없습니다. 찾은 것 가운데 가장 확실한 변경도 "
            f"{over}데이터에 맞는 인과 관계의 {percent} %에서 "
            f"{self.said(outcome).with_particle(SUBJECT)}을 것이며, "
            "정책이 요구하는 여유에는 미치지 못합니다."
        )

    def already(self, outcome: Outcome) -> str:
        return f"{self.said(outcome).with_particle(SUBJECT)}으므로 바꿀 것이 없습니다."

    def less_sure(self, closest: Closest, demanded: Odds) -> str:
        """Say that the factual is as wanted, and less probable than is demanded of a change."""
        value = quantity(closest.value, closest.unit, LANGUAGE)
        asked = attach(interval(demanded.bounds), TOPIC)
        return (
            f"모델이 판단한 '{closest.label}' 확률은 {attach(value, WAS)}으며, "
            f"{asked} 변경에 대해서만 요구됩니다."
        )

    def demanded(self, odds: Odds) -> str:
        """As one of the things that stand in the way."""
        return f"'{odds.label}' 확률 {attach(interval(odds.bounds), SUBJECT)} 요구됨"

    def closest(self, closest: Closest) -> str:
        value = quantity(closest.value, closest.unit, LANGUAGE)
        what = f"'{closest.label}' 확률 {value}" if closest.label else value
        needed = f"{attach(interval(closest.needed), MUST_BE)} 함" if closest.needed else ""
        return f"찾은 것 가운데 가장 가까운 예측은 {what}{bracketed(needed, '')}입니다."

    # --- parts ----------------------------------------------------------------------------------

    def said(self, outcome: Outcome) -> Said:
        of_model = self.grounds is Grounds.MODEL
        holds = outcome.holds
        match outcome.matter:
            case Alarm(noun):
                past = "울렸" if holds else "울리지 않았"
                if of_model:
                    rider = _adverbial(outcome, judges=True)
                    return Said("모델", f"{rider}{attach(noun, OBJECT)} {past}")
                return Said(noun, past, _adverbial(outcome, judges=False))
            case KoreanClause() as clause:
                past = clause.past if holds else clause.past_denied
                judges = of_model and not clause.is_passive
                return Said("모델" if judges else "", _adverbial(outcome, judges) + past)
            case Verdict(label):
                odds = bracketed(
                    f"확률 {interval(outcome.odds.bounds)}" if outcome.odds else "", ""
                )
                return Said("모델의 판정" if of_model else "판정", _was(f"'{label}'{odds}", holds))
            case Score(bounds) as score:
                return Said(self._scored(score), _reached(interval(bounds), holds))
            case Goal():
                past = "도달했" if holds else "도달하지 못했"
                return Said("모델의 예측" if of_model else "예측", f"목표에 {past}")
            case _:
                raise AssertionError(f"{outcome.matter} in a Korean sentence")

    def _scored(self, score: Score) -> str:
        noun = f"'{score.class_label}' 확률" if score.class_label else score.noun
        if self.grounds is not Grounds.MODEL:
            return noun or "예측값"
        return f"모델이 예측한 {noun}" if noun else "모델의 예측값"


def interval(bounds: Bounds) -> str:
    """``50 mg/m³ 이상 65 mg/m³ 이하``, ``65 mg/m³ 미만``, ``62.1 mg/m³``."""
    low, high = (
        "" if end is None else quantity(end, bounds.unit, LANGUAGE)
        for end in (bounds.lower, bounds.upper)
    )
    if bounds.is_point:
        return high
    under = f"{high} {'미만' if bounds.below else '이하'}" if high else ""
    return " ".join(part for part in (f"{low} 이상" if low else "", under) if part)


def _was(noun: str, holds: bool) -> str:
    return attach(noun, WAS) if holds else f"{attach(noun, SUBJECT)} 아니었"


def _reached(noun: str, holds: bool) -> str:
    return attach(noun, WAS) if holds else f"{attach(noun, SUBJECT)} 되지 않았"


def _adverbial(outcome: Outcome, judges: bool) -> str:
    """The probability, as what the model judged or as what came with the decision."""
    if outcome.odds is None:
        return ""
    label, bounds = outcome.odds.label, interval(outcome.odds.bounds)
    if judges:
        return f"'{label}' 확률을 {attach(bounds, TO)} 판단하여 "
    return f"모델이 판단한 '{label}' 확률이 {bounds}이면서 "
