"""What the search claims of sufficient reasons, held against rows by the checker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ifonly.explainers.answer import Prediction
from ifonly.explainers.reason import ReasonStatus, SufficientReason, Witness
from ifonly.explainers.verify.forced import ForcedDecision
from ifonly.models.predictor import Row, Rows

MOST_TRIED = 8
"""Rows that may contradict each claim; ``ifonly verify`` and a recheck try more."""


@dataclass(frozen=True)
class ClaimedSet:
    """A set that the search calls sufficient, with what shows that each feature is needed."""

    columns: tuple[int, ...]
    is_minimal: bool
    is_smallest: bool
    witnesses: tuple[tuple[int, Row], ...]


@dataclass(eq=False)
class ReasonConfirmation:
    """Keeps what holds; what does not is told, and the claim is less for it."""

    forced: ForcedDecision
    references: Rows | None
    seed: int
    rejected: list[str] = field(default_factory=list)

    def confirmed(self, claims: Sequence[ClaimedSet]) -> tuple[SufficientReason, ...]:
        """Those of the claims that no row contradicts, each witness by the deployed model."""
        sets = [claim.columns for claim in claims]
        against = self.forced.contradicting(sets, self.references, MOST_TRIED, self.seed)
        said = iter(self._said([row for c in claims for _, row in c.witnesses]))
        found = []
        for claim, row in zip(claims, against, strict=True):
            witnesses = tuple(self._witnesses(claim, said))
            if row is not None:
                self._reject(claim.columns, f"the model decides {list(row)} otherwise")
                continue
            is_minimal = claim.is_minimal and len(witnesses) == len(claim.columns)
            status = ReasonStatus.MINIMAL if is_minimal else ReasonStatus.SUFFICIENT
            if is_minimal and claim.is_smallest:
                status = ReasonStatus.SMALLEST
            found.append(SufficientReason(claim.columns, status, witnesses if is_minimal else ()))
        return tuple(found)

    def _witnesses(self, claim: ClaimedSet, said: Iterator[Prediction]) -> Iterator[Witness]:
        for column, row in claim.witnesses:
            values, prediction = tuple(row.tolist()), next(said)
            fault = self.forced.fault_of(claim.columns, column, values)
            if not fault and prediction.decided == self.forced.decided:
                fault = "the model decides it alike"
            if fault:
                self._reject(claim.columns, f"{list(values)} is no witness: {fault}")
            else:
                yield Witness(column, values, prediction)

    def _said(self, rows: Sequence[Row]) -> list[Prediction]:
        if not rows:
            return []
        scores = self.forced.score(np.array(rows))
        return [Prediction.of(self.forced.decision, scores[i : i + 1]) for i in range(len(rows))]

    def _reject(self, columns: Sequence[int], why: str) -> None:
        names = ", ".join(self.forced.rows.schema.names[j] for j in columns)
        self.rejected.append(f"sufficient reason ({names}): {why}")
