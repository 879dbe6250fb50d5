"""Japanese, of sufficient reasons: "トルク65 Nm、工具摩耗220分だけで判定が決まります。…"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ifonly.explainers.languages import Language
from ifonly.explainers.terms import ReasonStatus
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.ja.sentences import Japanese
from ifonly.explainers.wording.numerals import count as counted
from ifonly.explainers.wording.outcomes import Outcome
from ifonly.explainers.wording.reasons import HeldReading

LANGUAGE: Language = "ja"


@dataclass(frozen=True, slots=True)
class JapaneseReasons:
    """The sentences."""

    grammar: Japanese = field(default_factory=lambda: Japanese(Grounds.MODEL))

    def forced(self, held: Sequence[HeldReading], outcome: Outcome) -> str:
        would = self.grammar.said(outcome).would()
        if not held:
            return f"どのような値が入力されていても、{would}"
        named = "、".join(map(_named, held))
        return f"{named}だけで判定が決まります。ほかの値がどうであっても、{would}"

    def claim(self, status: ReasonStatus, count: int, *, out_of_time: bool) -> str:
        if not count:
            return "このことは証明されています。"
        match status:
            case ReasonStatus.SMALLEST if count == 1:
                return "このことは証明されており、この値がなければ判定は決まりません。"
            case ReasonStatus.SMALLEST:
                return (
                    "このことも、これより少ない数の値では判定が決まらないことも証明されています。"
                )
            case ReasonStatus.MINIMAL:
                return (
                    "このことは証明されており、このうち一つでも欠ければ判定は決まりません。"
                    "別の値であれば、より少ない数で足りるかもしれません。"
                )
            case _:
                why = "制限時間内に探索が終わらなかったため、" if out_of_time else ""
                return (
                    f"このことは証明されていますが、{why}すべてが必要かどうかは証明されていません。"
                )

    def unknown(self, *, out_of_time: bool) -> str:
        when = "制限時間内に" if out_of_time else ""
        return f"どの値だけで判定が決まるのか、{when}突き止められませんでした。"

    def principal(self, reading: HeldReading, within: int, of: int, *, alone: bool) -> str:
        part = f"{counted(of)}件すべて" if within == of else f"{counted(of)}件中{counted(within)}件"
        if of == 1:
            part = "1件"
        turns = "この値だけが変わっても判定が変わることがあります。" if alone else ""
        return f"{_named(reading)}：判定を決める値の組{part}に含まれます。{turns}"


def _named(reading: HeldReading) -> str:
    """``トルク62.7 Nm``, ``製品等級「低」``, ``流量（欠測）``."""
    label, value = reading.label(LANGUAGE), reading.said(LANGUAGE)
    if reading.is_missing:
        return f"{label}（{value}）"
    if reading.gauge.feature.kind.is_categorical:
        return f"{label}「{value}」"
    # A Latin name and a number would run together.
    return f"{label} {value}" if label[-1:].isascii() else f"{label}{value}"
