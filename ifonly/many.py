"""``ifonly.common``: one change for many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ifonly.asking import SECONDS, Folder, Made, Wanted, folder_of, served_folder
from ifonly.change import Value
from ifonly.explainers.common.ask import CommonQuestion
from ifonly.explainers.common.ask import common as searched
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.remedy import CommonAnswer, CommonKind, Remedy, SettingKind
from ifonly.explainers.wording import Wording
from ifonly.models.errors import DataError
from ifonly.models.schema import Schema
from ifonly.policies import constraints_of, policy_of
from ifonly.scoring import scored

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class CommonChange:
    """One change of a few features, and how many rows it clears."""

    to: Mapping[str, Value]
    """Features that are set to one value on all rows."""
    by: Mapping[str, float]
    """Features that are moved by one amount on all rows."""
    coverage: int
    cost: float
    """Mean over all rows that are asked about and miss the target."""
    status: str
    """``optimal``: nothing with as few features clears as many for less, proven; ``feasible``."""
    cleared: tuple[int, ...]
    """Places of the rows that it clears."""
    uncleared: Mapping[int, str]
    """Why not, of the others."""
    sentence: str

    def __str__(self) -> str:
        return self.sentence


@dataclass(frozen=True, eq=False)
class CommonChanges(Sequence[CommonChange]):
    """The changes of the curve of at most ``max_levers`` features, cheapest first."""

    status: str
    """Of the whole: ``optimal``, ``feasible``, ``infeasible``, ``unknown``, ``already_target``."""
    sentence: str
    best: CommonChange | None
    """The one that clears the most, with the fewest features."""
    bound: int
    """No common change clears more: proven."""
    rows: int
    """Those that miss the target."""
    curves: tuple[tuple[CommonChange, ...], ...]
    """Of at most one feature, of at most two, …"""
    answer: CommonAnswer

    def __len__(self) -> int:
        return len(self._last)

    def __getitem__(self, index: Any) -> Any:
        return self._last[index]

    @property
    def _last(self) -> tuple[CommonChange, ...]:
        return self.curves[-1] if self.curves else ()

    def __str__(self) -> str:
        return self.sentence

    def to_pandas(self) -> pandas.DataFrame:
        """A line a change of the curve."""
        import pandas

        found = [
            {
                **{f"{name} to": value for name, value in change.to.items()},
                **{f"{name} by": value for name, value in change.by.items()},
                "coverage": change.coverage,
                "cost": change.cost,
                "status": change.status,
            }
            for change in self
        ]
        return pandas.DataFrame(found)


def common(
    model: Any,
    rows: Any,
    data: Any = None,
    policy: Mapping[str, Any] | None = None,
    *,
    change: str = "relative",
    max_levers: int = 2,
    levers: Sequence[str] | None = None,
    target: Wanted | None = None,
    constraints: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    classes: Sequence[str] | None = None,
    language: str = "en",
    seconds: float | None = 3 * SECONDS,
) -> CommonChanges:
    """The one change of a few features that would have flipped the decision on the most of
    ``rows``, and what fewer cost.

    Parameters
    ----------
    model, rows, data, policy, target, constraints, threshold, classes, language
        As of :func:`ifonly.explain`; the target is one for all rows. ``constraints`` are kept for
        each row.
    change : {"relative", "absolute", "either"}
        Whether features are moved by one amount, or set to one value; what has no amounts (a
        category, a value out of a list) is set to a value.
    max_levers : int
        How many features may be set in common, 1 to 3.
    levers : sequence of str, optional
        Features that may be set; by default all that the policy allows.
    seconds : float, optional
        Search at most; None: to the end.

    Raises
    ------
    InvalidPolicy
        If ``change``, ``max_levers`` or ``levers`` cannot be meant, or the target is not one.
    NotEligible
        If answers must survive the sensors, and nothing proves it of such a model.
    NotAModel, DataError, InvalidInstance, InvalidTarget, GraphError
        As :func:`ifonly.explain`.

    Examples
    --------
    >>> data = {"torque": [20.0, 65.5, 41.2], "wear": [0, 200, 90]}
    >>> alarm = lambda rows: (rows[:, 0] > 50.0).astype(float)
    >>> found = common(alarm, [{"torque": 60.2, "wear": 10}, {"torque": 52.2, "wear": 80}], data)
    >>> found.best.by
    {'torque': -10.2}
    """
    kind = _kind(change)
    deadline = Deadline.never() if seconds is None else Deadline.after(seconds)
    kept = constraints_of(constraints)
    folder = folder_of(model)
    asked: Folder | Made
    if folder is not None:
        if data is not None or policy is not None or threshold is not None or classes is not None:
            raise TypeError("a model folder has its own data, policy, threshold and classes")
        served = served_folder(folder)
        asked = Folder(served, target, kept, 1, language, seconds, 0)
        return _of_folder(asked, rows, kind, max_levers, levers, deadline)
    if data is None:
        raise DataError("data", "is missing: ranges, steps and categories are read from rows of it")
    made = scored(model, data, threshold, classes)
    read = made.sample.unbounded.read(rows)
    made = replace(made, sample=made.sample.reaching(read))
    asked = Made(made, policy_of(policy), target, kept, 1, language, seconds, 0)
    factuals = asked.read(rows)
    problems = [asked.problem(row) for row in factuals]
    schema = asked.sample.schema
    question = CommonQuestion(problems, kind, max_levers, _columns(levers, schema))
    answer = searched(question, asked.model.predictor, engine=asked.engine, deadline=deadline)
    first = asked.question(factuals[0])
    return _written(answer, schema, first.writer.wording, language, are_alarms=False)


def _of_folder(
    asked: Folder,
    rows: Any,
    kind: CommonKind,
    max_levers: int,
    levers: Sequence[str] | None,
    deadline: Deadline,
) -> CommonChanges:
    from ifonly.service.ask.question import problem_of

    model, schema = asked.model, asked.model.schema
    questions = [asked.question(row) for row in asked.read(rows)]
    problems = [problem_of(model, question) for question in questions]
    terms = [model.rulebook.terms(question.asked) for question in questions]
    question = CommonQuestion(problems, kind, max_levers, _columns(levers, schema), terms)
    answer = searched(question, model.deployed.predictor, engine=model.engine, deadline=deadline)
    follows = problems[0].consequences is not None and model.causal is not None
    wording = model.causal.wording if follows and model.causal is not None else model.wording
    is_desired = problems[0].target.wanted is not None
    is_desired &= problems[0].target.wanted == model.decision.desired
    are_alarms = is_desired and "alarm" in model.decision.phrases
    return _written(answer, schema, wording, asked.language, are_alarms=are_alarms)


def _kind(change: str) -> CommonKind:
    try:
        return CommonKind(change)
    except ValueError:
        known = ", ".join(CommonKind)
        raise InvalidPolicy("change", f"is {change!r}, none of {known}", change, known) from None


def _columns(levers: Sequence[str] | None, schema: Schema) -> list[int] | None:
    if levers is None:
        return None
    for name in levers:
        if name not in schema:
            known = ", ".join(schema.names)
            raise InvalidPolicy("levers", f"has {name!r}, no feature ({known})", name, schema.names)
    return sorted({schema.index(name) for name in levers})


def _written(
    answer: CommonAnswer, schema: Schema, wording: Wording, language: str, *, are_alarms: bool
) -> CommonChanges:
    def one(remedy: Remedy) -> CommonChange:
        absolute = [s for s in remedy.settings if s.kind is SettingKind.ABSOLUTE]
        relative = [s for s in remedy.settings if s.kind is SettingKind.RELATIVE]
        features = schema.features
        said = wording.common(remedy, len(answer.alarms), language, are_alarms=are_alarms)
        return CommonChange(
            {features[s.column].name: features[s.column].write(s.value) for s in absolute},
            {features[s.column].name: s.value for s in relative},
            remedy.coverage,
            remedy.cost,
            remedy.status.value,
            remedy.cleared,
            {o.alarm: o.why.value for o in remedy.outcomes if o.why is not None},
            said,
        )

    return CommonChanges(
        answer.status.value,
        wording.common_answer(answer, language, are_alarms=are_alarms),
        None if answer.best is None else one(answer.best),
        answer.bound,
        len(answer.alarms),
        tuple(tuple(map(one, curve.points)) for curve in answer.curves),
        answer,
    )
