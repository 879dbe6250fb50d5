"""The benchmark that carries answers out."""

from __future__ import annotations

import numpy as np

from bench import simulator_truth as bench
from ifonly.models.training.milling import MODES, TORQUE, WEAR, carry_out, simulate


def failed_part():
    """A part that failed by overstrain alone."""
    parts = simulate(20_000, 3)
    wanted = np.array([mode == "OSF" for mode in MODES])
    found = np.flatnonzero((parts.modes == wanted).all(axis=1))
    return parts[found[:1]]


def test_an_action_is_carried_out_on_the_very_part():
    part = failed_part()
    assert bench.modes_of(part) == "OSF"
    assert bench.after(part, bench.NOTHING) == "OSF"
    assert bench.after(part, "tool_wear=0.0") == bench.NOTHING
    gentler = float(part.rows[0, TORQUE]) * 0.5
    truth = carry_out(part, {"torque": gentler})
    assert bench.after(part, f"torque={gentler!r}") == bench.modes_of(truth)
    assert truth.rows[0, WEAR] == part.rows[0, WEAR]


def line(method: str, before: str, after: str, setting: str = "torque=40.0") -> dict[str, str]:
    return {
        "method": method, "probability": "0", "alarm": "0", "before": before, "after": after,
        "status": "optimal", "cost": "1.0", "seconds": "0.1", "set": setting, "held": "0.5",
    }  # fmt: skip


def test_shares_are_of_the_alarms_with_a_failure():
    lines = [
        line("causal", "PWF", "-"),
        line("causal", "PWF", "HDF"),
        line("causal", "OSF", "OSF", bench.NOTHING),
        line("causal", "-", "-"),
    ]
    figures = bench._figures(lines)
    assert figures["alarms (with a failure)"] == "4 (3)"
    assert figures["answered, of those with a failure"] == "66.7% (2)"
    assert figures["failure prevented, of the answered"] == "50.0% (1)"
    assert figures["failure prevented, of all"] == "33.3% (1)"
    assert figures["another failure caused instead"] == "50.0% (1)"
    assert figures["false alarms: action causes a failure"] == "0.0% (0)"
    assert len(list(bench.report(lines))) == 2
