"""What is asked of every row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa

from ifonly.service.settings import Settings

DEADLINE_MS: int = Settings.model_fields["default_deadline_ms"].default
"""Of one row's search, where nothing else is said: as over HTTP."""


@dataclass(frozen=True)
class BulkOptions:
    """What is asked of every row, in the words of a request, and how columns are called.

    What does not fit the model is refused when the explainer is made, as over HTTP.
    """

    target: Mapping[str, Any] | None = None
    """As in a request: ``{"class": "normal"}``; None: the class that the model's spec desires."""
    constraints: Mapping[str, Any] = field(default_factory=dict)
    """As in a request: demanded of every row, besides the policy."""
    semantics: Literal["interventional", "independent", "backtracking"] | None = None
    """None: ``interventional`` where a causal model is accepted, else ``independent``."""
    alternatives: int = 1
    """How many answers a row, each with other levers than those before it."""
    ways: bool = False
    """Whether up to four named ways are told beside the smallest."""
    seed: int = 0
    deadline_ms: int | None = DEADLINE_MS
    """Milliseconds of one row's search; None: to its end. An answer that was cut says so."""
    languages: tuple[str, ...] = ()
    """A column with the answer in words for each; by default none."""
    id: str | None = None
    """The column by which the caller knows rows; None: they are known by their number alone."""
    id_type: pa.DataType | None = None
    """Of that column in what comes out; None: text."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Names of features to those of the table's columns, where they differ."""
    extra: Literal["ignore", "refuse"] = "ignore"
    """What becomes of columns that are none of the model's."""

    @property
    def request(self) -> dict[str, Any]:
        """The body of a request for an explanation, less its instance."""
        said = {
            "target": None if self.target is None else dict(self.target),
            "constraints": dict(self.constraints),
            "alternatives": self.alternatives,
            "ways": self.ways,
            "seed": self.seed,
            "semantics": self.semantics,
            "deadline_ms": self.deadline_ms,
            **({"languages": list(self.languages)} if self.languages else {}),
        }
        return {key: value for key, value in said.items() if value is not None}
