"""Japanese, of many machines: "トルクがあと6 Nm低ければ、警報50件のうち41件は …"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ifonly.explainers.languages import Language
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.ja.clauses import adjective
from ifonly.explainers.wording.ja.own_words import own_clause
from ifonly.explainers.wording.many import Coverage, SaidSetting
from ifonly.explainers.wording.numerals import count

LANGUAGE: Language = "ja"


@dataclass(frozen=True, slots=True)
class JapaneseMany:
    """The sentences."""

    grounds: Grounds

    def change(self, settings: Sequence[SaidSetting]) -> str:
        return "、".join(map(_short, settings))

    def cleared(self, settings: Sequence[SaidSetting], coverage: Coverage) -> str:
        of_model, last = self.grounds is Grounds.MODEL, len(settings) - 1
        clauses = [_if(s, i == last, of_model) for i, s in enumerate(settings)]
        prefix = "モデルに入力された" if of_model else ""
        return f"{prefix}{'、'.join(clauses)}、{_would(coverage, of_model)}。"

    def most(self, levers: int, *, is_cheapest: bool) -> str:
        cheapest = "であり、コストも最小である" if is_cheapest else "である"
        return f"これが{_at_most(levers)}解除できる最大{cheapest}ことは証明されています。"

    def may_be_more(self, levers: int, most: int, *, out_of_time: bool) -> str:
        why = "制限時間内に探索が終わらなかったため、" if out_of_time else ""
        return (
            f"{why}最大であるとは証明されておらず、{_at_most(levers)}最大{count(most)}件まで"
            "解除できるかもしれません。"
        )

    def none(self, levers: int, of: int, *, is_proven: bool) -> str:
        if is_proven:
            return (
                f"{_at_most(levers)}警報{count(of)}件のうち一件でも解除できる共通の変更がないことは"
                "証明されています。"
            )
        return (
            f"{_at_most(levers)}警報を解除できる共通の変更は、制限時間内に見つかりませんでした。"
            "そのような変更がないと証明されたわけではありません。"
        )

    def nothing_to_clear(self, rows: int) -> str:
        return f"{count(rows)}行のうち警報は一件もないため、変えるものはありません。"


def _at_most(levers: int) -> str:
    return "操作項目一つで" if levers == 1 else f"操作項目{levers}個以下で"


def _short(setting: SaidSetting) -> str:
    """``トルク6 Nm低い``, ``トルクを42 Nmに``, ``工具を交換``."""
    own = own_clause(setting.change)
    if own:
        return own.noun
    label = setting.label(LANGUAGE)
    if setting.is_amount:
        return f"{label} {setting.change.amount(LANGUAGE)}{adjective(setting.change).plain}"
    return f"{label}を{setting.value(LANGUAGE)}に"


def _if(setting: SaidSetting, is_last: bool, of_model: bool) -> str:
    """``トルクがあと6 Nm低ければ``; before the last: ``低く``."""
    own = own_clause(setting.change)
    if own and of_model:
        return f"{own.past}として{'入力されていれば' if is_last else '入力され'}"
    if own:
        return own.if_so if is_last else own.joined
    label = setting.label(LANGUAGE)
    if setting.is_amount:
        word = adjective(setting.change)
        verb = word.if_so if is_last else word.joined
        return f"{label}があと{setting.change.amount(LANGUAGE)}{verb}"
    return f"{label}が{setting.value(LANGUAGE)}{'であれば' if is_last else 'であり'}"


def _would(coverage: Coverage, of_model: bool) -> str:
    some, of = count(coverage.cleared), count(coverage.of)
    is_all = coverage.cleared == coverage.of
    if not coverage.are_alarms:
        these = f"{of}行すべてが" if is_all else f"{of}行のうち{some}行が"
        return f"{these}目標に達したはずです"
    if of_model:
        these = f"警報{of}件をすべて" if is_all else f"警報{of}件のうち{some}件を"
        return f"モデルは{these}出さなかったはずです"
    these = f"警報{of}件はすべて" if is_all else f"警報{of}件のうち{some}件は"
    return f"{these}出なかったはずです"
