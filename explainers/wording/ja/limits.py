"""Constraints in Japanese, as notes are written (である調): "トルクは減少方向にのみ変更できる"."""

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

LANGUAGE: Language = "ja"

_RELATIONS = {
    Relation.LE: "以下",
    Relation.LT: "未満",
    Relation.GE: "以上",
    Relation.GT: "超",
    Relation.EQ: "",
    Relation.NE: "",
}


class Mood(Enum):
    """How a condition's predicate ends."""

    MUST = "なければならない"
    MUST_AND = "なければならず"
    IF = "ば"
    AND = "て"


_THAN = {
    Relation.LT: {
        Mood.MUST: "小さくなければならない",
        Mood.MUST_AND: "小さくなければならず",
        Mood.IF: "小さければ",
        Mood.AND: "小さく",
    },
    Relation.GT: {
        Mood.MUST: "大きくなければならない",
        Mood.MUST_AND: "大きくなければならず",
        Mood.IF: "大きければ",
        Mood.AND: "大きく",
    },
}
"""Compared with another reading: 気温より大きくなければならない."""
_CHANGED = {
    Mood.MUST: ("変更されなければならない", "変更されてはならない"),
    Mood.MUST_AND: ("変更されなければならず", "変更されてはならず"),
    Mood.IF: ("変更されれば", "変更されなければ"),
    Mood.AND: ("変更され", "変更されず"),
}
"""That a feature changes, and that it does not."""
_IS = {
    Mood.MUST: ("でなければならない", "であってはならない"),
    Mood.MUST_AND: ("でなければならず", "であってはならず"),
    Mood.IF: ("であれば", "でなければ"),
    Mood.AND: ("であり", "ではなく"),
}
"""The copula and its denial."""
_NEITHER = {
    Mood.MUST: "あってはならない",
    Mood.MUST_AND: "あってはならず",
    Mood.IF: "なければ",
    Mood.AND: "なく",
}
"""The denial behind でも."""


@dataclass(frozen=True)
class JapaneseLimits(Limits):
    """What is allowed, in words."""

    language = LANGUAGE
    brackets = ("（", "）")

    def name(self, column: int, particle: str = "", *, of_factual: bool = False) -> str:
        return f"{'現在の' if of_factual else ''}{super().name(column)}"

    def steps(self, number: Number) -> str:
        return f"{write(number.value)}段階"

    @staticmethod
    def by_key(constraint: Constraint, by: Limits) -> str:
        return f"制約「{clean(constraint.origin.key)}」を守らなければならない"

    def between(self, column: int, low: float, high: float) -> str:
        """``38 Nm以上53.2 Nm以下``."""
        if low == high:
            return self.value(column, low)
        low_text = "" if math.isinf(low) else f"{self.value(column, low)}以上"
        high_text = "" if math.isinf(high) else f"{self.value(column, high)}以下"
        return low_text + high_text or "任意の値"

    # --- rules ----------------------------------------------------------------------------------

    def rule(self, rule: Rule) -> str:
        if not can_be_said(rule):
            return f"規則「{clean(rule.text)}」を守らなければならない"
        then = self._all(rule.then, Mood.MUST_AND, Mood.MUST)
        if not rule.when:
            return then
        return f"{self._all(rule.when, Mood.AND, Mood.IF)}、{then}"

    def _all(self, conditions: Sequence[Condition], joined: Mood, last: Mood) -> str:
        moods = [joined] * (len(conditions) - 1) + [last]
        said = [self._condition(c, m) for c, m in zip(conditions, moods, strict=True)]
        return "、".join(said)

    def _condition(self, condition: Condition, mood: Mood) -> str:
        match condition:
            case Changes(column=j, does=does):
                return f"{self.name(j)}が{_CHANGED[mood][not does]}"
            case IsIn(column=j, codes=codes, inside=inside, of_factual=of_factual):
                names = [self.value(j, k) for k in sorted(codes)]
                return f"{self.name(j, of_factual=of_factual)}が{_one_of(names, inside, mood)}"
            case Comparison():
                return self._comparison(condition, mood)
            case _:
                raise TypeError(f"no words for {type(condition).__name__}")

    def _comparison(self, comparison: Comparison, mood: Mood) -> str:
        said = inequality(comparison, self.gauges)
        left = f"{self._left(said.left) or '0'}が"
        right = added(limiting(said, self.gauges, LANGUAGE, self._term))
        if said.right and said.relation in _THAN:
            return f"{left}{right}より{_THAN[said.relation][mood]}"
        denied = said.relation is Relation.NE
        return f"{left}{right}{_RELATIONS[said.relation]}{_IS[mood][denied]}"

    def _left(self, terms: Sequence[Term]) -> str:
        """``プロセス温度から気温を引いた値``; longer sums with signs."""
        parts = positive_first(signed(terms, self._term))
        if len(parts) == 2 and parts[0][0]:
            (_, first), (is_positive, second) = parts
            return f"{first}{'に' if is_positive else 'から'}{second}" + (
                "を加えた値" if is_positive else "を引いた値"
            )
        return added(parts) if len(parts) < 2 else f"{added(parts)} の値"

    def _term(self, term: Term) -> str:
        times = abs(term.weight)
        name = self.name(term.column, of_factual=term.of_factual)
        return name if times == 1 else f"{name}の{write(times)}倍"


def _one_of(names: list[str], inside: bool, mood: Mood) -> str:
    """``LまたはMであれば``, ``LでもMでもなければ``."""
    if inside or len(names) == 1:
        return f"{_either(names)}{_IS[mood][not inside]}"
    return f"{'でも'.join(names)}でも{_NEITHER[mood]}"


def _either(items: list[str]) -> str:
    return format_list(items, style="or", locale="ja_JP")


# --- kinds --------------------------------------------------------------------------------------


def _immutable(kept: Immutable | OnlyTo, by: JapaneseLimits) -> str:
    return f"{by.name(kept.column)}は変更できない"


def _not_missing(kept: NotMissing, by: JapaneseLimits) -> str:
    return f"{by.name(kept.column)}の欠測値は補えない"


def _direction(kept: Direction, by: JapaneseLimits) -> str:
    is_category = by.gauges[kept.column].feature.kind.is_categorical
    ways = ("上げる方向", "下げる方向") if is_category else ("増加方向", "減少方向")
    return f"{by.name(kept.column)}は{ways[kept.sense is Sense.DOWN]}にのみ変更できる"


def _settable(kept: Settable, by: JapaneseLimits) -> str:
    where = by.between(kept.column, kept.lower, kept.upper)
    return f"{by.name(kept.column)}は{where}にのみ設定できる"


def _range(kept: Range, by: JapaneseLimits) -> str:
    where = by.between(kept.column, kept.lower, kept.upper)
    return f"{by.name(kept.column)}は{where}でなければならない"


def _max_change(kept: MaxChange, by: JapaneseLimits) -> str:
    most = by.amount(kept.column, kept.amount)
    return f"{by.name(kept.column)}は最大{most}までしか変更できない"


def _only_to(kept: OnlyTo, by: JapaneseLimits) -> str:
    if not kept.values:
        return _immutable(kept, by)
    listed = _either([by.value(kept.column, v) for v in kept.values])
    return f"{by.name(kept.column)}は{listed}にのみ変更できる"


def _max_changes(kept: MaxChanges, by: JapaneseLimits) -> str:
    if kept.count < 1:
        return "どの項目も変更できない"
    return f"変更できる項目は最大{count(kept.count)}個である"


def _plausible(kept: Plausible, by: JapaneseLimits) -> str:
    return "値の組み合わせ全体が、過去に観測されたものに近くなければならない"


def _survives(kept: Survives, by: JapaneseLimits) -> str:
    return "センサーの許容誤差内のどの測定値でも結果が保たれなければならない"


def _rule(kept: Rule, by: JapaneseLimits) -> str:
    return by.rule(kept)


JapaneseLimits.words = {
    Immutable: _immutable,
    NotMissing: _not_missing,
    Direction: _direction,
    Settable: _settable,
    Range: _range,
    MaxChange: _max_change,
    OnlyTo: _only_to,
    MaxChanges: _max_changes,
    LeavesOne: JapaneseLimits.by_key,
    Plausible: _plausible,
    Survives: _survives,
    Rule: _rule,
}
