"""Whatever the machine reads, its failures are what the published rules say, said plainly."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ifonly.models.onnx.parity import threshold_neighbours
from ifonly.models.training.milling import FEATURES, carry_out, failures_by_readings, simulate


@st.composite
def readings(draw: st.DrawFn) -> list[float]:
    return [
        draw(st.integers(2950, 3050)) / 10,
        draw(st.integers(3050, 3150)) / 10,
        float(draw(st.integers(1100, 2900))),
        draw(st.integers(30, 800)) / 10,
        float(draw(st.integers(0, 255))),
        float(draw(st.integers(0, 2))),
    ]


def plainly(row: list[float]) -> list[bool]:
    """The rules in whole tenths, so that nothing is rounded."""
    air, process, speed, torque, wear, quality = row
    heat = round(10 * process) - round(10 * air) < 86 and speed < 1380
    watt = torque * (speed / 60) * 2 * math.pi
    strain = round(10 * torque) * round(wear) > (110_000, 120_000, 130_000)[int(quality)]
    return [heat, not 3500 <= watt <= 9000, strain]


@given(st.lists(readings(), min_size=1, max_size=20))
def test_failures_are_those_of_the_rules_said_plainly(rows: list[list[float]]) -> None:
    found = failures_by_readings(np.array(rows))
    assert found.tolist() == [plainly(row) for row in rows]


@given(
    seed=st.integers(0, 2**32),
    which=st.sets(st.sampled_from(FEATURES)),
)
def test_setting_readings_to_what_they_are_changes_nothing(seed: int, which: set[str]) -> None:
    parts = simulate(20, seed)
    same = {name: parts.rows[:, FEATURES.index(name)] for name in which}
    done = carry_out(parts, same)
    np.testing.assert_array_equal(done.rows, parts.rows)
    np.testing.assert_array_equal(done.modes, parts.modes)


@given(seed=st.integers(0, 2**32), torque=st.integers(30, 800))
def test_an_action_undone_brings_the_machine_back(seed: int, torque: int) -> None:
    parts = simulate(20, seed)
    there = carry_out(parts, {"torque": torque / 10})
    back = carry_out(there, {"torque": parts.rows[:, FEATURES.index("torque")]})
    np.testing.assert_array_equal(back.rows, parts.rows)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=10, unique=True))
def test_neighbours_are_the_next_float32_numbers(values: list[float]) -> None:
    rows = np.zeros((3, 2))
    thresholds = {1: np.array(values, dtype=np.float32)}
    tried = threshold_neighbours(rows, thresholds, np.random.default_rng(0))[:, 1]
    down, exact, up = np.split(tried, 3)
    assert exact.tolist() == [float(np.float32(v)) for v in values]
    assert (down < exact).all()
    assert (exact < up).all()
    for low, high in ((down, exact), (exact, up)):
        middle = ((low + high) / 2).astype(np.float32)  # of neighbours: one of the two
        assert ((middle == low) | (middle == high)).all()
