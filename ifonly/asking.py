"""``ifonly.explain``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ifonly.explainers.answer import AlreadyTarget, Answer, Recourse, Work
from ifonly.explainers.beside import Beside
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import InvalidTarget
from ifonly.explainers.explain import explain as search
from ifonly.explainers.joint_box import with_joint_boxes
from ifonly.explainers.policy import Policy, read_constraints
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.portfolio import engines_for
from ifonly.explainers.target import Target
from ifonly.explainers.wording import Wording
from ifonly.explanation import Explanation, Explanations
from ifonly.models.errors import DataError
from ifonly.models.onnx import OnnxPredictor
from ifonly.models.predictor import Predictor, Row, Rows, Scores
from ifonly.models.sample import Sample, name_of
from ifonly.models.schema import Decision, Task
from ifonly.models.window import WindowSchema
from ifonly.policies import constraints_of, policy_of
from ifonly.progress import bar
from ifonly.scoring import Scored, scored
from ifonly.wanted import target_of
from ifonly.writing import Writer

if TYPE_CHECKING:
    from ifonly.service.ask.question import Question
    from ifonly.service.served.registry import ServedModel

Wanted = str | int | bool | tuple[float | None, float | None]
"""A class, by its name or as the model writes it; or the ends of an interval of a value."""

SPEC = "spec.toml"
SECONDS = 10.0
REFERENCE = 2_000
"""Most rows that are kept for scales and starts."""


def explain(
    model: Any,
    rows: Any,
    data: Any = None,
    policy: Mapping[str, Any] | None = None,
    *,
    target: Wanted | None = None,
    constraints: Mapping[str, Any] | None = None,
    alternatives: int = 1,
    joint_box: bool = False,
    threshold: float | None = None,
    classes: Sequence[str] | None = None,
    language: str = "en",
    seconds: float | None = SECONDS,
    seed: int = 0,
    progress: bool | None = None,
) -> Explanations:
    """The smallest change that would have flipped the model's decision on each of ``rows``.

    Parameters
    ----------
    model
        A fitted estimator or pipeline of scikit-learn, XGBoost, LightGBM or CatBoost: it is
        converted to ONNX where that decides alike, so that answers can be proven, and has the last
        word on each; a file ``model.onnx`` (or its bytes); a model folder (with ``spec.toml``); a
        function that takes rows, a DataFrame if ``data`` is one and else an array, and gives
        ``(n,)`` or ``(n, n_classes)`` scores; an object with ``score(rows)``, rows
        ``(n, n_features)`` as numbers, categories as codes.
    rows
        One instance or many: a mapping, a Series, a DataFrame, a list of mappings, matched by
        name; or an array, in the order of the features.
    data : DataFrame, mapping of columns or array
        Rows that the model was made for: names, kinds, ranges, steps and categories are read from
        them. A folder has its own, and needs none.
    policy : mapping, optional
        What may be changed, as ``[policy]`` of a ``spec.toml``; by default any feature, at a cost
        of how far it moves in median absolute deviations. A folder has its own.
    target : optional
        A class, or ``(low, high)`` for a value. By default: of two classes the other one, of more
        the next likely; of a folder what it desires.
    constraints : mapping, optional
        What is demanded besides, as in a request: ``{"freeze": ["age"], "max_changes": 2}``.
    alternatives : int
        How many answers, each with other features than those before it.
    joint_box : bool
        Whether an answer that sets several features is told with the box in which all of its values
        may be chosen at once.
    threshold : float, optional
        From which on a score decides for the second class; by default 0.5 of probabilities.
    classes : sequence of str, optional
        Names of the classes of scores that come without.
    language : {"en", "ko", "ja"}
    seconds : float, optional
        Search for one row at most; None: to the end. An answer that was cut says so.
    seed : int
    progress : bool, optional
        A bar, if tqdm is installed; by default for 20 rows or more where somebody looks.

    Raises
    ------
    NotAModel
        If ``model`` is nothing that can be asked.
    DataError
        If ``data`` is missing or does not fit the model.
    InvalidInstance
        If a row is no instance of it: names and values are told.
    InvalidPolicy, InvalidTarget
        If the policy, the constraints or the target cannot be meant.
    GraphError
        If the model cannot be served or gives no number.

    Examples
    --------
    >>> import numpy as np
    >>> data = {"torque": [20.0, 65.5, 41.2], "wear": [0, 200, 90]}
    >>> alarm = lambda rows: (rows[:, 0] > 50.0).astype(float)
    >>> print(explain(alarm, {"torque": 60.2, "wear": 10}, data)[0].changes[0].after)
    50.0
    """
    kept = constraints_of(constraints)
    folder = folder_of(model)
    if folder is not None:
        if data is not None or policy is not None or threshold is not None or classes is not None:
            raise TypeError(
                "a model folder has its own data, policy, threshold and classes; tighten it by "
                "constraints="
            )
        served = served_folder(folder)
        asked: Folder | Made = Folder(
            served, target, kept, alternatives, language, seconds, seed, joint_box
        )
    else:
        if data is None:
            raise DataError(
                "data", "is missing: ranges, steps and categories are read from rows of it"
            )
        made = scored(model, data, threshold, classes)
        read = made.sample.unbounded.read(rows)
        made = replace(made, sample=made.sample.reaching(read))
        table = policy_of(policy)
        asked = Made(made, table, target, kept, alternatives, language, seconds, seed, joint_box)
    factuals = asked.read(rows)
    found = tuple(asked.explained(row) for row in _shown(factuals, progress))
    return Explanations(found, asked.assumptions)


def folder_of(model: Any) -> Path | None:
    if not isinstance(model, str | Path):
        return None
    path = Path(model)
    if path.is_dir():
        if not (path / SPEC).exists():
            raise FileNotFoundError(f"{path} has no {SPEC}: it is no model folder")
        return path
    return None


def _shown(rows: Rows, progress: bool | None) -> Iterator[Row]:
    with bar(len(rows), progress) as done:
        for row in rows:
            yield row
            done(1)


# --- models that came without a spec --------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Made:
    """Questions about a model of which only rows tell what it reads."""

    model: Scored
    table: Mapping[str, Any]
    target: Wanted | None
    constraints: Mapping[str, Any]
    alternatives: int
    language: str
    seconds: float | None
    seed: int
    joint_box: bool = False

    def read(self, rows: Any) -> Rows:
        return self.model.sample.read(rows)

    @property
    def assumptions(self) -> tuple[str, ...]:
        return (*self.model.told, *self.sample.assumptions, *self._target_told())

    @property
    def sample(self) -> Sample:
        return self.model.sample

    @cached_property
    def engine(self) -> Engine:
        return engines_for(self.model.form, self.sample.schema)

    @cached_property
    def _questions(self) -> dict[int | None, MadeQuestion]:
        """By the class that is wanted."""
        return {}

    def explained(self, row: Row) -> Explanation:
        question = self.question(row)
        problem = self.problem(row)
        answer = self._asked(problem, self.model.predictor, self.engine)
        original = self.model.original
        notes = tuple(self.sample.beyond(row))
        by = "onnx" if isinstance(self.model.predictor, OnnxPredictor) else "predictor"
        if original is not None:
            by = "estimator"
            if self.model.parity is not None and not _confirmed(problem, answer, original):
                # Rows that the graph decides otherwise: the estimator is what was asked about.
                answer = self._asked(problem, original, Blackbox())
                notes += ("of this row estimator and graph differ: the estimator was asked",)
        return question.writer.write(row, problem.target, answer, confirmed_by=by, notes=notes)

    def problem(self, row: Row) -> Problem:
        question = self.question(row)
        return question.policy.problem(
            row,
            question.target,
            constraints=read_constraints(
                self.constraints, self.sample.schema, question.policy.tolerances
            ),
            robust=self.constraints.get("robust"),
            alternatives=self.alternatives,
            seed=self.seed,
        )

    def _asked(self, problem: Problem, predictor: Predictor, engine: Engine) -> Answer:
        deadline = Deadline.never() if self.seconds is None else Deadline.after(self.seconds)
        answer = search(problem, predictor, engine=engine, deadline=deadline)
        if not (self.joint_box and isinstance(answer, Recourse)):
            return answer
        beside = Beside.of(problem, predictor, answer.work, engine=engine, deadline=deadline)
        return with_joint_boxes(beside, answer)

    def question(self, row: Row) -> MadeQuestion:
        wanted = self._wanted(row)
        if wanted not in self._questions:
            self._questions[wanted] = self._made(wanted)
        return self._questions[wanted]

    def _made(self, wanted: int | None) -> MadeQuestion:
        schema, decision = self.sample.schema, replace(self.model.decision, desired=wanted)
        rows = self.sample.rows
        reference = rows[:: max(len(rows) // REFERENCE, 1)][:REFERENCE]
        policy = Policy.read(self.table, schema, decision, reference=reference)
        target = policy.target(wanted) if wanted is not None else _interval(decision, self.target)
        wording = Wording(schema, decision, policy.phrases or {})
        writer = Writer(schema, decision, wording, self.language, self.sample.values)
        return MadeQuestion(policy, target, writer)

    def _wanted(self, row: Row) -> int | None:
        """The class to reach; None where it is an interval."""
        decision = self.model.decision
        if isinstance(self.target, tuple):
            return None
        if self.target is not None:
            return _class(decision, self.target)
        if not decision.classes:
            raise InvalidTarget("target", "is missing: of a value, say target=(low, high)")
        # The estimator's own word, where there is one.
        scores = (self.model.original or self.model.predictor).score(row[None])
        decided = int(decision.decide(scores)[0])
        if len(decision.classes) == 2:
            return 1 - decided
        others = scores[0].copy()
        others[decided] = -np.inf
        return int(np.argmax(others))

    def _target_told(self) -> Iterator[str]:
        if self.target is None:
            several = len(self.model.decision.classes) > 2
            yield f"wanted: the {'next likely' if several else 'other'} class of each row"
        if not self.table:
            yield "any feature may be changed; cost: how far, in median absolute deviations of data"


@dataclass(frozen=True, eq=False)
class MadeQuestion:
    """What is the same of all rows of which the same is wanted."""

    policy: Policy
    target: Target
    writer: Writer


def _confirmed(problem: Problem, answer: Answer, original: Predictor) -> bool:
    """Whether the estimator says of the row and of each answer what the graph says."""
    found = answer.counterfactuals if isinstance(answer, Recourse) else ()
    scores: Scores = original.score(np.array([problem.factual, *(each.row for each in found)]))
    # By the plain decision: rounding is what sessions of the graph may differ by.
    target = problem.target.plain
    same = target.decision.decide(scores[:1])[0] == answer.prediction.decided
    is_met = target.needs_nothing(scores[:1])[0] == isinstance(answer, AlreadyTarget)
    return bool(same and is_met and target.met(scores[1:]).all())


def _class(decision: Decision, wanted: object) -> int:
    names = decision.class_names
    name = wanted if isinstance(wanted, str) else name_of(wanted)
    if name not in names:
        known = ", ".join(names) or "none, but a value: say target=(low, high)"
        raise InvalidTarget("target", f"is {wanted!r}, and the classes are {known}", wanted)
    return names.index(name)


def _interval(decision: Decision, wanted: object) -> Target:
    assert isinstance(wanted, tuple)
    if len(wanted) != 2:
        raise InvalidTarget("target", f"is {wanted!r}, not (low, high)", wanted)
    if decision.task is Task.MULTICLASS:
        raise InvalidTarget("target", "of several classes is one of them, not an interval")
    low, high = wanted
    return Target(
        decision,
        None,
        -np.inf if low is None else float(low),
        np.inf if high is None else float(high),
    )


# --- model folders --------------------------------------------------------------------------------


def served_folder(folder: Path) -> ServedModel:
    from ifonly.models.repository import load_folder
    from ifonly.service.served.registry import prepare

    return prepare(load_folder(folder.resolve()))


@dataclass(frozen=True, eq=False)
class Folder:
    """Questions about a model folder, answered as the service answers them."""

    model: ServedModel
    target: Wanted | None
    constraints: Mapping[str, Any]
    alternatives: int
    language: str
    seconds: float | None
    seed: int
    joint_box: bool = False

    @property
    def assumptions(self) -> tuple[str, ...]:
        return ()

    def read(self, rows: Any) -> Rows:
        if isinstance(self.model.schema, WindowSchema):
            return self.model.schema.one_or_many(rows)
        # Its own schema: nothing is guessed, and values out of bounds are errors.
        return Sample(self.model.schema, np.empty((0, len(self.model.schema)))).read(rows)

    def question(self, row: Row) -> Question:
        from ifonly.service.ask import read_request
        from ifonly.service.wire import requests, validation

        body = {
            "instance": self.model.schema.write(row),
            "constraints": dict(self.constraints),
            "alternatives": self.alternatives,
            "seed": self.seed,
            "joint_box": self.joint_box,
            **self._asked_target(),
        }
        # Read as over HTTP: a notebook must not be told what the service would refuse.
        return read_request.question(validation.read(requests.ExplanationRequest, body), self.model)

    def explained(self, row: Row) -> Explanation:
        from ifonly.service.ask.explain import explain as answered
        from ifonly.service.errors import TargetAlreadyMet

        question = self.question(row)
        deadline = Deadline.never() if self.seconds is None else Deadline.after(self.seconds)
        wording, answer = self.model.wording, None
        try:
            found = answered(self.model, question, deadline)
            answer = found.answer
            if found.causal is not None:
                wording = found.causal.wording
        except TargetAlreadyMet as met:
            answer = AlreadyTarget(met.prediction, Work("none", 1, 1))
        writer = Writer(self.model.schema, self.model.decision, wording, self.language)
        return writer.write(row, question.target, answer, confirmed_by="onnx")

    def _asked_target(self) -> dict[str, Any]:
        if self.target is None:
            return {}
        wanted = self.target if isinstance(self.target, tuple) else name_of(self.target)
        return {"target": target_of(wanted)}
