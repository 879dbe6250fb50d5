"""Numbers as people write them."""

from __future__ import annotations

import math


def plain(number: float) -> str:
    """``number`` as short decimal text: ``310`` rather than ``310.0``."""
    return str(int(number)) if math.isfinite(number) and float(number).is_integer() else str(number)
