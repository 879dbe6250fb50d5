"""The forms by themselves: what they promise to engines."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from ifonly.models.errors import GraphError
from ifonly.models.graph import floats
from ifonly.models.graph.checking import check_reading
from ifonly.models.graph.ensemble import BranchMode, TreeEnsemble
from ifonly.models.graph.forms import GraphForm
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.predictor import Rows, Scores
from ifonly.models.repository.folder import load_folder
from ifonly.models.schema import Task
from tests.unit.graph.ensembles import Leaf, Split, Tree, classifier, regressor, stump
from tests.unit.graph.served import decision_of, numbers, points, random_rows, serve

ONE = decision_of(Task.REGRESSION)
SHIPPED = Path(__file__).parents[3] / "models" / "artifacts" / "milling-machine" / "1"


def mixed() -> TreeEnsemble:
    trees: list[Tree] = [
        Split(0, "LT", 0.5, stump(1, "GTE", 0.0, 1.0, 2.0), Leaf({0: 4.0})),
        stump(1, "NEQ", 1.0, 8.0, 16.0, missing_true=True),
        Leaf({0: 32.0}),
    ]
    core = serve(regressor(trees, 2), numbers(2, missing=True), ONE).form.core
    assert isinstance(core, TreeEnsemble)
    return core


def test_every_node_has_one_parent_and_leaves_lead_to_themselves():
    core = mixed()
    inner = ~core.is_leaf
    children = np.concatenate([core.true_child[inner], core.false_child[inner]])
    assert len(np.unique(np.concatenate([children, core.roots]))) == core.n_nodes
    leaves = np.flatnonzero(core.is_leaf)
    assert core.true_child[leaves].tolist() == core.false_child[leaves].tolist() == leaves.tolist()
    assert core.depth == 2


def test_the_walk_agrees_with_one_row_and_one_node_at_a_time():
    core = mixed()
    rng = np.random.default_rng(0)
    matrix = np.round(rng.normal(size=(200, 2)), 1).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    expected = [[_leaf(core, int(root), row) for root in core.roots] for row in matrix]
    assert core.leaves_of(matrix).tolist() == expected
    plain = core.values[np.array(expected), 0].sum(axis=1)
    assert core.raw(matrix)[:, 0].tolist() == plain.tolist()


def _leaf(core: TreeEnsemble, node: int, row: np.ndarray) -> int:
    while core.column[node] >= 0:
        x, t = float(row[core.column[node]]), float(core.threshold[node])
        holds = {
            BranchMode.LT: x < t,
            BranchMode.LE: x <= t,
            BranchMode.GT: x > t,
            BranchMode.GE: x >= t,
            BranchMode.EQ: x == t,
            BranchMode.NE: x != t,
        }[BranchMode(int(core.mode[node]))]
        holds = holds or bool(core.missing_true[node] and np.isnan(x))
        node = int(core.true_child[node] if holds else core.false_child[node])
    return node


def test_no_rows_have_no_leaves_and_no_scores():
    core = mixed()
    assert core.leaves_of(np.empty((0, 2), np.float32)).shape == (0, 3)
    form = serve(regressor([stump(0, "LT", 0.5, 1.0, 2.0)], 2), numbers(2), ONE).form
    assert form.score(np.empty((0, 2))).shape == (0, 1)


def test_a_form_survives_pickling():
    served = serve(classifier([stump(0, "LT", 0.5, 1.0, -2.0)], 2), numbers(2), ONE, column=1)
    rows = random_rows(served.schema, 50, np.random.default_rng(0))
    expected = served.form.score(rows)
    copy = pickle.loads(pickle.dumps(served.form))
    assert np.array_equal(copy.score(rows), expected)
    assert copy.link is served.form.link


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("score", [0.001, 0.25, 0.5, 0.731, 0.999])
def test_the_least_raw_output_of_a_score_is_found_to_the_last_bit(transform, column, score):
    model = classifier([stump(0, "LT", 0.5, 1.0, -2.0)], 2, post_transform=transform)
    form = serve(model, numbers(2), ONE, column=column).form
    least = form.finish.least_raw(score)
    below = np.nextafter(least, -np.inf)
    first, last = form.scores_of(np.array([[least], [below]]))[:, 0]
    assert last < score <= first


def test_a_score_that_is_never_reached_has_no_raw_output():
    model = classifier([stump(0, "LT", 0.5, 1.0, -2.0)], 2, post_transform="LOGISTIC")
    finish = serve(model, numbers(2), decision_of(Task.BINARY)).form.finish
    assert finish.least_raw(1.5) == np.inf
    assert finish.least_raw(-1.0) < -1e38


def test_floats_are_counted_in_order():
    values = [-np.inf, -1.5, -1.0, -5e-324, 0.0, 5e-324, 1.0, np.nextafter(1.0, 2), np.inf]
    places = [floats.number(v) for v in values]
    assert places == sorted(places)
    assert places[3:6] == [-1, 0, 1]
    assert places[7] - places[6] == 1
    assert [floats.value(p) for p in places] == values


def test_the_shipped_model_is_read_and_scores_to_the_last_bit():
    deployed = load_folder(SHIPPED)
    form = deployed.form
    assert form is not None, deployed.form_refusal
    assert isinstance(form.core, TreeEnsemble)
    assert (form.core.n_trees, form.core.depth) == (200, 6)
    assert deployed.reference is not None
    assert np.array_equal(
        form.score(deployed.reference), deployed.predictor.score(deployed.reference)
    )


class Shifted:
    """A predictor that scores a little more than the graph does."""

    def __init__(self, form: GraphForm, by: float, above: float = -np.inf) -> None:
        self._form, self._by, self._above = form, by, above

    def score(self, rows: Rows) -> Scores:
        return self._form.score(rows) + np.where(rows[:, :1] > self._above, self._by, 0.0)


def test_a_reading_that_onnxruntime_contradicts_is_refused():
    served = serve(regressor([stump(0, "LEQ", 0.5, 1.0, 2.0)], 2), numbers(2), ONE)
    rows = points(served, np.random.default_rng(0), 300)
    check_reading(served.form, served.predictor, rows)
    check_reading(served.form, served.predictor, rows[:0])
    check_reading(served.form, Shifted(served.form, 1e-7), rows)
    with pytest.raises(UnreadableGraph, match="ONNX Runtime has"):
        check_reading(served.form, Shifted(served.form, 0.01), rows)


def test_a_reading_is_tried_at_thresholds_that_rows_do_not_meet():
    served = serve(regressor([stump(0, "LEQ", 9.5, 1.0, 2.0)], 2), numbers(2), ONE)
    rows = np.zeros((10, 2))
    with pytest.raises(UnreadableGraph, match=r"row \[9.5, 0.0\]"):
        check_reading(served.form, Shifted(served.form, 0.01, above=9.0), rows)


def test_rows_that_the_graph_cannot_score_say_nothing_of_its_reading():
    model = regressor([stump(0, "LEQ", 5.0, 0.25, 0.75)], 1, post_transform="PROBIT")
    served = serve(model, numbers(1), ONE)

    class Picky:
        def score(self, rows: Rows) -> Scores:
            if (rows > 5).any():
                raise GraphError("not these")
            return served.predictor.score(rows)

    check_reading(served.form, Picky(), np.linspace(0, 9, 40)[:, None])
