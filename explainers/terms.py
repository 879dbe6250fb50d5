"""Terms in which answers and evidence are told: names alone, for whoever reads them elsewhere.

Importing this imports nothing else: a client reads replies without what makes them.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    OPTIMAL = "optimal"
    """Flips, and nothing cheaper that is allowed does: proven on the declared grid."""
    FEASIBLE = "feasible"
    """Flips; a cheaper one may exist, down to the lower bound."""
    INFEASIBLE = "infeasible"
    """Nothing allowed flips the decision: proven."""
    UNKNOWN = "unknown"
    """Nothing was found, and nothing was proven."""
    ALREADY_TARGET = "already_target"
    """The factual's own prediction is in the target."""
    ABSTAINED = "abstained"
    """Something allowed flips by what is believed of the causes; nothing does so surely enough."""


class ReasonStatus(StrEnum):
    """What is claimed of the readings that alone force a decision."""

    SMALLEST = "smallest"
    """They force it, and no fewer readings do: proven on the declared readings."""
    MINIMAL = "minimal"
    """They force it, and none of them can be left out: proven. Fewer others may do."""
    SUFFICIENT = "sufficient"
    """They force it: proven. Some of them may not be needed."""
    UNKNOWN = "unknown"
    """It could not be told in time which of the readings are not needed."""


class WayName(StrEnum):
    """What one of several ways out is the best of."""

    SMALLEST = "smallest"
    """Cheapest by the policy's cost."""
    FEWEST = "fewest_levers"
    """The fewest levers set, and the cheapest of those."""
    ROBUST = "most_robust"
    """Survives the greatest multiple of the sensors' tolerances within a multiple of the least
    cost, and is the cheapest of those."""
    OTHER = "other_levers"
    """Sets the fewest of the smallest's levers, and is the cheapest of those."""


class SettingKind(StrEnum):
    """How a lever is set in common."""

    ABSOLUTE = "absolute"
    """To one value."""
    RELATIVE = "relative"
    """By one amount."""


class CommonKind(StrEnum):
    """What kinds of settings a question allows."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"
    """Numbers by an amount; what has no amounts (a category, a value out of a list) to a value."""
    EITHER = "either"


class Uncleared(StrEnum):
    """Why a common change does not clear an alarm: the first of these that is so."""

    NOT_SETTABLE = "not_settable"
    """There is no such value there: out of range, or the reading is missing."""
    NOT_ALLOWED = "not_allowed"
    """A rule, a limit or a bound of what follows forbids it there."""
    STILL_ALARM = "still_alarm"
    """The model's decision stays, or is not as sure as the policy demands."""
    NOT_ROBUST = "not_robust"
    """Not whatever the sensors' tolerances make of the readings."""
    NOT_CERTAIN = "not_certain"
    """Not by as many of the plausible mechanisms as the policy demands."""


class WhyLeftOut(StrEnum):
    """Why a row is no alarm of the question."""

    ALREADY = "already_target"
    """There is nothing to change of it."""


FACTORS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0)
"""Multiples of the declared tolerances that a way is asked to survive."""
DEARER = 2.0
"""The most robust way costs at most so many times as much as the smallest."""


MENU_KEY = "menu"
"""Key of what a set of levers leaves alone."""
MOST_LEVERS = 3
"""Levers of a set of a menu."""
MOST_SETS = 500
"""Sets of one menu."""


class FaceEnd(StrEnum):
    """Why a face of a joint box ends where it does."""

    EDGE = "edge"
    """Nothing beyond may be set."""
    TIGHT = "tight"
    """With the next value, some choice of the others is no answer: shown."""
    CUT = "cut"
    """It could not be proven any further, in time or by what is known of the model."""


class BoxProof(StrEnum):
    """How it is known that every setting of a joint box is an answer."""

    PROVEN = "proven"
    """By the model's mathematics, over all of the box."""
    ASKED = "asked"
    """Every setting of it was put to the model."""


class Estimand(StrEnum):
    ATE = "ate"
    """Of all rows."""
    ATE_COMPARABLE = "ate_comparable"
    """Of the rows that have some like them on the other side: the others were trimmed."""
    OVERLAP = "overlap"
    """Of all rows, each weighted by how open its treatment was."""
    ATT = "att"
    """Of the treated rows."""
    ATT_COMPARABLE = "att_comparable"
    """Of the treated rows that have some untreated like them."""
    LATE = "late"
    """Of those whose treatment the instrument moves."""

    @property
    def trimmed(self) -> Estimand:
        """What is told instead once rows were trimmed."""
        return _TRIMMED.get(self, self)


_TRIMMED = {Estimand.ATE: Estimand.ATE_COMPARABLE, Estimand.ATT: Estimand.ATT_COMPARABLE}


class Strategy(StrEnum):
    """By what rows tell an effect."""

    BACK_DOOR = "back-door"
    FRONT_DOOR = "front-door"
    INSTRUMENT = "instrument"
