"""What is asked of each row of a table, and what is answered: no Arrow, no reply.

Everything that all rows of a table share is made once: the target, the constraints, the checker's
terms. A row whose decision is as wanted costs its place in one model call; of the others each is
searched and checked as the service does it, by the same code.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.answer import AlreadyTarget, Prediction, Work
from ifonly.explainers.deadline import Deadline, OwnTime
from ifonly.explainers.errors import ExplainError
from ifonly.explainers.in_company import Steps, timed, together
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.sharing import Discerning, Sharing
from ifonly.models.errors import FieldProblem, ModelError, NotFinite, OutOfService
from ifonly.models.onnx.trial import trial_rows
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.rounding import rounding_of
from ifonly.service import logs
from ifonly.service.ask import read_request
from ifonly.service.ask.explain import Explanation, explaining
from ifonly.service.ask.question import problem_of
from ifonly.service.ask.warming import row_of
from ifonly.service.bulk.errors import NotInBulk
from ifonly.service.bulk.options import BulkOptions
from ifonly.service.errors import ContradictoryConstraints, ServiceError
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import validation
from ifonly.service.wire.requests import ExplanationRequest

TRIED = 128
"""Rows of which it is tried, once, whether the model says the same of them alone and together."""
AT_ONCE = 64
"""Alarms that share their calls of the model."""
FEW = 7
"""Also in batches of so many, which fill no register."""
NEAR_EDGE = 1e-6
"""So near to the target's edge the model is asked about the row by itself, whatever is known of
rounding."""


@dataclass(frozen=True, eq=False)
class RowContradiction:
    """The constraints of the question leave this row nothing, whatever the model says."""

    keys: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class RowFailure:
    """The row is an instance, and could not be answered."""

    problem: FieldProblem


_NOBODY = uuid.UUID(int=0)
"""Of an explanation that nobody refers to."""

RowAnswer = Explanation | RowContradiction | RowFailure


class RowQuestion:
    """One question, asked of many rows."""

    def __init__(self, model: ServedModel, options: BulkOptions) -> None:
        """Raises
        ------
        InvalidRequest
            If the options ask for what no request may.
        NotInBulk
            If the model is only in another process, or its policy wants each answer confirmed by
            one.
        """
        if not model.deployed.has_copy:
            raise NotInBulk(f"{model.name} has no model.onnx here: only its server can score rows")
        if model.rulebook.policy.get("confirmed_by") == "predictor":
            told = (
                "its policy (policy.confirmed_by) demands that its predictor confirms each answer"
            )
            raise NotInBulk(f"{model.name} cannot be asked in bulk: {told}")
        # An instance is part of any request; which one does not matter here.
        body = {**options.request, "instance": {"of": "every row"}}
        request = validation.read(ExplanationRequest, body)
        # Its tables are built now, not at the first alarm.
        engines = [
            Sharing(engine) if isinstance(engine, Discerning) else engine
            for engine in model.engine.engines
        ]
        self._sharing = [engine for engine in engines if isinstance(engine, Sharing)]
        self.model = replace(model, own_engine=Portfolio(tuple(engines)))
        self.question = read_request.question_of_rows(request, model)
        self._seconds = None if options.deadline_ms is None else options.deadline_ms / 1_000
        self._terms = model.rulebook.terms(self.question.asked)
        self._score = model.deployed.predictor.score
        self._is_alike_alone = _is_alike_alone(model)
        self._warm()

    def _warm(self) -> None:
        """Build what the search of any row needs: the time of the first alarm is its own."""
        question = replace(self.question, factual=row_of(self.model))
        # A row that cannot be asked about is no matter here: whoever asks about one is told.
        with suppress(ServiceError, ModelError, ExplainError):
            self.model.engine.warm(problem_of(self.model, question), self.model.deployed.predictor)

    @property
    def shared(self) -> int:
        """Alarms so far whose search was one that had been made for another."""
        return sum(engine.shared for engine in self._sharing)

    # --- the model's word ------------------------------------------------------------------

    def scores(self, rows: Rows) -> tuple[Scores, dict[int, RowFailure]]:
        """The model's word on each row, and of which rows it has none, by position.

        Raises
        ------
        GraphError
            If it cannot be asked at all.
        """
        failed: dict[int, RowFailure] = {}
        parts = list(self._scored(rows, 0, failed))
        width = self.model.decision.n_outputs
        return np.concatenate(parts) if parts else np.empty((0, width)), failed

    def _scored(self, rows: Rows, at: int, failed: dict[int, RowFailure]) -> Iterator[Scores]:
        """In one call; where a score is no number, in halves, until it is known of which row."""
        if not len(rows):
            return
        try:
            yield self._together(rows)
        except NotFinite as error:
            if len(rows) == 1:
                failed[at] = RowFailure(FieldProblem("", str(error).splitlines()[0]))
                yield np.full((1, self.model.decision.n_outputs), np.nan)
                return
            middle = len(rows) // 2
            yield from self._scored(rows[:middle], at, failed)
            yield from self._scored(rows[middle:], at + middle, failed)

    def _together(self, rows: Rows) -> Scores:
        if self._is_alike_alone:
            return self._score(rows)
        # Sums of some graphs are taken in another order in company. The same row must be told the
        # same score whatever the batch, and the one that its own question would see.
        return np.concatenate([self._score(row[np.newaxis]) for row in rows])

    def needs_nothing(self, scores: Scores) -> npt.NDArray[np.bool_]:
        """Of which rows it is sure that there is nothing to change; the others are asked about."""
        target = self.question.target
        nothing = target.needs_nothing(scores)
        if self._is_alike_alone:
            return nothing
        rounding = rounding_of(self.model.deployed.predictor)
        off = rounding.of(scores).max(axis=1) if rounding else 0.0
        margin = target.decision_alone.plain.margin(scores)
        return np.asarray(nothing & (margin > np.maximum(off, NEAR_EDGE)))

    def decided(self, scores: Scores) -> npt.NDArray[np.int64]:
        return self.model.decision.decide(scores)

    # --- answers ---------------------------------------------------------------------------

    def nothing_to_change(self, row: Row, scores: Sequence[float], decided: int) -> Explanation:
        """What is answered to a row that is as wanted, for its words."""
        question = replace(self.question, factual=row)
        answer = AlreadyTarget(Prediction(tuple(scores), decided), Work("none", 1, 1))
        problem = problem_of(self.model, question)
        causal = self.model.causal if problem.consequences is not None else None
        return Explanation(_NOBODY, self.model, problem, answer, causal, question.semantics)

    def answers(self, rows: Rows) -> Iterator[RowAnswer]:
        """What is answered to each of ``rows``, ``(n, n_features)``, that are alarms: some of them
        are searched one after another, and then the model is asked at once about all that the
        checker wants to know of them.

        Raises
        ------
        OutOfService
            If the model is asked nothing any more.
        """
        for at in range(0, len(rows), AT_ONCE):
            some = [self._explaining(row) for row in rows[at : at + AT_ONCE]]
            if self._is_alike_alone:
                yield from map(self._told, together(some, self._score))
            else:
                for steps in some:
                    yield from map(self._told, together([steps], self._score))

    def _explaining(self, row: Row) -> Steps[Explanation]:
        # Each has its own time: what the others take is none of it.
        own = OwnTime()
        deadline = Deadline.never() if self._seconds is None else Deadline(self._seconds, own)
        question = replace(self.question, factual=row)
        checked_by = self.model.deployed.predictor
        steps = explaining(self.model, question, deadline, checked_by, terms=self._terms)
        return steps if self._seconds is None else timed(steps, own)

    def _told(self, found: Explanation | Exception) -> RowAnswer:
        match found:
            case Explanation():
                return found
            case ContradictoryConstraints(constraints=constraints):
                return RowContradiction(tuple(c.origin.key for c in constraints))
            case OutOfService() | MemoryError():
                # Of every row that comes after as well.
                raise found
            case ServiceError() | ModelError() | ExplainError():
                return RowFailure(FieldProblem("", str(found).splitlines()[0]))
        # One row of a million must not take the others with it: it says that it failed.
        logs.logger.error("a row failed: %s", logs.where(found))
        told = f"it failed ({type(found).__name__}); the log of this process says where"
        return RowFailure(FieldProblem("", told))


def _is_alike_alone(model: ServedModel) -> bool:
    """Whether the model says the very same of a row alone as in company, of some rows at least."""
    score = model.deployed.predictor.score
    rows = trial_rows(model.schema)
    if model.deployed.reference is not None:
        rows = np.concatenate([model.deployed.reference[:TRIED], rows])
    rows = rows[:TRIED]
    together = score(rows)
    few = [score(rows[at : at + FEW]) for at in range(0, len(rows), FEW)]
    alone = [score(row[np.newaxis]) for row in rows]
    return bool(
        (np.concatenate(few) == together).all() and (np.concatenate(alone) == together).all()
    )
