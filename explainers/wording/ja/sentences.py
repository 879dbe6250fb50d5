"""Japanese: "モデルに入力されたトルクがあと7.5 Nm低ければ、モデルは警報を出さなかったはずです。"

Every predicate is kept as the plain past it ends in (``出さなかった``): はずです, はずの and ため
follow that one form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ifonly.explainers.languages import Language
from ifonly.explainers.wording.gauges import Change, Gauge, quantity
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.ja.clauses import (
    adjective,
    bracketed,
    by,
    if_been,
    if_read,
    if_was,
    then,
)
from ifonly.explainers.wording.ja.own_words import JapaneseClause, own_clause
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

LANGUAGE: Language = "ja"


@dataclass(frozen=True, slots=True)
class Said:
    """An outcome as a sentence's parts."""

    subject: str
    """Without a particle; empty where the predicate has its own."""
    past: str
    """``警報を出さなかった``: the predicate in the plain past."""
    lead: str = ""
    """What comes before the subject."""

    def with_particle(self, particle: str) -> str:
        subject = f"{self.subject}{particle}" if self.subject else ""
        return f"{self.lead}{subject}{self.past}"

    def would(self) -> str:
        return f"{self.with_particle('は')}はずです。"


@dataclass(frozen=True, slots=True)
class Japanese:
    """The grammar of the sentences."""

    grounds: Grounds

    # --- values and changes ---------------------------------------------------------------------

    def change(self, change: Change) -> str:
        """``7.5 Nm低い``, ``LではなくH``, ``工具を交換``: for a table."""
        own = own_clause(change)
        if own:
            return own.noun
        if change.is_numeric:
            return f"{by(change)}{adjective(change).plain}"
        before, after = change.values(LANGUAGE)
        return f"{before}ではなく{after}"

    def span(self, gauge: Gauge, low: float, high: float) -> str:
        if low == high:
            return gauge.value(low, LANGUAGE)
        return f"{gauge.bare(low, LANGUAGE)}～{gauge.value(high, LANGUAGE)}の範囲"

    # --- sentences ------------------------------------------------------------------------------

    def counterfactual(
        self, actions: Sequence[Change], effects: Sequence[Change], outcome: Outcome, rank: int
    ) -> str:
        said = self.said(outcome)
        if self.grounds is Grounds.MODEL:
            sentence = f"{if_read([*actions, *effects])}、{said.would()}"
        elif self.grounds is Grounds.HISTORY:
            was = if_was(actions, [c.gauge for c in effects])
            sentence = (
                f"状況が異なり、{was}、{then(effects, '同じ法則に従って')}{said.would()}"
                "これは実際とは異なる過去についての説明であり、処置を勧めるものではありません。"
            )
        else:
            sentence = f"{if_been(actions)}、{then(effects)}{said.would()}"
        return f"あるいは、{sentence}" if rank > 1 else sentence

    def rests_on_rounding(self) -> str:
        """Say that another session of the graph may deny the counterfactual."""
        return (
            "この結果は丸め誤差に左右されるため、モデルを別のスレッド数で実行したり、他の行と一緒に"
            "計算したりすると、判定が変わることがあります。"
        )

    def survives(self) -> str:
        return "センサーの許容誤差の範囲で値がどう読まれても、結果は変わりません。"

    def proven_smallest(self) -> str:
        if self.grounds is Grounds.HISTORY:
            return "これより小さい違いがないことは証明されています。"
        return "許された変更の中に、これより小さい変更がないことは証明されています。"

    def not_proven_smallest(self, percent: int | None, out_of_time: bool) -> str:
        why = "制限時間内に探索が終わらなかったため、" if out_of_time else ""
        smaller = "これより小さい" if percent is None else f"これより最大{percent} %小さい"
        return f"{why}最小の変更であるとは証明されておらず、{smaller}変更があるかもしれません。"

    def infeasible(self, outcome: Outcome) -> str:
        said = self.said(outcome.denied())
        start = (
            "許された範囲でモデルにどのような値が入力されていても"
            if self.grounds is Grounds.MODEL
            else "許された範囲で何を変えていても"
        )
        if self.grounds is Grounds.HISTORY:
            start = "同じ法則の下で何が異なっていても"
        return f"{start}、{said.would()}これは証明された結果です。"

    def blocked(self, constraints: Sequence[str], more: int) -> str:
        rest = [f"ほか{count(more)}件"] if more else []
        return f"これを妨げている制約は次のとおりです：{'；'.join([*constraints, *rest])}。"

    def lifted(self, constraint: str, counterfactual: str) -> str:
        """What would do without one constraint: a statement, never advice to lift it."""
        return f"「{constraint}」という制約さえなければ、次のとおりです：{counterfactual}"

    def unknown(self, outcome: Outcome, rows: int | None) -> str:
        """``rows`` scored, or None where the time ran out."""
        spent = "制限時間内に" if rows is None else f"探索の上限（モデル計算{count(rows)}件）の中で"
        that = self.said(outcome).with_particle("が")
        return (
            f"{that}はずの変更は、{spent}見つかりませんでした。"
            "そのような変更がないと証明されたわけではありません。"
        )

    def abstained(
        self, outcome: Outcome, percent: int, *, several: bool, later: bool = False
    ) -> str:
        """``percent`` of the mechanisms that fit the data, for the surest change; ``several``: by
        the weights of graphs that may be the true one; ``later``: of draws of mechanisms and of
        what is left of the machine's own noise when it is carried out."""
        over = "正しいかもしれないグラフの重みで見て" if several else ""
        if later:
            return (
                "答えとして示せるほど確実な変更はありません。見つかった中で最も確実な変更でも、"
                f"実行するときに{self.said(outcome).with_particle('が')}はずなのは、{over}"
                f"因果関係と設備固有のノイズを合わせて抽出した場合の{percent} %であり、"
                "ポリシーが求める割合には届きません。"
            )
        return (
            "答えとして示せるほど確実な変更はありません。見つかった中で最も確実な変更でも、"
            f"{self.said(outcome).with_particle('が')}はずなのは、{over}データに合う因果関係の"
            f"{percent} %であり、ポリシーが求める余裕には届きません。"
        )

    def already(self, outcome: Outcome) -> str:
        return f"{self.said(outcome).with_particle('が')}ため、変えるものはありません。"

    def less_sure(self, closest: Closest, demanded: Odds) -> str:
        """Say that the factual is as wanted, and less probable than is demanded of a change."""
        value = quantity(closest.value, closest.unit, LANGUAGE)
        return (
            f"モデルが判断した「{closest.label}」の確率は{value}であり、"
            f"{interval(demanded.bounds)}は変更に対してのみ求められます。"
        )

    def demanded(self, odds: Odds) -> str:
        """As one of the things that stand in the way."""
        return f"「{odds.label}」の確率は{interval(odds.bounds)}でなければならない"

    def closest(self, closest: Closest) -> str:
        value = quantity(closest.value, closest.unit, LANGUAGE)
        what = f"「{closest.label}」の確率{value}" if closest.label else value
        needed = f"{interval(closest.needed)}が必要" if closest.needed else ""
        return f"見つかった中で最も近い予測は{what}{bracketed(needed)}です。"

    # --- parts ----------------------------------------------------------------------------------

    def said(self, outcome: Outcome) -> Said:
        of_model = self.grounds is Grounds.MODEL
        holds = outcome.holds
        match outcome.matter:
            case Alarm(noun) if of_model:
                rider = _adverbial(outcome, judges=True)
                return Said("モデル", f"{rider}{noun}を{'出した' if holds else '出さなかった'}")
            case Alarm(noun):
                past = "出た" if holds else "出なかった"
                return Said(noun, past, _adverbial(outcome, judges=False))
            case JapaneseClause() as clause:
                past = clause.past if holds else clause.past_denied
                judges = of_model and not clause.is_passive
                return Said("モデル" if judges else "", _adverbial(outcome, judges) + past)
            case Verdict(label):
                odds = f"確率{interval(outcome.odds.bounds)}" if outcome.odds else ""
                was = "だった" if holds else "ではなかった"
                subject = "モデルの判定" if of_model else "判定"
                return Said(subject, f"「{label}」{bracketed(odds)}{was}")
            case Score(bounds) as score:
                reached = "だった" if holds else "にはならなかった"
                return Said(self._scored(score), f"{interval(bounds)}{reached}")
            case Goal():
                past = "目標に達した" if holds else "目標に達しなかった"
                return Said("モデルの予測" if of_model else "予測", past)
            case _:
                raise AssertionError(f"{outcome.matter} in a Japanese sentence")

    def _scored(self, score: Score) -> str:
        noun = f"「{score.class_label}」の確率" if score.class_label else score.noun
        if self.grounds is not Grounds.MODEL:
            return noun or "予測値"
        return f"モデルが予測した{noun}" if noun else "モデルの予測値"


def interval(bounds: Bounds) -> str:
    """``50 mg/m³以上65 mg/m³以下``, ``65 mg/m³未満``, ``62.1 mg/m³``."""
    low, high = (
        "" if end is None else quantity(end, bounds.unit, LANGUAGE)
        for end in (bounds.lower, bounds.upper)
    )
    if bounds.is_point:
        return high
    under = f"{high}{'未満' if bounds.below else '以下'}" if high else ""
    return (f"{low}以上" if low else "") + under


def _adverbial(outcome: Outcome, judges: bool) -> str:
    """The probability, as what the model judged or as what came with the decision."""
    if outcome.odds is None:
        return ""
    label, bounds = outcome.odds.label, interval(outcome.odds.bounds)
    if judges:
        return f"「{label}」の確率を{bounds}と判断し、"
    return f"モデルが判断する「{label}」の確率は{bounds}となり、"
