"""Korean, of sufficient reasons: "토크 65 Nm, 공구 마모 220분만으로 판정이 정해집니다. …"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ifonly.explainers.languages import Language
from ifonly.explainers.terms import ReasonStatus
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.ko.sentences import Korean
from ifonly.explainers.wording.numerals import count as counted
from ifonly.explainers.wording.outcomes import Outcome
from ifonly.explainers.wording.reasons import HeldReading

LANGUAGE: Language = "ko"


@dataclass(frozen=True, slots=True)
class KoreanReasons:
    """The sentences."""

    grammar: Korean = field(default_factory=lambda: Korean(Grounds.MODEL))

    def forced(self, held: Sequence[HeldReading], outcome: Outcome) -> str:
        would = self.grammar.said(outcome).would()
        if not held:
            return f"어떤 값이 입력되었더라도, {would}"
        named = ", ".join(map(_named, held))
        return f"{named}만으로 판정이 정해집니다. 나머지 값이 무엇이었더라도, {would}"

    def claim(self, status: ReasonStatus, count: int, *, out_of_time: bool) -> str:
        if not count:
            return "이는 증명되었습니다."
        match status:
            case ReasonStatus.SMALLEST if count == 1:
                return "이는 증명되었으며, 이 값이 없으면 판정이 정해지지 않습니다."
            case ReasonStatus.SMALLEST:
                return (
                    "이는 증명되었으며, 이보다 적은 수의 값으로는 정해지지 않음도 증명되었습니다."
                )
            case ReasonStatus.MINIMAL:
                return (
                    "이는 증명되었으며, 이 가운데 하나라도 빠지면 판정이 정해지지 않습니다. "
                    "다른 값들이라면 더 적은 수로 충분할 수도 있습니다."
                )
            case _:
                why = "제한 시간 안에 탐색이 끝나지 않아 " if out_of_time else ""
                return f"이는 증명되었으나, {why}모두 필요한지는 증명되지 않았습니다."

    def unknown(self, *, out_of_time: bool) -> str:
        when = "제한 시간 안에 " if out_of_time else ""
        return f"어떤 값만으로 판정이 정해지는지 {when}알아내지 못했습니다."

    def principal(self, reading: HeldReading, within: int, of: int, *, alone: bool) -> str:
        part = (
            f"{counted(of)}개 모두" if within == of else f"{counted(of)}개 중 {counted(within)}개"
        )
        if of == 1:
            part = "1개"
        turns = " 이 값만 바뀌어도 판정이 달라질 수 있습니다." if alone else ""
        return f"{_named(reading)}: 판정을 정하는 값 묶음 {part}에 들어 있습니다.{turns}"


def _named(reading: HeldReading) -> str:
    """``토크 62.7 Nm``, ``제품 등급 하급``, ``유량 누락``."""
    return f"{reading.label(LANGUAGE)} {reading.said(LANGUAGE)}"
