"""``ifonly common`` and ``ifonly.common``: what the API says, from a file, a store, a notebook."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import ifonly
from ifonly.explainers.errors import InvalidPolicy
from ifonly.service.settings import shipped_models
from ifonly.service.wire import examples

ROWS: list[dict[str, Any]] = examples.COMMON.request["instances"]
REPLY = examples.COMMON.reply
ASKED = ("common", "--max-levers", "1", "--lang", "en")
FOLDER = shipped_models() / "milling-machine" / "1"


def curves(reply: dict[str, Any]) -> list[Any]:
    """What is set, and how many it clears."""
    return [
        [(p["settings"], p["coverage"], p["cleared"]) for p in curve["points"]]
        for curve in reply["curves"]
    ]


@pytest.fixture
def told(shop: Any, tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps(ROWS), "utf-8")
    found = shop.command(*ASKED, "--rows", str(file), "--json")
    assert found.code == 0, found.err
    reply: dict[str, Any] = json.loads(found.out)
    return reply


def test_a_file_is_answered_as_over_http_and_checked(
    shop: Any, tmp_path: Path, told: dict[str, Any]
) -> None:
    assert curves(told) == curves(REPLY)
    answer, question = tmp_path / "answer.json", tmp_path / "question.json"
    answer.write_text(json.dumps(told), "utf-8")
    question.write_text(json.dumps({"instances": ROWS}), "utf-8")
    asked = ("verify", str(answer), "--model", str(FOLDER), "--question", str(question))
    checked = shop.command(*asked)
    assert checked.code == 0, checked.out + checked.err
    told["curves"][0]["points"][-1]["settings"][0]["delta"] = 0.1
    answer.write_text(json.dumps(told), "utf-8")
    assert shop.command(*asked).code == 1


def test_a_csv_file_leaves_out_what_is_no_feature(shop: Any, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, ["machine", *ROWS[0]])
        writer.writeheader()
        writer.writerows({"machine": f"mill-{k}", **row} for k, row in enumerate(ROWS))
    found = shop.command(*ASKED, "--rows", str(file))
    assert found.code == 0, found.err
    assert "machine" in found.err
    shown = " ".join(found.out.split())
    assert "3 of the 6 alarms would not have sounded" in shown
    assert "torque +10.6 Nm" in shown


@pytest.mark.parametrize(
    ("text", "part"),
    [("[]", "no list"), ("{", "JSON"), ("[1]", "instances"), ("", "no list"),
     (json.dumps([{**ROWS[0], "torque": 1e9}]), "torque")],
)  # fmt: skip
def test_a_file_that_is_none_is_told(shop: Any, tmp_path: Path, text: str, part: str) -> None:
    file = tmp_path / "rows.json"
    file.write_text(text, "utf-8")
    found = shop.command(*ASKED, "--rows", str(file))
    assert found.code in (1, 2)
    assert part in found.err


def test_a_store_without_alarms_says_so(shop: Any) -> None:
    found = shop.command(*ASKED, "--since", "2026-01-01T00:00:00Z", "--equipment", "mill-7")
    assert found.code in (1, 2)
    assert found.err


def test_a_notebook_is_told_the_same() -> None:
    found = ifonly.common(FOLDER, ROWS, max_levers=1)
    assert str(found) == REPLY["text"]["en"]
    assert found.best is not None
    assert (found.best.by, found.best.to) == ({"torque": 10.6}, {})
    assert list(found.best.cleared) == REPLY["best"]["cleared"]
    assert set(found.best.uncleared) == set(range(6)) - {*found.best.cleared}
    assert [change.coverage for change in found] == [1, 2, 3]


def test_a_function_is_asked_of_every_change() -> None:
    data = {"torque": [20.0, 65.5, 41.2], "wear": [0, 200, 90]}
    rows = [{"torque": 60.2, "wear": 10}, {"torque": 52.2, "wear": 80}]

    def alarm(some: Any) -> Any:
        return (some[:, 0] > 50.0).astype(float)

    found = ifonly.common(alarm, rows, data)
    assert found.status == "optimal"
    assert found.best is not None
    assert found.best.by == {"torque": -10.2}
    with pytest.raises(InvalidPolicy, match="levers"):
        ifonly.common(alarm, rows, data, levers=["torc"])
