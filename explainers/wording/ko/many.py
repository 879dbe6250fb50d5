"""Korean, of many machines: "토크가 6 Nm 더 낮았다면, 경보 50건 가운데 41건은 …"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ifonly.explainers.languages import Language
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.ko.clauses import adjective
from ifonly.explainers.wording.ko.own_words import own_clause
from ifonly.explainers.wording.ko.particles import SUBJECT, TO, WAS, attach
from ifonly.explainers.wording.many import Coverage, SaidSetting
from ifonly.explainers.wording.numerals import count

LANGUAGE: Language = "ko"


@dataclass(frozen=True, slots=True)
class KoreanMany:
    """The sentences."""

    grounds: Grounds

    def change(self, settings: Sequence[SaidSetting]) -> str:
        return ", ".join(map(_short, settings))

    def cleared(self, settings: Sequence[SaidSetting], coverage: Coverage) -> str:
        of_model, last = self.grounds is Grounds.MODEL, len(settings) - 1
        clauses = [_if(s, i == last, of_model) for i, s in enumerate(settings)]
        prefix = "모델에 입력된 " if of_model else ""
        return f"{prefix}{', '.join(clauses)}, {_would(coverage, of_model)}."

    def most(self, levers: int, *, is_cheapest: bool) -> str:
        cheapest = ", 비용도 가장 적음이" if is_cheapest else "이"
        joined = "해제할 수 있는 최대이며" if is_cheapest else "해제할 수 있는 최대임"
        return f"이는 {_at_most(levers)} {joined}{cheapest} 증명되었습니다."

    def may_be_more(self, levers: int, most: int, *, out_of_time: bool) -> str:
        why = "제한 시간 안에 탐색이 끝나지 않아, " if out_of_time else ""
        return (
            f"{why}최대인지는 증명되지 않았으며, {_at_most(levers)} {count(most)}건까지 "
            "해제할 수도 있습니다."
        )

    def none(self, levers: int, of: int, *, is_proven: bool) -> str:
        if is_proven:
            return (
                f"{_at_most(levers)} 경보 {count(of)}건 가운데 하나라도 해제하는 공통 변경은 "
                "없음이 증명되었습니다."
            )
        return (
            f"제한 시간 안에 {_at_most(levers)} 경보를 해제하는 공통 변경을 찾지 못했습니다. "
            "그런 변경이 없다고 증명된 것은 아닙니다."
        )

    def nothing_to_clear(self, rows: int) -> str:
        return f"{count(rows)}개 행 가운데 경보가 없으므로 바꿀 것이 없습니다."


def _at_most(levers: int) -> str:
    return "조절 항목 하나로" if levers == 1 else f"조절 항목 {levers}개 이하로"


def _short(setting: SaidSetting) -> str:
    """``토크 6 Nm 더 낮음``, ``토크 42 Nm로``, ``공구를 교체``."""
    own = own_clause(setting.change)
    if own:
        return own.noun
    label = setting.label(LANGUAGE)
    if setting.is_amount:
        word = adjective(setting.change).noun
        return f"{label} {setting.change.amount(LANGUAGE)} 더 {word}"
    return f"{label} {attach(setting.value(LANGUAGE), TO)}"


def _if(setting: SaidSetting, is_last: bool, of_model: bool) -> str:
    """``토크가 6 Nm 더 낮았다면``; before the last: ``낮고``."""
    own = own_clause(setting.change)
    if own and of_model:
        return f"{own.adnominal} 것으로 {'입력되었다면' if is_last else '입력되고'}"
    if own:
        return f"{own.past}다면" if is_last else own.joined
    subject = attach(setting.label(LANGUAGE), SUBJECT)
    if setting.is_amount:
        word = adjective(setting.change)
        verb = f"{word.past}다면" if is_last else word.joined
        return f"{subject} {setting.change.amount(LANGUAGE)} 더 {verb}"
    value = setting.value(LANGUAGE)
    return f"{subject} {attach(value, WAS)}다면" if is_last else f"{subject} {value}이고"


def _would(coverage: Coverage, of_model: bool) -> str:
    some, of = count(coverage.cleared), count(coverage.of)
    is_all = coverage.cleared == coverage.of
    if not coverage.are_alarms:
        these = f"{of}개 행이 모두" if is_all else f"{of}개 행 가운데 {some}개가"
        return f"{these} 목표에 도달했을 것입니다"
    if of_model:
        these = f"경보 {of}건을 모두" if is_all else f"경보 {of}건 가운데 {some}건을"
        return f"모델은 {these} 울리지 않았을 것입니다"
    these = f"경보 {of}건은 모두" if is_all else f"경보 {of}건 가운데 {some}건은"
    return f"{these} 울리지 않았을 것입니다"
