"""Requests into domain values; what does not fit the model is refused by place and limit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ifonly.explainers.causal.timing import Duration
from ifonly.explainers.constraints import Constraint
from ifonly.explainers.errors import InvalidPolicy, InvalidTarget
from ifonly.explainers.policy import read_constraints
from ifonly.explainers.target import Target
from ifonly.models.errors import FieldProblem, InvalidInstance
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Task
from ifonly.models.window import Window, is_series, spoken_names, unrolled_constraints, window_of
from ifonly.service.ask.question import MenuQuestion, Question, Rung
from ifonly.service.errors import Fault, InvalidRequest, Path, RequestPart
from ifonly.service.served.causal_model import Semantics
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import requests as wire
from ifonly.service.wire.base import Wire
from ifonly.service.wire.constraints import Constraints
from ifonly.service.wire.validation import called


def check_attributes(
    said: Mapping[str, str] | Sequence[Mapping[str, str]], model: ServedModel
) -> None:
    """``said``: of all rows, or of each.

    Raises
    ------
    InvalidRequest
        With one fault for each attribute that the model's spec does not know, or whose value it
        does not take.
    """
    known = model.deployed.spec.attributes
    if isinstance(said, Mapping):
        faults = [
            Fault(("attributes", name), problem, said[name], limit=limit)
            for name, problem, limit in known.problems(said)
        ]
    else:
        faults = [
            Fault(("attributes", k, name), f"row {k}: {problem}", each[name], limit=limit)
            for k, each in enumerate(said)
            for name, problem, limit in known.problems(each)
        ]
    if faults:
        raise InvalidRequest(RequestPart.REQUEST, faults)


def rows(request: wire.PredictionsRequest, model: ServedModel) -> Rows:
    """All instances as rows, ``(n, n_features)``.

    Raises
    ------
    InvalidRequest
        With every fault of every instance.
    """
    if request.instance is not None:
        return instance(request.instance, model)[np.newaxis]
    read: list[Row] = []
    faults: list[Fault] = []
    for i, values in enumerate(request.instances or ()):
        try:
            read.append(instance(values, model, ("instances", i)))
        except InvalidRequest as error:
            # All instances are read: a client mends everything at once.
            faults.extend(error.faults)
    if faults:
        raise InvalidRequest(RequestPart.INSTANCE, faults)
    return np.array(read)


def instance(values: Mapping[str, Any], model: ServedModel, path: Path = ("instance",)) -> Row:
    """One instance as a row, ``(n_features,)``.

    Raises
    ------
    InvalidRequest
        With one fault for each unknown, missing or invalid field.
    """
    try:
        return model.schema.read(values)
    except InvalidInstance as error:
        raise InvalidRequest(RequestPart.INSTANCE, _field_faults(error, path, values)) from None


def settings(values: Mapping[str, Any], model: ServedModel) -> dict[int, float]:
    """What a what-if sets: column to value.

    Raises
    ------
    InvalidRequest
        With one fault for each unknown or invalid field.
    """
    read: dict[int, float] = {}
    faults: list[Fault] = []
    window, names = window_of(model.schema), spoken_names(model.schema)
    for name, value in values.items():
        if window is not None and name in window.names:
            # A whole channel, reading by reading.
            try:
                read |= _series(window, name, value)
            except InvalidInstance as error:
                faults += _field_faults(error, ("set",), values)
            continue
        if name not in names:
            # Names are listed: most unknown ones are misspelt.
            known = ", ".join(names)
            problem = f"{name} is not a feature of this model ({known})"
            faults.append(Fault(("set", name), problem, value, limit=names))
            continue
        try:
            read[model.schema.index(name)] = model.schema[name].read(value)
        except InvalidInstance as error:
            faults += _field_faults(error, ("set",), values)
    if faults:
        raise InvalidRequest(RequestPart.INSTANCE, faults)
    return read


def _series(window: Window, name: str, values: Any) -> dict[int, float]:
    """Raises
    ------
    InvalidInstance
        Of each reading that is none.
    """
    c = window.names.index(name)
    if not is_series(values):
        first = next((p for p in window.profiles if p.channel == c), None)
        problem = f"{name} is a channel of a window: a list of {window.steps} readings sets it"
        if first is not None:
            problem += f", or a profile such as {window.profile_name(first)} moves it"
        raise InvalidInstance([FieldProblem(name, problem, None, window.channels[c].unit)])
    series = window.read_series(c, values)
    return {window.column(c, t): value for t, value in enumerate(series)}


def question(request: wire.ExplanationRequest, model: ServedModel) -> Question:
    """The whole request.

    Raises
    ------
    InvalidRequest
        Naming the part that is wrong, and where.
    """
    asked = _semantics_of(request, model)
    return _question(request, model, asked, instance(request.instance, model))


def question_of_rows(request: wire.ExplanationRequest, model: ServedModel) -> Question:
    """The request less its instance, to be asked of many rows: its factual is none.

    Raises
    ------
    InvalidRequest
        As :func:`question`.
    """
    nothing = np.full(len(model.schema), np.nan)
    for key in _beside(request):
        problem = f"{key} is told of single instances, not of rows of a table"
        raise InvalidRequest(RequestPart.REQUEST, [Fault((key,), problem, True)])
    asked = _question(request, model, _semantics_of(request, model), nothing)
    # Whoever asks about all rows asks about those that need nothing, too.
    return replace(asked, target_is_named=False)


def _semantics_of(request: wire.ExplanationRequest, model: ServedModel) -> Semantics:
    asked = semantics(request.semantics, model)
    if asked is Semantics.BACKTRACKING:
        if request.ways:
            problem = "ways cannot be told of backtracking: in another past nothing is set"
            raise InvalidRequest(RequestPart.REQUEST, [Fault(("ways",), problem, True)])
        for key in _beside(request):
            problem = f"{key} cannot be told of backtracking: in another past nothing is set"
            raise InvalidRequest(RequestPart.REQUEST, [Fault((key,), problem, True)])
    return asked


def _beside(request: wire.ExplanationRequest) -> list[str]:
    """What is asked for that is told beside single answers."""
    asked = {"joint_box": request.joint_box, "menu": request.menu is not None}
    return [key for key, is_asked in asked.items() if is_asked]


def _question(
    request: wire.ExplanationRequest, model: ServedModel, asked: Semantics, factual: Row
) -> Question:
    return Question(
        factual=factual,
        target=target(request.target, model),
        target_is_named=request.target is not None,
        constraints=constraints(request.constraints, model),
        alternatives=request.alternatives,
        ways=request.ways,
        joint_box=request.joint_box,
        menu=None if request.menu is None else _menu(request.menu, model),
        seed=request.seed,
        semantics=asked,
        target_as_asked=None if request.target is None else _given(request.target),
        constraints_as_asked=_given(request.constraints),
    )


def _menu(asked: wire.MenuRequest, model: ServedModel) -> MenuQuestion:
    if asked.levers is None:
        return MenuQuestion(asked.max_levers)
    names, faults = model.schema.names, []
    for place, name in enumerate(asked.levers):
        if name not in model.schema:
            problem = f"{name} is not a feature of this model ({', '.join(names)})"
            faults.append(Fault(("menu", "levers", place), problem, name, limit=names))
    if faults:
        raise InvalidRequest(RequestPart.REQUEST, faults)
    return MenuQuestion(asked.max_levers, tuple(sorted({names.index(n) for n in asked.levers})))


def semantics(asked: str | None, model: ServedModel) -> Semantics:
    """What is asked for, or what the model is asked by where nothing is.

    Raises
    ------
    InvalidRequest
        If no causal model is accepted that could say what follows.
    """
    chosen = model.semantics if asked is None else Semantics(asked)
    # Answered otherwise, what follows would silently stay where it is.
    if chosen is not Semantics.INDEPENDENT and model.causal is None:
        raise _no_causal_model("semantics", chosen.value, model)
    return chosen


def rung(asked: str | None, model: ServedModel) -> Rung:
    """The rung that a what-if stands on.

    Raises
    ------
    InvalidRequest
        If no causal model is accepted that could say what follows.
    """
    # No default rung that needs a causal model may be guessed: without one nothing follows.
    if asked is None:
        return Rung.COUNTERFACTUAL if model.causal else Rung.ASSOCIATION
    if Rung(asked) is not Rung.ASSOCIATION and model.causal is None:
        raise _no_causal_model("rung", asked, model)
    return Rung(asked)


def over(asked: wire.Over | None) -> Duration | None:
    """How long a what-if looks on.

    Raises
    ------
    InvalidRequest
        If it is no length of time that could be told apart from none.
    """
    if asked is None:
        return None
    ((unit, amount),) = _given(asked).items()
    try:
        return Duration.of(amount, unit)
    except ValueError as error:
        fault = Fault(("over", unit), str(error), amount)
        raise InvalidRequest(RequestPart.REQUEST, [fault]) from None


def _no_causal_model(key: str, value: str, model: ServedModel) -> InvalidRequest:
    has = "has no causal model" if model.graph is None else f"has one that is {model.graph.status}"
    problem = f"{key} is {value}, which needs an accepted causal model; {model.name} {has}"
    # Said with the graph's status: one that is proposed needs only to be accepted.
    return InvalidRequest(RequestPart.REQUEST, [Fault((key,), problem, value)])


def target(asked: wire.Target | None, model: ServedModel) -> Target:
    """The target that is named, or else the model's desired class; of that class, as probable as
    the policy demands where the request says nothing of it.

    Raises
    ------
    InvalidRequest
        If the model has no such class or score, or none is named and none is desired.
    """
    decision = model.decision
    try:
        if asked is None:
            if decision.desired is None:
                raise InvalidTarget("target", "is missing, and this model desires no class")
            return model.policy.target()
        wanted = None if asked.class_ is None else _class(asked.class_, model)
        lower, upper = _interval(asked, model)
        # The plant's demand holds unless the request says otherwise: policy is not opted into.
        if wanted is not None and asked.probability is None:
            # The policy's probability is demanded of its desired class only; of another, none.
            return model.policy.target(wanted)
        return Target(decision, wanted, lower, upper)
    except InvalidTarget as error:
        path = place(error.key, {"target": _given(asked)})
        problem = f"{called(path)} {error.problem}"
        raise InvalidRequest(
            RequestPart.TARGET, [Fault(path, problem, error.value, decision.unit, error.limit)]
        ) from None


def _class(name: str, model: ServedModel) -> int:
    names = model.decision.class_names
    if name not in names:
        known = ", ".join(repr(n) for n in names) or "this model has none"
        raise InvalidTarget("target.class", f"is {name!r}, not a class ({known})", name, names)
    return names.index(name)


def _interval(asked: wire.Target, model: ServedModel) -> tuple[float, float]:
    if asked.score is not None:
        # Two demands that could contradict: the client says one.
        if asked.class_ is not None or asked.probability is not None:
            raise InvalidTarget("target.score", "cannot be asked together with a class")
        return _ends(asked.score.min, asked.score.max)
    if asked.probability is not None:
        if asked.class_ is None:
            raise InvalidTarget("target.probability", "needs the class that it is of")
        if model.decision.task is Task.REGRESSION:
            raise InvalidTarget("target.probability", "is not what a regression gives")
        return _probability(asked.probability)
    return _ends(None, None)


def _probability(asked: wire.ProbabilityRange) -> tuple[float, float]:
    """An end at 0 or 1 says nothing: without any, the decision alone is asked for."""
    lower, upper = _ends(asked.min, asked.max)
    return (lower if lower > 0.0 else -math.inf), (upper if upper < 1.0 else math.inf)


def _ends(low: float | None, high: float | None) -> tuple[float, float]:
    return (-math.inf if low is None else low), (math.inf if high is None else high)


def constraints(asked: Constraints, model: ServedModel) -> tuple[Constraint, ...]:
    """What the request adds to the policy.

    Raises
    ------
    InvalidRequest
        Naming the constraint, its value and the limit.
    """
    try:
        said = unrolled_constraints(_given(asked), model.schema)
        return read_constraints(said, model.schema, model.policy.tolerances)
    except InvalidPolicy as error:
        problem = error.problem if error.is_sentence else f"{called(error.path)} {error.problem}"
        fault = Fault(error.path, problem, error.value, error.unit, error.limit)
        raise InvalidRequest(RequestPart.CONSTRAINTS, [fault]) from None


def place(key: str, document: object) -> Path:
    """A dotted key of the domain as the path that it names in ``document``.

    Names may hold dots themselves, so the document says where one ends; what it does not hold
    is left out.
    """
    path: list[str | int] = []
    while key:
        if isinstance(document, Mapping):
            fits = [k for k in document if key == k or key.startswith(f"{k}.")]
            if not fits:
                break
            # The longest: names may hold dots, so several keys can begin alike.
            part = max(fits, key=len)
            path.append(part)
            document, key = document[part], key[len(part) + 1 :]
        elif isinstance(document, Sequence) and not isinstance(document, str):
            head, _, rest = key.partition(".")
            # Cut here rather than refused: a pointer to the list is still right.
            if not head.isdecimal() or int(head) >= len(document):
                break
            path.append(int(head))
            document, key = document[int(head)], rest
        else:
            break
    return tuple(path)


def value_at(path: Path, request: Wire) -> object:
    """What the request says at ``path``; None if it says nothing there."""
    value: Any = _given(request)
    for part in path:
        try:
            value = value[part]
        # A fault can be of a missing key, and then there is no value to show.
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _given(part: Wire | None) -> dict[str, Any]:
    """What the request itself says, as JSON would."""
    # Only what was sent: defaults are not the client's words.
    return {} if part is None else part.model_dump(by_alias=True, exclude_unset=True)


_READING = re.compile(r"(.+)\[(\d+)\]")


def _place(field: str, values: Mapping[str, Any]) -> Path:
    """A field, and which of its readings."""
    found = _READING.fullmatch(field)
    if found is None or field in values or found[1] not in values:
        return (field,)
    return found[1], int(found[2])


def _field_faults(error: InvalidInstance, path: Path, values: Mapping[str, Any]) -> list[Fault]:
    return [
        Fault(
            (*path, *_place(p.field, values)),
            p.problem,
            values.get(p.field) if p.value is None else p.value,
            p.unit,
            p.limit,
        )
        for p in error.problems
    ]
