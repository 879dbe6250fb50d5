"""Where several graphs may be the true one: the answer is the cheapest action that a walk over all
of them finds to hold over graphs and mechanisms together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.answer import Abstained, Answer, Recourse, Unknown
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.search import blackbox
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.schema import Schema
from tests.oracle.conftest import is_whole
from tests.oracle.test_effects_in_the_kernel import GRIDS, check_ranges
from tests.support.checks import INFEASIBLE, OPTIMAL, Tally
from tests.support.effects import Asked, ask
from tests.support.generated import SCHEMA
from tests.support.graphs import KINDS, LIGHT, cheapest_over_graphs, with_others

PARTS, SEEDS, FEW = 8, range(760), 8
"""All are asked of compiled code; every eighth of numpy and of the engine of any graph."""
WITH_SLOW = True
AT_LEAST = {OPTIMAL: 150, INFEASIBLE: 60}
TAKEN = {
    "asked": 250,
    "abstained": 10,
    "two others": 75,
    "dearer": 10,
    "nothing but otherwise": 2,
    "numpy": 20,
    "blackbox": 20,
    **dict.fromkeys(KINDS, 5),
    **{f"{kind}, light": 5 for kind in KINDS},
}
"""How often each must have come up; in half of the parts, for the others are long."""


@pytest.fixture(scope="module")
def paths(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    found = Counter[str]()
    yield found
    if is_whole(request) and not request.session.testsfailed:
        missing = {kind: found[kind] for kind, least in TAKEN.items() if found[kind] < least}
        assert not missing, f"{missing}, of {dict(found)}"


def question_of(seed: int) -> tuple[Asked, tuple[str, ...]] | None:
    """None where there is no edge to doubt, or of survival, of which the walk knows nothing."""
    asked = ask(seed)
    alone = asked.problem.consequences
    assert isinstance(alone, CausalConsequences)
    drawn = with_others(alone, seed)
    if not drawn.kinds or asked.problem.survives is not None:
        return None
    problem = replace(asked.problem, consequences=drawn.consequences)
    return replace(asked, problem=problem), drawn.kinds


def told(asked: Asked, engine: Engine) -> Answer | None:
    """None where the engine leaves the question to others."""
    try:
        # At a pole numpy takes infinity times 0, and then bounds nothing.
        with np.errstate(invalid="ignore"):
            return explain(asked.problem, asked.predictor, engine=engine)
    except NotEligible:
        return None


@pytest.mark.parametrize(
    "part",
    [
        0,
        *(pytest.param(p, marks=pytest.mark.slow) for p in range(1, PARTS // 2)),
        *(
            pytest.param(p, marks=[pytest.mark.slow, pytest.mark.long])
            for p in range(PARTS // 2, PARTS)
        ),
    ],
)
def test_the_answer_is_the_cheapest_that_is_sure_over_all_graphs(
    part: int, tally: Tally, paths: Counter[str]
) -> None:
    for seed in SEEDS[part::PARTS]:
        question = question_of(seed)
        if question is None:
            continue
        asked, kinds = question
        answer = told(asked, Trees(asked.deployed.form, SCHEMA))
        if answer is None:
            continue
        best, doubted = cheapest_over_graphs(asked.firm, asked.predictor)
        check(answer, best, doubted, tally)
        paths.update(("asked", *kinds))
        paths["two others"] += len(kinds) == 2
        paths["abstained"] += isinstance(answer, Abstained)
        if isinstance(answer, Recourse):
            count(asked, answer, paths)
        if seed // PARTS % FEW == 0:
            check_others(asked, best, doubted, paths)


def check(answer: Answer, best: float | None, doubted: bool, tally: Tally) -> None:
    # What an engine claims of another graph than the checker does shows here.
    assert not answer.work.rejected
    if best is None and doubted:
        assert isinstance(answer, Abstained)
    else:
        tally.exact(answer, best)


def count(asked: Asked, answer: Recourse, paths: Counter[str]) -> None:
    first, consequences = answer.counterfactuals[0], asked.problem.consequences
    assert isinstance(consequences, CausalConsequences)
    columns = [action.column for action in first.actions]
    paths["dearer"] += first.cheaper is not None
    # Told if, and only if, something cheaper would do were the main graph certain.
    certain = replace(asked.problem, consequences=replace(consequences, others=()))
    alone, _ = cheapest_over_graphs(replace(asked, problem=certain).firm, asked.predictor)
    by_main = first.cost if first.cheaper is None else first.cheaper.cost
    assert by_main == pytest.approx(alone, abs=1e-9)
    assert (first.cheaper is None) == (first.cost <= by_main)
    # Nothing follows by the main graph, and something may by another.
    paths["nothing but otherwise"] += not consequences.follows(columns) and bool(
        consequences.effects(columns)
    )
    assert (first.graphs is None) == (not consequences.effects(columns))
    if first.graphs is not None:
        weights = [graph.weight for graph in first.graphs.each]
        assert sum(weights) == pytest.approx(1.0)
        mixed = sum(graph.weight * graph.chance for graph in first.graphs.each)
        assert first.chance == pytest.approx(mixed, abs=1e-12)
        held = [g.chance for g in first.graphs.each if g.weight >= LIGHT or g.name == "main"]
        assert min(held) >= consequences.floor


def check_others(asked: Asked, best: float | None, doubted: bool, paths: Counter[str]) -> None:
    """By numpy, and by the engine that works on any graph, which may leave a bound open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CausalConsequences, "compiled", None)
        answer = told(asked, Trees(asked.deployed.form, SCHEMA))
    if answer is not None:
        check(answer, best, doubted, Tally())
        paths["numpy"] += 1
    with pytest.MonkeyPatch.context() as patch:
        # What it claims is held to the same wherever it stops.
        patch.setattr(blackbox, "LEAST_IN_VAIN", 1)
        answer = told(asked, Blackbox())
    assert answer is not None
    paths["blackbox"] += 1
    if isinstance(answer, Recourse):
        found = answer.counterfactuals[0]
        assert best is not None
        assert found.cost >= best - 1e-9
        assert (found.lower_bound or 0.0) <= best + 1e-9
    elif not isinstance(answer, Unknown):
        check(answer, best, doubted, Tally())


def several(seed: int, schema: Schema) -> Asked:
    """A question with other graphs, if an edge can be doubted."""
    asked = ask(seed, schema)
    alone = asked.problem.consequences
    assert isinstance(alone, CausalConsequences)
    consequences = with_others(alone, seed).consequences
    return replace(asked, problem=replace(asked.problem, consequences=consequences))


@pytest.mark.slow
def test_ranges_are_those_found_by_asking() -> None:
    found = Counter[str]()
    for seed in range(40):
        check_ranges(seed, GRIDS[seed % 3], found, several)
    assert found["ranges"] > 60
    assert found["axes of thousands"] >= 8


FAULTS = {
    "other graphs never matter": ("_matters", lambda self, other, columns: False),
    "of other graphs nothing is demanded": ("trust", lambda self, *given: self._own_trust(*given)),
    "only what follows by the main graph moves": (
        "effects", lambda self, columns: self.follows(columns),
    ),
    "the mixture is not held": ("others_are_light", None),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_forgets_a_graph_is_seen(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if fault == "the mixture is not held":
        true = CausalConsequences.trust

        def trust(self: CausalConsequences, *given: object) -> object:
            held = tuple(other for other in self.others if other.is_held)
            return true(replace(self, others=held), *given)  # type: ignore[arg-type]

        monkeypatch.setattr(CausalConsequences, "trust", trust)
    else:
        monkeypatch.setattr(CausalConsequences, *FAULTS[fault])
    assert any(is_wrong(seed) for seed in range(400)), "no question shows it"


def is_wrong(seed: int) -> bool:
    question = question_of(seed)
    if question is None:
        return False
    asked, _ = question
    try:
        answer = told(asked, Trees(asked.deployed.form, SCHEMA))
    except ValueError as error:  # compiled code sees that more follows than it is told
        return "others follow by these laws" in str(error)
    if answer is None:
        return False
    best, doubted = cheapest_over_graphs(asked.firm, asked.predictor)
    try:
        check(answer, best, doubted, Tally())
    except AssertionError:
        return True
    return False
