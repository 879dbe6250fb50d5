"""Named ways out as an exported answer tells them, each held against the documents and all of them
against each other. What their names claim beyond that rests on the search's proofs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ifonly.explainers.terms import DEARER, FACTORS, WayName
from ifonly.explainers.verify.checker import Checker
from ifonly.explainers.verify.limits import few_changes, few_of
from ifonly.explainers.verify.reading import near
from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.sections import Json

NAMES = (SMALLEST, FEWEST, ROBUST, OTHER) = tuple(WayName)
NO_WORD = ("no_tolerances", "no_proof")
SHARED, TIMES = "ways.shared", "ways.survives"


@dataclass(frozen=True, eq=False)
class ToldWays:
    """The ways of one answer."""

    told: tuple[Json, ...]
    first: Json
    """The first counterfactual, which is the smallest's."""
    checker: Checker
    tolerances: tuple[float, ...]
    """As the policy declares them."""

    @cached_property
    def _named(self) -> dict[str, Json]:
        return {way["name"]: way for way in self.told}

    def found(self, way: Json) -> Json | None:
        """What a way sets: its own, or that of the one before it that sets the same."""
        if way["name"] == SMALLEST:
            return self.first
        same = way.get("same_as")
        if same is None:
            return way.get("counterfactual")
        place = NAMES.index(way["name"])
        # Only of those before it, so that this ends.
        return self.found(self._named[same]) if NAMES.index(same) < place else None

    def under(self, way: Json) -> Checker:
        """What its counterfactual must keep, by its name and by what it is proven to survive."""
        found, terms = self.found(way), self.checker.terms
        if found is not None and way["name"] == FEWEST:
            terms = terms.excluding(few_changes("ways.levers", len(found["actions"])))
        if found is not None and way["name"] == OTHER:
            shared = len(self._shared(found))
            terms = terms.excluding(few_of(SHARED, self._levers(self.first), shared))
        times = way["survives"]
        if times:
            terms = terms.surviving(TIMES, tuple(times * off for off in self.tolerances))
        return self.checker.under(terms)

    def _levers(self, found: Json) -> frozenset[int]:
        return frozenset(self.checker.terms.schema.index(a["feature"]) for a in found["actions"])

    def _shared(self, found: Json) -> frozenset[int]:
        return self._levers(found) & self._levers(self.first)

    def checks(self) -> Iterator[Check]:
        """Everything that is said of them besides their counterfactuals."""
        names = tuple(way["name"] for way in self.told)
        yield Check("ways", names == NAMES, f"{names} told")
        if names != NAMES:
            return
        for way in self.told:
            yield self._claim(way)
            yield self._same(way)
            yield self._survival(way)
        yield from self._compared()

    def _claim(self, way: Json) -> Check:
        name, status, found = way["name"], way["status"], self.found(way)
        has_one = status in ("optimal", "feasible")
        fits = has_one is (found is not None) and status in (
            "optimal", "feasible", "infeasible", "unknown",
        )  # fmt: skip
        # Cheapest of its kind is part of what is proven.
        fits = fits and (status != "optimal" or (found or {}).get("gap") == 0.0)
        if name == SMALLEST:
            fits = fits and (status == "optimal") is (self.first["gap"] == 0.0)
        if way.get("why") is not None:
            why = way["why"]
            fits = fits and name == ROBUST and status == "unknown" and why in NO_WORD
            fits = fits and (why != "no_tolerances" or not any(self.tolerances))
        return Check("way", fits, f"{name}: {status}, {way.get('why') or 'no reason'}")

    def _same(self, way: Json) -> Check:
        """Whether it sets the same as one before it exactly where that is said."""
        own = self.found(way)
        before = self.told[: NAMES.index(way["name"])]
        alike = [w["name"] for w in before if own is not None and _sets(self.found(w), own)]
        said = way.get("same_as")
        fits = said == (alike[0] if alike else None)
        fits = fits and (said is None or way["survives"] == self._named[said]["survives"])
        # What is shown once is not shown again.
        fits = fits and (said is None or way.get("counterfactual") is None)
        return Check("same_as", fits, f"{way['name']}: {said} told, of {alike}")

    def _survival(self, way: Json) -> Check:
        times, found = way["survives"], self.found(way)
        if times is None:
            return Check("survives", True, f"{way['name']}: nobody knows")
        known = found is not None and any(self.tolerances) and times in (0.0, *FACTORS)
        # Whoever must survive the tolerances survives them once.
        known = known and not (times < 1.0 and self.checker.terms.survival)
        return Check("survives", known, f"{way['name']}: {times} times the tolerances")

    def _compared(self) -> Iterator[Check]:
        """Each name's claim, held against what the others set."""
        every = [(w, f) for w in self.told if (f := self.found(w)) is not None]
        fewest, robust, other = (self._named[n] for n in (FEWEST, ROBUST, OTHER))
        if fewest["status"] == "optimal":
            own = self.found(fewest) or self.first
            least = min(len(found["actions"]) for _, found in every)
            count = len(own["actions"])
            yield Check("fewest", count <= least, f"{count} levers, {least} are enough")
        dearer = robust["cost_factor"]
        yield Check("cost_factor", dearer == DEARER, f"{dearer}, {DEARER} is asked")
        most = DEARER * float(self.first["cost"])
        within = [w["survives"] or 0.0 for w, f in every if f["cost"] <= most]
        surviving = self.found(robust)
        if surviving is not None:
            cost = float(surviving["cost"])
            fits = cost <= most or near(cost, most)
            yield Check("within", fits, f"costs {cost}, {most} at most")
        if robust["status"] in ("optimal", "infeasible"):
            own_times = robust["survives"] or 0.0
            fits = own_times >= max(within)
            yield Check("most_robust", fits, f"{own_times}, others {within}")
        levers = self._levers(self.first)
        own_shared = len(levers)
        if (found := self.found(other)) is not None:
            own_shared = len(self._shared(found))
            fits = own_shared < len(levers)
            yield Check("other", fits, f"sets {own_shared} of the smallest's {len(levers)}")
        if other["status"] in ("optimal", "infeasible"):
            least = min(len(self._shared(found)) for _, found in every)
            yield Check("other", own_shared <= least, f"shares {own_shared}, {least} are enough")


def _sets(one: Json | None, other: Json) -> bool:
    def settings(found: Json) -> list[tuple[str, Any]]:
        return [(a["feature"], a["to"]) for a in found["actions"]]

    return one is not None and settings(one) == settings(other)
