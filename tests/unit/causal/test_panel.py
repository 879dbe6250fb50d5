"""Difference in differences with staggered starts, where the effect is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ifonly.explainers.causal import panel as module
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.panel import UnitPanel, panel_effect, student


@pytest.fixture(autouse=True)
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PERMUTATIONS", 19)
    monkeypatch.setattr(module, "BOOTSTRAP", 199)


def drawn(seed: int, m: int = 24, k: int = 8, drift: float = 0.0) -> tuple[UnitPanel, np.ndarray]:
    """Effects that grow since the start; who starts early has another level."""
    rng = np.random.default_rng(seed)
    start = np.where(np.arange(m) % 3 == 0, k, rng.integers(2, k - 1, m))
    since = np.arange(k) - start[:, None]
    effect = np.where(since >= 0, 1.0 + 0.5 * since, 0.0)
    level = rng.normal(0.0, 2.0, m) - 0.3 * start
    y = level[:, None] + np.cumsum(rng.normal(size=k)) + rng.normal(0.0, 0.7, (m, k)) + effect
    y += drift * np.where(start < k, 1.0, 0.0)[:, None] * np.arange(k)
    units, times = (tuple(f"{a}{i}" for i in range(n)) for a, n in (("m", m), ("t", k)))
    return UnitPanel(units, times, y, start), effect


def told(panel: UnitPanel, **more):
    return panel_effect(panel, np.random.default_rng(0), **more)


def test_of_one_start_it_is_the_difference_of_differences():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(10, 3))
    panel = UnitPanel(tuple("abcdefghij"), ("1", "2", "3"), y, np.array([2] * 5 + [3] * 5))
    found = told(panel)
    gained = y[:, 2] - y[:, 1]
    assert found.effect.value == pytest.approx(gained[:5].mean() - gained[5:].mean())
    se = np.sqrt(gained[:5].var(ddof=1) / 5 + gained[5:].var(ddof=1) / 5)
    assert found.effect.se == pytest.approx(se)
    welch = stats.ttest_ind(gained[:5], gained[5:], equal_var=False)
    assert found.effect.freedom == pytest.approx(welch.df)
    ends = welch.confidence_interval(0.95)
    assert found.effect.interval == pytest.approx((ends.low, ends.high), abs=2e-3)
    assert [g.value for g in found.groups if g.time == "3"] == [pytest.approx(found.effect.value)]


def test_effects_that_grow_are_told_where_two_way_fixed_effects_are_wrong():
    off, wrong, held = [], [], []
    for seed in range(30):
        panel, effect = drawn(seed)
        found = told(panel)
        truth = np.mean([effect[i, s:].mean() for i, s in enumerate(panel.start) if s < 8])
        off.append(found.effect.value - truth)
        wrong.append(found.two_way - truth)
        held.append(found.effect.interval[0] <= truth <= found.effect.interval[1])
    assert abs(np.mean(off)) < 3 * np.std(off) / np.sqrt(30)
    assert np.mean(wrong) < -0.2
    assert 0.85 <= np.mean(held) <= 1.0


def test_events_are_by_time_since_the_start_and_their_band_is_wider():
    found = told(drawn(1)[0])
    after = {event.after: event for event in found.events}
    assert -1 not in after  # what everything is compared with
    assert after[2].effect.value > after[0].effect.value
    for event in found.events:
        low, high = event.effect.interval
        assert event.band[0] <= low < high <= event.band[1]
    assert found.permuted_p == pytest.approx(0.05)
    assert found.never == 8
    assert found.most_telling[0] in drawn(1)[0].units


def test_trends_that_differed_before_speak_against_it():
    alike, apart = told(drawn(2)[0]).trend, told(drawn(2, drift=1.5)[0]).trend
    assert apart.p_value < 0.05 < alike.p_value
    assert apart.largest_step > alike.largest_step
    assert alike.undone_by_of_interval < alike.undone_by


def test_units_that_had_moved_already_are_compared_with_an_earlier_time():
    panel, effect = drawn(3)
    early = panel.outcome.copy()
    for i, s in enumerate(panel.start):
        if s < 8:
            early[i, s - 1] += 4.0
    moved = UnitPanel(panel.units, panel.times, early, panel.start)
    truth = np.mean([effect[i, s:].mean() for i, s in enumerate(panel.start) if s < 8])
    assert abs(told(moved).effect.value - truth) > 2.0
    assert abs(told(moved, anticipation=1).effect.value - truth) < 1.0


def test_where_all_are_reached_those_not_reached_yet_are_the_controls():
    panel, _ = drawn(4)
    start = np.where(panel.start == 8, 7, panel.start)
    everybody = UnitPanel(panel.units, panel.times, panel.outcome, start)
    found = told(everybody)
    assert found.never == 0
    assert len(found.left_out) >= 8  # the last have nobody to be compared with
    with pytest.raises(NotIdentified, match="never treated"):
        told(everybody, never_only=True)


def test_too_few_units_are_refused_with_their_numbers():
    panel, _ = drawn(5)
    first = UnitPanel(panel.units, panel.times, panel.outcome, np.where(panel.start < 8, 0, 8))
    with pytest.raises(NotIdentified, match="16 units are treated, 16 of them with no time before"):
        told(first)
    few = UnitPanel(panel.units[:5], panel.times, panel.outcome[:5], panel.start[:5])
    with pytest.raises(NotIdentified, match="4 treated units, each with 4"):
        told(few)


def test_without_times_before_nothing_is_said_of_trends():
    panel, _ = drawn(6)
    start = np.where(panel.start < 8, 1, 8)
    trend = told(UnitPanel(panel.units, panel.times, panel.outcome, start)).trend
    assert (trend.times, trend.p_value, trend.undone_by) == (0, None, None)


@pytest.mark.parametrize("freedom", [3.0, 4.5, 10.0, 60.0, np.inf])
def test_quantiles_are_students(freedom):
    assert student(0.975, freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-3)
