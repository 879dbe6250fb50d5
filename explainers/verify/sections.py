"""What each check of an exported answer returns, and how JSON that is no answer is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.errors import ExplainError
from ifonly.explainers.verify.report import Check
from ifonly.models.errors import InvalidInstance

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Section:
    """What was checked of one part of an answer."""

    title: str
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)


class NotAnAnswer(ValueError):
    """The JSON is no answer to an explanation of this model; the message says why."""


@contextmanager
def refusing_other_json() -> Iterator[None]:
    """Within it, JSON that lacks a part, or speaks of other features, raises one error.

    Raises
    ------
    NotAnAnswer
        The message says what is missing or misshapen.
    """
    try:
        yield
    # Before its bases below, so that its own message stays.
    except NotAnAnswer:
        raise
    except (InvalidInstance, ExplainError) as error:
        raise NotAnAnswer(str(error)) from error
    # The JSON comes from outside: whatever it lacks is said in one way.
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise NotAnAnswer(f"a part is missing or misshapen: {error!r}") from error
