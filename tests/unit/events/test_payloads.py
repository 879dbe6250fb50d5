"""Bodies of KServe's protocols as rows and words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ifonly.service.doors.events.payloads import Logged, Unreadable, is_alarm, read_pair
from ifonly.service.served.registry import Registry, ServedModel
from tests.integration.small_models import write_all

ROW = {"size": 5.0, "colour/shade": "red", "dirt": None}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    registry = Registry(write_all(tmp_path_factory.mktemp("models")))
    registry.load()
    return registry


@pytest.fixture
def sorter(models: Registry) -> ServedModel:
    return models.get("sorter")


def said(words: Any, model: ServedModel, n: int = 1) -> list[Any]:
    request = json.dumps({"instances": [ROW] * n}).encode()
    return [row.said for row in read_pair(request, json.dumps(words).encode(), model)]


def tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


@pytest.mark.parametrize("row", [ROW, [5.0, "red", None], [5.0, "red", float("nan")]])
def test_rows_are_objects_or_lists_and_may_lack_a_reading(sorter: ServedModel, row: Any) -> None:
    for key in ("instances", "inputs"):
        request = json.dumps({key: [row], "parameters": {"x": 1}}).encode()
        (logged,) = read_pair(request, b'{"predictions": ["large"]}', sorter)
        assert logged == Logged(0, ROW, "large")


def test_rows_of_tensors(sorter: ServedModel) -> None:
    inputs = [
        tensor("dirt", "FP64", [1], [None]),
        tensor("size", "FP32", [1, 1], [5.0]),
        tensor("colour/shade", "BYTES", [1], ["red"]),
    ]
    request = json.dumps({"inputs": inputs, "id": "x"}).encode()
    (logged,) = read_pair(request, b'{"predictions": ["large"]}', sorter)
    assert logged.row == ROW


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"predictions": ["large"]}, "large"),
        ({"predictions": [2]}, 2),
        ({"predictions": [[0.1, 0.2, 0.7]]}, [0.1, 0.2, 0.7]),
        ({"outputs": [tensor("label", "BYTES", [1], ["large"])]}, "large"),
        ({"outputs": [tensor("predict", "INT64", [1, 1], [2])]}, 2),
        ({"outputs": [tensor("p", "FP64", [1, 3], [0.1, 0.2, 0.7])]}, [0.1, 0.2, 0.7]),
        # Names of classes come first, wherever they stand.
        ({"outputs": [tensor("predict", "INT64", [1], [0]), tensor("l", "BYTES", [1], ["large"])]},
         "large"),
        ({"predictions": ["huge"]}, None),
        ({"predictions": [2, 2]}, None),
        ({"predictions": {"0": 2}}, None),
        ({"predictions": []}, None),
        ({"outputs": [tensor("predict", "INT64", [2], [2, 2])]}, None),
        ({"outputs": [tensor("predict", "INT64", [1, 0], [])]}, None),
        ({"outputs": [tensor("predict", "INT65", [1], [2])]}, None),
        ({"error": "no"}, None),
        ([], None),
    ],
)  # fmt: skip
def test_words_are_read_in_each_form_or_not_at_all(
    sorter: ServedModel, words: Any, expected: Any
) -> None:
    assert said(words, sorter) == [expected]


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b'{"instances": 1}',
        b'{"instances": []}',
        json.dumps({"instances": [1] * 1_001}).encode(),
        json.dumps({"inputs": [tensor("size", "FP64", [1], [5.0])]}).encode(),
        json.dumps({"inputs": [tensor("size", "FP64", [10**9], [])]}).encode(),
        json.dumps({"inputs": [tensor("all", "FP64", [1_001, 3], [0.0] * 3_003)]}).encode(),
        b'{"inputs": [{"name": "size", "datatype": "FP64", "shape": [1], '
        b'"parameters": {"binary_data_size": 9}}]}' + b"\0" * 8,
    ],
)
def test_what_has_no_rows_is_unreadable(sorter: ServedModel, request_: bytes) -> None:
    with pytest.raises(Unreadable):
        read_pair(request_, b"{}", sorter)


def test_the_reason_names_places_and_no_reading(sorter: ServedModel) -> None:
    inputs = [tensor("size", "FP64", [1], ["48.15162342"]), tensor("dirt", "FP64", [1], [1.0])]
    with pytest.raises(Unreadable) as refused:
        read_pair(json.dumps({"inputs": inputs}).encode(), b"{}", sorter)
    assert str(refused.value) == "the request is not one of sorter: /inputs/0/data/0"


def test_the_deployed_model_decides_and_ours_where_its_word_cannot_be_read(
    models: Registry,
) -> None:
    sorter = models.get("sorter")
    assert is_alarm(Logged(0, ROW, "large"), sorter)
    assert not is_alarm(Logged(0, ROW, "medium"), sorter)
    assert not is_alarm(Logged(0, ROW, [0.1, 0.8, 0.1]), sorter)
    assert is_alarm(Logged(0, ROW, None), sorter)
    assert not is_alarm(Logged(0, ROW | {"size": 0.0}, None), sorter)
    with pytest.raises(Unreadable):
        is_alarm(Logged(0, "x", None), sorter)
    press = models.get("press")  # desires nothing
    assert not is_alarm(Logged(0, {"pressure": 10.0, "speed": 100}, 700.0), press)
