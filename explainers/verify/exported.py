"""An exported answer, checked: the JSON of a reply, or of its record, against the documents.

Everything that a reply claims and that rows can show is recomputed; that nothing cheaper exists
is the search's proof, and is held here only against what the reply itself and the reference rows
say.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from explainers.verify.checker import Checker, Proposal, Score, near
from explainers.verify.limits import leaves_one
from explainers.verify.report import Check
from explainers.verify.rulebook import Asked, Rulebook
from models.errors import InvalidInstance
from models.schema import Feature, Schema, Task

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


def check_answer(answer: Json, request: Json | None, book: Rulebook, score: Score) -> list[Section]:
    """Every check of ``answer``, part by part.

    ``request`` is what was asked; None: it is not known, so that only the model's own documents
    are held against the answer, and the section ``question`` says so.

    Raises
    ------
    NotAnAnswer
        If parts of it are missing, or speak of other features.
    GraphError
        If the model cannot score rows.
    """
    try:
        return list(_Answer(answer, request, book, score).sections())
    except InvalidInstance as error:
        raise NotAnAnswer(str(error)) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise NotAnAnswer(f"a part is missing or misshapen: {error!r}") from error


class _Answer:
    """One answer with its question."""

    def __init__(self, answer: Json, request: Json | None, book: Rulebook, score: Score) -> None:
        self._answer = answer
        self._request = request
        self._book = book
        self._score = score
        self._schema = book.schema
        asked = _asked(answer, request)
        self._checker = Checker(book.terms(asked), self._factual(), score, tells_all=True)

    def _factual(self) -> tuple[float, ...]:
        if self._request is not None:
            return tuple(self._schema.read(self._request["instance"]).tolist())
        for found in self._answer["counterfactuals"]:
            was = {part["feature"]: part["from"] for part in _moving(found)}
            return tuple(self._schema.read({**found["instance"], **was}).tolist())
        raise NotAnAnswer("it holds no counterfactual, so its question must be given too")

    def sections(self) -> Iterator[Section]:
        yield Section("question", tuple(self._question()))
        for k, found in enumerate(self._answer["counterfactuals"]):
            checker = self._further(k)
            yield Section(
                f"counterfactual {found['rank']}", tuple(self._counterfactual(found, checker))
            )
        relaxation = self._answer.get("relaxation")
        if relaxation is not None:
            checks = self._counterfactual(relaxation["counterfactual"], self._relaxed(relaxation))
            yield Section("relaxation", tuple(checks))
        yield Section("claim", tuple(self._claim()))

    # --- the question ---------------------------------------------------------------------

    def _question(self) -> Iterator[Check]:
        known = self._request is not None
        told = "the request is at hand" if known else "not given: only the model's own rules count"
        yield Check("request", True, told)
        yield self._aim()
        scores = self._score(np.array([self._checker.factual]))[0].tolist()
        yield self._predicted(self._answer["prediction"], scores)

    def _aim(self) -> Check:
        goal, said = self._checker.terms.goal, self._answer["target"]
        ends = said.get("score") if goal.wanted is None else said.get("probability")
        low, high = (ends or {}).get("min"), (ends or {}).get("max")
        wanted = None if goal.wanted is None else self._book.decision.class_names[goal.wanted]
        fits = (
            said.get("class") == wanted
            and (-math.inf if low is None else low) == goal.low
            and (math.inf if high is None else high) == goal.high
        )
        return Check("target", fits, f"{wanted} in [{goal.low}, {goal.high}] is asked for: {said}")

    def _predicted(self, said: Json, scores: Sequence[float]) -> Check:
        """What the reply says of the model's word against the model's word."""
        decision = self._book.decision
        decided = int(decision.decide(np.array([scores]))[0])
        name = decision.class_names[decided] if decided >= 0 else None
        number, expected = said.get("probability"), scores[0]
        if decision.task is Task.REGRESSION:
            number = said.get("score")
        elif decision.task is Task.MULTICLASS:
            expected = scores[decided]
        elif decided != decision.positive:
            expected = 1.0 - scores[0]
        fits = said.get("class") == name and number is not None and near(number, expected)
        told = f"{said.get('class')} {number} claimed, {name} {expected} by the deployed model"
        return Check("prediction", fits, told)

    # --- one counterfactual ---------------------------------------------------------------

    def _further(self, k: int) -> Checker:
        """For the answer in place ``k``: it leaves one lever of each before it alone."""
        checker = self._checker
        for before in self._answer["counterfactuals"][:k]:
            columns = frozenset(self._schema.index(a["feature"]) for a in before["actions"])
            checker = checker.excluding(leaves_one(columns))
        return checker

    def _relaxed(self, relaxation: Json) -> Checker:
        terms, key = self._checker.terms, relaxation["lifted"]["key"]
        if key.endswith("target.probability"):
            return self._checker.under(terms.aiming(terms.goal.alone))
        return self._checker.under(terms.without(key))

    def _counterfactual(self, found: Json, checker: Checker) -> Iterator[Check]:
        action = self._action(found)
        row = [_read(f, found["instance"][f.name]) for f in self._schema.features]
        report = checker.check(Proposal(action, row, float(found["cost"])))
        yield from report.checks
        yield from self._steps(found)
        if report.scores:
            yield self._predicted(found["prediction"], report.scores)
        if found.get("lower_bound") is not None:
            yield checker.bounded(found["cost"], found["lower_bound"])
            yield self._gap(found)
        yield from self._ranges(found, action, checker)

    def _action(self, found: Json) -> list[float]:
        action = list(self._checker.factual)
        for setting in found["actions"]:
            j = self._schema.index(setting["feature"])
            action[j] = _read(self._schema.features[j], setting["to"])
        return action

    def _steps(self, found: Json) -> Iterator[Check]:
        """``from`` is the factual's value, of all that is set or follows."""
        for part in _moving(found):
            j = self._schema.index(part["feature"])
            value = _read(self._schema.features[j], part["from"])
            was = self._checker.factual[j]
            yield Check("from", near(value, was), f"{part['feature']} was {value}; read: {was}")

    def _gap(self, found: Json) -> Check:
        cost, bound = float(found["cost"]), float(found["lower_bound"])
        gap = 0.0 if cost <= bound else (cost - bound) / cost
        return Check("gap", near(float(found["gap"]), gap), f"{found['gap']} claimed, {gap} is")

    def _ranges(self, found: Json, action: Sequence[float], checker: Checker) -> Iterator[Check]:
        """Each end of a range holds, all else as in the answer; and none is cheaper than what is
        claimed to be the cheapest."""
        ends = list(_ends(found, self._schema))
        reports = checker.check_all([Proposal(_with(action, j, end)) for j, end in ends])
        for (j, end), report in zip(ends, reports, strict=True):
            name = self._schema.names[j]
            told = "; ".join(report.reasons) or f"costs {report.cost}"
            yield Check("range", report.holds, f"{name} = {end}: {told}")
            bound = found.get("lower_bound")
            if report.holds and bound is not None:
                yield checker.bounded(report.cost, bound)._replace(name="cheapest")

    # --- the claim ------------------------------------------------------------------------

    def _claim(self) -> Iterator[Check]:
        status, found = self._answer["status"], self._answer["counterfactuals"]
        first = found[0] if found else None
        if status in ("optimal", "feasible"):
            proven = first is not None and first.get("gap") == 0.0
            yield Check(
                "status", first is not None and proven is (status == "optimal"),
                f"{status}, with a gap of {None if first is None else first.get('gap')}",
            )  # fmt: skip
            if first is not None and first.get("lower_bound") is not None:
                others = [self._action(other) for other in found[1:]]
                yield self._uncontradicted(float(first["lower_bound"]), others)
        elif status == "infeasible":
            yield Check("status", not found, f"infeasible, with {len(found)} counterfactuals")
            relaxation = self._answer.get("relaxation")
            lifted = [] if relaxation is None else [self._action(relaxation["counterfactual"])]
            yield self._uncontradicted(math.inf, lifted)
        elif status == "already_target":
            goal = self._checker.terms.goal
            scores = self._score(np.array([self._checker.factual]))[0].tolist()
            yield Check("status", goal.needs_nothing(scores), f"already there, scored {scores}")

    def _uncontradicted(self, bound: float, others: Sequence[Sequence[float]]) -> Check:
        """Neither the answer itself nor a row seen in service shows that something cheaper is
        allowed and flips."""
        seen = [] if self._book.references is None else self._book.references.tolist()
        refuted = self._checker.contradicted(bound, [*others, *seen])
        told = f"none of {len(others) + len(seen)} rows at hand is allowed, flips and costs less"
        if refuted is not None:
            told = f"{list(refuted.action)} is allowed, flips and costs {refuted.cost}"
        return Check("cheapest", refuted is None, told)


def _asked(answer: Json, request: Json | None) -> Asked:
    """The request, or what the reply says of its target."""
    if request is not None:
        return Asked(
            request.get("target"),
            request.get("constraints") or {},
            answer["semantics"],
            int(request.get("seed", 0)),
        )
    said = answer["target"]
    target = {key: said[key] for key in ("class", "probability", "score") if said.get(key)}
    if said["source"] == "request" and "probability" not in target and "class" in target:
        target["probability"] = {}  # the decision alone was asked for
    return Asked(target, {}, answer["semantics"])


def _moving(found: Json) -> list[Json]:
    """All that is set or follows. What is set and goes on following stands in both."""
    return [*found["effects"], *found["actions"]]


def _read(feature: Feature, value: Any) -> float:
    """A written value as a row holds it; effects of whole numbers may be written as they are."""
    if feature.kind.is_categorical or value is None:
        return feature.read(value)
    return float(value)


def _ends(found: Json, schema: Schema) -> Iterator[tuple[int, float]]:
    for setting in found["actions"]:
        j = schema.index(setting["feature"])
        for end in setting.get("sufficient_range") or ():
            if end != setting["to"]:
                yield j, _read(schema.features[j], end)


def _with(action: Sequence[float], column: int, value: float) -> list[float]:
    found = list(action)
    found[column] = value
    return found
