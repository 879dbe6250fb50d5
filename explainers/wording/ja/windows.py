"""When, in Japanese: "10分前から"."""

from __future__ import annotations

from ifonly.explainers.wording.gauges import When
from ifonly.explainers.wording.numerals import write
from ifonly.models.window import ProfileShape

_UNITS = {"ms": "ミリ秒", "s": "秒", "min": "分", "h": "時間", "d": "日"}


def when(moved: When) -> str:
    """``10分前から``, ``最後に``, ``5分前に``."""
    if moved.back is None:
        return "最後に"
    period = moved.back.simplest
    back = f"{write(period.amount.normalize())}{_UNITS[period.unit]}前"
    if moved.shape is None:
        return f"{back}に"
    if moved.shape is ProfileShape.RAMP:
        return f"{back}から一定の割合で変わって最後に"
    return f"{back}から"
