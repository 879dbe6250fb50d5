"""What can go wrong with a question.

ExplainError
├── InvalidRule       the text of a rule cannot be read: rule, column, what was expected
├── InvalidTarget     the model cannot decide or score that: field, value, limit
├── InvalidPolicy     a policy or a request's constraint is broken: key, value, limit
├── NotEligible       an engine cannot keep a rule or read a graph, so it does not search
├── DocumentsDiffer   the search and the checker were not asked for the same: what only one demands
└── DeadlineReached   the time is up; internal to a search, which then answers with what it has
"""

from __future__ import annotations

from collections.abc import Sequence

Path = tuple[str | int, ...]
"""Keys and places in lists, from the outermost in."""


class ExplainError(Exception):
    """Base of every error that ``explainers`` raises on purpose."""


class InvalidRule(ExplainError):
    """A rule that cannot be read, or that speaks of something the model does not have."""

    def __init__(self, rule: str, problem: str) -> None:
        self.rule = rule
        self.problem = problem
        super().__init__(f"rule {rule!r}: {problem}")


class KeyedError(ExplainError):
    """A broken value at a key: ``key`` is a dotted path within what was given."""

    def __init__(
        self,
        key: str,
        problem: str,
        value: object = None,
        limit: object = None,
        *,
        path: Path = (),
        unit: str = "",
        is_sentence: bool = False,
    ) -> None:
        self.key = key
        self.problem = problem
        """What is said of the value: "is 3, below 5"; or, of its own, a whole sentence."""
        self.value = value
        self.limit = limit
        self.path = path
        """``key`` part by part, where it is known: names may hold dots themselves."""
        self.unit = unit
        """Unit of the feature that the key belongs to."""
        self.is_sentence = is_sentence
        super().__init__(f"{key}: {problem}")


class InvalidTarget(KeyedError):
    """A target that this model cannot have."""


class InvalidPolicy(KeyedError):
    """A policy, or a request's constraint, that breaks its own rules."""


class DeadlineReached(ExplainError):
    """The deadline passed. Raised between model calls and caught by ``explain``."""


class CallsSpent(DeadlineReached):
    """The search has called the model as often as it may. Raised, and caught, as a deadline is."""


class NotEligible(ExplainError):
    """An engine cannot answer this question exactly as asked; another must."""

    def __init__(self, engine: str, reason: str) -> None:
        self.engine = engine
        self.reason = reason
        super().__init__(f"{engine}: {reason}")


class DocumentsDiffer(ExplainError):
    """The constraints that the search was given are not those that the documents declare: a
    programming error, found before anything is searched."""

    def __init__(self, only_search: Sequence[str], only_documents: Sequence[str]) -> None:
        super().__init__(
            f"only the search is told of {', '.join(only_search) or 'nothing'}; "
            f"only the documents have {', '.join(only_documents) or 'nothing'}"
        )
