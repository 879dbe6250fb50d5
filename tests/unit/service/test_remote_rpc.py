"""A predictor over gRPC: what it is sent, and what is read of what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from ifonly.models.spec import RowForm
from ifonly.service.errors import PredictorUnclear
from ifonly.service.served.remote.failures import CallFailed, FailureKind
from ifonly.service.served.remote.remote import RemotePredictor
from ifonly.service.served.remote.remotes import Remotes
from ifonly.service.settings import Settings
from tests.unit.service.test_remote_words import ROWS, spec_of

grpc = pytest.importorskip("grpc", reason="grpcio is not installed (extra [grpc])")

Say = Callable[[Any, Any], Any]


@contextmanager
def serving(say: Say) -> Iterator[str]:
    """A server of one method, at the port that it finds."""
    from ifonly.service.served.remote.messages import MESSAGES, SERVICE

    handler = grpc.unary_unary_rpc_method_handler(
        say,
        request_deserializer=MESSAGES["ModelInferRequest"].FromString,
        response_serializer=MESSAGES["ModelInferResponse"].SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"ModelInfer": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(0)


def predictor(url: str, more: str = "") -> RemotePredictor:
    spec = spec_of(f'[predictor]\nurl = "{url}"\nprotocol = "v2-grpc"\n{more}')
    allowed: Any = {url: {"Authorization": "Bearer x"}}
    found = Remotes(Settings(predictors=allowed)).of(spec)
    assert found is not None
    return found


def told(**fields: Any) -> Any:
    from ifonly.service.served.remote.messages import MESSAGES

    return MESSAGES["ModelInferResponse"](**fields)


SHARES = {"name": "p", "datatype": "FP32", "shape": [2, 2]}
LABELS = {"name": "label", "datatype": "BYTES", "shape": [2]}


def test_rows_are_sent_as_bytes_and_words_read_in_either_form() -> None:
    seen: list[Any] = []

    def raw(asked: Any, context: Any) -> Any:
        seen.append((asked, dict(context.invocation_metadata())))
        shares = np.array([[0.75, 0.25], [0, 1]], "<f4").tobytes()
        return told(outputs=[LABELS, SHARES], raw_output_contents=[b"", shares])

    def typed(asked: Any, context: Any) -> Any:
        contents = {"bytes_contents": [b"good", b"bad"]}
        return told(outputs=[LABELS | {"contents": contents}])

    with serving(raw) as url:
        found = predictor(url, 'output = "p"').say(ROWS)
    assert found == [[0.75, 0.25], [0.0, 1.0]]
    ((asked, metadata),) = seen
    assert [(t.name, t.datatype, list(t.shape)) for t in asked.inputs] == [
        ("torque", "FP32", [2, 1]),
        ("quality", "BYTES", [2, 1]),
    ]
    assert asked.raw_input_contents[1] == b"\x01\0\0\0H\x01\0\0\0L"
    assert asked.parameters["content_type"].string_param == "pd"
    assert [output.name for output in asked.outputs] == ["p"]
    assert metadata["authorization"] == "Bearer x"
    with serving(typed) as url:
        assert predictor(url).say(ROWS, RowForm.ENCODED) == ["good", "bad"]


@pytest.mark.parametrize(
    "answer",
    [{}, {"outputs": [SHARES]}, {"outputs": [SHARES], "raw_output_contents": [b"123"]},
     {"outputs": [LABELS, SHARES], "raw_output_contents": [b"", b""]}],
)  # fmt: skip
def test_what_cannot_be_read_is_told(answer: dict[str, Any]) -> None:
    with serving(lambda asked, context: told(**answer)) as url, pytest.raises(PredictorUnclear):
        predictor(url).say(ROWS)


@pytest.mark.parametrize(
    ("code", "how"),
    [("INVALID_ARGUMENT", FailureKind.SAID), ("DEADLINE_EXCEEDED", FailureKind.LATE),
     ("NOT_FOUND", FailureKind.SAID)],
)  # fmt: skip
def test_errors_have_their_code_and_their_text(code: str, how: FailureKind) -> None:
    def refuse(asked: Any, context: Any) -> Any:
        context.abort(getattr(grpc.StatusCode, code), "no such model")

    with serving(refuse) as url, pytest.raises(CallFailed, match=f"{code}, no such model") as error:
        predictor(url).say(ROWS)
    assert error.value.how is how


def test_nobody_there_is_said_so() -> None:
    with pytest.raises(CallFailed, match="answered UNAVAILABLE"):
        predictor("grpc://127.0.0.1:9").say(ROWS)
