"""When, in English: "from 10 minutes before on"."""

from __future__ import annotations

from ifonly.explainers.wording.gauges import When
from ifonly.explainers.wording.numerals import write
from ifonly.models.window import Period, ProfileShape

_UNITS = {"ms": "millisecond", "s": "second", "min": "minute", "h": "hour", "d": "day"}


def when(moved: When) -> str:
    """``from 10 minutes before on``, ``at the last reading``, ``5 minutes before``."""
    if moved.back is None:
        return "at the last reading"
    back = _length(moved.back.simplest)
    if moved.shape is None:
        return f"{back} before"
    if moved.shape is ProfileShape.RAMP:
        return f"at the end of an even change from {back} before on"
    return f"from {back} before on"


def _length(period: Period) -> str:
    unit = _UNITS[period.unit]
    return f"{write(period.amount.normalize())} {unit if period.amount == 1 else f'{unit}s'}"
