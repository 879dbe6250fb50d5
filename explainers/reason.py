"""Which readings alone force a decision: what is claimed of them. A claim is a type.

A set of features is a *sufficient reason* of a decision (an abductive explanation: Ignatiev,
Narodytska and Marques-Silva 2019) if no row that has their readings, and any others that can be
read, is decided otherwise. It is *minimal* if that is so of no part of it: of each of its features
there is a *witness*, a row that differs from the instance in that feature, and in others outside
the set, and is decided otherwise. It is *smallest* if no set of fewer features is sufficient.
"""

from __future__ import annotations

from dataclasses import dataclass

from ifonly.explainers.answer import Prediction, Work
from ifonly.explainers.terms import ReasonStatus as ReasonStatus


@dataclass(frozen=True)
class Witness:
    """A row that shows that a feature cannot be left out of a sufficient reason."""

    column: int
    row: tuple[float, ...]
    """As read: schema order, physical units, categories as codes, NaN if missing."""
    prediction: Prediction
    """By the deployed model: another class than the instance's."""


@dataclass(frozen=True)
class SufficientReason:
    """Features whose readings alone force the decision."""

    columns: tuple[int, ...]
    """Ascending; none: whatever is read, the decision is the same."""
    status: ReasonStatus
    """``smallest``, ``minimal`` or ``sufficient``."""
    witnesses: tuple[Witness, ...]
    """One of each column, in order, where it is minimal."""


@dataclass(frozen=True)
class PrincipalReason:
    """One feature among the main ones, and why it is ranked where it is.

    In this order: the share of the sufficient reasons that it is in; whether it can turn the
    decision alone; how far its reading is from the usual one; the schema's order.
    """

    column: int
    share: float
    """Of the sufficient reasons that were found, those that it is in. Of all there are, where all
    were found: the formal feature attribution (Yu et al. 2023)."""
    alone: bool
    """Whether the decision can turn with no other reading changed."""
    distance: float
    """Of its reading from the median of the reference rows, in scales of the policy; 0 where there
    are none; of a category, the share of reference rows that have another."""


@dataclass(frozen=True)
class ReadableRange:
    """What else may be read of one feature."""

    column: int
    lower: float
    """Least and greatest; of a category, its first and last code."""
    upper: float
    step: str | None
    """Between two readings, in decimals; None of a category."""
    is_derived: bool = False
    """Whether the schema declares no step, and the thousandth part of the bounds' power of ten is
    taken."""


@dataclass(frozen=True)
class Reasons:
    """Why one row is decided as it is: readings that alone force it, and which count most."""

    prediction: Prediction
    reasons: tuple[SufficientReason, ...]
    """The fewest features first; empty where the status is ``unknown``."""
    is_complete: bool
    """Whether these are all minimal ones: proven."""
    at_least: int
    """No set of fewer features is sufficient: proven."""
    principal: tuple[PrincipalReason, ...]
    """The main features, first the one that counts most."""
    readings: tuple[ReadableRange, ...]
    """What every feature may read, of all that are not held: the claims are about these."""
    rules: tuple[str, ...]
    """Keys of the plant's rules that readings are taken to keep (``policy.rules.0``)."""
    set_aside: tuple[str, ...]
    """Keys of those that the instance itself breaks: readings are not taken to keep them."""
    work: Work

    @property
    def status(self) -> ReasonStatus:
        """Of the first."""
        return self.reasons[0].status if self.reasons else ReasonStatus.UNKNOWN
