"""The strip of readings: where each stands in what is usual, and how it came there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.service.doors.pages.operator.readings_strip import (
    ACROSS,
    DOWN,
    PastReadings,
    past_of,
    strip_of,
)
from ifonly.service.doors.pages.operator.subject import Subject
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.settings import shipped_models
from ifonly.service.store.chain import Facts, Payload, Record
from ifonly.service.store.kinds import RecordKind

MILL = {"equipment": "Mill 7"}


@pytest.fixture(scope="module")
def model() -> ServedModel:
    registry = Registry(shipped_models())
    registry.load()
    return registry.get("milling-machine", None)


def record(number: int) -> Record:
    facts = Facts(
        id=str(number), kind=RecordKind.PREDICTION, time_us=10**15 + number * 10**6,
        actor="", engine_version="",
    )  # fmt: skip
    return Record("w", number, "", None, facts, "")


def about(model: ServedModel, number: int = 9, **readings: Any) -> Subject:
    instance = dict(model.deployed.examples[0].instance) | readings
    return Subject(record(number), 0, instance, {}, attributes=MILL)


def payload(*rows: dict[str, Any], **said: Any) -> Payload:
    asked = {"instances": [*rows], "attributes": MILL} | said
    answer: dict[str, Any] = {"predictions": [{} for _ in rows]}
    return Payload(b"", json.dumps({"answer": answer, "request": asked}).encode())


@pytest.mark.parametrize("tag", LANGUAGES)
def test_each_reading_stands_below_within_or_above_what_is_usual(
    model: ServedModel, tag: Language
) -> None:
    assert model.deployed.usual is not None
    low, high = model.deployed.usual[model.schema.index("torque")]
    for torque, where, place in (
        (low - 1.0, "below", lambda at: 0 <= at < 40),
        (low, "within", lambda at: at == 40),
        (high, "within", lambda at: at == 80),
        (high + 0.5, "above", lambda at: 80 < at < ACROSS),
        (1e9, "above", lambda at: at == ACROSS),
        (-1e9, "below", lambda at: at == 0),
    ):
        # As recorded: what the model would refuse to score may still stand in an old record.
        strip = strip_of(about(model, torque=torque), model, tag)
        found = {tile.name: tile for tile in strip.tiles}
        if "torque" not in found:
            assert abs(torque) == 1e9
            continue
        tile = found["torque"]
        assert tile.where == where
        assert place(tile.at)
        assert "Nm" in tile.usual
        assert tile.past is None
        assert found["quality"].where == "unknown"
        assert found["quality"].usual == ""
    assert strip.since is None


def test_without_reference_rows_nothing_is_called_usual(model: ServedModel) -> None:
    bare = replace(model, deployed=replace(model.deployed, reference=None))
    strip = strip_of(about(model), bare, "en")
    assert len(strip.tiles) == len(model.schema)
    assert {tile.where for tile in strip.tiles} == {"unknown"}


def test_earlier_readings_are_a_line_that_ends_at_this_one(model: ServedModel) -> None:
    this = about(model)
    row = dict(this.instance)
    found = [
        (record(1), payload(row | {"torque": 40.0})),
        (record(2), payload(row | {"torque": 1.0}, attributes=MILL | {"line": "b"})),
        (record(5), payload(row | {"torque": 9.0}, row | {"torque": 50.0})),
        (record(9), payload(row)),
    ]
    past = past_of(found, this, model)
    assert [r["torque"] for r in past.rows] == [40.0, 50.0, row["torque"]], "another line's is none"
    strip = strip_of(this, model, "en", past)
    assert strip.since == ("2001-09-09T01:46:41.000000Z")
    tile = next(tile for tile in strip.tiles if tile.name == "torque")
    assert tile.past is not None
    points = [tuple(map(float, at.split())) for at in re.split("[ML]", tile.past.path)[1:]]
    assert [x for x, _ in points] == [0.0, ACROSS / 2, ACROSS]
    heights = [y for _, y in points]
    assert heights == sorted(heights, reverse=True), "more torque is higher up"
    assert all(0 < y < DOWN for y in heights)
    assert tile.past.end == heights[-1]
    assert "40 Nm to 62.7 Nm" in tile.past.summary
    assert next(t for t in strip.tiles if t.name == "quality").past is None


def test_a_single_reading_is_no_line(model: ServedModel) -> None:
    this = about(model)
    strip = strip_of(this, model, "en", past_of([], this, model))
    assert strip.since is None
    assert all(tile.past is None for tile in strip.tiles)


def test_gaps_and_a_level_line_are_drawn(model: ServedModel) -> None:
    this = about(model)
    rows: tuple[dict[str, Any], ...] = ({}, {"torque": "broken"}, dict(this.instance))
    past = PastReadings((1, 2, 3, 3), (*rows, dict(this.instance)))  # two at one moment
    tile = next(t for t in strip_of(this, model, "en", past).tiles if t.name == "torque")
    assert tile.past is not None
    assert "nan" not in tile.past.path
    assert tile.past.path.count("L") == 1
