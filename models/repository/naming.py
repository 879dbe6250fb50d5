"""Which version is the latest, and which comes next."""

from __future__ import annotations

import re
from collections.abc import Collection

Key = tuple[tuple[int, int, str], ...]


def natural(version: str) -> tuple[Key, str]:
    """Sorting key by which 1 < 2 < 10 and 1.9 < 1.10; ``01`` and ``1`` still differ.

    >>> sorted(["1.10", "1.9", "10", "2"], key=natural)
    ['1.9', '1.10', '2', '10']
    """
    parts = re.findall(r"(\d+)|(\D+)", version)
    # Numbers and texts never meet: the first entry of each part tells them apart.
    key = tuple((1, int(digits), "") if digits else (0, 0, text) for digits, text in parts)
    return key, version


def next_number(versions: Collection[str]) -> str | None:
    """The next whole number; None where there are versions, and none is a number.

    >>> next_number(["1", "2", "10"]), next_number([]), next_number(["spring"])
    ('11', '1', None)
    """
    numbers = [int(version) for version in versions if version.isdecimal()]
    return None if versions and not numbers else str(max(numbers, default=0) + 1)
