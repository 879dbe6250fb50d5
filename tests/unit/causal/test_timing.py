"""How long things take, as ``causal.toml`` says it: read, refused by place, written again."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from ifonly.explainers.causal import build_model, parse_causal
from ifonly.explainers.causal.errors import BeyondHorizon, NoDelay, NoTime
from ifonly.explainers.causal.timing import MOST_STEPS, Delay, Duration, Shape, TimeUnit
from ifonly.explainers.causal.trajectory import TimedModel
from ifonly.explainers.causal.writing import write_causal
from ifonly.models.errors import SpecError
from ifonly.models.schema import Category, Feature, Kind, Schema
from tests.support.broken import Broken

MINUTE = Duration.of(1, "minutes")
SCHEMA = Schema(
    (
        Feature("valve", Kind.CONTINUOUS, "%"),
        Feature("flow", Kind.CONTINUOUS, "l"),
        Feature("heat", Kind.CONTINUOUS, "K", may_be_missing=True),
        Feature("flow_before", Kind.CONTINUOUS, "l"),
        Feature("grade", Kind.NOMINAL, categories=(Category("L"), Category("H"))),
    )
)
VALVE, FLOW, HEAT, FLOW_BEFORE, GRADE = range(5)
TEXT = """
format = 1
version = "1"
status = "proposed"
time.step = {minutes = 1}

[nodes.valve]
role = "actionable"
delay = {seconds = 120, en = "the motor turns", ko = "모터"}
[nodes.flow]
role = "consequence"
delay = {en = "soon"}
[nodes.heat]
role = "consequence"
[nodes.flow_before]
kind = "lagged"
of = "flow"
lag = 2
role = "fixed"
[nodes.grade]
role = "fixed"

[[edges]]
from = "valve"
to = "flow"
delay = {minutes = 3}
[[edges]]
from = "flow"
to = "heat"
delay = {hours = 0.25, shape = "first-order"}

[mechanisms.flow]
kind = "linear"
coefficients = {valve = 2.0}
[mechanisms.heat]
kind = "linear"
coefficients = {flow = -1.0}
"""
FILE = Broken(TEXT, lambda text, file: parse_causal(text, file, SCHEMA), "mill/1/causal.toml")
ROW = np.array([10.0, 21.0, 300.0, 21.0, 0.0])


def timed(text: str = TEXT) -> TimedModel:
    spec = parse_causal(text.encode(), "causal.toml", SCHEMA)
    return TimedModel.of(spec, build_model(spec))


def test_delays_have_numbers_beside_their_words() -> None:
    spec = parse_causal(TEXT.encode(), "causal.toml", SCHEMA)
    valve = spec.nodes["valve"]
    assert valve.takes == Delay(Duration(Decimal(120), TimeUnit.SECONDS))
    assert valve.delay == {"en": "the motor turns", "ko": "모터"}
    assert spec.nodes["flow"].takes is None
    assert spec.edges[1].takes == Delay(Duration.of(0.25, "hours"), Shape.FIRST_ORDER)
    assert spec.step == MINUTE


def test_what_is_written_is_read_again() -> None:
    spec = parse_causal(TEXT.encode(), "causal.toml", SCHEMA)
    again = parse_causal(write_causal(spec), "causal.toml", SCHEMA)
    assert (again.nodes, again.edges, again.step) == (spec.nodes, spec.edges, spec.step)


@pytest.mark.parametrize(
    ("old", "new", "key", "problem"),
    [
        ("{minutes = 3}", "{minuets = 3}", "edges[0].delay.minuets", "no unit of time (seconds"),
        ("{minutes = 3}", "{minutes = '3'}", "edges[0].delay.minutes", "'3'"),
        ("{minutes = 3}", "{minutes = -3}", "edges[0].delay.minutes", "below 0"),
        ("{minutes = 3}", "{minutes = 3, hours = 1}", "edges[0].delay", "minutes and hours"),
        ("{minutes = 3}", "{minutes = 1e300}", "edges[0].delay.minutes", "no length of time"),
        ("{minutes = 3}", "{minutes = 0.5}", "edges[0].delay.minutes", "is 0.5 steps"),
        ("{minutes = 3}", "{hours = 9}", "edges[0].delay.hours", "480 at most"),
        ("{minutes = 3}", "{shape = 'step'}", "edges[0].delay.shape", "without a number"),
        ("{minutes = 3}", "{minutes = 3, shape = 'ramp'}", "edges[0].delay.shape", "'ramp'"),
        ("step = {minutes = 1}", "step = {minutes = 0}", "time.step.minutes", "0"),
        ("step = {minutes = 1}", "step = {days = 1}", "time.step", "unknown key 'days'"),
        ("step = {minutes = 1}", "step = {}", "time.step", "the least is 1"),
        ("step = {minutes = 1}", "step = {minutes = 1, seconds = 1}", "time.step", "too many"),
        ('of = "flow"', 'of = "valve"', "nodes.flow_before.of", "another kind, unit"),
        ('of = "flow"', 'of = "flow_before"', "nodes.flow_before.of", "lagged itself"),
        ('from = "valve"\nto = "flow"', 'from = "valve"\nto = "flow_before"', "edges[0].to",
         "lagged: nothing acts on it"),
        ('[nodes.grade]\nrole = "fixed"',
         '[nodes.grade]\nrole = "fixed"\ndelay = {minutes = 3, shape = "first-order"}',
         "nodes.grade.delay.shape", "nothing is between"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(old: str, new: str, key: str, problem: str) -> None:
    FILE.check(old, new, key, problem)


def test_two_columns_are_not_the_same_earlier_reading() -> None:
    schema = Schema((*SCHEMA.features, Feature("flow_too", Kind.CONTINUOUS, "l")))
    text = TEXT + '\n[nodes.flow_too]\nkind = "lagged"\nof = "flow"\nlag = 2\nrole = "fixed"\n'
    with pytest.raises(SpecError, match=r"nodes.flow_too.lag: is that of 'flow_before'"):
        parse_causal(text.encode(), "causal.toml", schema)


@pytest.mark.parametrize("steps", [1, 2, 7, MOST_STEPS])
def test_kernels_are_whole_and_of_one_shape(steps: int) -> None:
    delay = Duration.of(steps, "minutes")
    at_once = Delay(delay).kernel(MINUTE)
    assert (at_once[:-1] == 0).all()
    assert at_once[-1] == 1
    gradual = Delay(delay, Shape.FIRST_ORDER).kernel(MINUTE)
    assert len(gradual) == steps + 1
    assert gradual.sum() == pytest.approx(1.0, abs=1e-12)
    # Nothing comes at once, and each step brings less than the one before.
    assert gradual[0] == 0
    assert (np.diff(gradual[1:]) < 0).all()


def test_it_arrives_after_the_sum_of_delays() -> None:
    found = timed().trajectory(ROW, [VALVE], np.array([12.0]), 30)
    assert found.begins == {VALVE: 2, FLOW: 5, HEAT: 6, FLOW_BEFORE: 7}
    assert found.arrives == {VALVE: 2, FLOW: 5, HEAT: 20, FLOW_BEFORE: 7}
    assert found.whole == 20
    assert found.rows[:, FLOW].tolist() == [21.0] * 5 + [25.0] * 26
    assert found.rows[:, FLOW_BEFORE].tolist() == [21.0] * 7 + [25.0] * 24
    assert (np.diff(found.rows[5:21, HEAT]) < 0).all()
    assert found.rows[20:, HEAT] == pytest.approx(296.0, abs=1e-12)


def test_what_is_set_to_what_it_reads_moves_nothing_and_takes_no_time() -> None:
    text = TEXT.replace('{seconds = 120, en = "the motor turns", ko = "모터"}', '{en = "soon"}')
    found = timed(text).trajectory(ROW, [VALVE], ROW[[VALVE]], 5)
    assert found.arrives == {}
    assert found.whole == 0
    assert (found.rows == ROW).all()


def test_an_earlier_reading_that_was_otherwise_is_filled_though_nothing_is_set() -> None:
    row = ROW.copy()
    row[FLOW_BEFORE] = 17.0
    found = timed().trajectory(row, [], np.array([]), 4)
    assert found.rows[:, FLOW_BEFORE].tolist() == [17.0, 17.0, 21.0, 21.0, 21.0]


def test_a_number_that_is_needed_and_missing_is_named() -> None:
    with pytest.raises(NoDelay, match="how long what valve does to flow takes has no number"):
        timed(TEXT.replace("delay = {minutes = 3}", 'delay = {en = "soon"}')).arrivals(
            ROW, [VALVE], np.array([12.0])
        )
    with pytest.raises(NoDelay, match="how long setting heat takes"):
        timed().arrivals(ROW, [HEAT], np.array([12.0]))


def test_without_a_step_there_is_no_time() -> None:
    with pytest.raises(NoTime, match=r"has no \[time\]"):
        timed(TEXT.replace("time.step = {minutes = 1}", ""))


@pytest.mark.parametrize("over", [(0, "minutes"), (90, "seconds"), (481, "minutes")])
def test_only_whole_steps_within_the_limit_are_unrolled(over: tuple[int, str]) -> None:
    with pytest.raises(BeyondHorizon, match="whole steps from 1 to 480"):
        timed().horizon(Duration.of(*over))
    assert timed().horizon(Duration.of(8, "hours")) == 480


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -1, 1e300, 1e-300])
def test_lengths_of_time_are_lengths(amount: float) -> None:
    with pytest.raises(ValueError, match="no length of time"):
        Duration.of(amount, "minutes")


def test_what_was_not_read_and_moves_is_lost_from_then_on() -> None:
    row = ROW.copy()
    row[FLOW] = np.nan
    found = timed().trajectory(row, [VALVE], np.array([12.0]), 30)
    # The flow moves at step 5, nobody knows to what, and is felt from step 6 on.
    assert (found.rows[:6, HEAT] == 300.0).all()
    assert np.isnan(found.rows[6:, HEAT]).all()


def test_a_reading_that_is_filled_gradually_is_there_when_all_of_it_is() -> None:
    heat = "[nodes.heat]\nrole = "
    gradual = 'delay = {minutes = 2, shape = "first-order"}'
    text = TEXT.replace(f'{heat}"consequence"', f'{heat}"actionable"\n{gradual}')
    row = ROW.copy()
    row[HEAT] = np.nan
    found = timed(text).trajectory(row, [HEAT], np.array([5.0]), 3)
    assert np.isnan(found.rows[:2, HEAT]).all()
    assert (found.rows[2:, HEAT] == 5.0).all()
