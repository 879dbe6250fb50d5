"""Of many cases alike, some for ``.ci/run``; ``make test-all`` has them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest


def thinned(cases: Sequence[Any], every: int) -> list[Any]:
    """The cases, all but one of ``every`` marked ``long``."""
    return [
        case if k % every == 0 else pytest.param(case, marks=pytest.mark.long)
        for k, case in enumerate(cases)
    ]
