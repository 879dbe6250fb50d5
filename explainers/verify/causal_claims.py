"""What an exported answer tells of its causal graphs: what follows, how surely, what is doubted."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ifonly.explainers.verify.checker import Checker
from ifonly.explainers.verify.failed import FailedPart
from ifonly.explainers.verify.reading import near
from ifonly.explainers.verify.report import Check, GraphMargins, Report, mixture
from ifonly.explainers.verify.rulebook import Rulebook
from ifonly.explainers.verify.sections import Json
from ifonly.explainers.verify.what_follows import MAIN
from ifonly.explainers.verify.word import SCORED, scored
from ifonly.models.schema import Schema


@dataclass(frozen=True, eq=False)
class CausalClaims:
    """The causal claims of one answer, held against the documents and what the checker computed."""

    answer: Json
    checker: Checker
    """Of the question."""
    book: Rulebook

    @property
    def _schema(self) -> Schema:
        return self.book.schema

    def doubts_of(self, found: Json) -> Iterator[Check]:
        """Check that the failed parts of the causal file on which it rests are told, and no others.
        Older answers do not tell them."""
        if "doubts" not in found:
            return
        columns = [self._schema.index(a["feature"]) for a in found["actions"]]
        said = [(d["check"], *d["features"]) for d in found["doubts"]]
        rests = [self._named(part) for part in self._rested_on(columns)]
        yield Check("doubts", said == rests, f"{said} told; rests on {rests}")

    def _rested_on(self, columns: Sequence[int]) -> list[FailedPart]:
        terms, laws = self.checker.terms, self.book.laws
        if laws is None or terms.what_follows is None:
            return []
        return laws.rested_on(columns, terms.is_history)

    def _named(self, part: FailedPart) -> tuple[str, ...]:
        return (part.check, *(self._schema.names[j] for j in part.columns))

    def doubts_of_all(self) -> Iterator[Check]:
        """Check the doubts of the whole answer: those of its counterfactuals; where it has none,
        parts that had failed."""
        if "doubts" not in self.answer:
            return
        told = self.answer["counterfactuals"]
        said = {(d["check"], *d["features"]) for d in self.answer["doubts"]}
        own = {(d["check"], *d["features"]) for found in told for d in found["doubts"]}
        each = ([j] for j in range(len(self._schema)))
        known = {self._named(part) for j in each for part in self._rested_on(j)}
        fits = said == own if told else said <= known
        yield Check("doubts", fits, f"{sorted(said)} told; {sorted(own or known)} are")

    def graphs_of_all(self) -> Iterator[Check]:
        """Check that the graphs that the documents hold possible are told: names, weights, whether
        answers must hold under each, and which one decides."""
        laws, terms = self.book.laws, self.checker.terms
        if laws is None or terms.what_follows is None:
            return
        asked = () if terms.is_history else laws.others
        causal, first = self.answer["causal"], next(iter(self.answer["counterfactuals"]), None)
        main = (MAIN, 1.0 - sum(o.weight for o in asked), True)
        known = [main, *((o.name, o.weight, o.is_held) for o in asked)] if asked else []
        said = causal.get("graphs") or []
        fits = len(said) == len(known) and all(
            (told["name"], told["held"]) == (name, held) and near(told["weight"], weight)
            for told, (name, weight, held) in zip(said, known, strict=True)
        )
        names = [told["name"] for told in said]
        yield Check("graphs", fits, f"{names} told; {known} are declared")
        decides = causal.get("deciding_graph")
        if decides is not None:
            yield Check("graphs", decides in names[1:], f"{decides} is told to decide")
        if first is None:
            return
        # Of an answer after which nothing follows by any graph no graph is asked.
        own = (first.get("assurance") or {}).get("graphs") or []
        chances = [told["chance"] for told in own] or [None] * len(said)
        fits = [told["chance"] for told in said] == chances
        yield Check("graphs", fits, f"{[told['chance'] for told in said]}; the first: {chances}")
        by_main = causal.get("cost_by_main_graph")
        if by_main is not None:
            fits = 0.0 <= by_main < first["cost"]
            yield Check("graphs", fits, f"{by_main} by the main graph alone, below {first['cost']}")

    def worst_graph(self, report: Report) -> Check:
        """Whether the graph that is told to be the worst is one under which the margin is least
        sure."""
        said, least = self.answer["causal"].get("worst_graph"), dict[str | None, float]()
        for graph in report.graphs:
            least[graph.name] = graph.lower
        fits = (
            (said is None) if not least else scored(least.get(said, math.inf), min(least.values()))
        )
        return Check("graphs", fits, f"{said} is told to be the worst, of {least}")

    def what_follows(self, found: Json, report: Report) -> Iterator[Check]:
        """Check what leads to each effect, and how many plausible versions of the laws flip.

        A version within the rounding of the limit may be on either side of it.
        """
        names = self._schema.names
        for part in found["effects"]:
            ways = [names[i] for i in report.via.get(self._schema.index(part["feature"]), ())]
            told = f"{part['feature']} from {part['via']}, by the graph from {ways}"
            yield Check("via", part["via"] == ways, told)
        if found.get("assurance") is not None and report.margins:
            chance = found["assurance"]["chance_under_this_model"]
            low, high = _over_all(report)
            told = f"{chance} of {len(report.margins)} versions claimed, {low} to {high} do"
            yield Check("chance", _between(low, chance, high), told)
            yield self._graphs_of(found["assurance"].get("graphs"), report.graphs)
            yield from self._later(found["assurance"].get("when_carried_out"), report)

    def _later(self, said: Json | None, report: Report) -> Iterator[Check]:
        """Check what is told of when it is carried out."""
        known = report.chance_later
        if said is None and known is None:
            return
        if said is None or known is None:
            yield Check("chance", False, f"{said} told of when it is carried out; {known} is")
            return
        told = f"{said['chance']} when it is carried out, {known.low} to {known.high} do"
        yield Check("chance", _between(known.low, said["chance"], known.high), told)
        laws = self.book.laws
        each = () if laws is None or laws.lasting is None else laws.lasting.each
        names = [self._schema.names[kept.column] for kept in each]
        told = f"{said['drawn_anew']} told to be drawn anew; {names} are"
        yield Check("chance", said["drawn_anew"] == names, told)

    def _graphs_of(self, said: Sequence[Json] | None, known: Sequence[GraphMargins]) -> Check:
        """Whether every graph that may be the true one is told, and how sure the answer is under
        each."""
        ends = [(g.name, g.weight, *_shares(g.margins)) for g in known]
        fits = len(said or ()) == len(ends) and all(
            told["name"] == name
            and near(told["weight"], weight)
            and _between(low, told["chance"], high)
            for told, (name, weight, low, high) in zip(said or (), ends, strict=True)
        )
        return Check(
            "graphs", fits, f"{said} told; name, weight, least and greatest chance: {ends}"
        )

    @property
    def has_graph(self) -> bool:
        """Whether a causal graph says what follows, and not only a window's profiles."""
        follows = self.checker.terms.what_follows
        return follows is not None and follows is not self.book.moves


def _shares(margins: Sequence[float]) -> tuple[float, float]:
    """Least and greatest share of versions that flip: those within rounding of the edge may."""
    low, high = (sum(m >= end for m in margins) / len(margins) for end in (SCORED, -SCORED))
    return low, high


def _over_all(report: Report) -> tuple[float, float]:
    """The same over all graphs, by their weights."""
    if not report.graphs:
        return _shares(report.margins)
    each, weights = [_shares(g.margins) for g in report.graphs], [g.weight for g in report.graphs]
    low, high = (mixture(ends, weights) for ends in zip(*each, strict=True))
    return low, high


def _between(low: float, said: float, high: float) -> bool:
    """Up to the rounding of sums."""
    return low <= said <= high or near(said, low) or near(said, high)
