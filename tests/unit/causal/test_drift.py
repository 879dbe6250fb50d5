"""Which mechanism moved: the one that did, and no other."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from ifonly.explainers.causal import CausalModel
from ifonly.explainers.causal.drift import LEAST_ROWS, DriftVerdict, drift
from ifonly.explainers.causal.learning import learn, quantiles
from ifonly.explainers.causal.mechanism import Mechanism, Noise, NoiseForm
from tests.support.equipment import AIR, GRAPH, LOAD, NAMES, SPEED, TORQUE, WEAR, equipment_rows

N_FITTED = 1500


@cache
def fitted() -> CausalModel:
    rows, rng = equipment_rows(N_FITTED, seed=1), np.random.default_rng(0)
    mechanisms: list[Mechanism | None] = []
    for j, causes in enumerate(GRAPH.parents):
        x, flags = rows[:, list(causes)], [False] * len(causes)
        kinds, forms = ("polynomial",), (NoiseForm.ADDITIVE,)
        found = learn(x, rows[:, j], flags, rng, kinds, forms) if causes else None
        mechanisms.append(found.mechanism if found else None)
    roots = tuple(
        None if causes else Noise(float(rows[:, j].std()), quantiles(rows[:, j]))
        for j, causes in enumerate(GRAPH.parents)
    )
    return CausalModel(NAMES, GRAPH, tuple(mechanisms), roots)


def moved(rows: np.ndarray) -> set[str]:
    nodes = drift(fitted(), rows, [False] * 8, N_FITTED, np.random.default_rng(0))
    assert DriftVerdict.UNKNOWN not in {node.verdict for node in nodes}
    return {node.name for node in nodes if node.verdict is DriftVerdict.MOVED}


@pytest.mark.parametrize("seed", range(5, 13))
def test_nothing_moves_where_nothing_moved(seed):
    assert moved(equipment_rows(1000, seed)) == set()


def test_a_mechanism_whose_level_or_slope_changed_is_named_and_no_other_mechanism():
    worn = equipment_rows(1000, seed=3)
    worn[:, WEAR] += 4.0
    assert moved(worn) - {"vibration"} == {"wear"}
    steeper = equipment_rows(1000, seed=3)
    steeper[:, SPEED] += 4.0 * (steeper[:, TORQUE] - 28.0)
    found = moved(steeper)
    assert "speed" in found
    assert not found & {"air", "load", "usage", "torque", "wear"}


def test_noise_that_grew_is_named():
    rows = equipment_rows(1000, seed=3)
    rows[:, WEAR] += np.random.default_rng(0).normal(0, 6, 1000)
    assert "wear" in moved(rows)


def test_a_root_that_moved_is_not_the_fault_of_what_follows_from_it():
    rows = equipment_rows(3000, seed=3)
    rows = rows[rows[:, LOAD] > np.median(rows[:, LOAD])]
    assert moved(rows) == {"load"}


def test_causes_never_seen_before_are_not_held_against_a_mechanism():
    rows = equipment_rows(400, seed=3)
    rows[:, AIR] += 100.0
    nodes = drift(fitted(), rows, [False] * 8, N_FITTED, np.random.default_rng(0))
    by_name = {node.name: node for node in nodes}
    assert by_name["air"].verdict is DriftVerdict.MOVED
    assert by_name["temperature"].outside == 1.0
    assert by_name["temperature"].verdict is DriftVerdict.UNKNOWN


def test_categories_move_by_their_shares():
    model = CausalModel(("kind",), type(GRAPH)(((),)), (None,), (Noise(1.0, KINDS),))
    rng = np.random.default_rng(0)
    for shares, verdict in (
        ((0.5, 0.3, 0.2), DriftVerdict.KEPT),
        ((0.3, 0.3, 0.4), DriftVerdict.MOVED),
    ):
        rows = rng.choice(3, size=(2000, 1), p=shares).astype(float)
        (node,) = drift(model, rows, [True], 400, rng)
        assert node.verdict is verdict


KINDS = np.repeat([0.0, 1.0, 2.0], [200, 120, 80])


def test_too_few_rows_decide_nothing():
    nodes = drift(
        fitted(), equipment_rows(LEAST_ROWS - 1), [False] * 8, N_FITTED, np.random.default_rng(0)
    )
    assert {node.verdict for node in nodes} == {DriftVerdict.UNKNOWN}
