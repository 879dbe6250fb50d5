"""Abduction, action, prediction; and what each rung of the ladder answers."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.errors import NoMechanism, NotInvertible
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.mechanism import Mechanism, Noise

# size (z) decides both how hard it is driven (x) and how hot it runs (y); driving heats too:
# x = z + u_x, y = 2 x - 3 z + u_y, all noises N(0, 1).
NAMES = ("z", "x", "y")
DRIVE = CausalModel(
    NAMES,
    Graph.of(3, [(0, 1), (0, 2), (1, 2)]),
    (
        None,
        Mechanism(linear(0.0, np.array([1.0])), noise=Noise(1.0)),
        Mechanism(linear(0.0, np.array([-3.0, 2.0])), noise=Noise(1.0)),
    ),
    (Noise(1.0), None, None),
)


def test_the_three_rungs_give_three_different_numbers():
    rng = np.random.default_rng(0)
    seen = DRIVE.interventional(rng, 400_000)
    near = np.abs(seen[:, 1] - 2.0) < 0.05
    # Rung 1: of machines driven at 2, E[y | x=2] = 2*2 - 3*E[z | x=2] = 4 - 3.
    assert seen[near, 2].mean() == pytest.approx(1.0, abs=0.08)
    # Rung 2: of machines set to 2, E[y | do(x=2)] = 2*2 - 3*0.
    done = DRIVE.interventional(rng, 400_000, [1], np.array([2.0]))
    assert done[:, 2].mean() == pytest.approx(4.0, abs=0.02)
    assert done[:, 0].mean() == pytest.approx(0.0, abs=0.01)
    # Rung 3: this machine (z=1, x=0, y=-2.5, so u_y=0.5) set to 2: 2*2 - 3*1 + 0.5.
    (this,) = DRIVE.counterfactual(np.array([1.0, 0.0, -2.5]), [1], np.array([[2.0]]))
    assert this.tolist() == [1.0, 2.0, 1.5]


def test_what_the_action_cannot_move_keeps_its_reading_when_noise_is_redrawn():
    factual = np.array([1.0, 0.0, -2.5])
    rows = DRIVE.interventional(
        np.random.default_rng(0), 100_000, [1], np.array([2.0]), factual=factual
    )
    assert (rows[:, :2] == [1.0, 2.0]).all()
    assert rows[:, 2].mean() == pytest.approx(1.0, abs=0.02)
    assert rows[:, 2].std() == pytest.approx(1.0, abs=0.02)


def test_a_shift_adds_to_what_follows_from_the_causes():
    factual = np.array([1.0, 0.0, -2.5])
    (shifted,) = DRIVE.counterfactual(factual, [0, 1], np.array([[3.0, 0.5]]), frozenset({1}))
    assert shifted.tolist() == [3.0, 2.5, -2.5 + 2 * 2.5 - 3 * 2]
    noise = DRIVE.abduct(factual[None])
    assert DRIVE.predict(noise, [0, 1], np.array([3.0, 0.5]), frozenset({1})).tolist() == [
        shifted.tolist()
    ]


def test_each_row_may_have_its_own_factual():
    factuals = np.array([[1.0, 0.0, -2.5], [0.0, 1.0, 2.0]])
    rows = DRIVE.counterfactual(factuals, [1], np.array([[2.0], [3.0]]))
    assert rows.tolist() == [[1.0, 2.0, 1.5], [0.0, 3.0, 6.0]]


def test_what_is_set_does_not_move_and_cuts_its_causes_off():
    (row,) = DRIVE.counterfactual(np.zeros(3), [0, 1], np.array([[5.0, 1.0]]))
    assert row.tolist() == [5.0, 1.0, -13.0]
    assert DRIVE.graph.affected([0, 1]) == (2,)
    assert DRIVE.graph.affected([0]) == (1, 2)
    assert DRIVE.graph.affected([2]) == ()


def test_a_missing_reading_leaves_alone_what_it_does_not_act_on():
    factual = np.array([np.nan, 0.0, -2.5])
    (row,) = DRIVE.counterfactual(factual, [1], np.array([[0.0]]))
    assert row[2] == -2.5
    (row,) = DRIVE.counterfactual(factual, [1], np.array([[2.0]]))
    assert np.isnan(row[2])


def test_what_follows_from_a_missing_cause_that_moves_cannot_be_told_by_any_version():
    """a -> b -> c and a -> c, where c asks of b whether it is above 1 and has a number anyhow."""
    asks = Mechanism(Expression("a + (1 if b > 1 else 0)", ("a", "b")))
    graph = Graph(((), (0,), (0, 1)))
    model = CausalModel(("a", "b", "c"), graph, (None, Mechanism(linear(0.0, np.ones(1))), asks))
    members = draw_members(model, np.random.default_rng(0), 2)
    nan = np.nan
    for factual, columns, value, shift, expected in (
        ([0.0, nan, 5.0], [0], [2.0], (), [2.0, nan, nan]),  # it follows, and moves
        ([0.0, nan, 5.0], [1], [3.0], (), [0.0, 3.0, nan]),  # it is filled
        ([0.0, nan, 5.0], [0, 1], [2.0, nan], (), [2.0, nan, 7.0]),  # held, missing as it is
        ([0.0, nan, 5.0], [0, 2], [2.0, 1.0], (), [2.0, nan, 1.0]),  # what is set is known
        ([0.0, nan, 5.0], [0, 2], [2.0, 1.0], (2,), [2.0, nan, nan]),  # its own part is not all
        ([nan, 1.0, 5.0], [1], [3.0], (), [nan, 3.0, nan]),  # a cause that stays, and counts
        ([0.0, nan, nan], [0], [2.0], (), [2.0, nan, nan]),
    ):
        values, shifts = np.array([value]), frozenset(shift)
        before = np.array(factual)
        rows = model.counterfactual(before, columns, values, shifts)
        each = members.counterfactual(before, columns, values, shifts)
        for row in (rows[0], *each[:, 0]):
            np.testing.assert_array_equal(row, expected)


def test_each_row_has_readings_of_its_own_that_are_missing():
    factuals = np.array([[0.0, np.nan, 5.0], [0.0, 1.0, 5.0]])
    rows = DRIVE.counterfactual(factuals, [0], np.array([[2.0], [2.0]]))
    assert np.isnan(rows).tolist() == [[False, True, True], [False, False, False]]


def test_affine_effects_are_the_counterfactual_in_one_product():
    effects = DRIVE.affine_effects([0])
    assert effects is not None
    assert effects.tolist() == [[1.0, 1.0, -1.0]]
    factual, values = np.array([1.0, 0.0, -2.5]), np.array([[0.0], [4.0]])
    expected = factual + (values - factual[[0]]) @ effects
    assert DRIVE.counterfactual(factual, [0], values) == pytest.approx(expected)


def test_a_scale_and_a_formula_have_no_affine_effects():
    bent = Mechanism(Expression("a * a", ("a",)))
    scaled = Mechanism(linear(0.0, np.ones(1)), linear(0.0, np.ones(1)))
    for mechanism in (bent, scaled):
        model = CausalModel(("a", "b"), Graph(((), (0,))), (None, mechanism))
        assert model.affine_effects([0]) is None
        assert model.affine_effects([1]) is not None


def test_a_node_without_a_mechanism_may_stand_still_but_not_move():
    model = CausalModel(("a", "b"), Graph(((), (0,))), (None, None))
    assert model.counterfactual(np.zeros(2), [1], np.ones((1, 1))).tolist() == [[0.0, 1.0]]
    with pytest.raises(NoMechanism, match="b: has causes but no mechanism"):
        model.counterfactual(np.zeros(2), [0], np.ones((1, 1)))
    with pytest.raises(NoMechanism, match="a: has no noise"):
        model.interventional(np.random.default_rng(0), 3)


def test_a_reading_that_no_noise_explains_is_named():
    never = Mechanism(Expression("log(a)", ("a",)))
    model = CausalModel(("a", "heat"), Graph(((), (0,))), (None, never))
    with pytest.raises(NotInvertible, match=r"heat: no finite noise leads from \[-1.0\] to 2.0"):
        model.abduct(np.array([[1.0, 0.0], [-1.0, 2.0]]))


def test_a_loop_is_no_graph():
    with pytest.raises(ValueError, match="loop"):
        Graph.of(3, [(0, 1), (1, 2), (2, 0)])


def test_members_of_known_mechanisms_all_say_what_the_model_says():
    members = draw_members(DRIVE, np.random.default_rng(0), 4)
    factual, values = np.array([1.0, 0.0, -2.5]), np.array([[2.0], [0.5]])
    rows = members.counterfactual(factual, [1], values)
    assert rows.shape == (4, 2, 3)
    assert (rows == DRIVE.counterfactual(factual, [1], values)).all()
