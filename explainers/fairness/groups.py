"""Groups by several attributes: each value of each, and what values have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]

LEAST = 20
"""Individuals in a group, and outside of it, below which it is counted and not tested."""
DEEPEST = 2
"""Attributes that one group is made of at most."""


@dataclass(frozen=True)
class GroupingAttribute:
    """What individuals are told apart by."""

    name: str
    values: tuple[str, ...]
    """Of each of ``n`` individuals; not to be known is a value like others."""


@dataclass(frozen=True, eq=False)
class Subgroup:
    """Individuals with the same values of one attribute or several."""

    parts: tuple[tuple[str, str], ...]
    """Attribute and value, all of which its members have."""
    members: Flags
    """``(n,)``."""

    @property
    def size(self) -> int:
        return int(self.members.sum())


@dataclass(frozen=True)
class Grouping:
    """All groups of the individuals that were compared."""

    groups: tuple[Subgroup, ...]
    """Those of one attribute first; none with the members of one before it."""
    small: tuple[Subgroup, ...]
    """Those too small to test, or with too few outside."""
    least: int


def subgroups(
    attributes: Sequence[GroupingAttribute], least: int = LEAST, deepest: int = DEEPEST
) -> Grouping:
    """Every value of each attribute, and every intersection of up to ``deepest`` of them that
    occurs. A group of the same members as one of fewer attributes is left out."""
    groups, small = list[Subgroup](), list[Subgroup]()
    if not attributes:
        return Grouping((), (), least)
    n = len(attributes[0].values)
    columns = [np.array(each.values, dtype=object) for each in attributes]
    seen = set[bytes]()
    for depth in range(1, min(deepest, len(attributes)) + 1):
        for some in combinations(range(len(attributes)), depth):
            occurring = dict.fromkeys(zip(*(attributes[k].values for k in some), strict=True))
            for values in occurring:
                chosen = [columns[k] == value for k, value in zip(some, values, strict=True)]
                members = np.logical_and.reduce(chosen)
                if members.tobytes() in seen or members.all():
                    continue
                seen.add(members.tobytes())
                names = tuple(attributes[k].name for k in some)
                group = Subgroup(tuple(zip(names, values, strict=True)), members)
                is_large = least <= group.size <= n - least
                (groups if is_large else small).append(group)
    return Grouping(tuple(groups), tuple(small), least)
