"""How columns of a window are called, in every language in which its channel has a name."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from ifonly.models.schema import Feature, Labels
from ifonly.models.window import ChannelProfile, Period, ProfileShape, Window


class _Says(Protocol):
    def reading(self, label: str, age: Period | None) -> str: ...
    def profile(self, label: str, shape: ProfileShape, back: Period) -> str: ...


class _English:
    def reading(self, label: str, age: Period | None) -> str:
        return f"{label}, last" if age is None else f"{label}, {age} before"

    def profile(self, label: str, shape: ProfileShape, back: Period) -> str:
        if shape is ProfileShape.RAMP:
            return f"{label}, evenly from {back} before on"
        return f"{label}, from {back} before on"


_KO = {"ms": "밀리초", "s": "초", "min": "분", "h": "시간", "d": "일"}
_JA = {"ms": "ミリ秒", "s": "秒", "min": "分", "h": "時間", "d": "日"}


class _Korean:
    def reading(self, label: str, age: Period | None) -> str:
        return f"{label}(마지막)" if age is None else f"{label}({_number(age)}{_KO[age.unit]} 전)"

    def profile(self, label: str, shape: ProfileShape, back: Period) -> str:
        when = f"{_number(back)}{_KO[back.unit]} 전부터"
        return f"{label}({when} 서서히)" if shape is ProfileShape.RAMP else f"{label}({when})"


class _Japanese:
    def reading(self, label: str, age: Period | None) -> str:
        return f"{label}（最後）" if age is None else f"{label}（{_number(age)}{_JA[age.unit]}前）"

    def profile(self, label: str, shape: ProfileShape, back: Period) -> str:
        when = f"{_number(back)}{_JA[back.unit]}前から"
        return f"{label}（{when}徐々に）" if shape is ProfileShape.RAMP else f"{label}（{when}）"


_LANGUAGES: dict[str, _Says] = {"en": _English(), "ko": _Korean(), "ja": _Japanese()}


def reading_labels(channel: Feature, window: Window, step: int) -> Labels:
    ago = window.age(step)
    age = None if ago is None else ago.simplest
    return {tag: says.reading(channel.label(tag), age) for tag, says in _LANGUAGES.items()}


def profile_labels(channel: Feature, window: Window, profile: ChannelProfile) -> Labels:
    back, shape = window.back(profile.steps).simplest, profile.shape
    return {tag: says.profile(channel.label(tag), shape, back) for tag, says in _LANGUAGES.items()}


def _number(period: Period) -> str:
    amount: Decimal = period.amount.normalize()
    return f"{amount:f}"
