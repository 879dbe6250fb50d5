"""Windows in a spec: how they are read, written, laid out, and what is wrong with them."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from ifonly.models.encoding import TensorInput
from ifonly.models.errors import GraphError, InvalidInstance, SpecError
from ifonly.models.spec import parse_spec
from ifonly.models.window import (
    ChannelProfile,
    Period,
    ProfileShape,
    WindowLayout,
    WindowSchema,
    unrolled_constraints,
    window_of,
)
from tests.unit.models.spec_example import WINDOW

SPEC = parse_spec(WINDOW.encode(), "spec.toml")
INSTANCE = {
    "coolant": [70.1, 71.2, 72.3, 73.4, 74.5],
    "flow": [30, 31, 32, 33, 34],
    "load": [1.0, None, 3.0, 4.0, 5.0],
}


def schema() -> WindowSchema:
    assert isinstance(SPEC.schema, WindowSchema)
    return SPEC.schema


def test_a_row_has_a_column_for_each_channel_and_step_and_then_one_for_each_profile() -> None:
    readings = [f"{c}@{t}" for c in ("coolant", "flow", "load") for t in (-4, -3, -2, -1, 0)]
    # Without profiles of its own a channel that may be set is moved as a whole.
    levers = ["coolant@constant", "coolant@step-2", "coolant@ramp-3", "flow@constant"]
    assert list(schema().names) == readings + levers
    assert schema().unread == frozenset(range(15, 19))
    assert [f.resolution for f in schema().features[:15]] == [None] * 15
    assert schema()["coolant@step-2"].resolution == Decimal("0.5")


def test_amounts_are_bounded_by_what_may_be_read_and_by_the_largest_change() -> None:
    coolant, flow = schema()["coolant@constant"], schema()["flow@constant"]
    assert (coolant.lower, coolant.upper) == (-30, 30)
    assert (flow.lower, flow.upper) == (-60, 60)
    # What is moved stays in the range; what is read may be beyond it.
    assert (schema()["coolant@0"].lower, schema()["coolant@0"].upper) == (20, 90)
    assert schema().read({**INSTANCE, "coolant": [110.0] * 5})[0] == 110.0


def test_an_instance_is_read_and_written_by_channel() -> None:
    row = schema().read(INSTANCE)
    assert row.shape == (19,)
    assert row[:5].tolist() == INSTANCE["coolant"]
    assert math.isnan(row[11])
    assert row[15:].tolist() == [0.0] * 4
    assert schema().write(row) == INSTANCE
    frame = {name: [values, values] for name, values in INSTANCE.items()}
    assert np.array_equal(schema().rows(frame), np.array([row, row]), equal_nan=True)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"coolant": [1.0, 2.0]}, "coolant has 2 readings; a window has 5, oldest first, one each"),
        ({"coolant": 70.0}, "coolant is 70.0, not a list of 5 readings"),
        ({"coolant": "70"}, "coolant is 70, not a list of 5 readings"),
        ({"flow": [30, 31, 99, 33, 34]}, "flow[2] is 99 L/min, outside [0, 60] L/min (2 min"),
        ({"flow": [30, 31, 32, 33, 0.5]}, "flow[4] is 0.5 L/min, not a whole number (the last)"),
        ({"flow": [30, 31, True, 33, 34]}, "flow[2] is True (bool), not a number"),
        ({"flow": [30, 31, math.inf, 33, 34]}, "flow[2] is inf, not a finite number"),
        ({"coolant": [None] * 5}, "coolant[0] is null, but this model needs a value (4 min"),
        ({"pressure": [1] * 5}, "pressure is not a channel of this model (coolant, flow, load)"),
        ({"coolant@0": 3}, "coolant@0 is not a channel"),
    ],
)
def test_what_is_no_window_is_told_by_channel_and_step(change: dict, told: str) -> None:
    with pytest.raises(InvalidInstance, match=re.escape(told)):
        schema().read({**INSTANCE, **change})


def test_arrays_are_windows_as_the_graph_takes_them() -> None:
    window = np.array([INSTANCE["coolant"], INSTANCE["flow"], [1, 2, 3, 4, 5.0]])
    row = schema().row(window)
    assert row[:15].tolist() == window.ravel().tolist()
    rows = schema().rows(np.stack([window, window]))
    assert np.array_equal(schema().windows(rows)[1], window)
    with pytest.raises(InvalidInstance, match="a window \\(3, 5\\) \\(channels-steps\\)"):
        schema().row(window.T)


@pytest.mark.parametrize("layout", WindowLayout)
def test_a_graph_is_fed_the_window_in_its_layout(layout: WindowLayout) -> None:
    spec = parse_spec(WINDOW.replace("channels-steps", layout).encode(), "spec.toml")
    shape = (5, 3) if layout is WindowLayout.STEPS_CHANNELS else (3, 5)
    row = spec.schema.read({**INSTANCE, "load": [1, 2, 3, 4, 5]})
    for rank_3, tensor in (
        (True, TensorInput("x", np.dtype(np.float32), (None, *shape))),
        (False, TensorInput("x", np.dtype(np.float32), (None, 15))),
    ):
        fed = spec.encoding.bind([tensor]).feeds(row[None])["x"]
        by_channel = fed.reshape(1, *shape)[0]
        by_channel = by_channel.T if layout is WindowLayout.STEPS_CHANNELS else by_channel
        assert fed.shape == ((1, *shape) if rank_3 else (1, 15))
        assert by_channel[1].tolist() == INSTANCE["flow"]


def test_a_graph_of_another_shape_is_refused() -> None:
    with pytest.raises(GraphError, match="no window of \\[rows, 3, 5\\]"):
        SPEC.encoding.bind([TensorInput("x", np.dtype(np.float32), (None, 5, 3))])
    with pytest.raises(GraphError, match="rank 4"):
        SPEC.encoding.bind([TensorInput("x", np.dtype(np.float32), (None, 5, 3, 1))])


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ('"1 min"', '"1 fortnight"', "window.period"),
        ('"1 min"', '"0 min"', "window.period"),
        ('["2 min"]', '["90 s"]', "policy.features.coolant.profiles[1].from[0]"),
        ('["2 min"]', '["6 min"]', "policy.features.coolant.profiles[1].from[0]"),
        ('["2 min"]', '["5 min"]', "policy.features.coolant.profiles[1].from[0]"),
        ('["2 min"]', '["2 min", "120 s"]', "policy.features.coolant.profiles[1].from[1]"),
        (', from = ["2 min"]', "", "policy.features.coolant.profiles[1].from"),
        ('{shape = "constant"}', '{shape = "constant", from = ["5 min"]}', ".profiles[0].from"),
        ('name = "load"', 'name = "lo@d"', "features[2].name"),
        ("steps = 5", "steps = 1024\n", ""),
        ("tolerance = 0.5", "only_to = [30]", "policy.features.coolant.only_to"),
        ('[window]\nsteps = 5\nperiod = "1 min"\nlayout = "channels-steps"\n', "", "profiles"),
    ],
)
def test_what_a_window_cannot_be_is_told_by_its_key(before: str, after: str, key: str) -> None:
    assert before in WINDOW
    text = WINDOW.replace(before, after, 1).encode()
    if not key:
        assert window_of(parse_spec(text, "spec.toml").schema) is not None
        return
    with pytest.raises(SpecError, match=re.escape(key)):
        parse_spec(text, "spec.toml")


def test_categories_are_no_channels() -> None:
    text = WINDOW.replace('kind = "integer"', 'kind = "nominal"\ncategories = ["a", "b"]')
    text = text.replace('unit = "L/min"\nbounds = [0, 60]\nresolution = 1\n', "")
    with pytest.raises(SpecError, match="a channel of a window is a number"):
        parse_spec(text.encode(), "spec.toml")


def test_shares_end_with_the_whole_amount() -> None:
    assert list(ChannelProfile(0, ProfileShape.CONSTANT, 4).shares(4)) == [1, 1, 1, 1]
    assert list(ChannelProfile(0, ProfileShape.STEP, 2).shares(4)) == [0, 0, 1, 1]
    third = Fraction(1, 3)
    assert list(ChannelProfile(0, ProfileShape.RAMP, 3).shares(4)) == [0, third, 2 * third, 1]


@pytest.mark.parametrize(("text", "seconds"), [("0.5 s", 0.5), ("10 min", 600), ("1 d", 86_400)])
def test_periods_are_exact(text: str, seconds: float) -> None:
    assert Period.read(text).seconds == Fraction(seconds)
    assert str(Period.read(text)) == text


def test_lengths_of_time_are_said_in_the_largest_unit_that_is_whole() -> None:
    said = {"180 s": "3 min", "90 s": "90 s", "2000 ms": "2 s", "120 min": "2 h", "24 h": "24 h"}
    assert {text: str(Period.read(text).simplest) for text in said} == said


def test_a_request_speaks_of_channels() -> None:
    asked = {
        "freeze": ["coolant", "nothing"],
        "ranges": {"flow": [5, 40]},
        "max_change": {"flow": 3},
        "rules": ["last(flow) >= 5"],
    }
    said = unrolled_constraints(asked, schema())
    assert said["freeze"] == ["coolant@constant", "coolant@step-2", "coolant@ramp-3", "nothing"]
    assert set(said["ranges"]) == {f"flow@{t}" for t in (-4, -3, -2, -1, 0)}
    assert said["max_change"] == {"flow@constant": 3}
    assert said["rules"] == asked["rules"]


def test_one_profile_at_a_time_moves_a_channel() -> None:
    rules = [each["rule"] for each in SPEC.policy["rules"]]
    assert rules == [
        "mean(flow) <= 50",
        "if `coolant@constant` changes then `coolant@step-2` stays and `coolant@ramp-3` stays",
        "if `coolant@step-2` changes then `coolant@ramp-3` stays",
    ]
