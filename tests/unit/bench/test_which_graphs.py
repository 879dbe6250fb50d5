"""The benchmark of graphs that may be wrong: its measure, and a setting of it."""

from __future__ import annotations

import pytest

from bench.which_graphs import SETTINGS, GraphLine, calibration_error, run


def test_the_calibration_error_is_what_is_said_less_what_is_right_by_bins():
    # 0.95 is right half of the time, 0.15 as often as is said.
    said = [0.95] * 4 + [0.15] * 20
    right = [True, False] * 2 + [True] * 3 + [False] * 17
    assert calibration_error(said, right) == pytest.approx(4 * 0.45 / 24)
    assert calibration_error([1.0] * 3, [True] * 3) == 0.0
    assert calibration_error([], []) == 0.0


def test_of_an_edge_turned_round_the_rows_say_so_and_answers_hold():
    (setting,) = (s for s in SETTINGS if "turned round" in s.name)
    lines = {name: GraphLine() for name in ("alone", "mixture")}
    graphs = run(setting, 0, 2, lines)
    assert graphs[0] == "main 0.01"
    name, weight = graphs[1].split()
    assert (name, float(weight) > 0.8) == ("x2-x1-reversed", True)
    assert lines["mixture"].valid == lines["mixture"].answered == 2
    errors = {n: calibration_error(x.chances, x.right) for n, x in lines.items()}
    assert errors["mixture"] < errors["alone"]
