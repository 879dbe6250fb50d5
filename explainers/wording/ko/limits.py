"""Constraints in Korean, as notes are written (명사형): "토크는 감소 방향으로만 변경할 수 있음"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from babel.lists import format_list

from ifonly.explainers.constraints import (
    Changes,
    Comparison,
    Condition,
    Constraint,
    Direction,
    Immutable,
    IsIn,
    LeavesOne,
    MaxChange,
    MaxChanges,
    NotMissing,
    OnlyTo,
    Plausible,
    Range,
    Relation,
    Rule,
    Sense,
    Settable,
    Survives,
)
from ifonly.explainers.languages import Language
from ifonly.explainers.wording.ko.particles import (
    MUST_BE,
    OBJECT,
    PARTICLES,
    SUBJECT,
    TO,
    TOPIC,
    Particle,
    attach,
)
from ifonly.explainers.wording.limits import Limits
from ifonly.explainers.wording.numerals import Number, count, write
from ifonly.explainers.wording.sums import (
    Term,
    added,
    can_be_said,
    inequality,
    limiting,
    positive_first,
    signed,
)
from ifonly.explainers.wording.text import clean

LANGUAGE: Language = "ko"

_RELATIONS = {
    Relation.LE: " 이하",
    Relation.LT: " 미만",
    Relation.GE: " 이상",
    Relation.GT: " 초과",
    Relation.EQ: "",
    Relation.NE: "",
}


class Mood(Enum):
    """How a condition's predicate ends."""

    MUST = "야 함"
    MUST_AND = "야 하고"
    IF = "면"
    AND = "고"


_THAN = {
    Relation.LT: {
        Mood.MUST: "작아야 함",
        Mood.MUST_AND: "작아야 하고",
        Mood.IF: "작으면",
        Mood.AND: "작고",
    },
    Relation.GT: {
        Mood.MUST: "커야 함",
        Mood.MUST_AND: "커야 하고",
        Mood.IF: "크면",
        Mood.AND: "크고",
    },
}
"""Compared with another reading: 대기 온도보다 커야 함."""


@dataclass(frozen=True)
class KoreanLimits(Limits):
    """What is allowed, in words."""

    language = LANGUAGE
    brackets = ("(", ")")

    def ended(self, text: str, particle: str) -> str:
        return attach(text, PARTICLES[particle]) if particle else text

    def of(self, column: int, particle: Particle | None = None, *, of_factual: bool = False) -> str:
        """``현재 토크는``."""
        name = f"{'현재 ' if of_factual else ''}{self.name(column)}"
        return name if particle is None else attach(name, particle)

    def steps(self, number: Number) -> str:
        return f"{write(number.value)}단계"

    @staticmethod
    def by_key(constraint: Constraint, by: Limits) -> str:
        return f"제약 {attach(clean(constraint.origin.key), OBJECT)} 지켜야 함"

    def between(self, column: int, low: float, high: float) -> str:
        """``38 Nm 이상 53.2 Nm 이하``."""
        if low == high:
            return self.value(column, low)
        low_text = "" if math.isinf(low) else f"{self.value(column, low)} 이상"
        high_text = "" if math.isinf(high) else f"{self.value(column, high)} 이하"
        return " ".join(t for t in (low_text, high_text) if t) or "임의의 값"

    # --- rules ----------------------------------------------------------------------------------

    def rule(self, rule: Rule) -> str:
        if not can_be_said(rule):
            quoted = f'"{clean(rule.text)}"'
            return f"규칙 {attach(quoted, OBJECT)} 지켜야 함"
        then = self._all(rule.then, Mood.MUST_AND, Mood.MUST)
        if not rule.when:
            return then
        return f"{self._all(rule.when, Mood.AND, Mood.IF)} {then}"

    def _all(self, conditions: Sequence[Condition], joined: Mood, last: Mood) -> str:
        moods = [joined] * (len(conditions) - 1) + [last]
        return " ".join(self._condition(c, m) for c, m in zip(conditions, moods, strict=True))

    def _condition(self, condition: Condition, mood: Mood) -> str:
        match condition:
            case Changes(column=j, does=does):
                return f"{self.of(j, SUBJECT)} {_changed(does, mood)}"
            case IsIn(column=j, codes=codes, inside=inside, of_factual=of_factual):
                names = _either([self.gauges[j].value(k, LANGUAGE) for k in sorted(codes)])
                return f"{self.of(j, SUBJECT, of_factual=of_factual)} {_is(names, inside, mood)}"
            case Comparison():
                return self._comparison(condition, mood)
            case _:
                raise TypeError(f"no words for {type(condition).__name__}")

    def _comparison(self, comparison: Comparison, mood: Mood) -> str:
        said = inequality(comparison, self.gauges)
        left = attach(self._left(said.left) or "0", SUBJECT)
        right = added(limiting(said, self.gauges, LANGUAGE, self._term))
        if said.right and said.relation in _THAN:
            return f"{left} {right}보다 {_THAN[said.relation][mood]}"
        limit = f"{right}{_RELATIONS[said.relation]}"
        return f"{left} {_is(limit, said.relation is not Relation.NE, mood)}"

    def _left(self, terms: Sequence[Term]) -> str:
        """``공정 온도에서 대기 온도를 뺀 값``; longer sums with signs."""
        parts = positive_first(signed(terms, self._term))
        if len(parts) == 2 and parts[0][0]:
            (_, first), (is_positive, second) = parts
            both = f"에 {attach(second, OBJECT)} 더한 값" if is_positive else ""
            return first + (both or f"에서 {attach(second, OBJECT)} 뺀 값")
        return added(parts) if len(parts) < 2 else f"{added(parts)} 값"

    def _term(self, term: Term) -> str:
        times = abs(term.weight)
        name = self.of(term.column, of_factual=term.of_factual)
        return name if times == 1 else f"{name}의 {write(times)}배"


def _changed(does: bool, mood: Mood) -> str:
    forms = {
        Mood.MUST: ("변경되어야 함", "변경되지 않아야 함"),
        Mood.MUST_AND: ("변경되어야 하고", "변경되지 않아야 하고"),
        Mood.IF: ("변경되면", "변경되지 않으면"),
        Mood.AND: ("변경되고", "변경되지 않고"),
    }
    return forms[mood][not does]


def _is(noun: str, holds: bool, mood: Mood) -> str:
    """``noun`` with the copula 이다 or its denial 아니다."""
    if not holds:
        ending = {Mood.MUST: "아니어야 함", Mood.MUST_AND: "아니어야 하고", Mood.IF: "아니면"}
        return f"{attach(noun, SUBJECT)} {ending.get(mood, '아니고')}"
    match mood:
        case Mood.MUST:
            return f"{attach(noun, MUST_BE)} 함"
        case Mood.MUST_AND:
            return f"{attach(noun, MUST_BE)} 하고"
        case Mood.IF:
            return f"{noun}이면"
        case Mood.AND:
            return f"{noun}이고"


def _either(items: list[str]) -> str:
    return format_list(items, style="or", locale="ko_KR")


# --- kinds --------------------------------------------------------------------------------------


def _immutable(kept: Immutable | OnlyTo, by: KoreanLimits) -> str:
    return f"{by.of(kept.column, TOPIC)} 변경할 수 없음"


def _not_missing(kept: NotMissing, by: KoreanLimits) -> str:
    return f"{by.name(kept.column)}의 누락된 값은 채울 수 없음"


def _direction(kept: Direction, by: KoreanLimits) -> str:
    is_category = by.gauges[kept.column].feature.kind.is_categorical
    ways = ("올리는 쪽", "내리는 쪽") if is_category else ("증가 방향", "감소 방향")
    way = ways[kept.sense is Sense.DOWN]
    return f"{by.of(kept.column, TOPIC)} {way}으로만 변경할 수 있음"


def _settable(kept: Settable, by: KoreanLimits) -> str:
    where = attach(by.between(kept.column, kept.lower, kept.upper), TO)
    return f"{by.of(kept.column, TOPIC)} {where}만 설정할 수 있음"


def _range(kept: Range, by: KoreanLimits) -> str:
    where = attach(by.between(kept.column, kept.lower, kept.upper), MUST_BE)
    return f"{by.of(kept.column, TOPIC)} {where} 함"


def _max_change(kept: MaxChange, by: KoreanLimits) -> str:
    most = by.amount(kept.column, kept.amount)
    return f"{by.of(kept.column, TOPIC)} 최대 {most}까지만 변경할 수 있음"


def _only_to(kept: OnlyTo, by: KoreanLimits) -> str:
    if not kept.values:
        return _immutable(kept, by)
    listed = _either([by.value(kept.column, v) for v in kept.values])
    return f"{by.of(kept.column, TOPIC)} {attach(listed, TO)}만 변경할 수 있음"


def _max_changes(kept: MaxChanges, by: KoreanLimits) -> str:
    if kept.count < 1:
        return "어떤 항목도 변경할 수 없음"
    return f"변경할 수 있는 항목은 최대 {count(kept.count)}개임"


def _plausible(kept: Plausible, by: KoreanLimits) -> str:
    return "전체 값의 조합이 이전에 관측된 것과 비슷해야 함"


def _survives(kept: Survives, by: KoreanLimits) -> str:
    return "센서 허용 오차 범위 안의 모든 측정값에서 결과가 유지되어야 함"


def _rule(kept: Rule, by: KoreanLimits) -> str:
    return by.rule(kept)


KoreanLimits.words = {
    Immutable: _immutable,
    NotMissing: _not_missing,
    Direction: _direction,
    Settable: _settable,
    Range: _range,
    MaxChange: _max_change,
    OnlyTo: _only_to,
    MaxChanges: _max_changes,
    LeavesOne: KoreanLimits.by_key,
    Plausible: _plausible,
    Survives: _survives,
    Rule: _rule,
}
