"""What compiled code says follows from an action, against the definition in numpy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import (
    Basis,
    BasisMembers,
    Coordinates,
    Expansion,
    linear,
    polynomial,
)
from ifonly.explainers.causal.consequences import ROUNDING, CausalConsequences
from ifonly.explainers.causal.expression import Expression, Op
from ifonly.explainers.causal.flattening import FlatLaws, NotFlat, flatten
from ifonly.explainers.causal.hidden import HiddenCause, HiddenCauses
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.regressor import Regressor, TreeRegressor
from ifonly.explainers.native.kernel import Laws
from ifonly.models.onnx.export import export_onnx, to_bytes
from ifonly.models.schema import Feature, Kind, Schema
from ifonly.service.served.causal_graphs import graph_loader
from tests.support.causal import KINDS, draw_function, draw_model

K = 5
seeds = st.integers(0, 2**32 - 1)


def consequences(model: CausalModel, whole=()) -> CausalConsequences:
    members = draw_members(model, np.random.default_rng(0), K)
    return CausalConsequences(model, members, 2.5, 0.9, np.zeros(model.n_columns), whole=whole)


def laws_of(asked: CausalConsequences) -> Laws:
    return Laws(flatten(asked.model, asked.members, asked.whole))


def close(ours, theirs, part=1e-12):
    size = np.maximum(1.0, np.where(np.isfinite(theirs), np.abs(theirs), 1.0))
    with np.errstate(invalid="ignore"):
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        return bool((same | (np.abs(ours - theirs) <= part * size)).all())


def check(asked: CausalConsequences, factual, columns, values, ends, part=1e-12) -> None:
    """Rows, members and bounds by both; of bounds, moreover, that rows lie within."""
    laws, model = laws_of(asked), asked.model
    moved = list(model.graph.affected(columns))
    # One action at a time: a product of matrices rounds otherwise in a batch, and what has not
    # moved would seem to have.
    with np.errstate(all="ignore"):
        rows = np.concatenate([asked.rows(factual, columns, one) for one in values[:, None]])
        each = [asked.members.counterfactual(factual, columns, one) for one in values[:, None]]
    members = np.concatenate(each, axis=1)
    ours = laws.rows(factual, columns, values)
    assert close(laws.read(ours)[:, moved], rows[:, moved], part)
    still = [j for j in range(model.n_columns) if j not in (*moved, *columns)]
    assert np.array_equal(ours[:, still], np.repeat(factual[None, still], len(ours), 0), True)
    assert np.array_equal(ours[:, columns], values, equal_nan=True)
    every = laws.members(factual, columns, values)
    assert close(every.transpose(1, 0, 2), members, part)
    for m in range(K):
        assert close(laws.rows(factual, columns, values, m), every[:, m])
    check_bounds(asked, laws, factual, columns, ends, np.random.default_rng(1))


def check_bounds(asked, laws, factual, columns, ends, rng) -> None:
    moved = list(asked.model.graph.affected(columns))
    low, high = (side[:, moved] for side in laws.bounds(factual, columns, *ends))
    assert (low <= high).all()  # never NaN
    with np.errstate(all="ignore"):
        least, most = (side[:, moved] for side in asked.bounds(factual, columns, *ends))
    size = np.maximum(levels_of(asked, factual)[moved], np.maximum(np.abs(least), np.abs(most)))
    room = 1.001 * ROUNDING * size
    assert (least <= most).all()  # never NaN either
    # Of what follows from, or beside, a missing reading each knows what the other may not.
    if not np.isnan(factual).any():
        assert ((low >= least - room) | np.isnan(least) | (low == least)).all()
        assert ((high <= most + room) | np.isnan(most) | (high == most)).all()
    own = [[side[:, moved] for side in laws.bounds(factual, columns, *ends, m)] for m in range(K)]
    for box in range(len(ends[0])):
        share = rng.random((60, len(columns)))
        share[:3] = [[0.0], [1.0], [0.5]]
        inside = ends[0][box] + share * (ends[1][box] - ends[0][box])
        with np.errstate(all="ignore"):
            theirs = asked.rows(factual, columns, inside)[:, moved]
        ours = laws.read(laws.rows(factual, columns, inside))[:, moved]
        for rows in (ours, theirs):
            assert (np.isnan(rows) | ((rows >= low[box]) & (rows <= high[box]))).all()
            assert (np.isnan(rows) | ((rows >= least[box]) & (rows <= most[box]))).all()
        for m, (lower, upper) in enumerate(own):
            rows = laws.read(laws.rows(factual, columns, inside, m))[:, moved]
            assert (np.isnan(rows) | ((rows >= lower[box]) & (rows <= upper[box]))).all()


def levels_of(asked, factual):
    """How large the levels at the factual are on the way to each column, 1 at least: where they
    cancel with the noise, their rounding is what is left."""
    found = np.ones(len(factual))
    for j in asked.model.graph.order:
        causes, mechanism = asked.model.graph.parents[j], asked.model.mechanisms[j]
        if mechanism is not None:
            own = abs(mechanism.location(factual[None, causes])[0])
            found[j] = max([1.0, *(found[i] for i in causes), *([own] if own > 1.0 else [])])
    return found


def some(rng, d):
    return [int(j) for j in rng.permutation(d)[: rng.integers(1, d)]]


def boxes(rng, factual, columns, n=6):
    around = np.where(np.isfinite(factual[columns]), factual[columns], 0.0)
    ends = around + np.sort(rng.normal(size=(2, n, len(columns))), axis=0)
    ends[:, 0] = around  # one where nothing moves
    ends[1, 1] = ends[0, 1]  # one of one action
    return ends


# --- every mechanism, any graph ------------------------------------------------------------------


@given(seeds, st.integers(2, 7), st.sampled_from([KINDS, ("linear",), ("polynomial", "linear")]))
@settings(max_examples=150)
def test_compiled_laws_say_what_numpy_says(seed, d, kinds):
    rng = np.random.default_rng([seed, 1])
    model = draw_model(seed, d, kinds).model
    (factual,) = model.interventional(np.random.default_rng(seed), 1)
    assume(np.abs(factual).max() < 1e3)
    columns, whole = some(rng, d), tuple(np.flatnonzero(rng.random(d) < 0.3).tolist())
    ends = boxes(rng, factual, columns)
    assume(np.abs(model.counterfactual(factual, columns, np.concatenate(ends))).max() < 1e5)
    values = factual[columns] + rng.normal(size=(20, len(columns)))
    values[0] = factual[columns]
    check(consequences(model, whole), factual, columns, values, ends)


@given(seeds, st.integers(2, 6), st.sampled_from([("basis", "linear", "polynomial"), ("linear",)]))
@settings(max_examples=100)
def test_what_a_hidden_cause_makes_of_the_versions_is_what_numpy_makes_of_them(seed, d, kinds):
    rng = np.random.default_rng([seed, 2])
    drawn = draw_model(seed, d, kinds).model
    # Weights with a posterior, noises that are known, none of which has a scale.
    known = tuple(
        None if m is None else Mechanism(m.location, noise=Noise(float(rng.uniform(0.3, 2.0))))
        for m in drawn.mechanisms
    )
    model = replace(drawn, mechanisms=known, roots=(Noise(1.5),) * d)
    assume(model.graph.edges)
    ties = [HiddenCause(*edge, -0.5, 0.5) for edge in model.graph.edges if rng.random() < 0.7]
    assume(ties)
    tilts = HiddenCauses(model, tuple(ties)).tilted(
        {t: 0.5 * float(rng.random()) for t in ties[:3]}
    )
    assume(tilts)
    assert tilts is not None
    (factual,) = model.interventional(np.random.default_rng(seed), 1)
    assume(np.abs(factual).max() < 1e3)
    columns, asked = some(rng, d), consequences(model)
    values = factual[columns] + rng.normal(size=(10, len(columns)))
    theirs = asked.members.counterfactual(factual, columns, values, tilts=tilts)
    assume(np.isfinite(theirs).all() and np.abs(theirs).max() < 1e4)
    laws = Laws(flatten(model, asked.members, (), tilts))
    assert close(laws.members(factual, columns, values).transpose(1, 0, 2), theirs, 1e-9)
    # What is believed stays, and so do its bounds.
    assert close(laws.rows(factual, columns, values), asked.rows(factual, columns, values), 1e-9)


def kept_to_the_last_bit(laws, factual, columns):
    now = factual[None, columns]
    every = [laws.rows(factual, columns, now), laws.members(factual, columns, now)[0]]
    return all((rows == factual).all() for rows in every)


@given(seeds, st.integers(2, 7))
@settings(max_examples=60)
def test_a_node_whose_causes_do_not_move_keeps_its_reading_to_the_last_bit(seed, d):
    model = draw_model(seed, d).model
    (factual,) = model.interventional(np.random.default_rng(seed), 1)
    assume(np.isfinite(factual).all())
    columns = some(np.random.default_rng([seed, 1]), d)
    assert kept_to_the_last_bit(laws_of(consequences(model)), factual, columns)


@given(seeds, st.integers(2, 6))
@settings(max_examples=60)
def test_bounds_are_no_wider_on_a_smaller_box(seed, d):
    rng = np.random.default_rng([seed, 1])
    model = draw_model(seed, d).model
    (factual,) = model.interventional(np.random.default_rng(seed), 1)
    assume(np.abs(factual).max() < 1e3)
    columns, laws = some(rng, d), laws_of(consequences(model))
    cuts = np.sort(rng.normal(size=(4, 8, len(columns))), axis=0)
    for m in (-1, 2):
        wide = laws.bounds(factual, columns, cuts[0], cuts[3], m)
        tight = laws.bounds(factual, columns, cuts[1], cuts[2], m)
        room = 1e-12 * np.maximum(1.0, np.maximum(np.abs(wide[0]), np.abs(wide[1])))
        assert (tight[0] >= wide[0] - room).all()
        assert (tight[1] <= wide[1] + room).all()


@given(seeds, st.integers(3, 6))
@settings(max_examples=80)
def test_readings_that_are_missing_are_told_as_numpy_tells_them(seed, d):
    rng = np.random.default_rng([seed, 1])
    model = draw_model(seed, d).model
    (factual,) = model.interventional(np.random.default_rng(seed), 1)
    assume(np.abs(factual).max() < 1e3)
    factual[rng.random(d) < 0.3] = np.nan
    columns = some(rng, d)
    values = np.nan_to_num(factual[columns]) + rng.normal(size=(6, len(columns)))
    values[0] = factual[columns]
    ends = boxes(rng, factual, columns)
    with np.errstate(all="ignore"):
        assume(not (np.abs(model.counterfactual(factual, columns, values)) > 1e5).any())
        check(consequences(model), factual, columns, values, ends)


# --- where all is exact --------------------------------------------------------------------------


def test_bounds_are_exact_where_two_ways_lead_from_a_cause_to_an_effect():
    # c = (a + b) - 2 b with b = a: it never moves with a, though each way alone does.
    one, two = linear(0.0, np.array([1.0])), linear(0.0, np.array([1.0, -1.0]))
    graph = Graph(((), (0,), (0, 1)))
    bent = Expression("c * c", ("c",))
    graph = Graph((*graph.parents, (2,)))
    model = CausalModel(
        ("a", "b", "c", "e"), graph, (None, Mechanism(one), Mechanism(two), Mechanism(bent))
    )
    low, high = laws_of(consequences(model)).bounds(
        np.array([1.0, 1.0, 0.0, 0.0]), [0], np.array([[-5.0]]), np.array([[5.0]])
    )
    assert (low[0, 1], high[0, 1]) == pytest.approx((-5.0, 5.0), abs=1e-7)
    assert (low[0, 2], high[0, 2]) == pytest.approx((0.0, 0.0), abs=1e-8)
    # What hangs on it by no line profits as well.
    assert (low[0, 3], high[0, 3]) == pytest.approx((0.0, 0.0), abs=1e-8)


# --- categories as causes ------------------------------------------------------------------------


def by_category(rng, *, spread: bool) -> Basis:
    """Of a number and of one of four categories, with products of both."""
    coordinates = Coordinates(
        np.array([0, 1, 1, 1]),
        np.array([np.nan, 0.0, 1.0, 3.0]),
        np.array([1.5, 0.0, 0.0, 0.0]),
        np.array([2.0, 1.0, 1.0, 1.0]),
        2,
    )
    exponents = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [3, 1, 0, 0], [2, 0, 1, 0], [0, 0, 0, 1]])
    centres, precisions = rng.normal(size=(3, 4)), rng.uniform(0, 1, (3, 4))
    precisions[0] = [0.7, 0.0, 0.0, 0.0]
    expansion = Expansion(coordinates, exponents, centres, precisions)
    root = 0.1 * rng.normal(size=(8, 8)) if spread else np.empty((8, 0))
    return Basis(expansion, rng.normal(size=8), root, 0.3, 2.0)


@pytest.mark.parametrize("seed", range(20))
def test_categories_as_causes(seed):
    rng = np.random.default_rng(seed)
    scale = by_category(rng, spread=bool(seed % 2))
    scale = replace(scale, weights=0.1 * scale.weights, scale=0.3)
    model = CausalModel(
        ("load", "tool", "heat", "wear"),
        Graph(((), (), (0, 1), (2,))),
        (
            None,
            None,
            Mechanism(by_category(rng, spread=True), scale if seed % 3 else None),
            Mechanism(draw_function(rng, 1, "basis").function),
        ),
    )
    factual = np.array([rng.normal(), float(rng.integers(0, 4)), rng.normal(), 2.0])
    values = np.column_stack([rng.normal(size=12), rng.integers(0, 4, 12)])
    ends = np.sort(np.stack([values[:6], values[6:]]), axis=0)
    asked = consequences(model, (3,))
    check(asked, factual, [0, 1], values, ends)
    check(asked, factual, [1], values[:, 1:], ends[:, :, 1:])


# --- formulas, in and out of their domain --------------------------------------------------------

FORMULAS = (
    "a + b * c - 3",
    "1000 + 20000 / a if a > 12 else 3000",
    "log(a) + sqrt(b) * exp(-c)",
    "a ** -3 + b ** 0 - (a - b) ** 4 + c ** 3 + a ** 1",
    "min(a, b, c) * max(a, -b) - abs(c - a) / abs(b)",
    "a / b / c",
    "sigmoid(a) * tanh(b) if a + b <= c else -log(c)",
    "a if a < b else b if b >= c else sqrt(c)",
    "exp(a * 300) - exp(b * 300)",
    "1 / (a - a) if b > 0 else -(c)",
    "min(a, log(b)) + max(c, sqrt(a), b)",
    "+a * -b + 1e300 * c * 1e300",
)


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("log_scale", [None, "tanh(a) / 2", "log(b)"])
def test_formulas_out_of_their_domain_as_well(text, log_scale):
    rng = np.random.default_rng(len(text))
    names = ("a", "b", "c")
    scale = None if log_scale is None else Expression(log_scale, names)
    model = CausalModel(
        (*names, "x", "y"),
        Graph(((), (), (), (0, 1, 2), (3,))),
        (None,) * 3 + (Mechanism(Expression(text, names), scale),
                       Mechanism(linear(1.0, np.array([-2.0])))),
    )  # fmt: skip
    asked = consequences(model, (3,))
    for factual in (
        np.array([1.5, 2.0, 0.5, 3.0, 1.0]),
        np.array([-1.0, 0.0, 2.0, 3.0, 1.0]),
        np.array([20.0, np.nan, -1.0, 3.0, 1.0]),
    ):
        for columns in ([0], [1, 2], [0, 1, 2]):
            values = rng.choice([-2.0, -0.5, 0.0, 1.0, 3.0, 15.0], size=(24, len(columns)))
            ends = np.sort(rng.normal(2.0, 4.0, size=(2, 30, len(columns))), axis=0)
            check(asked, factual, columns, values, ends)


def test_infinite_ends_are_no_trouble():
    rng = np.random.default_rng(0)
    for kind in KINDS:
        model = CausalModel(
            ("a", "b", "c"),
            Graph(((), (0,), (1,))),
            (None, *(Mechanism(draw_function(rng, 1, kind).function) for _ in "bc")),
        )
        laws = laws_of(consequences(model))
        ends = np.array([[-np.inf], [0.0], [-np.inf]]), np.array([[np.inf], [np.inf], [0.0]])
        for m in (-1, 0):
            low, high = laws.bounds(np.array([0.5, 1.0, 2.0]), [0], *ends, m)
            assert (low <= high).all()


def test_what_weighs_nothing_widens_nothing():
    flat = np.array([[0, 0], [1, 0], [0, 2]])
    for weights in ([1.0, 2.0, 0.0], [1.0, 0.0, 0.0]):
        location = polynomial(flat, np.array(weights))
        model = CausalModel(
            ("a", "b", "c"), Graph(((), (), (0, 1))), (None, None, Mechanism(location))
        )
        laws = laws_of(consequences(model))
        ends = np.array([[-1.0, -np.inf]]), np.array([[2.0, np.inf]])
        low, high = laws.bounds(np.array([0.5, 1.0, 7.0]), [0, 1], *ends)
        wanted = 7.0 + weights[1] * (np.array([-1.0, 2.0]) - 0.5)
        assert (low[0, 2], high[0, 2]) == pytest.approx(tuple(wanted))


def test_where_nothing_is_known_bounds_are_infinite_and_rows_too():
    overflowing = Mechanism(Expression("a", ("a",)), Expression("-a * 1000", ("a",)))
    model = CausalModel(
        ("a", "b", "c", "d"),
        Graph(((), (0,), (1,), (3 - 3,))),
        (None, overflowing, Mechanism(linear(0.0, np.array([1.0]))), None),
    )
    # exp(-1000) is 0: no finite noise leads from 1 to 5.
    factual, one = np.array([1.0, 5.0, 2.0, 3.0]), np.ones((1, 1))
    check(consequences(model), factual, [1], one, np.ones((2, 1, 1)))
    laws = laws_of(consequences(model))
    assert np.isposinf(laws.rows(factual, [0], one)[:, 1:]).all()
    assert np.isposinf(laws.members(factual, [0], one)[:, :, 1:]).all()
    with np.errstate(divide="ignore"):
        assert np.isposinf(consequences(model).rows(factual, [0], one)[:, 1:]).all()
    low, high = laws.bounds(factual, [0], np.ones((1, 1)), np.ones((1, 1)))
    assert np.isneginf(low[:, 1:]).all()
    assert np.isposinf(high[:, 1:]).all()
    # The last column has no mechanism; where it does not move that is no matter.
    assert np.isfinite(laws.rows(factual, [1], np.ones((1, 1)))).all()


# --- trees ---------------------------------------------------------------------------------------

SCHEMA = Schema(tuple(Feature(n, Kind.CONTINUOUS) for n in ("load", "air")))


@pytest.fixture(scope="module")
def forest() -> TreeRegressor:
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (400, 2))
    y = np.sin(3 * x[:, 0]) + np.sign(x[:, 1]) + 30.0
    model = GradientBoostingRegressor(n_estimators=24, max_depth=3, random_state=0)
    data = to_bytes(export_onnx(model.fit(x.astype(np.float32), y), 2, name="heat"))
    function = graph_loader(SCHEMA)(data, ("load", "air"), True)
    assert isinstance(function, TreeRegressor)
    return function


def taking_missing(forest: TreeRegressor) -> TreeRegressor:
    """The same, but that what is missing goes to the true side of every other node."""
    core = forest.trees
    missing = ~core.is_leaf & (np.arange(core.n_nodes) % 2 == 0)
    return replace(forest, form=replace(forest.form, core=replace(core, missing_true=missing)))


@pytest.mark.parametrize("n_members", [0, 4])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", [lambda forest: forest, taking_missing])
def test_trees(forest, n_members, scaled, kind):
    rng = np.random.default_rng(2)
    location = replace(kind(forest), n_members=n_members)
    scale = Expression("tanh(load) / 3", ("load", "air")) if scaled else None
    model = CausalModel(
        ("load", "air", "heat", "wear"),
        Graph(((), (0,), (0, 1), (2, 1))),
        (
            None,
            Mechanism(draw_function(rng, 1, "basis").function),
            Mechanism(location, scale),
            Mechanism(location),
        ),
    )
    (edge,) = forest.trees.threshold[forest.trees.roots[:1]].astype(float)
    for factual in (np.array([0.3, -0.2, 30.0, 31.0]), np.array([0.3, np.nan, 30.0, 31.0])):
        for columns in ([0], [0, 1], [2]):
            values = rng.normal(size=(40, len(columns)))
            # As near to a threshold as float32 can tell, and nearer.
            values[:4, 0] = [edge, edge + 1e-9, edge - 1e-9, edge + 1e-5]
            ends = np.sort(rng.normal(size=(2, 20, len(columns))), axis=0)
            check(consequences(model, (3,)), factual, columns, values, ends)


def test_threads_may_share_laws(forest):
    model = CausalModel(("a", "b", "c"), Graph(((), (), (0, 1))), (None, None, Mechanism(forest)))
    laws = laws_of(consequences(model))
    values = np.random.default_rng(0).normal(size=(500, 2))
    factuals = [np.array([0.1 * i, -0.2, 30.0 + i]) for i in range(4)]
    alone = [laws.rows(factual, [0, 1], values) for factual in factuals]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            together = pool.map(lambda factual: laws.rows(factual, [0, 1], values), factuals)
            assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


# --- what cannot be flattened --------------------------------------------------------------------


def test_what_compiled_code_cannot_evaluate_is_named(forest):
    def flat(location):
        model = CausalModel(
            ("a", "b", "c"), Graph(((), (), (0, 1))), (None, None, Mechanism(location))
        )
        return flatten(model, draw_members(model, np.random.default_rng(0), 2), ())

    class Score:
        def score(self, rows):
            return rows[:, :1]

    with pytest.raises(NotFlat, match=r"^c: nothing bounds a Regressor"):
        flat(Regressor(Score(), 2))

    class Halved:
        def __getattr__(self, name):
            return getattr(forest.form.columns, name)

        def encode(self, rows):
            return forest.form.columns.encode(rows / 2)

    with pytest.raises(NotFlat, match="do not compare its causes as they are"):
        flat(TreeRegressor(replace(forest.form, columns=Halved()), 2))
    assert flat(forest).kind.tolist() == [3]


def test_the_members_are_the_very_ones_that_numpy_has():
    model = draw_model(3, 5, ("basis",)).model
    members = draw_members(model, np.random.default_rng(0), 64)
    flat = flatten(model, members, ())
    each = [m.location for m in members.mechanisms if m is not None]
    drawn = [location.weights for location in each if isinstance(location, BasisMembers)]
    assert len(drawn) == len(each)
    assert np.array_equal(flat.member_weight, np.concatenate([w.ravel() for w in drawn]))


# --- malformed arrays ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def flat(forest) -> FlatLaws:
    rng = np.random.default_rng(1)
    two = Graph(((), (), (0, 1), (0, 1), (0, 1), (0, 1)))
    scale = Expression("a / 9 if a < b else min(a, 1)", ("a", "b"))
    mechanisms = (
        Mechanism(by_category(rng, spread=True), scale, Noise(1.0)),
        Mechanism(linear(1.0, np.array([1.0, 2.0]))),
        Mechanism(replace(forest, n_members=3)),
        Mechanism(draw_function(rng, 2, "basis").function),
    )
    model = CausalModel(tuple("abcdef"), two, (None, None, *mechanisms))
    return flatten(model, draw_members(model, rng, K), (2,))


def survives(broken: FlatLaws) -> bool:
    """Whether it is taken; then everything is asked of it."""
    try:
        laws = Laws(broken)
    except ValueError as error:
        if not str(error).startswith("laws."):
            raise
        return False
    factual, values = np.array([0.1, 2.0, 1.0, 0.0, 30.0, 1.0]), np.array([[0.5, 1.0]])
    if broken.n_columns != len(factual):
        with pytest.raises(ValueError, match="one value a column"):
            laws.rows(factual, [0, 1], values)
        return True
    laws.rows(factual, [0, 1], values)
    laws.members(factual, [0, 1], values)
    for m in range(-1, broken.n_members):
        low, high = laws.bounds(factual, [0, 1], values - 1, values + 1, m)
        assert not np.isnan(low).any()
        assert not np.isnan(high).any()
    return True


def test_arrays_that_fit_are_taken(flat):
    assert survives(flat)


ARRAYS = [f.name for f in fields(FlatLaws) if f.type in ("Ints", "Array")]
ODD = (-(2**31), -2, -1, 0, 1, 2, 3, 7, 99, 2**20, 2**31 - 1)


@pytest.mark.parametrize("name", ARRAYS)
def test_a_malformed_array_is_an_error_and_never_a_crash(flat, name):
    good = getattr(flat, name)
    rng = np.random.default_rng(0)
    refused = 0
    for cut in (good[:-1], good[:0], np.concatenate([good, good[-1:]])):
        refused += not survives(replace(flat, **{name: np.ascontiguousarray(cut)}))
    # Another length never fits, save where two sizes are one array's own.
    assert refused >= 2 or name in ("member_weight", "choice")
    with pytest.raises(ValueError, match=rf"laws\.{name} is no contiguous array"):
        Laws(replace(flat, **{name: np.zeros(len(good), dtype=np.int16)}))
    odd = ODD if good.dtype == np.int32 else (*ODD, np.nan, np.inf, -np.inf, 0.5, 1e300)
    places = rng.permutation(len(good))[:40]
    for i in places:
        for value in odd:
            broken = good.copy()
            broken[i] = value
            survives(replace(flat, **{name: broken}))


@pytest.mark.parametrize("seed", range(40))
def test_many_things_malformed_at_once(flat, seed):
    rng = np.random.default_rng(seed)
    for _ in range(25):
        changes = {}
        for name in rng.choice(ARRAYS, size=3):
            broken = getattr(flat, name).copy()
            broken[rng.integers(len(broken))] += rng.integers(-3, 4)
            changes[name] = broken
        survives(replace(flat, **changes))


def test_a_tree_that_leads_back_is_refused(flat):
    back = flat.node_true.copy()
    inner = int(np.flatnonzero(flat.node_parent >= 0)[0])
    back[inner] = inner
    with pytest.raises(ValueError, match=r"laws\.node_true leads to a node twice"):
        Laws(replace(flat, node_true=back))


def test_a_formula_that_takes_what_there_is_not_is_refused(flat):
    op = flat.step_op.copy()
    # One value less to begin with, one more later: in the end there is one all the same.
    op[[0, int(np.flatnonzero(np.isin(op, [Op.ADD, Op.MULTIPLY, Op.DIVIDE]))[0])]] = Op.NEGATE
    with pytest.raises(ValueError, match=r"laws\.step_op takes more values than there are"):
        Laws(replace(flat, step_op=op))


@pytest.mark.parametrize(
    ("columns", "values"),
    [([7], 1), ([-1], 1), ([0, 0], 2), ([0], 2)],
)
def test_actions_that_do_not_fit_are_refused(flat, columns, values):
    laws, factual = Laws(flat), np.zeros(6)
    action = np.zeros((1, values))
    for ask in (
        lambda: laws.rows(factual, columns, action),
        lambda: laws.members(factual, columns, action),
        lambda: laws.bounds(factual, columns, action, action),
    ):
        with pytest.raises(ValueError):
            ask()
    with pytest.raises(ValueError, match="no such member"):
        laws.rows(factual, [0], np.zeros((1, 1)), K)
    with pytest.raises(ValueError, match="as many lower as upper"):
        laws.bounds(factual, [0], np.zeros((1, 1)), np.zeros((2, 1)))
    with pytest.raises(ValueError, match="one value a column"):
        laws.rows(np.zeros(5), [0], np.zeros((1, 1)))
