"""What does not stay: noise drawn anew in part, and how much of it stays, learned from pairs."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.causal import CausalModel, Graph, draw_members, parse_causal
from ifonly.explainers.causal.backtracking import BacktrackingConsequences
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.certainty import carried_out
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.marginal import Marginal
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.members import CausalMembers
from ifonly.explainers.causal.noise_stability import NodeStability, NoiseStability
from ifonly.explainers.causal.redrawing import Redrawing
from ifonly.explainers.causal.spec import CausalSpec
from ifonly.explainers.causal.stability import Pairs, WhyNot, learn_stability
from ifonly.explainers.causal.writing import write_causal
from ifonly.explainers.consequences import is_redrawn, trust
from ifonly.models.errors import SpecError
from ifonly.models.predictor import Row, Rows

DRAW = np.random.default_rng(5)
ROOT = Noise(2.0, DRAW.normal(1.0, 2.0, 500))
MODEL = CausalModel(
    ("a", "b", "c"),
    Graph.of(3, [(0, 1)]),
    (None, Mechanism(linear(0.5, np.array([2.0])), None, Noise(0.8)), None),
    (ROOT, None, None),
)
FACTUAL = np.array([1.0, 4.0, 7.0])


def members(model: CausalModel = MODEL) -> CausalMembers:
    return draw_members(model, np.random.default_rng(0), 64)


def above(column: int, least: float):
    def margin(rows: Rows) -> Row:
        return np.asarray(rows[:, column] - least)

    return margin


def share(stability: NodeStability, least: float, columns: list[int], values: list[float]) -> float:
    redrawing = Redrawing(((1, stability),))
    given = FACTUAL, columns, np.array([values])
    return float(carried_out(members(), redrawing, *given, above(1, least))[0])


def test_noise_of_which_nothing_is_left_has_its_own_distribution() -> None:
    # b would be 2.5 without noise: half of what is drawn lies above.
    assert share(NodeStability(0.0), 2.5, [2], [0.0]) == 0.5
    assert share(NodeStability(0.9, None, 1.0), 2.5, [2], [0.0]) == 0.5
    # Its noise is 1.5, of a deviation of 0.8: by normal scores what is left is around 0.6 of it.
    mean, sd = 2.5 + 0.6 * 1.5, 0.8 * 0.8
    for z in (-1.0, 0.3, 1.3):
        expected = 0.5 * math.erfc(z / math.sqrt(2.0))
        assert share(NodeStability(0.6), mean + z * sd, [2], [0.0]) == pytest.approx(
            expected, abs=1 / 256
        )


def test_what_is_set_has_its_value_whatever_is_drawn_and_what_follows_follows() -> None:
    assert share(NodeStability(0.0), 3.0, [1], [3.0]) == 1.0
    assert share(NodeStability(0.0), 3.01, [1], [3.0]) == 0.0
    # Of the cause, what is drawn anew moves the effect too.
    redrawing = Redrawing(((0, NodeStability(0.0)),))
    found = carried_out(members(), redrawing, FACTUAL, [2], np.array([[0.0]]), above(1, 4.0))
    assert 0.4 < found[0] < 0.6


def test_a_wider_interval_and_a_share_of_nothing_left_are_less_sure() -> None:
    known = share(NodeStability(0.8), 3.0, [2], [0.0])
    doubted = share(NodeStability(0.8, (0.2, 0.95)), 3.0, [2], [0.0])
    anew = share(NodeStability(0.8, None, 0.4), 3.0, [2], [0.0])
    assert known > doubted > 0.5
    assert known > anew > 0.5


def consequences(**nodes: NodeStability) -> CausalConsequences:
    own = tuple((MODEL.names.index(name), s) for name, s in nodes.items())
    main = CausalConsequences(MODEL, members(), 2.5, 0.9, np.zeros(3))
    return replace(main, redrawing=Redrawing(own))


def test_an_action_from_which_nothing_follows_must_be_sure_when_carried_out_too() -> None:
    asked = consequences(b=NodeStability(0.0))
    assert is_redrawn(asked)
    assert not is_redrawn(asked.now)
    assert asked.now.now is asked.now is asked.now
    action = np.array([[1.0, 4.0, 0.0]])
    for least, later in ((2.5, 0.5), (0.5, 0.99)):
        found = trust(asked, FACTUAL, action, above(1, least))
        assert found.chance[0] == 1.0
        assert found.later is not None
        assert found.later[0] == pytest.approx(later, abs=0.01)
        assert bool(found.holds[0]) is (later > 0.9)
    assert trust(asked.now, FACTUAL, action, above(1, 2.5)).later is None
    # Another past was: nothing of it is carried out later.
    assert not is_redrawn(BacktrackingConsequences(asked))


def test_what_was_not_read_stays_and_what_hangs_on_it_is_not_told() -> None:
    asked = Redrawing(((0, NodeStability(0.0)), (1, NodeStability(0.0))))
    unread = np.array([np.nan, 4.0, 7.0])
    assert asked.draws(members(), unread) == [{}] * 8
    # Everything else is as it was read: nothing is drawn anew of a noise that nobody can tell.
    found = carried_out(members(), asked, unread, [2], np.array([[0.0]]), above(1, 4.0))
    assert found[0] == 1.0


def test_noise_that_does_not_vary_stays() -> None:
    still = replace(MODEL, roots=(Noise(0.0, np.ones(4)), None, None))
    asked = Redrawing(((0, NodeStability(0.0)),))
    assert asked.draws(members(still), FACTUAL) == [{}] * 8


# --- learned --------------------------------------------------------------------------------


def pairs_of(rho: float, n: int = 400, anew: float = 0.0, seed: int = 0) -> Pairs:
    """Of 40 pieces of equipment, the noise of b by ``rho``, that of a never the same."""
    rng = np.random.default_rng(seed)
    marginal = Marginal.of(ROOT)
    assert marginal is not None
    z = rng.normal(size=n)
    kept = rho * z + math.sqrt(1.0 - rho**2) * rng.normal(size=n)
    then = np.where(rng.random(n) < anew, rng.normal(size=n), kept)

    def rows(own: Row) -> Rows:
        a = marginal.noise(rng.normal(size=n))
        return np.column_stack([a, 0.5 + 2.0 * a + 0.8 * own, np.zeros(n)])

    none = np.zeros((n, 3), dtype=np.bool_)
    return Pairs(rows(z), rows(then), none, np.arange(n) % 40)


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.95])
def test_how_much_stays_is_learned_with_an_interval(rho: float) -> None:
    a, b, c = learn_stability(MODEL, pairs_of(rho))
    assert b.found is not None
    assert b.found.interval is not None
    low, high = b.found.interval
    assert low <= rho <= high
    assert high - low < 0.25
    assert (b.found.redrawn, b.found.pairs, b.found.equipment) == (0.0, 400, 40)
    assert b.is_as_fitted
    assert b.is_clustered
    assert a.found is not None
    assert abs(a.found.rho) < 0.15
    assert (c.found, c.why_not) == (None, WhyNot.NO_NOISE)


def test_changes_of_regime_are_told_from_noise_that_is_less_stable() -> None:
    _, b, _ = learn_stability(MODEL, pairs_of(0.95, 600, anew=0.25))
    assert b.found is not None
    assert b.found.rho > 0.9
    assert b.found.redrawn == pytest.approx(0.25, abs=0.07)


def test_what_was_done_in_between_does_not_matter_and_what_was_set_says_nothing() -> None:
    pairs = pairs_of(0.9)
    after, is_set = pairs.after.copy(), pairs.is_set.copy()
    # The cause was set, and what follows followed.
    after[::2, 1] += 2.0 * (5.0 - after[::2, 0])
    after[::2, 0] = 5.0
    is_set[::2, 0] = True
    a, b, _ = learn_stability(MODEL, replace(pairs, after=after, is_set=is_set))
    assert a.pairs == 200
    assert b.found is not None
    assert b.found.rho == pytest.approx(0.9, abs=0.04)
    # Set itself, it has no noise that could be told.
    is_set[:, 1] = True
    _, b, _ = learn_stability(MODEL, replace(pairs, is_set=is_set))
    assert (b.found, b.why_not, b.pairs) == (None, WhyNot.FEW_PAIRS, 0)


def test_a_stuck_sensor_and_readings_that_are_missing_are_left_out_and_counted() -> None:
    pairs = pairs_of(0.8)
    after, before = pairs.after.copy(), pairs.before.copy()
    after[:10, 1], before[10:20, 0], after[20:30, 1] = 1e9, np.nan, -1e300
    _, b, _ = learn_stability(MODEL, replace(pairs, after=after, before=before))
    assert b.found is not None
    assert (b.found.pairs, b.found.outliers) == (370, 20)
    assert b.found.rho == pytest.approx(0.8, abs=0.06)


def test_a_population_that_moved_is_told_and_does_not_pass_for_stability() -> None:
    pairs = pairs_of(0.5)
    moved = replace(pairs, after=pairs.after + np.array([0.0, 1.2, 0.0]))
    _, b, _ = learn_stability(MODEL, moved)
    assert b.found is not None
    assert b.found.rho == pytest.approx(0.5, abs=0.1)
    assert not b.is_as_fitted


@pytest.mark.parametrize("n", [0, 1, 19])
def test_few_pairs_say_nothing(n: int) -> None:
    assert all(each.found is None for each in learn_stability(MODEL, pairs_of(0.5, n)))


def test_few_pairs_are_drawn_towards_what_the_nodes_have_in_common() -> None:
    names = tuple("pqrs")
    model = CausalModel(names, Graph.of(4, []), (None,) * 4, (ROOT,) * 4)
    rng, marginal = np.random.default_rng(2), Marginal.of(ROOT)
    assert marginal is not None
    z = rng.normal(size=(500, 4))
    then = 0.9 * z + math.sqrt(1 - 0.81) * rng.normal(size=z.shape)
    then[:, 3] = -z[:, 3]
    before, after = marginal.noise(z), marginal.noise(then)
    before[22:, 3] = np.nan
    after[:22, 3] = marginal.noise(0.4 * z[:22, 3] + 0.9 * rng.normal(size=22))
    pairs = Pairs(before, after, np.zeros((500, 4), dtype=np.bool_), np.arange(500))
    *others, few = learn_stability(model, pairs)
    assert few.found is not None
    assert few.found.interval is not None
    assert few.own_rho < few.found.rho < 0.9
    for each in others:
        assert each.found is not None
        assert each.found.rho == pytest.approx(each.own_rho, abs=0.01)


def test_what_never_differs_stays() -> None:
    pairs = pairs_of(0.5)
    _, b, _ = learn_stability(MODEL, replace(pairs, after=pairs.before))
    assert b.found is not None
    assert b.found.stays
    assert Redrawing(((1, b.found),)).columns == frozenset()


# --- declared -------------------------------------------------------------------------------

GIVEN = """
[stability]
after = {{hours = 2}}
source = "readings"
learned_at = "2026-11-30"

[stability.nodes.{node}]
{keys}
"""


def declared(spec: CausalSpec, node: str, keys: str) -> CausalSpec:
    text = write_causal(spec) + GIVEN.format(node=node, keys=keys).encode()
    return parse_causal(text, "causal.toml", spec.schema)


def test_the_file_says_it_and_what_is_written_reads_back(milling_spec: CausalSpec) -> None:
    keys = "rho = 0.5\ninterval = [0.4, 0.6]\nredrawn = 0.1\npairs = 9\nequipment = 3\noutliers = 1"
    spec = declared(milling_spec, "torque", keys)
    stability = spec.stability
    assert stability is not None
    assert stability.nodes == {"torque": NodeStability(0.5, (0.4, 0.6), 0.1, 9, 3, 1)}
    assert str(stability.after) == "2 hours"
    again = parse_causal(write_causal(spec), "causal.toml", spec.schema)
    assert again.stability == stability
    assert milling_spec.stability is None
    assert isinstance(stability, NoiseStability)


@pytest.mark.parametrize(
    ("node", "keys", "problem"),
    [
        ("torqe", "rho = 0.5", "did you mean 'torque'"),
        ("quality", "rho = 0.5", "a category has no noise"),
        ("torque", "rho = 1.5", "1.5"),
        ("torque", "rho = nan", "NaN"),
        ("torque", "", "rho"),
        ("torque", "rho = 0.5\ninterval = [0.6, 0.7]", "rho, 0.5, is not within"),
        ("torque", "rho = 0.5\ninterval = [0.6, 0.4]", "not within"),
        ("torque", "rho = 0.5\nredrawn = 2", "2"),
        ("torque", "rho = 0.5\nfresh = 2", "fresh"),
    ],
)
def test_what_is_wrong_is_named(
    milling_spec: CausalSpec, node: str, keys: str, problem: str
) -> None:
    with pytest.raises(SpecError, match=r"stability\.nodes") as raised:
        declared(milling_spec, node, keys)
    assert problem in str(raised.value)


def test_a_node_above_one_that_cannot_move_is_refused(milling_spec: CausalSpec) -> None:
    known = {n: m for n, m in milling_spec.mechanisms.items() if n != "rotational_speed"}
    with pytest.raises(SpecError, match="rotational_speed, which follows from it, has no mech"):
        declared(replace(milling_spec, mechanisms=known), "torque", "rho = 0.5")
    bare = replace(milling_spec, mechanisms={**known, "torque": milling_spec.mechanisms["torque"]})
    with pytest.raises(SpecError, match="nothing is known of how the noise"):
        declared(bare, "rotational_speed", "rho = 0.5")
