"""Hidden common causes: what they make of fitted laws, against closed forms; what is demanded."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.hidden import POINTS, HiddenCause, HiddenCauses
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.members import believed

NAMES = ("z", "a", "b")
SLOPES = {(0, 1): 0.8, (1, 2): 1.5, (0, 2): -0.7}
"""Of the true effects."""
SD = np.array([1.3, 2.0, 0.6])
FACTUAL = np.array([0.4, -1.1, 2.5])


def covariance(rho: float, edges: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """True effects and the covariance of what is read, noises of a and b correlated by ``rho``."""
    effects = np.zeros((3, 3))
    for cause, effect in edges:
        effects[effect, cause] = SLOPES[cause, effect]
    noise = np.diag(SD**2)
    noise[1, 2] = noise[2, 1] = rho * SD[1] * SD[2]
    reach = np.linalg.inv(np.eye(3) - effects)
    return effects, reach @ noise @ reach.T


def fitted(cov: np.ndarray, edges: list[tuple[int, int]]) -> CausalModel:
    """What regression makes of very many rows."""
    graph = Graph.of(3, edges)
    mechanisms: list[Mechanism | None] = []
    roots: list[Noise | None] = []
    for j, causes in enumerate(graph.parents):
        at = list(causes)
        slopes = np.linalg.solve(cov[np.ix_(at, at)], cov[at, j]) if at else np.empty(0)
        left = Noise(float(np.sqrt(cov[j, j] - slopes @ cov[at, j])))
        mechanisms.append(Mechanism(linear(0.0, slopes), noise=left) if at else None)
        roots.append(None if at else left)
    return CausalModel(NAMES, graph, tuple(mechanisms), tuple(roots))


def true_row(effects: np.ndarray, settings: dict[int, float]) -> np.ndarray:
    noise = FACTUAL - effects @ FACTUAL
    row = FACTUAL.copy()
    for j in range(3):
        row[j] = settings[j] if j in settings else effects[j] @ row + noise[j]
    return row


def tilted_row(model: CausalModel, rho: float, settings: dict[int, float]) -> np.ndarray:
    hidden = HiddenCause(1, 2, -1.0, 1.0)
    tilts = HiddenCauses(model, (hidden,)).tilted({hidden: rho})
    columns = sorted(settings)
    values = np.array([[settings[j] for j in columns]])
    assert tilts is not None
    rows = believed(model, 1).counterfactual(FACTUAL, columns, values, tilts=tilts)
    return np.asarray(rows[0, 0])


@pytest.mark.parametrize("rho", [-0.7, 0.2, 0.9])
@pytest.mark.parametrize("settings", [{1: 3.0}, {0: -2.0}, {0: 2.0, 1: 0.5}])
def test_at_the_true_correlation_what_follows_is_the_truth(rho, settings):
    """Setting a cause of both, the cause, or both of them; the effect of the first alone is right
    without the correlation too, for the parts of it err by the same and in opposite ways."""
    edges = [(0, 1), (1, 2), (0, 2)]
    effects, cov = covariance(rho, edges)
    model = fitted(cov, edges)
    truth = true_row(effects, settings)
    assert tilted_row(model, rho, settings) == pytest.approx(truth)
    alone = tilted_row(model, 0.0, settings)
    assert (alone == pytest.approx(truth)) == (settings.keys() == {0})


@pytest.mark.parametrize("rho", [-0.7, 0.2, 0.9])
@pytest.mark.parametrize("settings", [{1: 3.0}, {0: -2.0}])
def test_where_the_noise_is_not_told_from_the_value_the_truth_is_within_the_correlations(
    rho, settings
):
    edges = [(0, 1), (1, 2)]
    effects, cov = covariance(rho, edges)
    truth = true_row(effects, settings)[2]
    ends = [tilted_row(fitted(cov, edges), r, settings)[2] for r in (0.0, rho)]
    assert min(ends) < truth < max(ends)


def test_noise_whose_spread_moves_is_shifted_in_units_of_its_spread():
    """b = a + exp(a / 4) u: a unit of a's noise is worth ``k`` units of u."""
    law = Mechanism(Expression("a", ("a",)), Expression("a / 4", ("a",)), Noise(0.5))
    model = CausalModel(("a", "b"), Graph(((), (0,))), (None, law), (Noise(2.0), None))
    hidden = HiddenCause(0, 1, 0.6, 0.6)
    (tilts,) = HiddenCauses(model, (hidden,)).tilts([0])
    row = believed(model, 1).counterfactual(
        np.array([1.0, 2.0]), [0], np.array([[3.0]]), tilts=tilts
    )
    u, k = (2.0 - 1.0) / np.exp(0.25), 0.75 * 0.5 / 2.0
    assert row[0, 0, 1] == pytest.approx(3.0 + np.exp(0.75) * (u - k * 2.0))


def test_two_hidden_causes_of_one_effect_are_taken_together():
    """b = 2 z + 3 a + u, the noises of the roots z and a each correlated with u."""
    effects, rhos = np.array([2.0, 3.0]), np.array([0.5, -0.6])
    bias = rhos * SD[2] / SD[:2]
    left = Noise(float(SD[2] * np.sqrt(1.0 - rhos @ rhos)))
    law = Mechanism(linear(0.0, effects + bias), noise=left)
    model = CausalModel(
        NAMES, Graph(((), (), (0, 1))), (None, None, law), (Noise(1.3), Noise(2.0), None)
    )
    both = HiddenCauses(model, (HiddenCause(0, 2, -1, 1), HiddenCause(1, 2, -1, 1)))
    tilts = both.tilted(dict(zip(both.each, rhos, strict=True)))
    assert tilts is not None
    row = believed(model, 1).counterfactual(FACTUAL, [0, 1], np.array([[1.4, 0.9]]), tilts=tilts)
    assert row[0, 0, 2] == pytest.approx(FACTUAL[2] + 2.0 * 1.0 + 3.0 * 2.0)
    # 0.8 and 0.8 cannot be: the noise of b would be told twice.
    assert both.tilted(dict.fromkeys(both.each, 0.8)) is None
    assert len(list(both.tilts([0, 1]))) == POINTS[1] ** 2 - 4 * 3


def test_only_what_the_action_disturbs_matters():
    ties = tuple(HiddenCause(i, j, -0.3, 0.3) for i, j in [(0, 1), (1, 2)])
    graph = Graph.of(3, [(0, 1), (1, 2), (0, 2)])
    laws = tuple(Mechanism(linear(0.0, np.ones(len(p)))) if p else None for p in graph.parents)
    both = HiddenCauses(CausalModel(NAMES, graph, laws), ties)
    second = HiddenCauses(both.model, ties[1:])
    assert both.mattering([0]) == ties  # a's law is in doubt, so its noise is
    assert second.mattering([0]) == ()  # a keeps its noise
    assert second.mattering([1]) == second.mattering([0, 1]) == ties[1:]
    assert both.mattering([2]) == both.mattering([1, 2]) == ()
    assert list(both.tilts([2])) == [{}]
    chain = Graph.of(3, [(0, 1), (1, 2)])
    untold = HiddenCauses(CausalModel(NAMES, chain, laws), ties[1:])
    assert untold.mattering([0]) == ties[1:]  # b's law cannot tell a's noise from its value


def test_correlations_that_are_tried_hold_both_ends_and_none():
    assert HiddenCause(0, 1, -0.3, 0.3).correlations(5) == (-0.3, -0.15, 0.0, 0.15, 0.3)
    assert HiddenCause(0, 1, -0.2, 0.3).correlations(3) == (-0.2, 0.0, 0.05, 0.3)
    assert HiddenCause(0, 1, 0.2, 0.3).correlations(3) == (0.2, 0.25, 0.3)
    assert HiddenCause(0, 1, -1.0, 1.0).correlations(3) == (-0.99, 0.0, 0.99)


def consequences(*ties: HiddenCause, sd: float = 1.0) -> CausalConsequences:
    """b falls by 1 with a and rises by 1 with z, both roots; standard deviations of all noises
    are 1."""
    law = Mechanism(linear(0.0, np.array([1.0, -1.0])), noise=Noise(1.0) if sd else None)
    model = CausalModel(
        NAMES, Graph(((), (), (0, 1))), (None, None, law), (Noise(1.0), Noise(1.0), None)
    )
    members = draw_members(model, np.random.default_rng(0), 4)
    return CausalConsequences(model, members, 2.5, 0.9, np.zeros(3), ties)


def b_at_most(limit: float):
    return lambda rows: limit - rows[:, 2]


def test_an_action_is_trusted_only_if_it_holds_whatever_the_hidden_cause_is():
    """The tilt is rho / sqrt(1 - rho^2): by 0.6 the slope of -1 could be -0.25 or -1.75."""
    at, two = np.zeros(3), np.array([[2.0]])
    for strength, holds in ((0.0, True), (0.3, True), (0.6, False)):
        tie = HiddenCause(1, 2, -strength, strength)
        trust = consequences(tie).trust(at, [1], two, b_at_most(-1.2))
        worst = -2.0 * (1.0 - strength / np.sqrt(1.0 - strength**2))
        assert trust.lower[0] == pytest.approx(-1.2 - worst)
        assert (trust.holds[0], trust.chance[0]) == (holds, float(holds))
        # Another lever is not in doubt, nor is what is set itself.
        other = consequences(tie).trust(at, [0], -two, b_at_most(-1.2))
        assert (other.holds[0], other.chance[0]) == (True, 1.0)
        assert consequences(tie).trust(at, [1, 2], np.array([[2.0, -2.0]]), b_at_most(-1.2)).holds


def test_an_answer_that_only_a_correlation_between_the_ends_undoes_is_not_trusted():
    """The ends of the range are on either side of a band in which the answer is lost."""

    def not_between(rows: np.ndarray) -> np.ndarray:
        return np.abs(rows[:, 2] + 1.5) - 0.1

    tie = HiddenCause(1, 2, -0.5, 0.0)
    found = consequences(tie).trust(np.zeros(3), [1], np.array([[2.0]]), not_between)
    ends = [consequences(HiddenCause(1, 2, r, r)) for r in (-0.5, 0.0)]
    assert all(e.trust(np.zeros(3), [1], np.array([[2.0]]), not_between).holds[0] for e in ends)
    assert not found.holds[0]


def test_of_noises_of_which_nothing_is_known_nothing_is_sure_but_what_is_declared_to_be_none():
    at, two = np.zeros(3), np.array([[2.0]])
    for tie, holds in ((HiddenCause(1, 2, -0.1, 0.1), False), (HiddenCause(1, 2, 0.0, 0.0), True)):
        trust = consequences(tie, sd=0.0).trust(at, [1], two, b_at_most(0.0))
        assert (trust.holds[0], trust.chance[0]) == (holds, float(holds))


def test_more_hidden_causes_than_can_be_tried_together_are_never_sure():
    n = len(POINTS) + 1
    law = Mechanism(linear(0.0, np.ones(n)), noise=Noise(1.0))
    graph = Graph((*((),) * n, tuple(range(n))))
    names = tuple(map(str, range(n + 1)))
    model = CausalModel(names, graph, (*(None,) * n, law), (*(Noise(1.0),) * n, None))
    members = draw_members(model, np.random.default_rng(0), 2)
    ties = tuple(HiddenCause(i, n, 0.0, 0.01) for i in range(n))
    found = CausalConsequences(model, members, 2.5, 0.9, np.zeros(n + 1), ties)
    margin = lambda rows: np.ones(len(rows))  # noqa: E731
    assert not found.trust(np.zeros(n + 1), list(range(n)), np.ones((1, n)), margin).holds[0]
    assert found.trust(np.zeros(n + 1), list(range(n - 1)), np.ones((1, n - 1)), margin).holds[0]
