"""Whole numbers that a pipeline takes apart into columns of 0 and 1: trees over them are proven."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.answer import Infeasible, Recourse
from ifonly.explainers.constraints import MaxChanges
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.search.trees.layout import Layout
from ifonly.explainers.search.trees.leaves import read_leaves
from ifonly.explainers.target import BY_REQUEST, Target
from ifonly.models.conversion import convert
from ifonly.models.graph.ensemble import TreeEnsemble
from ifonly.models.graph.reading import read_graph
from ifonly.models.graph.readings import split_readings
from ifonly.models.native import native
from ifonly.models.sample import read_sample

sklearn = pytest.importorskip("sklearn")
pytest.importorskip("skl2onnx")
pd = pytest.importorskip("pandas")

from sklearn.compose import ColumnTransformer  # noqa: E402
from sklearn.ensemble import RandomForestClassifier  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402

MONTHS, LOADS = 12, 15
STRIDE = 31


class Deployed:
    """A forest over the month in twelve columns, a truth value and a load that is scaled."""

    def __init__(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        n = 400
        self.data = pd.DataFrame(
            {
                "month": draw.integers(1, MONTHS + 1, n),
                "is_new": draw.choice([True, False], n),
                "load": draw.integers(0, LOADS, n),
            }
        )
        alarm = np.isin(self.data["month"], [2, 3, 7, 11]) ^ (self.data["load"] > 8)
        alarm ^= self.data["is_new"] & (self.data["month"] > 9)
        parts = ColumnTransformer(
            [
                ("months", OneHotEncoder(handle_unknown="ignore"), ["month"]),
                ("rest", StandardScaler(), ["load"]),
                ("flag", "passthrough", ["is_new"]),
            ],
            sparse_threshold=0.0,
        )
        self.model = make_pipeline(parts, RandomForestClassifier(8, max_depth=5, random_state=seed))
        self.model.fit(self.data, alarm)
        self.sample = read_sample(self.data)
        self.original = native(self.model, self.sample)
        self.made = convert(self.model, self.original)
        graph = self.made.graph
        self.form = read_graph(graph.model, graph.encoding, graph.columns)

    def everything(self) -> np.ndarray[Any, Any]:
        return np.array(
            list(itertools.product(range(1, MONTHS + 1), (0, 1), range(LOADS))), dtype=float
        )


@pytest.fixture(scope="module")
def made() -> Deployed:
    return Deployed(0)


def test_answers_are_those_of_a_walk_over_every_row(made: Deployed) -> None:
    schema, decision = made.sample.schema, made.original.decision
    engine = Portfolio((Trees(made.form, schema),))
    policy = Policy.read({}, schema, decision)
    rows = made.everything()
    scores = made.original.score(rows)[:, 0]
    kinds = set()
    other = {is_alarm: np.flatnonzero((scores >= 0.5) != is_alarm) for is_alarm in (True, False)}
    for place, factual in enumerate(rows[::STRIDE]):
        is_alarm, most = bool(scores[STRIDE * place] >= 0.5), 1 + place % 2
        target = Target(decision, int(not is_alarm))
        problem = policy.problem(
            factual, target, constraints=(MaxChanges(most, origin=BY_REQUEST),)
        )
        answer = explain(problem, made.original, engine=engine)
        kinds.add(type(answer))
        flipped = rows[other[is_alarm]]
        flipped = flipped[(flipped != factual).sum(axis=1) <= most]
        if not len(flipped):
            assert isinstance(answer, Infeasible)
            continue
        assert isinstance(answer, Recourse)
        found = answer.counterfactuals[0]
        assert found.gap == 0.0
        least = problem.cost.of(flipped, factual).min()
        assert found.cost == pytest.approx(least, rel=1e-9)
    assert Recourse in kinds


def test_the_graph_is_compared_beside_its_splits(made: Deployed) -> None:
    """Those of a column that is scaled, and of one beside an encoder, too."""
    assert made.made.report.thresholds > 5
    found = split_readings(made.form, made.sample.rows, [0, 2], 1_000)
    row = made.sample.rows[:1].repeat(2, axis=0)
    column = int(np.flatnonzero(made.form.columns.feature == 2)[0])
    core = made.form.core
    assert isinstance(core, TreeEnsemble)
    thresholds = np.unique(core.threshold[core.column == column])
    assert len(found[2]) == len(thresholds)
    for reading, threshold in zip(found[2], thresholds, strict=True):
        row[:, 2] = reading, np.nextafter(reading, np.float32(np.inf))
        low, high = made.form.columns.encode(row)[:, column]
        assert low <= threshold < high


def test_nothing_is_said_of_what_lies_between_whole_numbers(made: Deployed) -> None:
    schema = made.sample.schema
    cells = read_leaves(made.form, schema).cells
    layout = Layout.of(schema, made.form.columns, cells)
    with pytest.raises(NotEligible, match="month is read off its grid"):
        layout.readings(0, np.array([3.0]), 0.5, np.inf)
    with pytest.raises(NotEligible, match="month follows from others"):
        layout.spread(0, 3.0)
    nothing = np.zeros(0)
    # The graph cuts fractions off, so that it reads this as February, and no month's column is 1 in
    # a thirteenth.
    assert layout.cells_of([np.array([2.5]), nothing, nothing])[0].tolist() == [1]
    with pytest.raises(NotEligible, match="month is 13, no known value"):
        layout.cells_of([np.array([13.0]), nothing, nothing])
