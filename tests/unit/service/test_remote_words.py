"""What is sent to predictors of each protocol, and what is read of their answers."""

from __future__ import annotations

import json
import math
import struct
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifonly.models.errors import SpecError
from ifonly.models.said import evened, read_said
from ifonly.models.spec import Protocol, RemoteSpec, RowForm, Spec, parse_spec
from ifonly.service.errors import PredictorUnclear
from ifonly.service.served.remote import kserve, mlflow, open_inference, writing
from ifonly.service.served.remote.http import HttpAnswer
from ifonly.service.served.remote.remotes import Remotes
from ifonly.service.settings import Settings

TEXT = """
format = 1
name = "m"
version = "1"
task = "binary"
[decision]
classes = ["good", "bad"]
[[features]]
name = "torque"
kind = "continuous"
bounds = [0, 100]
resolution = 0.1
missing = true
[[features]]
name = "quality"
kind = "nominal"
categories = ["L", "M", "H"]
encoding = "one-hot"
"""
ROWS = np.array([[40.5, 2.0], [math.nan, 0.0]])
REMOTE = '\n[predictor]\nurl = "{url}"\nprotocol = "{protocol}"\n'


def spec_of(more: str = "") -> Spec:
    return parse_spec((TEXT + more).encode(), "m/1/spec.toml")


SPEC = spec_of()


def reply(body: Any, **headers: str) -> HttpAnswer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpAnswer("http://models.example/x", 200, headers, content)


# --- what is sent -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        (RowForm.NAMED, [{"torque": 40.5, "quality": "H"}, {"torque": None, "quality": "L"}]),
        (RowForm.POSITIONAL, [[40.5, "H"], [None, "L"]]),
        (RowForm.ENCODED, [[40.5, 0.0, 0.0, 1.0], [None, 1.0, 0.0, 0.0]]),
    ],
)
def test_rows_in_json(form: RowForm, rows: list[Any]) -> None:
    written = writing.in_json(ROWS, form, SPEC.schema, SPEC.encoding)
    assert written == rows
    assert json.loads(kserve.written(written)[0]) == {"instances": rows}


def test_rows_for_mlflow() -> None:
    named = writing.in_json(ROWS, RowForm.NAMED, SPEC.schema, SPEC.encoding)
    frame = {"columns": ["torque", "quality"], "data": [[40.5, "H"], [None, "L"]]}
    assert json.loads(mlflow.written(named)[0]) == {"dataframe_split": frame}
    assert json.loads(mlflow.written([[1.0, 2.0]])[0]) == {"inputs": [[1.0, 2.0]]}


REMOTE_SPEC = RemoteSpec("http://models.example", "m", Protocol.V2)


def sent(form: RowForm, **more: Any) -> tuple[dict[str, Any], bytes]:
    remote = replace(REMOTE_SPEC, **more)
    tensors = open_inference.tensors(ROWS, form, remote, SPEC.schema, SPEC.encoding)
    body, headers = open_inference.written(tensors, remote, is_table=form is RowForm.NAMED)
    end = int(headers.get(open_inference.HEADER_LENGTH, len(body)))
    return json.loads(body[:end]), body[end:]


def test_named_rows_are_a_tensor_a_feature() -> None:
    body, tail = sent(RowForm.NAMED)
    torque = {"name": "torque", "shape": [2, 1], "datatype": "FP32", "data": [40.5, None]}
    quality = {"name": "quality", "shape": [2, 1], "datatype": "BYTES", "data": ["H", "L"]}
    table = {"content_type": "pd"}
    assert (body, tail) == ({"inputs": [torque, quality], "parameters": table}, b"")
    places, _ = sent(RowForm.NAMED, dtypes={"quality": "INT64"}, output="p")
    assert places["inputs"][1] == quality | {"datatype": "INT64", "data": [2, 0]}
    assert places["outputs"] == [{"name": "p"}]


@pytest.mark.parametrize(
    ("form", "rows"),
    [(RowForm.POSITIONAL, [40.5, 2.0, None, 0.0]),
     (RowForm.ENCODED, [40.5, 0.0, 0.0, 1.0, None, 1.0, 0.0, 0.0])],
)  # fmt: skip
def test_other_rows_are_one_tensor(form: RowForm, rows: list[Any]) -> None:
    (tensor,) = sent(form, tensor="x", dtype="FP64")[0]["inputs"]
    shape = [2, len(rows) // 2]
    assert tensor == {"name": "x", "shape": shape, "datatype": "FP64", "data": rows}


def test_tensors_as_bytes() -> None:
    body, tail = sent(RowForm.NAMED, is_binary=True)
    sizes = [tensor["parameters"]["binary_data_size"] for tensor in body["inputs"]]
    assert (sizes, "data" in body["inputs"][0]) == ([8, 10], False)
    assert body["parameters"] == {"binary_data_output": True, "content_type": "pd"}
    assert tail[:4] == struct.pack("<f", 40.5)
    assert math.isnan(struct.unpack("<f", tail[4:8])[0])
    assert tail[8:] == struct.pack("<I", 1) + b"H" + struct.pack("<I", 1) + b"L"


# --- what is read -------------------------------------------------------------------------


def out(name: str, data: Any, shape: list[int], datatype: str = "FP32") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": datatype, "data": data}


LABELS = out("label", ["good", "bad"], [2], "BYTES")
SHARES = out("shares", [0.75, 0.25, 0, 1], [2, 2])


@pytest.mark.parametrize(
    ("outputs", "name", "words"),
    [
        ([LABELS], None, ["good", "bad"]),
        ([LABELS, SHARES], "label", ["good", "bad"]),
        # A whole number among floats is a float: the second row's is no place of a class.
        ([LABELS, SHARES], "shares", [[0.75, 0.25], [0.0, 1.0]]),
        ([out("p", [[0.5], [1]], [2, 1])], None, [0.5, 1.0]),
        ([out("p", [0, 1], [2], "INT64")], None, [0, 1]),
        ([out("p", [10**400, 1], [2])], None, [math.inf, 1.0]),
    ],
)
def test_words_of_v2(outputs: list[Any], name: str | None, words: list[Any]) -> None:
    found = open_inference.words(reply({"outputs": outputs}), 2, name)
    assert found == words
    assert [type(word) for word in found] == [type(word) for word in words]


def behind(name: str, shape: list[int], datatype: str, size: int) -> dict[str, Any]:
    """An output whose bytes lie behind the JSON."""
    sized = {"parameters": {"binary_data_size": size}}
    return {"name": name, "shape": shape, "datatype": datatype} | sized


def test_words_of_v2_in_bytes() -> None:
    told = [
        behind("label", [2], "BYTES", 15),
        out("n", [7, 8], [2], "INT64"),
        behind("p", [2, 2], "FP32", 16),
    ]
    head = json.dumps({"outputs": told}).encode()
    texts = struct.pack("<I", 4) + b"good" + struct.pack("<I", 3) + b"bad"
    body = head + texts + np.array([0.75, 0.25, 0, 1], "<f4").tobytes()
    came = reply(body, **{"inference-header-content-length": str(len(head))})
    assert open_inference.words(came, 2, "p") == [[0.75, 0.25], [0.0, 1.0]]
    assert open_inference.words(came, 2, "label") == ["good", "bad"]
    assert open_inference.words(came, 2, "n") == [7, 8]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>sign in</html>", b"", b"\xff\xfe", b"[" * 100_000, {"error": "no model m"},
        {"outputs": []}, {"outputs": [LABELS, SHARES]}, {"outputs": None}, {"outputs": [{}]},
        {"outputs": [out("p", [0.5], [1])]}, {"outputs": [out("p", [0.5] * 3, [2])]},
        {"outputs": [out("p", [0.5] * 4, [1, 4])]}, {"outputs": [out("p", [], [])]},
        {"outputs": [out("p", [], [2, 0])]}, {"outputs": [out("p", ["a", "b"], [2])]},
        {"outputs": [out("p", 0.5, [2])]}, {"outputs": [out("p", [0.5, 0.5], [-1, -2])]},
    ],
)  # fmt: skip
def test_what_cannot_be_read_of_v2_is_told_with_what_was_expected(body: Any) -> None:
    with pytest.raises(PredictorUnclear, match=r"models.example/x answered 200.*expected: one out"):
        open_inference.words(reply(body), 2, None)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
PLAIN |= st.sampled_from(["FP32", "INT64", "BYTES", 2, 0.5, "bad", 10**400])
SHAPELESS = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=6,
)
OUTPUT = st.fixed_dictionaries(
    {
        "name": st.just("p") | SHAPELESS,
        "shape": st.just([2]) | SHAPELESS,
        "datatype": st.just("FP32") | SHAPELESS,
    },
    optional={
        "data": st.just([0.5, 0.5]) | SHAPELESS,
        "parameters": st.fixed_dictionaries({"binary_data_size": PLAIN}) | SHAPELESS,
    },
)


@given(
    st.fixed_dictionaries({"outputs": st.lists(OUTPUT, max_size=3) | SHAPELESS})
    | st.fixed_dictionaries({"predictions": st.lists(SHAPELESS, max_size=3) | SHAPELESS})
    | SHAPELESS,
    st.sampled_from([None, "p"]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_comes_is_so_many_words_or_told(body: Any, output: str | None) -> None:
    """And words are read, or in no form: nothing that a server says is a fault of ours."""
    came = reply(json.dumps(body).encode("utf-8", "surrogatepass"))
    for read in (kserve.words, mlflow.words, open_inference.words):
        with suppress(PredictorUnclear):
            found = evened(read(came, 2, output))
            assert len(found) == 2
            for said in found:
                read_said(said, SPEC.decision)


@pytest.mark.parametrize("size", [-1, 7, 1 << 40])
def test_bytes_that_are_not_there_are_not_read(size: int) -> None:
    head = json.dumps({"outputs": [behind("p", [2], "FP32", size)]}).encode()
    came = reply(head + b"1234567", **{"inference-header-content-length": str(len(head))})
    with pytest.raises(PredictorUnclear):
        open_inference.words(came, 2, None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"predictions": [0.25, 0.5]}, [0.25, 0.5]), ([0, 1], [0, 1]),
        ({"predictions": [{"label": "bad", "p": 0.5}, {"label": "good", "p": 0.1}]}, [0.5, 0.1]),
        ({"predictions": {"label": [0, 1], "p": [0.5, 0.1]}}, [0.5, 0.1]),
    ],
)  # fmt: skip
def test_words_of_mlflow(body: Any, words: list[Any]) -> None:
    assert mlflow.words(reply(body), 2, "p") == words


@pytest.mark.parametrize("read", [kserve.words, mlflow.words])
@pytest.mark.parametrize(
    "body", [b"<html>", {"predictions": [1]}, {"predictions": [1, 2, 3]}, {"error": "x"}, {}, 5]
)
def test_too_few_too_many_and_other_answers_are_told(read: Any, body: Any) -> None:
    with pytest.raises(PredictorUnclear, match="with 2 of them"):
        read(reply(body), 2, None)


# --- what folders and settings declare ----------------------------------------------------


def test_all_of_a_declaration_is_read() -> None:
    more = REMOTE.format(url="https://models.example:8443/team/", protocol="v2") + (
        'model = "n"\nversion = "7"\nrows = "named"\ndtype = "FP64"\nbinary = true\noutput = "p"\n'
        'timeout_ms = 250\nbatch = 64\ncalls = 9\n[predictor.dtypes]\nquality = "INT64"\n'
    )
    assert spec_of(more).remote == RemoteSpec(
        "https://models.example:8443/team", "n", Protocol.V2, "7", RowForm.NAMED,
        dtype="FP64", dtypes={"quality": "INT64"}, is_binary=True, output="p",
        timeout_seconds=0.25, batch=64, calls=9,
    )  # fmt: skip
    assert SPEC.remote is None


@pytest.mark.parametrize(
    ("url", "protocol", "more", "problem"),
    [
        ("http://u:p@models.example", "v1", "", "predictor.url"),
        ("file:///etc/passwd", "v1", "", "predictor.url"),
        ("models.example", "v1", "", "predictor.url"),
        ("http://models.example?x=1", "v1", "", "predictor.url"),
        ("http://models.example", "v2-grpc", "", "needs grpc:// or grpcs://"),
        ("grpc://models.example", "v2", "", "needs http:// or https://"),
        ("http://models.example", "v3", "", "predictor.protocol"),
        ("http://models.example", "v1", "binary = true", "v1 has no tensors"),
        ("http://models.example", "v2", 'tensor = "x"', "a tensor a feature"),
        ("http://models.example", "v2", 'model = "../admin"', "predictor.model"),
        ("http://models.example", "v2", 'dtypes = {nothing = "FP32"}', "is no feature"),
        ("http://models.example", "v2", "timeout_ms = 0", "predictor.timeout_ms"),
    ],
)
def test_what_is_wrong_with_a_declaration_is_named(
    url: str, protocol: str, more: str, problem: str
) -> None:
    with pytest.raises(SpecError, match=problem):
        spec_of(REMOTE.format(url=url, protocol=protocol) + more)


def test_a_folder_says_where_its_model_is_only_as_far_as_settings_allow() -> None:
    """A folder may come from anybody: it must not send readings, nor a token, where it likes."""
    spec = spec_of(REMOTE.format(url="http://169.254.169.254/latest", protocol="v1"))
    allowed: Any = {"http://models.example": {"Authorization": "Bearer x"}}
    with pytest.raises(SpecError, match=r"IFONLY_PREDICTORS does not name http://169\.254"):
        Remotes(Settings(predictors=allowed)).of(spec)
    good = spec_of(REMOTE.format(url="http://models.example/team", protocol="v2"))
    found = Remotes(Settings(predictors=allowed)).of(good)
    assert found is not None
    assert found.url == "http://models.example/team/v2/models/m/infer"


def test_a_password_of_the_setting_is_in_no_url() -> None:
    found = Remotes(Settings(predictor_host="http://me:secret@models.example:81/")).of(SPEC)
    assert found is not None
    assert found.url == "http://models.example:81/v1/models/m:predict"


@pytest.mark.parametrize("origin", ["models.example", "http://x/path", "http://X", "ftp://x"])
def test_predictors_are_named_by_their_origins(origin: str) -> None:
    with pytest.raises(ValueError, match="no scheme, host and port"):
        Settings(predictors={origin: {}})
