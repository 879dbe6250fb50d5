"""Lines of an output, held against the checker once more: by the model's documents, the question
and the deployed graph alone. Nothing of what made the lines is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ifonly.explainers.answer import Prediction
from ifonly.explainers.verify import Checker, Proposal, Terms
from ifonly.explainers.verify.limits import leaves_one
from ifonly.explainers.verify.reading import near
from ifonly.models.predictor import Row
from ifonly.models.rounding import rounding_of
from ifonly.models.schema import Schema
from ifonly.service.bulk.asking import RowQuestion
from ifonly.service.bulk.errors import NotInBulk
from ifonly.service.bulk.lines import INVALID, said
from ifonly.service.bulk.reading import RowsRead
from ifonly.service.bulk.schema import METADATA

ABOUT = ("model_sha256", "spec_sha256", "causal_sha256", "asked")
"""Of an output's identity: what must be the same for its lines to be checked."""


@dataclass(frozen=True, slots=True)
class RowFault:
    """One thing that does not hold of one line."""

    row: int
    """Its number in the table."""
    check: str
    says: str


class LineCheck:
    """Checks lines that are said to answer one question."""

    def __init__(self, asking: RowQuestion, identity: Mapping[str, Any]) -> None:
        self._model = asking.model
        self._identity = identity
        self._question = asking.question
        self._terms = asking.model.rulebook.terms(asking.question.asked)
        self._predictor = asking.model.deployed.predictor

    def faults(self, read: RowsRead, output: pa.RecordBatch) -> list[RowFault]:
        """What does not hold of the lines of a batch.

        Raises
        ------
        NotInBulk
            If they tell of another question, another model, or another number of rows.
        """
        told = json.loads((output.schema.metadata or {}).get(METADATA, b"{}"))
        for key in ABOUT:
            # As JSON has it: a tuple comes back as a list.
            if told.get(key) != json.loads(json.dumps(self._identity[key])):
                raise NotInBulk(f"the lines are of another {key}: {json.dumps(told.get(key))}")
        if output.num_rows != len(read.rows):
            raise NotInBulk(f"{output.num_rows} lines are told of {len(read.rows)} rows")
        lines = output.to_pylist()
        return [
            RowFault(line["row"], check, says)
            for i, line in enumerate(lines)
            for check, says in self._of_line(read.rows[i], bool(read.valid[i]), line)
        ]

    def _of_line(self, row: Row, is_valid: bool, line: Mapping[str, Any]) -> Iterator[Said]:
        if not is_valid or line["status"] == INVALID:
            if is_valid or line["status"] != INVALID:
                yield "status", f"{line['status']} is told of a row that is{_not(is_valid)} valid"
            return
        if line["status"] == "failed":
            return
        scores = self._predictor.score(row[np.newaxis])[0].tolist()
        yield from self._as_scored(scores, line, "")
        checker = Checker(self._terms, tuple(row.tolist()), self._predictor.score)
        match line["status"]:
            case "already_target":
                if not self._is_met(scores):
                    yield "target", f"the deployed model scores the row {scores}"
            case "optimal" | "feasible":
                yield from self._recourse(checker, row, line)
            case "infeasible":
                yield from self._infeasible(checker, row, line)
        if line["status"] not in ("optimal", "feasible") and line["actions"] is not None:
            yield "status", f"{line['status']} is told, and an answer"

    def _is_met(self, scores: list[float]) -> bool:
        goal = self._terms.goal
        asked = self._question.target_as_asked or {}
        # What the policy demands besides the decision, it demands of changes.
        is_own = "probability" in asked or "score" in asked
        return (goal if is_own else goal.alone).met(scores)

    def _recourse(self, checker: Checker, row: Row, line: Mapping[str, Any]) -> Iterator[Said]:
        if line["verified"] is not True:
            yield "verified", "an answer that nobody has verified"
        is_proven = line["gap"] == 0.0
        if is_proven is not (line["status"] == "optimal"):
            yield "status", f"{line['status']} is told, with a gap of {line['gap']}"
        yield from self._found(checker, row, line, "")
        levers = self._levers(line)
        for rank, other in enumerate(line.get("alternatives") or (), 2):
            checker = checker.excluding(leaves_one(levers))
            yield from self._found(checker, row, other, f"alternative {rank}: ")
            levers = self._levers(other)
        for way in line.get("ways") or ():
            if way["actions"] is not None:
                own = self._surviving(way["survives_factor"])
                under = Checker(own, checker.factual, checker.score)
                yield from self._found(under, row, way, f"way {way['name']}: ")

    def _surviving(self, factor: float | None) -> Terms:
        """What a way must keep that is said to survive so many times the tolerances."""
        if not factor:
            return self._terms
        wider = tuple(factor * off for off in self._model.policy.tolerances)
        return self._terms.surviving("ways", wider)

    def _found(
        self, checker: Checker, row: Row, found: Mapping[str, Any], of: str
    ) -> Iterator[Said]:
        """One counterfactual: allowed, in the target, of that cost, as sure as it is told."""
        if not found["rests_on_rounding"]:
            checker = checker.firm(rounding_of(self._predictor))
        schema = self._model.schema
        action = _moved(schema, row, found["actions"])
        led = _moved(schema, action, found["effects"])
        report = checker.check(Proposal(action.tolist(), led.tolist(), found["cost"]))
        for check in report.checks:
            if not check.holds:
                yield f"{of}{check.name}", check.says
        if not report.scores:
            return
        yield from (
            (f"{of}{n}", says) for n, says in self._as_scored(report.scores, found, "_after")
        )
        if found["lower_bound"] is not None:
            bound = checker.bounded(found["cost"], found["lower_bound"])
            if not bound.holds:
                yield f"{of}bound", bound.says
        demanded = bool(checker.terms.survival)
        # Of a way a proof may be told that was not demanded.
        if found["survives"] and not demanded:
            yield f"{of}survives", "survival is told, and nothing demands it"
        if self._terms.survival and not found["survives"]:
            yield f"{of}survives", "survival is demanded, and not told"
        if found["chance"] is not None and (
            report.chance is None or not near(found["chance"], report.chance)
        ):
            yield f"{of}chance", f"{found['chance']} is told, {report.chance} recomputed"

    def _infeasible(self, checker: Checker, row: Row, line: Mapping[str, Any]) -> Iterator[Said]:
        """That nothing does rests on the proof; what is at hand must not refute it, and the way
        out must be one once what is said to stand in the way is lifted."""
        rounding = rounding_of(self._predictor)
        references = self._model.deployed.reference
        seen = [] if references is None else references.tolist()
        way_out = line["relaxation"]
        if way_out is not None:
            action = _moved(self._model.schema, row, way_out["actions"])
            led = _moved(self._model.schema, action, way_out["effects"])
            seen.append(action.tolist())
            yield from self._way_out(checker, way_out, Proposal(action.tolist(), led.tolist()))
        found = checker.firm(rounding).contradicted(float("inf"), seen)
        if found is not None:
            yield "infeasible", f"{list(found.row)} is allowed and flips"

    def _way_out(
        self, checker: Checker, told: Mapping[str, Any], proposal: Proposal
    ) -> Iterator[Said]:
        terms, lifted = checker.terms, told["lifted"]
        if lifted not in terms.keys:
            # The probability that is demanded besides the decision: that alone is reached.
            terms = terms.aiming(terms.goal.alone)
        report = checker.under(terms.without(lifted)).check(replace(proposal, cost=told["cost"]))
        for check in report.checks:
            if not check.holds:
                yield f"relaxation: {check.name}", check.says

    def _as_scored(self, scores: Any, told: Mapping[str, Any], suffix: str) -> Iterator[Said]:
        """Whether the model's word is told as it is."""
        decided = int(self._model.decision.decide(np.array([scores]))[0])
        own = said(Prediction(tuple(scores), decided), self._model.decision)
        for name, value in zip(("decision", "probability", "score"), own, strict=True):
            is_told = told[name + suffix]
            is_same = is_told == value
            if isinstance(is_told, float) and isinstance(value, float):
                is_same = near(is_told, value)
            if not is_same:
                yield name + suffix, f"{is_told} is told, and the deployed model says {value}"

    def _levers(self, found: Mapping[str, Any]) -> frozenset[int]:
        return frozenset(self._model.schema.index(each["feature"]) for each in found["actions"])


Said = tuple[str, str]
"""A check that does not hold, and what it says."""


def _moved(schema: Schema, row: Row, moves: list[Mapping[str, Any]] | None) -> Row:
    """A row with what is told of it moved."""
    found = row.copy()
    for move in moves or ():
        j = schema.index(move["feature"])
        feature = schema.features[j]
        if feature.kind.is_categorical:
            name = move["to_category"]
            found[j] = np.nan if name is None else feature.category_names.index(name)
        else:
            found[j] = np.nan if move["to"] is None else move["to"]
    return found


def _not(is_valid: bool) -> str:
    return "" if is_valid else " not"
