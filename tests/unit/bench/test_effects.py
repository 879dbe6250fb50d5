"""A small run of the benchmark of effects: counts, by fixed seeds.

An interval at 95 % misses more than two of eight with a chance of 0.6 %: what fails here is wrong
by more than chance. How often exactly, the benchmark says.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench.effect_settings import HIDDEN, INSTRUMENTS, SETTINGS
from bench.effects import move, tell, undo

DRAWS, ROWS = 8, 2_000
HARD = [
    place
    for place, setting in enumerate(SETTINGS)
    if setting.name in ("non-linear", "growing effect", "binary outcome")
]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("place", HARD, ids=[SETTINGS[place].name for place in HARD])
def test_intervals_hold_the_truth_of_the_estimand_that_they_name(place):
    told = [one for seed in range(DRAWS) for one in tell(place, ROWS, seed)]
    for asked in ("ate", "overlap", "att"):
        own = [one for one in told if one.asked == asked]
        assert len(own) == DRAWS
        assert sum(one.holds for one in own) >= DRAWS - 2
    if SETTINGS[place].name == "growing effect":
        # Rows are trimmed, and it is the average of all rows no more.
        assert np.mean([one.trimmed for one in told]) > 0.15


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(INSTRUMENTS)), ids=[s.name for s in INSTRUMENTS])
def test_intervals_by_instruments_hold_the_truth_however_weak_they_are(place):
    moved = [one for seed in range(DRAWS) for one in move(place, ROWS, seed)]
    assert sum(one.holds for one in moved) >= DRAWS - 2
    endless = sum(one.is_endless for one in moved)
    assert endless >= DRAWS // 2 if INSTRUMENTS[place].on_treatment < 0.1 else endless == 0


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 1], ids=[s.name for s in HIDDEN[:2]])
def test_a_hidden_cause_is_stronger_than_what_is_printed_and_its_bounds_hold_the_truth(place):
    found = [one for seed in range(DRAWS) for one in undo(place, ROWS, seed)]
    assert sum(one.bounds_hold for one in found) >= len(found) - 2
    assert sum(one.holds for one in found) <= 2  # the interval alone does not
    if HIDDEN[place].effect == 0.0:
        assert sum(one.robustness_of_interval < one.true for one in found) >= len(found) - 1
        assert all(one.robustness > 0.0 for one in found)
