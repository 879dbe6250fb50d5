"""One change for many, as a page shows it: which line is first, where the curve runs."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.models.schema import Category, Feature, Kind, Schema
from ifonly.service.audit.alarm_readings import AlarmReading
from ifonly.service.doors.pages.operator.remedy_view import remedy_view, settings_in_words
from ifonly.service.doors.pages.remedy_memory import MOST, FoundRemedy, RemedyMemory
from ifonly.service.doors.pages.scales import round_up
from ifonly.service.lifecycle import Life, Phase
from ifonly.service.store.episodes import Episode
from ifonly.service.words.catalogue import say

KO = {"ko": "냉각수"}
SCHEMA = Schema(
    (
        Feature("torque", Kind.CONTINUOUS, "Nm", resolution=Decimal("0.1")),
        Feature(
            "coolant", Kind.CONTINUOUS, "°C", resolution=Decimal("0.5"), labels={"ko": "냉각수"}
        ),
        Feature("grade", Kind.NOMINAL, categories=(Category("L"), Category("H", {"en": "high"}))),
    )
)
MODEL: Any = SimpleNamespace(schema=SCHEMA)


def by(delta: float) -> dict[str, Any]:
    return {"feature": "torque", "kind": "relative", "delta": delta, "unit": "Nm"}


TO = {"feature": "coolant", "kind": "absolute", "to": 18, "unit": "°C"}
GRADE = {"feature": "grade", "kind": "absolute", "to": "H", "unit": ""}
ROWS = tuple(
    AlarmReading(
        Episode(
            f"e{k}", "c", "m", "1", f"Mill {k % 2}",
            f'{{"equipment": "Mill {k % 2}", "spindle": "{k}"}}',
            Life(Phase.ACTIVE, False, 0, 0), f"r{k}",
        ),
        f"r{k}", k % 3, {},
    )
    for k in range(6)
)  # fmt: skip


def point(settings: list[Any], cleared: list[int], cost: float, status: str, **of: Any) -> Any:
    left = [{"row": k, "why": "still_alarm", "broken": []} for k in range(5) if k not in cleared]
    return {
        "settings": settings, "coverage": len(cleared), "cost": cost, "status": status,
        "lower_bound": of.get("low"), "text": {}, "cleared": cleared, "uncleared": left,
    }  # fmt: skip


ONE = [point([by(-3.0)], [0, 1], 0.4, "optimal"), point([by(-6.5)], [0, 1, 2], 0.9, "optimal")]
TWO = [ONE[0], point([by(-2.0), TO], [0, 1, 2, 4], 1.3, "feasible", low=1.1)]
REPLY: dict[str, Any] = {
    "id": "x", "status": "feasible", "alarms": 5, "bound": 5, "text": {}, "deadline_hit": True,
    "left_out": [{"row": 5, "why": "already_target"}],
    "curves": [{"max_levers": 1, "points": ONE}, {"max_levers": 2, "points": TWO}],
}  # fmt: skip


def test_each_change_is_one_line_and_the_best_comes_first() -> None:
    view = remedy_view(REPLY, ROWS, MODEL, "en")
    assert [(line.cleared, line.levers, line.is_proven, line.bound) for line in view.lines] == [
        (4, 2, False, "1.1"), (3, 1, True, ""), (2, 1, True, "")
    ]  # fmt: skip
    assert [line.settings for line in view.headlines] == [
        "torque −6.5 Nm", "torque −2 Nm, coolant = 18 °C"
    ]  # fmt: skip
    assert (view.alarms, view.left_out, view.is_most) == (5, 1, False)
    assert view.shown is not None
    assert view.shown.cleared == 4
    assert [(m.name, m.cleared, m.of) for m in view.machines] == [
        ("Mill 0", 3, 3),
        ("Mill 1", 1, 2),
    ]
    assert view.reasons == ((say("remedy_why.still_alarm", "en"), 1),)
    (left,) = view.uncleared
    assert (left.name, left.path) == ("Mill 1 · 3", "/alarms/r3")
    assert view.cleared[-1].path == "/alarms/r4?row=1"


def test_whoever_asks_for_another_line_sees_its_alarms() -> None:
    places = {line.settings: line.place for line in remedy_view(REPLY, ROWS, MODEL, "en").lines}
    view = remedy_view(REPLY, ROWS, MODEL, "en", places["torque −3 Nm"])
    assert view.shown is not None
    assert view.shown.settings == "torque −3 Nm"
    assert view.uncleared_count == 3
    for nonsense in (-1, 99):
        shown = remedy_view(REPLY, ROWS, MODEL, "en", nonsense).shown
        assert shown is not None
        assert shown.cleared == 4


def test_curves_are_stairs_and_the_bound_is_drawn_where_they_do_not_reach_it() -> None:
    drawing = remedy_view(REPLY, ROWS, MODEL, "en").drawing
    assert drawing is not None
    assert [curve.levers for curve in drawing.curves] == [1, 2]
    # From 0 to 2, the end of the axis; all five alarms are its height.
    assert drawing.curves[0].path == "M54 162.0H138.0V102.0H243.0V72.0H474"
    assert (drawing.bound, drawing.all) == (None, 12.0)  # 5 of 5: nothing is known
    assert [tick.text for tick in drawing.x_ticks] == ["0", "0.5", "1", "1.5", "2"]
    six = remedy_view(REPLY | {"alarms": 6}, ROWS, MODEL, "en").drawing
    assert six is not None
    assert six.bound == 37.0
    proven = remedy_view(REPLY | {"bound": 4}, ROWS, MODEL, "en")
    assert proven.is_most
    assert proven.drawing is not None
    assert proven.drawing.bound is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_that_clears_any_is_said(language: Language) -> None:
    nothing = REPLY | {"curves": [{"max_levers": 1, "points": []}], "bound": 0}
    view = remedy_view(nothing | {"text": {language: "None."}}, ROWS, MODEL, language)
    assert (view.lines, view.drawing, view.shown, view.text) == ((), None, None, "None.")
    assert view.is_most


def test_settings_are_said_in_the_language() -> None:
    said = [settings_in_words([by(6), TO, GRADE], MODEL, tag) for tag in ("en", "ko")]
    assert said[0] == "torque +6 Nm, coolant = 18 °C, grade = high"
    assert "냉각수 = 18°C" in said[1] or "냉각수 = 18 °C" in said[1]


@pytest.mark.parametrize(
    ("value", "end"),
    [
        (0.0, 1),
        (0.03, 0.05),
        (0.97, 1),
        (1.0, 1),
        (1.01, 2),
        (7, 10),
        (230, 500),
        (float("nan"), 1),
    ],
)
def test_an_axis_ends_at_a_round_number(value: float, end: float) -> None:
    assert round_up(value) == pytest.approx(end)


def test_what_was_found_is_remembered_and_two_who_ask_wait_for_one_search() -> None:
    memory, searches = RemedyMemory(), 0

    async def found(key: object) -> FoundRemedy:
        nonlocal searches
        async with memory.alone(key):
            if (known := memory.get(key)) is not None:
                return known
            await asyncio.sleep(0)
            searches += 1
            memory.put(key, FoundRemedy({}, (), MODEL, searches))
            made = memory.get(key)
            assert made is not None
            return made

    async def both() -> None:
        one, two = await asyncio.gather(found("a"), found("a"))
        assert one is two

    asyncio.run(both())
    assert searches == 1
    for k in range(MOST):
        memory.put(k, FoundRemedy({}, (), MODEL, k))
    assert memory.get("a") is None
    assert memory.get(0) is not None
