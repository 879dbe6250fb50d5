"""What an engine is given and what it may say."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ifonly.explainers.consequences import is_redrawn
from ifonly.explainers.constraints import Constraint, Mask
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import CallsSpent, NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import LONGEST_LISTED, Values
from ifonly.models.predictor import Predictor, Row, Rows, Scores, finite

Keys = npt.NDArray[Any]
Judged = npt.NDArray[np.uint8]
Judge = Callable[[Values], Judged]

NOBODY = "none"
"""Name of the engine where none is for a question."""
FIRST_BLOCK, LAST_BLOCK = 32, 128
HOLDS, IN_DOUBT = 1, 2
"""What an engine may know of a value, as the kernel says it: it holds, or the model must be asked;
0: it does not hold."""
MOST_WALKED, MOST_OF_LONG = 512, 128
"""Values on either side of one that are asked about for how far it may go: of an axis, and of one
that is so long that neither is a part of it worth speaking of."""
ROWS_PER_RUN = 16_384
"""Most rows of one model call; between calls the deadline is looked at."""


@dataclass(frozen=True)
class SearchOutcome:
    """What a search found. Every row is a proposal until it is verified."""

    candidates: Rows
    """Allowed actions that lead into the target, ``(n_candidates, n_features)``, cheapest first:
    the factual with the features that are set."""
    lower_bound: float | None = None
    """No allowed row in the target costs less; ``inf`` is a proof that there is none."""
    nearest: Scores | None = None
    """Scores of the allowed row nearest to the target, ``(1, n_outputs)``, where none is in it."""
    deadline_hit: bool = False
    enumerated: int = 0
    """Every allowed row that changes at most so many features and is cheaper than the cheapest
    candidate was scored, and is not in the target."""
    engine: str = ""
    """Name of the engine that found the rows, or proved that there are none."""
    unsure: Row | None = None
    """Where there is no candidate: the action that leads into the target most surely, which is not
    so surely as the policy demands."""
    same_by_main: bool = False
    """Whether it is known that the same was found were the graph that is believed certain."""

    @classmethod
    def none(cls, problem: Problem) -> SearchOutcome:
        """It is proven that there is no such row."""
        return cls(np.empty((0, len(problem.schema))), math.inf)

    @property
    def is_infeasible(self) -> bool:
        return self.lower_bound == math.inf

    def is_proven(self, problem: Problem) -> bool:
        """Whether nothing is left to look for: the cheapest row meets the bound, or none can, or
        none that is cheap enough to be of use."""
        if self.lower_bound is None:
            return False
        # Without rows only "there is none" ends the search; a lower bound does not.
        if not len(self.candidates):
            return self.lower_bound >= problem.below
        return float(problem.cost_of(self.candidates[:1])[0]) <= self.lower_bound


@dataclass
class _Count:
    rows: int = 0
    runs: int = 0
    nodes: int = 0


class Engine(Protocol):
    """A way to search. Engines hold no state between searches and know nothing of each other."""

    @property
    def name(self) -> str: ...

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        """Cheapest rows found; proven that there is none where ``problem.conflict`` says so.
        Deterministic but for the deadline.

        Raises
        ------
        NotEligible
            If this engine cannot keep a constraint or read the model.
        """
        ...

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        """Scores, ``(1, n_outputs)``, of the allowed row that comes nearest to the target where
        none is in it; None if the search has said it already or it cannot be told in time."""
        ...

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        """As :func:`range_by_asking`; an engine that knows the model need not ask it."""
        ...


def tells_quickly(engine: Engine) -> bool:
    """Whether an engine, or the first of several, has its own way to tell that something is in the
    target."""
    first = getattr(engine, "engines", (engine,))[0]
    return hasattr(first, "reaches")


def reaches(
    engine: Engine, problem: Problem, meter: Meter, deadline: Deadline
) -> Row | bool | None:
    """Any allowed action that leads into the target, at whatever cost; False: proven that there is
    none; None where that was not settled.

    An engine that can tell without its cheapest row has a method ``reaches`` of its own.

    Raises
    ------
    NotEligible
        As :meth:`Engine.search`.
    """
    own = getattr(engine, "reaches", None)
    if own is not None:
        found: Row | bool | None = own(problem, meter, deadline)
        return found
    return any_of(engine.search(problem, meter, deadline))


def any_of(outcome: SearchOutcome) -> Row | bool | None:
    """What a search says of whether there is any row, as :func:`reaches`."""
    if len(outcome.candidates):
        row: Row = outcome.candidates[0]
        return row
    # Neither found nor proven that there is none.
    return False if outcome.is_infeasible else None


def refusal(engine: str, constraint: Constraint) -> NotEligible:
    """The refusal of an engine that does not know the form of ``constraint``: none is ever
    dropped."""
    name = type(constraint).__name__
    return NotEligible(engine, f"{name} ({constraint.origin.key}) is not in the proof")


def refuse_tolerances(problem: Problem, engine: str) -> None:
    """For engines that see single rows, and cannot prove anything about all readings of a box.

    Raises
    ------
    NotEligible
        If the answer must survive the sensors' tolerances.
    """
    if problem.survives is not None:
        raise NotEligible(engine, f"it cannot prove {problem.survives.origin.key} over the box")


def run_around(holds: bytes, at: int) -> tuple[int, int]:
    """First and last index of the run of bytes other than 0 that ``at`` is in; ``at`` alone
    counts."""
    after = holds.find(0, at + 1)
    return holds.rfind(0, 0, at) + 1, (after if after >= 0 else len(holds)) - 1


def range_by_asking(
    problem: Problem,
    meter: Meter,
    row: Row,
    column: int,
    also: Callable[[Rows], Mask] | None = None,
) -> tuple[float, float]:
    """A run of settable values around one value of an answer, each of which would do.

    Walks outward from the value in blocks that double, one model call a block and side. Every value
    of the run was asked about; it is the widest there is unless it ends after ``MOST_WALKED``
    values on a side, ``MOST_OF_LONG`` of a long axis, beyond which nobody looked.

    Parameters
    ----------
    problem : Problem
    meter : Meter
    row : ndarray, shape (n_features,)
        The answer's action.
    column : int
        The feature whose value moves; everything else is set as in ``row``.
    also : callable, optional
        What rows in the target must keep besides: rows to a mask.

    Returns
    -------
    tuple of float
        Both ends of the run, in the feature's unit. With each value every rule holds and the
        prediction stays in the target.
    """
    return _range(
        problem, row, column, lambda values: _holding(problem, meter, row, column, values, also)
    )


def _range(
    problem: Problem, row: Row, column: int, holding: Callable[[Values], int]
) -> tuple[float, float]:
    """The run of values around that of an answer; ``holding`` says how many of some, in order
    outward, hold before one does not."""
    # Of a long axis as many are walked as it has; of any other all are, and the rules are asked.
    axis = problem.single_axes[column]
    if len(axis) > LONGEST_LISTED:
        axis = problem.axes[column]
    at = axis.position(float(row[column]))
    most = MOST_WALKED if len(axis) <= LONGEST_LISTED else MOST_OF_LONG
    low, high = max(0, at - most), min(len(axis), at + 1 + most)
    # Only those that may be walked: an axis may have millions.
    values = axis.values(np.arange(low, high, dtype=np.int64))
    at -= low
    below, above = holding(values[:at][::-1]), holding(values[at + 1 :])
    return float(values[at - below]), float(values[at + above])


def range_by_judging(
    problem: Problem,
    meter: Meter,
    row: Row,
    column: int,
    judge: Judge,
    also: Callable[[Rows], Mask] | None = None,
) -> tuple[float, float]:
    """As :func:`range_by_asking`, of an engine that knows most values: ``judge`` says what it knows
    of values in order, outward from the answer's, and only where it does not know is the model
    asked."""

    def holding(outward: Values) -> int:
        known, held = judge(outward), 0
        while held < len(outward) and known[held]:
            if known[held] == HOLDS:
                held += int(np.argmin(known[held:] == HOLDS)) or len(outward) - held
                continue
            # A run of doubts is asked about at once.
            end = held + (int(np.argmin(known[held:] == IN_DOUBT)) or len(outward) - held)
            good = _holding(problem, meter, row, column, outward[held:end], also)
            held += good
            if held < end:
                break
        return held

    return _range(problem, row, column, holding)


def _holding(
    problem: Problem,
    meter: Meter,
    row: Row,
    column: int,
    values: Values,
    also: Callable[[Rows], Mask] | None,
) -> int:
    """How many of ``values``, in order, hold before one does not."""
    start, block = 0, FIRST_BLOCK
    while start < len(values):
        rows = np.repeat(row[None, :], len(values[start : start + block]), axis=0)
        rows[:, column] = values[start : start + block]
        led = problem.rows_of(rows)
        holds = problem.allowed(rows, led)
        # Each test is dearer than the one before, and asked only of what
        # comes before the first failure.
        stop = _run(holds)
        holds[:stop] &= _met(problem, meter, led[:stop])
        if also is not None:
            stop = _run(holds)
            holds[:stop] &= also(led[:stop])
        stop = _run(holds)
        holds[:stop] &= problem.trust(rows[:stop], meter.score).holds
        if not holds.all():
            return start + int(np.argmin(holds))
        start, block = start + block, min(2 * block, LAST_BLOCK)
    return len(values)


def _run(holds: Mask) -> int:
    """How many hold before one does not."""
    return len(holds) if holds.all() else int(np.argmin(holds))


def _met(problem: Problem, meter: Meter, rows: Rows) -> Mask:
    return problem.target.met(meter.score(rows)) if len(rows) else np.ones(0, dtype=np.bool_)


def refuse_consequences(problem: Problem, engine: str) -> None:
    """For engines that move features alone.

    Raises
    ------
    NotEligible
        If other features follow from what is set.
    """
    if problem.consequences is not None:
        raise NotEligible(engine, "it does not know what follows from what is set")


def refuse_redrawn(problem: Problem, engine: str) -> None:
    """For engines whose proofs know nothing of noise that is drawn anew until an action is carried
    out; of the question as if it were carried out at once (:attr:`Problem.now`) they do.

    Raises
    ------
    NotEligible
        If noise is.
    """
    if is_redrawn(problem.consequences):
        raise NotEligible(engine, "it does not know what is drawn anew until it is carried out")


@dataclass(frozen=True)
class Effort:
    """How a search may call a model."""

    rows_per_run: int = ROWS_PER_RUN
    most_runs: int | None = None
    """Calls, those of the checker included; None: as many as its time allows."""
    predictor: Predictor | None = None
    """Who is asked by the search, if that is another than the checker asks: one that gives up at
    the deadline, as ``DeadlineReached``."""


AT_HAND = Effort()
"""Of a model in this process."""


class Meter:
    """A predictor that counts, keeps calls to a bounded size and looks at the deadline."""

    def __init__(
        self,
        predictor: Predictor,
        deadline: Deadline,
        alike: Callable[[Rows], Keys] | None = None,
        effort: Effort = AT_HAND,
    ) -> None:
        self._predictor = predictor
        self._deadline = deadline
        self._alike = alike
        self._effort = effort
        self._count = _Count()

    @property
    def rows(self) -> int:
        return self._count.rows

    @property
    def runs(self) -> int:
        return self._count.runs

    @property
    def nodes(self) -> int:
        """Boxes, or nodes of a solver's tree, that were opened."""
        return self._count.nodes

    def asked(self, rows: int) -> None:
        """Somebody else asked the model about so many rows, in one call."""
        self._count.rows += rows
        self._count.runs += 1

    def opened(self, nodes: int) -> None:
        """So many more nodes were."""
        self._count.nodes += nodes

    def until(self, deadline: Deadline) -> Meter:
        """The same meter, running on, for a part of the time."""
        part = Meter(self._predictor, deadline, self._alike, self._effort)
        # One count for all parts: a budget of rows is the question's, not an engine's.
        part._count = self._count
        return part

    def knowing(self, alike: Callable[[Rows], Keys]) -> Meter:
        """The same meter, running on, which asks the model about one of all rows that it cannot
        tell apart: rows with the same key, ``(n_rows,)``."""
        part = Meter(self._predictor, self._deadline, alike, self._effort)
        part._count = self._count
        return part

    def without_end(self) -> Meter:
        """The same meter, running on, for what must be asked whatever was asked before."""
        part = Meter(self._predictor, Deadline.never(), self._alike)
        part._count = self._count
        return part

    @property
    def is_spent(self) -> bool:
        """Whether the search has called the model as often as it may."""
        most = self._effort.most_runs
        return most is not None and self._count.runs >= most

    def check(self) -> None:
        """Look at the deadline without a call.

        Raises
        ------
        DeadlineReached
            Once it has passed, or the calls are spent.
        """
        self._deadline.check()
        if self.is_spent:
            raise CallsSpent("the model was called as often as it may be")

    def score(self, rows: Rows) -> Scores:
        """Scores of ``rows``, ``(n_rows, n_outputs)``.

        Raises
        ------
        DeadlineReached
            Before a call that would begin after the deadline, or be one too many.
        NotFinite
            If a score is no finite number: nothing may be claimed of a model that gives none.
        """
        if self._alike is not None and len(rows) > 1:
            # One row of each kind is scored, and its score given to all.
            _, first, each = np.unique(self._alike(rows), return_index=True, return_inverse=True)
            return np.asarray(self._score(rows[first])[each])
        return self._score(rows)

    def _score(self, rows: Rows) -> Scores:
        parts = []
        predictor, most = self._effort.predictor or self._predictor, self._effort.rows_per_run
        # One call even of no rows, so that the scores have their shape.
        for start in range(0, max(1, len(rows)), most):
            # Before each call: a call that has begun cannot be stopped here.
            self.check()
            part = rows[start : start + most]
            self._count.rows += len(part)
            self._count.runs += 1
            parts.append(finite(predictor.score(part), part))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
