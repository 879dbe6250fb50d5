"""Does a fairness audit find what is there, and nothing else? Do twins' intervals hold the truth?

    python -m bench.fairness [--draws 200]

Groups are simulated whose recourse is the same, and such in which it is not; twins follow from a
known model, of which the mechanisms are fitted from rows. Counts, no seconds: they repeat.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.demands import consequences_of
from ifonly.explainers.causal.fit import fit
from ifonly.explainers.causal.mechanism import NoiseForm
from ifonly.explainers.causal.model import CausalModel
from ifonly.explainers.causal.spec import CausalSpec, parse_causal
from ifonly.explainers.fairness.audit import GroupAudit, audited
from ifonly.explainers.fairness.groups import GroupingAttribute, subgroups
from ifonly.explainers.fairness.measures import Measure, MeasureName
from ifonly.explainers.fairness.over_worlds import UncertainValue, decision_twins, mean_over_worlds
from ifonly.explainers.fairness.twins import believed_twins, draw_worlds, twins_in
from ifonly.models.predictor import Rows
from ifonly.models.schema import Category, Feature, Kind, Schema

Floats = npt.NDArray[np.float64]
DRAWS = 200
MOST_FOUND = 0.05


# --- groups -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unfairness:
    """How those of sex ``f`` fare, beside the others."""

    dearer: float = 1.0
    """By what their costs are multiplied."""
    stuck: float = 0.1
    """The share of them who have no recourse; 0.1 of the others."""


def audit_of(rng: np.random.Generator, n: int, plant: Unfairness) -> GroupAudit:
    """Of ``n`` individuals, half of whom are decided against. Costs are skewed; a tenth is
    known by bounds alone, a tenth has none. Region goes with sex; age with nothing."""
    sex = rng.choice(["f", "m"], n)
    region = np.where(
        rng.random(n) < 0.6, np.where(sex == "f", "n", "s"), rng.choice(["n", "s", "w"], n)
    )
    age = rng.choice(["young", "middle", "old"], n)
    of = rng.random(n) < 0.5
    cost = rng.lognormal(0.0, 0.8, n) * np.where(sex == "f", plant.dearer, 1.0)
    lower, upper = cost.copy(), cost.copy()
    vague = rng.random(n) < 0.1
    lower[vague] *= 0.6
    upper[vague & (rng.random(n) < 0.5)] = np.inf
    none = rng.random(n) < np.where(sex == "f", plant.stuck, 0.1)
    lower[none] = upper[none] = np.inf
    levers = rng.integers(1, 4, n).astype(np.float64)
    everybody, alarm = np.ones(n, dtype=np.bool_), of.astype(np.float64)
    lost = none.astype(np.float64)
    grouping = subgroups(
        [
            GroupingAttribute(name, tuple(values.tolist()))
            for name, values in (("sex", sex), ("region", region), ("age", age))
        ]
    )
    measures = (
        Measure(MeasureName.DECISION, everybody, alarm, alarm),
        Measure(MeasureName.NO_RECOURSE, of, lost, lost),
        Measure(MeasureName.COST, of, lower, upper),
        Measure(MeasureName.LEVERS, of & ~none, levers, levers),
    )
    return audited(grouping, measures, seed=0, draws=1_999)


def of_sex(found: GroupAudit) -> list[tuple[MeasureName, bool]]:
    """Measures in which a sex is shown to differ, and whether ``f`` is worse off."""
    return [
        (c.measure, bool(c.tested and c.tested.is_worse) == (c.group.parts[0][1] == "f"))
        for c in found.shown
        if len(c.group.parts) == 1 and c.group.parts[0][0] == "sex"
    ]


def groups(draws: int, n: int = 800) -> dict[str, object]:
    """False discoveries where all is alike, intervals that hold, and power."""
    rng = np.random.default_rng(0)
    alike = [audit_of(rng, n, Unfairness()) for _ in range(draws)]
    told: dict[str, object] = {
        "audits": draws,
        "individuals": n,
        "tests": float(np.mean([a.tests for a in alike])),
        "audits with a false difference": float(np.mean([bool(a.shown) for a in alike])),
        "audits with a false one by Benjamini and Yekutieli": float(
            np.mean(
                [
                    any(c.tested and c.tested.discovery < MOST_FOUND for c in a.compared)
                    for a in alike
                ]
            )
        ),
        "audits in which all intervals hold": float(np.mean([_all_hold(a) for a in alike])),
    }
    for plant in (Unfairness(1.3), Unfairness(1.6), Unfairness(2.0), Unfairness(1.0, 0.3)):
        found = [of_sex(audit_of(rng, n, plant)) for _ in range(draws)]
        wanted = MeasureName.COST if plant.dearer > 1.0 else MeasureName.NO_RECOURSE
        name = f"dearer by {plant.dearer:g}" if plant.dearer > 1.0 else "none of 30 % beside 10 %"
        told[f"power, {name}"] = float(np.mean([(wanted, True) in each for each in found]))
        told[f"wrong way, {name}"] = float(np.mean([(wanted, False) in each for each in found]))
    return told


def _all_hold(found: GroupAudit) -> bool:
    tested = [c.tested.size for c in found.compared if c.tested is not None]
    return all(size.low <= size.alike <= size.high for size in tested)


# --- twins ------------------------------------------------------------------------------------

SCHEMA = Schema(
    (
        Feature("a", Kind.ORDINAL, categories=(Category("no"), Category("yes"))),
        *(Feature(name, Kind.CONTINUOUS, "", -50.0, 50.0) for name in ("x", "y")),
    )
)
GRAPH = """
format = 1
version = "1"
status = "accepted"
accepted_by = "bench"
accepted_at = "2026-11-30"
[nodes.a]
role = "fixed"
[nodes.x]
role = "consequence"
[nodes.y]
role = "consequence"
[[edges]]
from = "a"
to = "x"
[[edges]]
from = "a"
to = "y"
allowed_for = ["a"]
[[edges]]
from = "x"
to = "y"
"""
ALLOWED = frozenset({(0, 2)})


@dataclass(frozen=True)
class TwinTruth:
    """``x = shift a + u``; ``y = direct a + through x + v``."""

    shift: float
    direct: float
    through: float = 0.7

    def rows(self, rng: np.random.Generator, n: int) -> Rows:
        a = rng.integers(0, 2, n).astype(np.float64)
        u, v = rng.normal(size=(2, n))
        x = self.shift * a + u
        return np.stack([a, x, self.direct * a + self.through * x + v], axis=1)

    def twins(self, rows: Rows, *, along_allowed: bool) -> Rows:
        """Of those of ``a`` 1, had it been 0."""
        twin = rows.copy()
        twin[:, 0] = 0.0
        twin[:, 1] -= self.shift
        twin[:, 2] -= self.through * self.shift + (self.direct if along_allowed else 0.0)
        return twin


def against(rows: Rows) -> npt.NDArray[np.bool_]:
    """What is decided; ``a`` itself is not looked at."""
    return np.asarray(0.8 * rows[:, 1] + rows[:, 2] < 0.4)


def cost(rows: Rows) -> Floats:
    """Of the least change of ``x`` that leads to another decision, once ``y`` has followed."""
    return np.maximum(0.4 - 0.8 * rows[:, 1] - rows[:, 2], 0.0) / 1.5


def fitted(spec: CausalSpec, rows: Rows) -> CausalConsequences:
    """What follows, by mechanisms learned from ``rows``."""
    made = fit(spec, rows, np.random.default_rng(0), kinds=("linear",), forms=(NoiseForm.ADDITIVE,))
    model: CausalModel = made.model
    return consequences_of(made.spec, model, {})


def twins(draws: int, truth: TwinTruth, n: int = 400) -> dict[str, object]:
    """How often intervals of twins hold what is true of the whole population."""
    spec = parse_causal(GRAPH.encode(), "causal.toml", SCHEMA)
    population = truth.rows(np.random.default_rng(99), 400_000)
    population = population[population[:, 0] == 1.0]
    held: dict[str, list[bool]] = {}
    for draw in range(draws):
        rows = truth.rows(np.random.default_rng(draw), n)
        consequences = fitted(spec, rows)
        own = rows[rows[:, 0] == 1.0]
        for along, edges in ((True, frozenset[tuple[int, int]]()), (False, ALLOWED)):
            name = "every path" if along else "unfair paths"
            worlds = draw_worlds(consequences, 200, draw, edges)
            believed = believed_twins(worlds, own, 0, 0.0)
            each = twins_in(worlds, own, 0, 0.0)
            flat = each.reshape(-1, 3)
            decided = decision_twins(
                against(own), against(believed), against(flat).reshape(each.shape[:2]), draw
            )
            other = truth.twins(population, along_allowed=along)
            was, would = against(population), against(other)
            for measure, value in (
                ("better", (was & ~would).mean()),
                ("worse", (~was & would).mean()),
                ("either", (was != would).mean()),
                ("net", was.mean() - would.mean()),
            ):
                found: UncertainValue = getattr(decided, measure)
                held.setdefault(f"{name}, {measure}", []).append(found.low <= value <= found.high)
            alarm = against(own)
            few = worlds.first(8)
            gaps = np.array([cost(w[alarm]) - cost(own[alarm]) for w in twins_in(few, own, 0, 0.0)])
            mean = mean_over_worlds(cost(believed[alarm]) - cost(own[alarm]), gaps, draw)
            true = float((cost(other[was]) - cost(population[was])).mean())
            inside = mean is not None and mean.low <= true <= mean.high
            held.setdefault(f"{name}, cost", []).append(inside)
    return {name: float(np.mean(each)) for name, each in held.items()}


# --- told -------------------------------------------------------------------------------------


def main(draws: int = DRAWS, say: Callable[[str], None] = print) -> int:
    told: dict[str, object] = {"groups": groups(draws)}
    for truth in (TwinTruth(1.0, -0.6), TwinTruth(0.3, 0.0), TwinTruth(0.0, 0.0)):
        told[f"twins, shift {truth.shift:g}, direct {truth.direct:g}"] = twins(draws, truth)
    say(json.dumps(told, indent=2))
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=DRAWS)
    raise SystemExit(main(parser.parse_args().draws))
