"""Smallest sets that meet all of some sets (minimal hitting sets), as sets of bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence

LOOKS = 256
"""Steps between two looks at the clock."""


def bits(columns: int) -> list[int]:
    """Columns that are in a set of bits, ascending."""
    return [j for j in range(columns.bit_length()) if columns >> j & 1]


def mask_of(columns: Sequence[int]) -> int:
    """The opposite of :func:`bits`."""
    return sum(1 << j for j in columns)


def smallest(
    sets: Sequence[int],
    without: Sequence[int],
    order: Sequence[int],
    at_least: int = 0,
    check: Callable[[], object] = lambda: None,
) -> int | None:
    """A set of the fewest elements that meets each of ``sets`` and contains none of ``without``; of
    several, the one whose elements come first in ``order``. None if there is none.

    Parameters
    ----------
    sets, without : sequence of int
        Sets of bits, none of ``sets`` empty.
    order : sequence of int
        All elements.
    at_least : int
        No smaller set does, as the caller knows.
    check : callable
        Called now and then; what it raises ends the search.
    """
    place = {j: k for k, j in enumerate(order)}
    # Of sets that contain others only the smaller ones say something.
    least = sorted(set(sets), key=lambda s: (s.bit_count(), s))
    kept: list[int] = []
    for one in least:
        if not any(other & one == other for other in kept):
            kept.append(one)
    steps = 0

    def meeting(chosen: int, room: int, refused: int) -> int | None:
        nonlocal steps
        steps += 1
        if steps % LOOKS == 0:
            check()
        # More elements would still contain it.
        if any(chosen & w == w for w in without):
            return None
        open_ones = [one & ~refused for one in kept if not one & chosen]
        if not open_ones:
            return chosen
        if not room or _apart(open_ones) > room:
            return None
        for j in sorted(bits(min(open_ones, key=int.bit_count)), key=place.__getitem__):
            found = meeting(chosen | 1 << j, room - 1, refused)
            if found is not None:
                return found
            # All sets with it were tried.
            refused |= 1 << j
        return None

    for size in range(at_least, len(order) + 1):
        found = meeting(0, size, 0)
        if found is not None:
            return found
    return None


def _apart(sets: Sequence[int]) -> int:
    """How many of them have nothing in common, found greedily: each needs an element of its own."""
    met, count = 0, 0
    for one in sorted(sets, key=int.bit_count):
        if not one & met:
            met, count = met | one, count + 1
    return count
