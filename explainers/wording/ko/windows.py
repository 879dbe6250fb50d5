"""When, in Korean: "10분 전부터"."""

from __future__ import annotations

from ifonly.explainers.wording.gauges import When
from ifonly.explainers.wording.numerals import write
from ifonly.models.window import ProfileShape

_UNITS = {"ms": "밀리초", "s": "초", "min": "분", "h": "시간", "d": "일"}


def when(moved: When) -> str:
    """``10분 전부터``, ``마지막에``, ``5분 전에``."""
    if moved.back is None:
        return "마지막에"
    period = moved.back.simplest
    back = f"{write(period.amount.normalize())}{_UNITS[period.unit]} 전"
    if moved.shape is None:
        return f"{back}에"
    if moved.shape is ProfileShape.RAMP:
        return f"{back}부터 일정하게 변해 마지막에"
    return f"{back}부터"
