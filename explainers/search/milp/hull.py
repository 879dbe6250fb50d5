"""Lines that a curve is nowhere above, or nowhere below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cap:
    """The upper hull of points."""

    corners: Floats
    heights: Floats

    @classmethod
    def over(cls, points: Floats, values: Floats) -> Cap:
        """``points`` ascending; by turns to the right (Andrew 1979)."""
        kept: list[tuple[float, float]] = []
        for x, y in zip(points.tolist(), values.tolist(), strict=True):
            while len(kept) > 1 and _turns_left(kept[-2], kept[-1], (x, y)):
                kept.pop()
            kept.append((x, y))
        corners, heights = zip(*kept, strict=True)
        return cls(np.array(corners), np.array(heights))

    def lines(self, at: Floats) -> tuple[Floats, Floats]:
        """Slope and level of the line over each of ``at``, two ``(n,)``."""
        part = np.clip(np.searchsorted(self.corners, at) - 1, 0, len(self.corners) - 2)
        rise = np.diff(self.heights)[part] / np.diff(self.corners)[part]
        return rise, self.heights[part] - rise * self.corners[part]


def _turns_left(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) >= (b[1] - a[1]) * (c[0] - a[0])
