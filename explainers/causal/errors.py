"""What can go wrong with a causal model. Its file, ``causal.toml``, is refused by SpecError.

ExplainError
└── CausalError             the causal model cannot answer that
    ├── InvalidExpression   a mechanism's formula holds something that is not allowed
    ├── NotInvertible       the noise that led to a row cannot be told: feature, value
    ├── NoMechanism         a node that would move has no mechanism, or no noise to draw from
    ├── Untold              what a node would read is no number: feature, why
    ├── NoTime              nothing is said of when things follow: the file, or an edge of it
    │   ├── NoDelay         how long something takes has no number: what
    │   └── BeyondHorizon   more steps than are unrolled: how many, the limit
    └── NotIdentified       rows that were only seen do not tell the effect of setting a feature
"""

from __future__ import annotations

from ifonly.explainers.errors import ExplainError


class CausalError(ExplainError):
    """Base of every error that the causal layer raises on purpose."""


class InvalidExpression(CausalError):
    """A formula that cannot be read."""

    def __init__(self, text: str, problem: str) -> None:
        self.text = text
        self.problem = problem
        super().__init__(f"formula {text!r}: {problem}")


class NotInvertible(CausalError):
    """No noise, or more than one, leads a mechanism to the value that was read."""

    def __init__(self, feature: str, problem: str) -> None:
        self.feature = feature
        super().__init__(f"{feature}: {problem}")


class NoMechanism(CausalError):
    """A node that must be computed cannot be."""

    def __init__(self, feature: str, problem: str) -> None:
        self.feature = feature
        super().__init__(f"{feature}: {problem}")


class Untold(CausalError):
    """What would follow is no number: a cause was not read, or a formula is outside its domain."""

    def __init__(self, feature: str, problem: str) -> None:
        self.feature = feature
        super().__init__(f"{feature}: {problem}")


class NoTime(CausalError):
    """When something follows cannot be told."""


class NoDelay(NoTime):
    """How long something takes has no number in the file."""

    def __init__(self, what: str) -> None:
        super().__init__(f"how long {what} takes has no number in causal.toml")


class BeyondHorizon(NoTime):
    """More time than is unrolled, or no whole number of its steps."""


class NotIdentified(CausalError):
    """The effect on the real outcome cannot be told from what was seen."""
