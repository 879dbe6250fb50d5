"""Sufficient reasons as an exported answer tells them, checked against the documents and the model.

That a set is sufficient is the search's proof, which rows can only contradict; that each of its
features is needed, the ranking, and what is said of other readings are checked whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from itertools import combinations

import numpy as np

from ifonly.explainers.verify.forced import ForcedDecision, ReadableRows, Score
from ifonly.explainers.verify.reading import differing, near, written
from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.rulebook import Rulebook
from ifonly.explainers.verify.sections import Json, NotAnAnswer, Section, refusing_other_json
from ifonly.explainers.verify.word import predicted
from ifonly.models.predictor import Rows
from ifonly.models.schema import Feature, Kind

MOST_TRIED = 256
"""Rows that may contradict each sufficient reason."""


def check_reasons(
    answer: Json, request: Json | None, book: Rulebook, score: Score
) -> list[Section]:
    """Every check of an exported answer about sufficient reasons; parameters and errors are those
    of :func:`ifonly.explainers.verify.exported.check_answer`. The instance is in the request."""
    if request is None:
        raise NotAnAnswer("which row was asked about is in the request, which is not there")
    with refusing_other_json():
        factual = tuple(book.schema.read(request["instance"]).tolist())
        return list(_Reasons(answer, request, book, factual, score).sections())


@dataclass(frozen=True, eq=False)
class _Reasons:
    answer: Json
    request: Json
    book: Rulebook
    factual: tuple[float, ...]
    score: Score

    def sections(self) -> Iterator[Section]:
        yield Section("prediction", tuple(self._prediction()))
        yield Section("readings", tuple(self._readings()))
        held = [columns for columns, _ in self._sets]
        seed = self.request.get("seed", 0)
        against = self._forced.contradicting(held, self._references, MOST_TRIED, seed)
        for i, (columns, told) in enumerate(self._sets):
            checks = tuple(self._reason(columns, told, against[i]))
            yield Section(f"reasons.{i}", checks)
        yield Section("reasons", tuple(self._together()))
        yield Section("principal", tuple(self._principal()))

    @property
    def _references(self) -> Rows | None:
        return self.book.references

    @cached_property
    def _rows(self) -> ReadableRows:
        rules = [rule["rule"] for rule in self.book.policy.get("rules", ())]
        return ReadableRows.of(self.book.schema, self.factual, rules)

    @cached_property
    def _scores(self) -> list[float]:
        scores: list[float] = self.score(np.array([self.factual]))[0].tolist()
        return scores

    @cached_property
    def _forced(self) -> ForcedDecision:
        decided = int(self.book.decision.decide(np.array([self._scores]))[0])
        return ForcedDecision(self._rows, self.book.decision, decided, self.score)

    @cached_property
    def _sets(self) -> list[tuple[tuple[int, ...], Json]]:
        index = self.book.schema.index
        return [
            (tuple(index(each["feature"]) for each in told["features"]), told)
            for told in self.answer["reasons"]
        ]

    def _prediction(self) -> Iterator[Check]:
        said = self.answer["prediction"]
        yield predicted(said, self._scores, self.book.decision)
        yield Check("decided", self._forced.decided >= 0, f"class {self._forced.decided}")

    def _readings(self) -> Iterator[Check]:
        told = self.answer["readings"]
        names = [each["feature"] for each in told]
        of_all = names == list(self.book.schema.names)
        yield Check("features", of_all, f"{len(names)} of {len(self.book.schema)}")
        wrong = [
            feature.name
            for feature, each in zip(self.book.schema.features, told, strict=False)
            if not _is_as_declared(feature, each)
        ]
        yield Check("ranges", not wrong, ", ".join(wrong) or "all as the schema declares")
        rules, aside = tuple(self.answer["rules"]), tuple(self.answer["set_aside"])
        is_same = rules == self._rows.kept and aside == self._rows.set_aside
        told_of = f"{list(rules)} kept, {list(aside)} broken by the instance"
        yield Check("rules", is_same, told_of)

    def _reason(
        self, columns: tuple[int, ...], told: Json, against: Sequence[float] | None
    ) -> Iterator[Check]:
        schema = self.book.schema
        once = list(columns) == sorted(set(columns))
        yield Check("features", once, f"{len(columns)} features, each once, in order")
        as_read = [
            each["feature"]
            for j, each in zip(columns, told["features"], strict=True)
            if schema.features[j].write(self.factual[j]) != each["value"]
        ]
        yield Check("values", not as_read, ", ".join(as_read) or "as they were read")
        why = "no row that was tried contradicts it" if against is None else f"{list(against)} does"
        yield Check("sufficient", against is None, why)
        status, witnesses = told["status"], told["witnesses"]
        is_minimal = status in ("smallest", "minimal")
        who = [schema.index(w["feature"]) for w in witnesses]
        yield Check(
            "status",
            status in ("smallest", "minimal", "sufficient")
            and who == (list(columns) if is_minimal else []),
            f"{status}, with {len(witnesses)} witnesses of {len(columns)} features",
        )
        rows = [[written(f, w["instance"][f.name]) for f in schema.features] for w in witnesses]
        scores = self.score(np.array(rows)).tolist() if rows else []
        for column, row, own, witness in zip(who, rows, scores, witnesses, strict=True):
            name = f"witness.{schema.names[column]}"
            fault = self._forced.fault_of(columns, column, row)
            yield Check(name, not fault, fault or "differs in this, and outside the set")
            decided = int(self.book.decision.decide(np.array([own]))[0])
            yield Check(f"{name}.decision", decided != self._forced.decided, f"class {decided}")
            claimed = predicted(witness["prediction"], own, self.book.decision)
            yield claimed._replace(name=f"{name}.prediction")

    def _together(self) -> Iterator[Check]:
        sets = [frozenset(columns) for columns, _ in self._sets]
        sizes, least = [len(s) for s in sets], self.answer["at_least"]
        yield Check("order", sizes == sorted(sizes), f"sizes {sizes}")
        within = [(a, b) for a, b in combinations(range(len(sets)), 2) if sets[a] <= sets[b]]
        yield Check("minimal", not within, f"one within another: {within}" if within else "apart")
        yield Check("at_least", all(n >= least for n in sizes), f"none below {least} is claimed")
        wrong = [
            i
            for i, (columns, told) in enumerate(self._sets)
            if (told["status"] == "smallest") is not self._is_smallest(columns, told)
        ]
        yield Check("smallest", not wrong, f"at least {least}, sizes {sizes}")
        status = self._sets[0][1]["status"] if self._sets else "unknown"
        said = self.answer["status"]
        yield Check("status", said == status, f"{said} is said, {status} is the first's")
        # What turns the decision has something in common with every sufficient set.
        apart = []
        for i, (_, told) in enumerate(self._sets):
            for witness in told["witnesses"]:
                features = self.book.schema.features
                row = [written(f, witness["instance"][f.name]) for f in features]
                moved = set(differing(row, self.factual))
                apart += [k for k, other in enumerate(sets) if not moved & other and k != i]
        yield Check("contrasts", not apart, f"not met: {apart}" if apart else "all are met")

    def _is_smallest(self, columns: Sequence[int], told: Json) -> bool:
        least: int = self.answer["at_least"]
        return told["status"] != "sufficient" and len(columns) <= least

    def _principal(self) -> Iterator[Check]:
        told, schema = self.answer["principal"], self.book.schema
        sets = [columns for columns, _ in self._sets]
        columns = [schema.index(each["feature"]) for each in told]
        known = set(columns) <= {j for each in sets for j in each}
        yield Check("features", known and len(set(columns)) == len(columns), "of the sets, once")
        shares = [sum(j in each for each in sets) / max(1, len(sets)) for j in columns]
        said = [each["share"] for each in told]
        yield Check("shares", all(map(near, shares, said)), f"{said}")
        far = [self._distance(j) for j in columns]
        claimed = [each["distance"] for each in told]
        yield Check("distances", all(map(near, far, claimed)), f"{claimed}")
        # What turns the decision alone is in every sufficient set, and the other way round.
        lone = [each["alone"] for each in told]
        fits = [
            share == 1.0 if alone else share < 1.0 or not self.answer["complete"]
            for alone, share in zip(lone, shares, strict=True)
        ]
        yield Check("alone", all(fits), f"{lone}, of shares {said}")
        order = [
            (-share, not each["alone"], -distance, j)
            for share, each, distance, j in zip(said, told, claimed, columns, strict=True)
        ]
        yield Check("order", order == sorted(order), "share, alone, distance, the schema's order")

    def _distance(self, column: int) -> float:
        references = self._references
        if references is None or not len(references):
            return 0.0
        own, seen = self.factual[column], references[:, column]
        is_number = not self.book.schema.features[column].kind.is_categorical
        if own != own:
            return float(np.mean(~np.isnan(seen)))
        if not is_number:
            return float(np.mean(seen != own))
        there = seen[~np.isnan(seen)]
        if not there.size:
            return 0.0
        # The scale that a change of it is measured by: in the policy, or of the same rows.
        scale = float(self.book.price.features[column].scale)
        return abs(own - float(np.median(there))) / scale


def _is_as_declared(feature: Feature, told: Json) -> bool:
    if feature.kind.is_categorical:
        return bool(told["categories"] == list(feature.category_names))
    if (told["min"], told["max"]) != (feature.lower, feature.upper):
        return False
    step = Decimal(str(told["resolution"]))
    if told["derived"]:
        # Fine enough for a thousand readings, of a number; of a whole number every one.
        if feature.kind is Kind.INTEGER:
            return feature.resolution is None and step == 1
        extent = Decimal(str(feature.upper)) - Decimal(str(feature.lower))
        is_fine = 0 < step <= extent / 1000 or extent == 0
        return feature.resolution is None and is_fine
    return step == feature.resolution
