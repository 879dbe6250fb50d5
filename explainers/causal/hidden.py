"""Hidden common causes that were declared: what the fitted laws would then be.

Let the noises of an edge's cause and effect be correlated by rho, because something that nobody
reads acts on both. The fitted law of the effect then holds a part that is no effect: where the
cause's noise is higher by one standard deviation, the effect's is expected to be higher by
``rho / sqrt(1 - rho**2)`` of the standard deviation that is left of it. An action that moves the
cause moves the cause's fitted noise (its value less what follows from its own causes), and not
the machine: so by as much the effect's own noise, which abduction found, is otherwise.

Exact for noises that are jointly normal, where the causes of the cause are causes of the effect
too. Where they are not, the fitted law cannot tell the cause's noise from its value, and the value
stands for it: an upper limit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.mechanism import Noise
from ifonly.explainers.causal.model import CausalModel

STRONGEST = 0.99
"""Correlations beyond it are not tried: at 1 the cause would tell all of the effect's noise."""
POINTS = (9, 5, 3, 3, 3)
"""Correlations of each hidden cause that are tried, where one, two, … of them matter: as far apart
from one another as from either end of the range; and 0, where it is within. Of more hidden causes
than these nobody can tell whether an answer holds."""
DIGITS = 12
"""To which correlations are rounded, so that whoever else tries them tries the very same ones."""


@dataclass(frozen=True)
class HiddenCause:
    """An edge whose noises may share a cause that nobody reads, correlated from ``low`` to
    ``high``."""

    cause: int
    effect: int
    low: float
    high: float

    def correlations(self, n: int) -> tuple[float, ...]:
        """``n`` of them, ends included, and 0 if it is within; in rising order."""
        low, high = max(self.low, -STRONGEST), min(self.high, STRONGEST)
        found = {round(low + (high - low) * i / (n - 1), DIGITS) + 0.0 for i in range(n)}
        return tuple(sorted(found | ({0.0} if low <= 0.0 <= high else set())))

    @property
    def is_none(self) -> bool:
        """Whether it is declared to be none."""
        return self.low == self.high == 0.0


@dataclass(frozen=True, eq=False)
class Tilt:
    """By how much the noise of an effect is otherwise once that of ``cause`` is."""

    cause: int
    slope: float | Array
    """Units of the effect's noise a unit of the cause's; one for all versions, or ``(k, 1)``."""
    own_noise: bool
    """Whether the cause's noise is told from its value; see :meth:`HiddenCauses.is_told`."""


Tilts = Mapping[int, Sequence[Tilt]]
"""By effect."""
NO_TILTS: Tilts = {}


@dataclass(frozen=True, eq=False)
class HiddenCauses:
    """All that were declared on edges of one model."""

    model: CausalModel
    each: tuple[HiddenCause, ...]

    @cached_property
    def counting(self) -> tuple[HiddenCause, ...]:
        """Those that were not declared to be none."""
        return tuple(h for h in self.each if not h.is_none)

    def mattering(self, columns: Sequence[int]) -> tuple[HiddenCause, ...]:
        """Those by which what follows from setting ``columns`` may be otherwise."""
        graph, acted = self.model.graph, frozenset(columns)
        follows, found = frozenset(graph.affected(columns)), list[HiddenCause]()
        by_effect = {j: [h for h in self.counting if h.effect == j] for j in follows}
        tilted = set[int]()
        for j in graph.order:
            for hidden in by_effect.get(j, ()):
                i = hidden.cause
                # What follows with its own noise has that noise still, unless it is tilted itself.
                if i in acted or i in tilted or (i in follows and not self.is_told(hidden)):
                    found.append(hidden)
                    tilted.add(j)
        return tuple(found)

    def tilts(self, columns: Sequence[int]) -> Iterator[Tilts]:
        """One for each combination of correlations that is tried once ``columns`` are set.

        Correlations that cannot be together (of one effect: squares that add up to 1 or more)
        are left out.

        Raises
        ------
        TooManyHidden
            If more hidden causes matter than combinations could be tried of.
        """
        hidden = self.mattering(columns)
        yield from self.of(hidden) if hidden else [NO_TILTS]

    def of(self, hidden: Sequence[HiddenCause]) -> Iterator[Tilts]:
        """One for each combination of correlations that is tried where ``hidden`` matter, as
        :meth:`tilts`."""
        if len(hidden) > len(POINTS):
            raise TooManyHidden
        tried = [h.correlations(POINTS[len(hidden) - 1]) for h in hidden]
        for rhos in product(*tried):
            found = self.tilted(dict(zip(hidden, rhos, strict=True)))
            if found is not None:
                yield found

    def tilted(self, rhos: Mapping[HiddenCause, float]) -> Tilts | None:
        """What these correlations make of the laws; None if they cannot be together."""
        left = dict[int, float]()
        for hidden, rho in rhos.items():
            left[hidden.effect] = left.get(hidden.effect, 1.0) - rho * rho
        if min(left.values()) <= 0.0:
            return None
        found: dict[int, list[Tilt]] = {}
        for hidden, rho in rhos.items():
            # At 0 even where nothing is known of the noises nothing is otherwise.
            if rho:
                slope = rho / math.sqrt(left[hidden.effect]) * self.ratio(hidden)
                tilt = Tilt(hidden.cause, slope, self.is_told(hidden))
                found.setdefault(hidden.effect, []).append(tilt)
        return found

    def ratio(self, hidden: HiddenCause) -> float:
        """Standard deviation of the effect's noise by that of the cause's; NaN if it is not
        known."""
        effect, cause = self._noise(hidden.effect), self._noise(hidden.cause)
        if effect is not None and effect.sd == 0.0:
            return 0.0  # without noise nothing of it is the hidden cause's
        if effect is None or cause is None or cause.sd == 0.0:
            return math.nan
        return effect.sd / cause.sd

    def _noise(self, j: int) -> Noise | None:
        mechanism = self.model.mechanisms[j]
        root = self.model.roots[j] if self.model.roots else None
        return root if mechanism is None else mechanism.noise

    def is_told(self, hidden: HiddenCause) -> bool:
        """Whether the cause's noise is told from its value: its causes are the effect's too."""
        parents = self.model.graph.parents
        return set(parents[hidden.cause]) <= set(parents[hidden.effect])


class TooManyHidden(Exception):
    """More hidden causes matter than combinations of correlations could be tried of."""
