"""Joint boxes and menus of levers as an exported answer tells them, held against the documents and
all that the answer tells. That nothing within a box fails, and that no other change of a set's
levers does, rests on the search's proofs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from ifonly.explainers.terms import MENU_KEY, MOST_LEVERS, BoxProof, FaceEnd
from ifonly.explainers.verify.checker import Checker
from ifonly.explainers.verify.drafts import Proposal
from ifonly.explainers.verify.limits import stays
from ifonly.explainers.verify.reading import exact, near, written
from ifonly.explainers.verify.report import Check
from ifonly.explainers.verify.sections import Json
from ifonly.models.schema import Feature

FURTHER = 8
"""Settings within a box that are tried besides its corners."""
MOST_CORNERS = 8
ON_FACES = 4
"""The same on each of its faces."""


def joint_box(found: Json, action: Sequence[float], checker: Checker) -> Iterator[Check]:
    """Everything that can be said of the joint box of a counterfactual, if it has one.

    Parameters
    ----------
    found : mapping
        The counterfactual.
    action : sequence of float
        The factual with what it sets.
    checker : Checker
        Of what it must keep.
    """
    box = found.get("joint_box")
    if box is None:
        return
    names = [setting["feature"] for setting in found["actions"]]
    told = [side["feature"] for side in box["sides"]]
    yield Check("joint box", told == names and len(names) > 1, f"{told} told, {names} are set")
    fits = box["proof"] in tuple(BoxProof)
    yield Check("joint box", fits, f"known by {box['proof']}")
    if told != names:
        return
    schema, sides = checker.terms.schema, list[tuple[int, float, float]]()
    for side in box["sides"]:
        j = schema.index(side["feature"])
        low, high = (written(schema.features[j], side[end]) for end in ("low", "high"))
        fits = low <= action[j] <= high and {side["below"], side["above"]} <= {*FaceEnd}
        fits = fits and side["unit"] == schema.features[j].unit
        yield Check("joint box", fits, f"{side['feature']}: {action[j]} in [{low}, {high}]")
        sides.append((j, low, high))
    if all(low <= high for _, low, high in sides):
        tried = list(_tried(action, sides, checker))
        for proposal, report in zip(tried, checker.check_all(tried), strict=True):
            chosen = {schema.names[j]: proposal.action[j] for j, _, _ in sides}
            told_of = "; ".join(report.reasons) or "does as well"
            yield Check("joint box", report.holds, f"{chosen}: {told_of}")


def _tried(
    action: Sequence[float], sides: Sequence[tuple[int, float, float]], checker: Checker
) -> Iterator[Proposal]:
    """Corners, and settings drawn at random, the same each time."""
    rng, features = np.random.default_rng(1), checker.terms.schema.features
    corners = list(product(*((low, high) for _, low, high in sides)))[:MOST_CORNERS]
    inside = [
        [_drawn(features[j], low, high, rng) for j, low, high in sides] for _ in range(FURTHER)
    ]
    # On the faces too: a box that is told too large fails there first.
    for k, (_, low, high) in enumerate(sides):
        for end in dict.fromkeys((low, high)):
            for _ in range(ON_FACES):
                drawn = [_drawn(features[j], a, b, rng) for j, a, b in sides]
                inside.append([*drawn[:k], end, *drawn[k + 1 :]])
    every = dict.fromkeys((*corners, *map(tuple, inside)))
    for values in every:
        row = list(action)
        for (j, _, _), value in zip(sides, values, strict=True):
            row[j] = value
        yield Proposal(row)


def _drawn(feature: Feature, low: float, high: float, rng: np.random.Generator) -> float:
    """A value of a side that can be set."""
    step = feature.resolution or 1
    # On the grid in decimals, by multiples of the step.
    first, last = (int(exact(end) // step) for end in (low, high))
    if last <= first:
        return low
    return min(max(float(int(rng.integers(first, last + 1)) * step), low), high)


@dataclass(frozen=True, eq=False)
class ToldMenu:
    """The menu of one answer."""

    told: Json
    checker: Checker
    found: Sequence[Json]
    """Counterfactuals that the answer tells besides, of the same question."""

    def under(self, some: Json) -> Checker:
        """What the counterfactual of a set must keep: all other levers are left alone."""
        terms = self.checker.terms
        for j, name in enumerate(terms.schema.names):
            if name not in some["levers"]:
                terms = terms.excluding(stays(f"{MENU_KEY}.{j}", j))
        return self.checker.under(terms)

    def checks(self, asked: Json | None) -> Iterator[Check]:
        """Everything that is said of it besides its counterfactuals; ``asked``: the request's
        ``menu``, where that is at hand."""
        names, levers = self.checker.terms.schema.names, list(self.told["levers"])
        most, sets = self.told["max_levers"], self.told["sets"]
        fits = levers == [n for n in names if n in levers] and 1 <= most <= MOST_LEVERS
        if asked is not None:
            fits = fits and most == asked.get("max_levers", 2)
            fits = fits and set(levers) <= set(asked.get("levers") or names)
        yield Check("menu", fits, f"sets of {most} of {levers} at most; asked: {asked}")
        each = [list(c) for k in range(1, most + 1) for c in combinations(levers, k)]
        told = [some["levers"] for some in sets]
        yield Check("menu", told == each, f"{len(told)} sets told, {len(each)} are")
        if told == each:
            for some in sets:
                yield self._claim(some)
                yield from self._compared(some)

    def _claim(self, some: Json) -> Check:
        own, same, status = some.get("counterfactual"), some.get("same_as"), some["status"]
        has_one = status in ("optimal", "feasible")
        fits = has_one is ((own is None) is not (same is None))
        fits = fits and (has_one or status in ("infeasible", "unknown"))
        fits = fits and (has_one or (own is None and same is None))
        if own is not None:
            fits = fits and sorted(a["feature"] for a in own["actions"]) == sorted(some["levers"])
            fits = fits and (status != "optimal" or own["gap"] == 0.0)
        if same is not None:
            inner = self._set(same)
            fits = fits and set(same) < set(some["levers"]) and inner is not None
            fits = fits and inner is not None and inner.get("counterfactual") is not None
        return Check("menu set", fits, f"{some['levers']}: {status}, same as {same}")

    def _set(self, levers: Sequence[str]) -> Json | None:
        return next((some for some in self.told["sets"] if some["levers"] == levers), None)

    def _cost(self, some: Json) -> float | None:
        own = some if some.get("same_as") is None else self._set(some["same_as"])
        found = None if own is None else own.get("counterfactual")
        return None if found is None else float(found["cost"])

    def _compared(self, some: Json) -> Iterator[Check]:
        """What is claimed of a set, held against all that is told to be done with its levers."""
        each = [*self.found, *(o["counterfactual"] for o in self.told["sets"]
                               if o.get("counterfactual") is not None)]  # fmt: skip
        within = [
            float(f["cost"])
            for f in each
            # What rests on rounding answers a weaker question.
            if not f.get("rests_on_rounding", False)
            and {a["feature"] for a in f["actions"]} <= set(some["levers"])
        ]
        if some["status"] == "infeasible":
            yield Check("menu set", not within, f"{some['levers']} cannot; {within} are told")
        cost = self._cost(some)
        if some["status"] == "optimal" and cost is not None and within:
            least = min(within)
            fits = cost <= least or near(cost, least)
            yield Check("menu set", fits, f"{some['levers']} cost {cost}; {least} is told")
