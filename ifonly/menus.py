"""``ifonly.menu``: what a few features can do by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ifonly.asking import SECONDS, Folder, Made, Wanted, folder_of, served_folder
from ifonly.change import Value
from ifonly.explainers.answer import AlreadyTarget
from ifonly.explainers.beside import Beside
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.explain import explain as search
from ifonly.explainers.menu import Menu, MenuEntry, count_of_sets, levers_of
from ifonly.explainers.menu import menu as searched
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.terms import MOST_LEVERS, MOST_SETS
from ifonly.explainers.verify import Terms
from ifonly.models.errors import DataError
from ifonly.models.predictor import Predictor, Row
from ifonly.models.schema import Schema
from ifonly.policies import constraints_of, policy_of
from ifonly.scoring import scored

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class SetOfLevers:
    """What some features can do, all others being left alone."""

    levers: tuple[str, ...]
    status: str
    """``optimal``: nothing cheaper sets these alone, proven; ``feasible``; ``infeasible``: proven
    that no allowed change of these alone flips the decision; ``unknown``."""
    to: Mapping[str, Value]
    """What they are set to; empty where there is no change, or it is that of ``same_as``."""
    cost: float | None
    same_as: tuple[str, ...] | None
    """Those of them that the cheapest change sets, where it leaves the others alone."""


@dataclass(frozen=True, eq=False)
class MenuOfLevers(Sequence[SetOfLevers]):
    """Every set of a few features, the smallest first."""

    each: tuple[SetOfLevers, ...]
    answer: Menu

    def __len__(self) -> int:
        return len(self.each)

    def __getitem__(self, index: Any) -> Any:
        return self.each[index]

    def __str__(self) -> str:
        return "\n".join(
            f"{' + '.join(s.levers)}: {s.status}" + (f" {dict(s.to)}" if s.to else "")
            for s in self.each
        )

    def to_pandas(self) -> pandas.DataFrame:
        """A line a set."""
        import pandas

        found = [
            {
                "levers": " + ".join(s.levers),
                "status": s.status,
                "cost": s.cost,
                "same as": None if s.same_as is None else " + ".join(s.same_as),
                **{f"{name} to": value for name, value in s.to.items()},
            }
            for s in self.each
        ]
        return pandas.DataFrame(found)


def menu(
    model: Any,
    row: Any,
    data: Any = None,
    policy: Mapping[str, Any] | None = None,
    *,
    max_levers: int = 2,
    levers: Sequence[str] | None = None,
    target: Wanted | None = None,
    constraints: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    classes: Sequence[str] | None = None,
    seconds: float | None = SECONDS,
) -> MenuOfLevers:
    """For every set of a few features its cheapest change that flips the decision on ``row``, or
    the proof that these features alone cannot.

    Parameters
    ----------
    model, row, data, policy, target, constraints, threshold, classes
        As of :func:`ifonly.explain`, of one row.
    max_levers : int
        Features of a set at most, 1 to 3.
    levers : sequence of str, optional
        Features that sets are made of; by default all that may be changed.
    seconds : float, optional
        Search at most; None: to the end. Sets that were not decided say so.

    Raises
    ------
    InvalidPolicy
        If ``max_levers`` or ``levers`` cannot be meant, or there would be too many sets.
    NotAModel, DataError, InvalidInstance, InvalidTarget, GraphError
        As :func:`ifonly.explain`.

    Examples
    --------
    >>> data = {"torque": [20.0, 65.5, 41.2], "wear": [0, 200, 90]}
    >>> alarm = lambda rows: (rows[:, 0] > 50.0).astype(float)
    >>> print(menu(alarm, {"torque": 60.2, "wear": 10}, data, max_levers=1))
    torque: optimal {'torque': 50.0}
    wear: infeasible
    """
    if not 1 <= max_levers <= MOST_LEVERS:
        problem = f"is {max_levers}, not 1 to {MOST_LEVERS}"
        raise InvalidPolicy("max_levers", problem, max_levers, MOST_LEVERS)
    deadline = Deadline.never() if seconds is None else Deadline.after(seconds)
    kept = constraints_of(constraints)
    folder = folder_of(model)
    if folder is not None:
        if data is not None or policy is not None or threshold is not None or classes is not None:
            raise TypeError("a model folder has its own data, policy, threshold and classes")
        from ifonly.service.ask.question import problem_of

        asked = Folder(served_folder(folder), target, kept, 1, "en", seconds, 0)
        served, question = asked.model, asked.question(_one(asked.read(row)))
        terms = served.rulebook.terms(question.asked)
        predictor, problem_ = served.deployed.predictor, problem_of(served, question)
        return _made(problem_, predictor, served.engine, deadline, max_levers, levers, terms)
    if data is None:
        raise DataError("data", "is missing: ranges, steps and categories are read from rows of it")
    made = scored(model, data, threshold, classes)
    made = replace(made, sample=made.sample.reaching(made.sample.unbounded.read(row)))
    of = Made(made, policy_of(policy), target, kept, 1, "en", seconds, 0)
    problem_ = of.problem(_one(of.read(row)))
    found = _made(problem_, of.model.predictor, of.engine, deadline, max_levers, levers)
    original = of.model.original
    if original is None or of.model.parity is None or _confirmed(found, problem_, original):
        return found
    # Rows that the graph decides otherwise: the estimator is what was asked about.
    return _made(problem_, original, Blackbox(), deadline, max_levers, levers)


def _confirmed(found: MenuOfLevers, problem: Problem, original: Predictor) -> bool:
    """Whether the estimator says of the row and of each change what the graph says."""
    rows = [e.found.row for e in found.answer.entries if e.found is not None]
    scores, target = original.score(np.array([problem.factual, *rows])), problem.target.plain
    is_met = bool(target.needs_nothing(scores[:1])[0])
    return is_met is not bool(found.each) and bool(target.met(scores[1:]).all())


def _one(rows: Any) -> Row:
    if len(rows) != 1:
        raise DataError("row", f"is {len(rows)} rows; a menu is of one")
    found: Row = rows[0]
    return found


def _made(
    problem: Problem,
    predictor: Predictor,
    engine: Engine,
    deadline: Deadline,
    max_levers: int,
    levers: Sequence[str] | None,
    terms: Terms | None = None,
) -> MenuOfLevers:
    schema, only = problem.schema, None
    if levers is not None:
        for name in levers:
            if name not in schema:
                known = ", ".join(schema.names)
                raise InvalidPolicy("levers", f"has {name!r}, no feature ({known})", name)
        only = sorted({schema.index(name) for name in levers})
    chosen = [j for j in levers_of(problem) if only is None or j in only]
    count = count_of_sets(len(chosen), max_levers)
    if count > MOST_SETS:
        told = f"makes {count} sets of {len(chosen)} features, above {MOST_SETS}: name levers"
        raise InvalidPolicy("max_levers", told, max_levers, MOST_SETS)
    answer = search(problem, predictor, engine=engine, deadline=deadline, terms=terms)
    if isinstance(answer, AlreadyTarget):
        return MenuOfLevers((), Menu(max_levers, tuple(chosen), (), answer.work))
    beside = Beside.of(
        problem, predictor, answer.work, engine=engine, deadline=deadline, terms=terms
    )
    found = searched(beside, answer, max_levers, only=only)
    by = {entry.levers: entry for entry in found.entries}
    return MenuOfLevers(tuple(_told(entry, by, schema) for entry in found.entries), found)


def _told(entry: MenuEntry, by: Mapping[tuple[int, ...], MenuEntry], schema: Schema) -> SetOfLevers:
    features = schema.features
    own = entry.found
    inner = None if entry.same_as is None else by.get(entry.same_as)
    shown = own if inner is None else inner.found
    return SetOfLevers(
        tuple(schema.names[j] for j in entry.levers),
        entry.status.value,
        {}
        if own is None
        else {
            features[a.column].name: features[a.column].write(a.counterfactual) for a in own.actions
        },
        None if shown is None else shown.cost,
        None if entry.same_as is None else tuple(schema.names[j] for j in entry.same_as),
    )
