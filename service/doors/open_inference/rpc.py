"""The Open Inference Protocol over gRPC: each call is a request to its REST routes, within the
process.

So it is authenticated, limited, answered, recorded and logged as they are; a key is the call's
metadata ``authorization`` (``Bearer …``); ``idempotency-key`` and ``x-request-id`` are passed on.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import grpc
from google.protobuf.message import DecodeError
from starlette.types import ASGIApp, Message

from ifonly.service.doors.open_inference.tensors import HEADER_LENGTH, SIZE
from ifonly.service.errors import GrpcUnavailable
from ifonly.service.logs import logger
from ifonly.service.served.remote.messages import MESSAGES, SERVICE
from ifonly.service.settings import Settings

PASSED_ON = ("authorization", "idempotency-key", "x-request-id", "traceparent")
"""Metadata that are headers of the request."""
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    409: grpc.StatusCode.ABORTED,
    410: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.INVALID_ARGUMENT,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
}
"""All others: ``INTERNAL``."""
CONTENTS = {
    "BOOL": "bool", "INT8": "int", "INT16": "int", "INT32": "int", "INT64": "int64",
    "UINT8": "uint", "UINT16": "uint", "UINT32": "uint", "UINT64": "uint64",
    "FP32": "fp32", "FP64": "fp64", "BYTES": "bytes",
}  # fmt: skip
"""Which field of the contents has a tensor of a type."""
OCTETS = "application/octet-stream"
OVERHEAD = 1 << 20
"""Bytes that a message may be longer than the body that is made of it."""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """Of a request to this process's own routes."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, settings: Settings) -> AsyncIterator[None]:
    """Answer at ``settings.grpc_port`` meanwhile.

    Raises
    ------
    GrpcUnavailable
        If it cannot be listened to.
    """
    longest = settings.max_body_bytes + OVERHEAD
    # Messages are bounded unpacked as well as packed.
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", longest)])
    server.add_generic_rpc_handlers((_handlers(Calls(app)),))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        port = server.add_insecure_port(f"{host}:{settings.grpc_port}")
    except RuntimeError as error:
        raise GrpcUnavailable(f"gRPC cannot listen at port {settings.grpc_port}: {error}") from None
    await server.start()
    logger.info("gRPC is answered at %s:%s", host, port)
    try:
        yield
    finally:
        await server.stop(settings.shutdown_seconds)


def _handlers(calls: Calls) -> grpc.GenericRpcHandler:
    def handler(name: str, answer: Callable[[Any, Any], Awaitable[Any]]) -> grpc.RpcMethodHandler:
        # Read here: what gRPC itself cannot read it calls a fault of the service, and logs as one.
        async def read(raw: bytes, context: Any) -> Any:
            try:
                asked = MESSAGES[f"{name}Request"].FromString(raw)
            except DecodeError:
                problem = f"the message is no {name}Request"
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
            return await answer(asked, context)

        return grpc.unary_unary_rpc_method_handler(
            read, response_serializer=MESSAGES[f"{name}Response"].SerializeToString
        )

    methods = {
        "ServerLive": calls.server_live,
        "ServerReady": calls.server_ready,
        "ModelReady": calls.model_ready,
        "ServerMetadata": calls.server_metadata,
        "ModelMetadata": calls.model_metadata,
        "ModelConfig": calls.model_config,
        "RepositoryIndex": calls.repository_index,
        "ModelInfer": calls.model_infer,
    }
    named = {name: handler(name, answer) for name, answer in methods.items()}
    return grpc.method_handlers_generic_handler(SERVICE, named)


class Calls:
    """The calls, each by a request to ``app``."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def server_live(self, _: Any, context: Any) -> Any:
        return MESSAGES["ServerLiveResponse"](**await self._told(context, "/v2/health/live"))

    async def server_ready(self, _: Any, context: Any) -> Any:
        reply = await self._asked(context, "GET", "/v2/health/ready")
        return MESSAGES["ServerReadyResponse"](ready=reply.status == 200)

    async def model_ready(self, asked: Any, context: Any) -> Any:
        reply = await self._asked(context, "GET", f"{_path(asked.name, asked.version)}/ready")
        if reply.status not in (200, 404, 503):
            await _fail(context, reply)
        return MESSAGES["ModelReadyResponse"](ready=reply.status == 200)

    async def server_metadata(self, _: Any, context: Any) -> Any:
        return MESSAGES["ServerMetadataResponse"](**await self._told(context, "/v2"))

    async def model_metadata(self, asked: Any, context: Any) -> Any:
        told = await self._told(context, _path(asked.name, asked.version))
        return MESSAGES["ModelMetadataResponse"](**told)

    async def model_config(self, asked: Any, context: Any) -> Any:
        told = await self._told(context, f"{_path(asked.name, asked.version)}/config")
        del told["version_policy"]
        return MESSAGES["ModelConfigResponse"](config=told)

    async def repository_index(self, asked: Any, context: Any) -> Any:
        body = json.dumps({"ready": asked.ready}).encode()
        reply = await self._asked(context, "POST", "/v2/repository/index", body)
        if reply.status != 200:
            await _fail(context, reply)
        return MESSAGES["RepositoryIndexResponse"](models=reply.json())

    async def model_infer(self, asked: Any, context: Any) -> Any:
        try:
            body, length = as_request(asked)
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if length is None:
            headers = {"content-type": "application/json"}
        else:
            headers = {"content-type": OCTETS, HEADER_LENGTH.lower(): str(length)}
        path = f"{_path(asked.model_name, asked.model_version)}/infer"
        reply = await self._asked(context, "POST", path, body, headers)
        if reply.status != 200:
            await _fail(context, reply)
        return as_response(reply)

    async def _told(self, context: Any, path: str) -> dict[str, Any]:
        reply = await self._asked(context, "GET", path)
        if reply.status != 200:
            await _fail(context, reply)
        told: dict[str, Any] = reply.json()
        return told

    async def _asked(
        self,
        context: Any,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> HttpReply:
        # A name that every service answers for: no browser speaks gRPC, so none can be misled.
        given = {"host": "localhost", "content-length": str(len(body)), **(headers or {})}
        for key, value in context.invocation_metadata() or ():
            if key in PASSED_ON and isinstance(value, str):
                given[key] = value
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "2",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": quote(path).encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in given.items()],
            "client": _client(context.peer()),
            "server": ("localhost", 0),
            "state": {},
        }
        return await _request(self._app, scope, body)


def _path(model: str, version: str) -> str:
    # The path as the application has it, decoded: a slash, which is in no model's name, would ask
    # another route.
    model, version = (name.replace("/", "%2F") for name in (model, version))
    return f"/v2/models/{model}" + (f"/versions/{version}" if version else "")


def _client(peer: str) -> tuple[str, int]:
    """``ipv4:127.0.0.1:5000`` as ASGI has it."""
    address, _, port = peer.partition(":")[2].rpartition(":")
    return address.strip("[]"), int(port) if port.isdecimal() else 0


async def _request(app: ASGIApp, scope: dict[str, Any], body: bytes) -> HttpReply:
    sent = False
    parts: list[bytes] = []
    start: dict[str, Any] = {}

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in start["headers"]}
    return HttpReply(start["status"], headers, b"".join(parts))


async def _fail(context: Any, reply: HttpReply) -> None:
    """End the call with what the reply says is wrong."""
    code = CODES.get(reply.status, grpc.StatusCode.INTERNAL)
    try:
        told = str(reply.json().get("error") or reply.json().get("detail"))
    except ValueError:
        told = f"the service answered {reply.status}"
    await context.abort(code, told)


# --- infer --------------------------------------------------------------------------------


def as_request(asked: Any) -> tuple[bytes, int | None]:
    """The body of the request over REST, and how long its JSON is if bytes follow it.

    Raises
    ------
    ValueError
        If the message contradicts itself.
    """
    is_raw = bool(asked.raw_input_contents)
    if is_raw and len(asked.raw_input_contents) != len(asked.inputs):
        raise ValueError(
            f"{len(asked.inputs)} inputs and {len(asked.raw_input_contents)} raw_input_contents"
        )
    inputs = []
    for k, tensor in enumerate(asked.inputs):
        given = _tensor(tensor)
        if is_raw:
            if tensor.HasField("contents"):
                raise ValueError(f"{tensor.name} has contents and raw_input_contents")
            size = {SIZE: len(asked.raw_input_contents[k])}
            given["parameters"] = given.get("parameters", {}) | size
        else:
            given["data"] = _contents(tensor)
        inputs.append(given)
    outputs = [{"name": o.name} | _parameters(o) for o in asked.outputs]
    document: dict[str, Any] = {"inputs": inputs} | _parameters(asked)
    document |= {"outputs": outputs} if outputs else {}
    document |= {"id": asked.id} if asked.id else {}
    # As it was asked, it is answered: in bytes or in numbers.
    document["parameters"] = document.get("parameters", {}) | {"binary_data_output": is_raw}
    head = json.dumps(document, ensure_ascii=False).encode()
    return b"".join((head, *asked.raw_input_contents)), len(head) if is_raw else None


def _tensor(tensor: Any) -> dict[str, Any]:
    told = {"name": tensor.name, "datatype": tensor.datatype, "shape": [*tensor.shape]}
    return told | _parameters(tensor)


def _parameters(message: Any) -> dict[str, Any]:
    """None, rather than empty ones."""
    found = {
        key: getattr(value, value.WhichOneof("parameter_choice"))
        for key, value in message.parameters.items()
        if value.WhichOneof("parameter_choice")
    }
    return {"parameters": found} if found else {}


def _contents(tensor: Any) -> list[Any]:
    kind = CONTENTS.get(tensor.datatype)
    if kind is None:
        # FP16 has no field; what is no type is refused by the route.
        if tensor.datatype == "FP16":
            raise ValueError(f"{tensor.name} is FP16, which only raw_input_contents can have")
        return []
    values = [*getattr(tensor.contents, f"{kind}_contents")]
    filled = [f.name for f, _ in tensor.contents.ListFields() if f.name != f"{kind}_contents"]
    if filled:
        raise ValueError(f"{tensor.name} is {tensor.datatype} and has {filled[0]}")
    if kind == "bytes":
        try:
            return [value.decode() for value in values]
        except UnicodeDecodeError:
            raise ValueError(f"{tensor.name} has a text that is not UTF-8") from None
    # A reading that is missing: JSON has no NaN.
    return [None if isinstance(v, float) and math.isnan(v) else v for v in values]


def as_response(reply: HttpReply) -> Any:
    """The message of a reply over REST."""
    length = int(reply.headers.get(HEADER_LENGTH.lower(), len(reply.body)))
    told, tail = json.loads(reply.body[:length]), reply.body[length:]
    response = MESSAGES["ModelInferResponse"](
        model_name=told["model_name"], model_version=told["model_version"], id=told.get("id", "")
    )
    for key, value in told["parameters"].items():
        response.parameters[key].string_param = value
    for output in told["outputs"]:
        tensor = response.outputs.add(
            name=output["name"], datatype=output["datatype"], shape=output["shape"]
        )
        if "data" not in output:
            size = output["parameters"][SIZE]
            response.raw_output_contents.append(tail[:size])
            tail = tail[size:]
        elif output["datatype"] == "BYTES":
            tensor.contents.bytes_contents.extend(text.encode() for text in output["data"])
        else:
            numbers = [math.nan if v is None else v for v in output["data"]]
            tensor.contents.fp64_contents.extend(numbers)
    return response
