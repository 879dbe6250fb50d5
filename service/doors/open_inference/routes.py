"""Routes of the Open Inference Protocol over REST, ``/v2``."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Request, Response

from ifonly.models.errors import UnknownModel
from ifonly.service.doors.client_rows import ClientQuestions, ReadRows
from ifonly.service.doors.http.arguments import LONGEST_NAME
from ifonly.service.doors.http.body import QUICK_BYTES, check_media_type
from ifonly.service.doors.http.context import AppState, Shared
from ifonly.service.doors.http.health import models_ready
from ifonly.service.doors.http.idempotency import PARAMETER
from ifonly.service.doors.http.openapi import REFERENCE
from ifonly.service.doors.http.request_path import (
    ApiRoute,
    BytesRoute,
    ClientBytesRoute,
    PublicRoute,
)
from ifonly.service.doors.http.routes import ModelName
from ifonly.service.doors.http.written import JSON, written
from ifonly.service.doors.kserve import REFUSED
from ifonly.service.doors.open_inference.attributes import ATTRIBUTE, rows_and_said, together
from ifonly.service.doors.open_inference.rows import ERROR, inputs_of, outputs_of, results
from ifonly.service.doors.open_inference.tensors import (
    HEADER_LENGTH,
    invalid,
    read_tensors,
    split,
    write,
)
from ifonly.service.served.registry import ServedModel
from ifonly.service.settings import ifonly_version
from ifonly.service.wire import open_inference as wire
from ifonly.service.wire import validation
from ifonly.service.wire.strict_json import read_json

OCTETS = "application/octet-stream"
PLATFORM = "ifonly_onnx"
SHORT = 1_024
"""Bytes of a reply that is not worth packing."""
IGNORED = ("priority", "timeout", "content_type", "headers")
"""Parameters of Triton's queue and MLServer's decoders, which change no answer."""
BINARY, AS_BINARY = "binary_data_output", "binary_data"

OF_EACH: dict[str, Any] = {
    "prefix": "/v2",
    "tags": ["open inference"],
    "responses": REFUSED,
    "generate_unique_id_function": lambda route: f"v2_{route.name}",
}
public = APIRouter(route_class=PublicRoute, **OF_EACH)
router = APIRouter(route_class=ApiRoute, **OF_EACH)
asking = APIRouter(route_class=ClientBytesRoute, **OF_EACH)
indexing = APIRouter(route_class=BytesRoute, **OF_EACH)

Version = Annotated[str, Path(max_length=LONGEST_NAME, description="A version of the model.")]


@public.get("", response_model=wire.InferServer)
async def describe_server() -> Response:
    """Who answers, and by which extensions of the protocol."""
    extensions = ["binary_tensor_data", "model_repository", "model_configuration"]
    return written(wire.InferServer(name="ifonly", version=ifonly_version(), extensions=extensions))


@public.get("/health/live", response_model=wire.InferLive)
async def server_is_live() -> Response:
    """The process runs."""
    return written(wire.InferLive())


@public.get("/health/ready", response_model=wire.InferReady)
async def server_is_ready(state: Shared) -> Response:
    """As `/healthz/ready`."""
    models_ready(state)
    return written(wire.InferReady())


@router.get("/models/{model}", response_model=wire.InferModel)
async def describe(model: ModelName, state: Shared) -> Response:
    """Which tensors a model takes and gives."""
    return written(_metadata(state, model))


@router.get("/models/{model}/versions/{version}", response_model=wire.InferModel)
async def describe_version(model: ModelName, version: Version, state: Shared) -> Response:
    """The same of a version."""
    return written(_metadata(state, model, version))


def _metadata(state: AppState, model: str, version: str | None = None) -> wire.InferModel:
    served = state.registry.find(model, version)
    return wire.InferModel(
        name=served.name,
        versions=list(state.registry.versions(model)),
        platform=PLATFORM,
        inputs=inputs_of(served.schema),
        outputs=outputs_of(served.decision),
    )


@router.get("/models/{model}/ready", response_model=wire.InferModelReady)
async def is_ready(model: ModelName, state: Shared) -> Response:
    """Whether a model can be asked."""
    return written(wire.InferModelReady(name=state.registry.get(model).name))


@router.get("/models/{model}/versions/{version}/ready", response_model=wire.InferModelReady)
async def version_is_ready(model: ModelName, version: Version, state: Shared) -> Response:
    """The same of a version."""
    return written(wire.InferModelReady(name=state.registry.get(model, version).name))


@router.get("/models/{model}/config", response_model=wire.InferConfig)
async def configuration(model: ModelName, state: Shared) -> Response:
    """The metadata as Triton's clients ask for them too."""
    return written(_config(state, model))


@router.get("/models/{model}/versions/{version}/config", response_model=wire.InferConfig)
async def version_configuration(model: ModelName, version: Version, state: Shared) -> Response:
    """The same of a version."""
    return written(_config(state, model, version))


def _config(state: AppState, model: str, version: str | None = None) -> wire.InferConfig:
    told = _metadata(state, model, version)
    inputs, outputs = (
        [
            wire.ConfigTensor(name=t.name, data_type=_triton_type(t.datatype), dims=t.shape)
            for t in tensors
        ]
        for tensors in (told.inputs, told.outputs)
    )
    return wire.InferConfig(
        name=told.name,
        platform=PLATFORM,
        backend="ifonly",
        version_policy={"latest": {"num_versions": len(told.versions)}},
        max_batch_size=0,
        input=inputs,
        output=outputs,
    )


def _triton_type(datatype: str) -> str:
    return f"TYPE_{'STRING' if datatype == 'BYTES' else datatype}"


# The body is optional, and Triton's client declares no type for it.
@indexing.post(
    "/repository/index",
    response_model=list[wire.IndexEntry],
    openapi_extra={
        "requestBody": {
            "required": False,
            "content": {JSON: {"schema": {"$ref": f"{REFERENCE}IndexRequest"}}},
        }
    },
)
async def index(request: Request, state: Shared) -> Response:
    """Every version of every model, and every folder that is not served, with the reason."""
    body = await request.body()
    asked = validation.read(wire.IndexRequest, read_json(body) if body.strip() else {})
    found = [entry for entry in _index(state) if entry.state == "READY" or not asked.ready]
    content = b",".join(entry.model_dump_json().encode() for entry in found)
    return Response(b"[%b]" % content, media_type=JSON)


def _index(state: AppState) -> list[wire.IndexEntry]:
    registry = state.registry
    found = {}
    for name in registry.names():
        for version in registry.versions(name):
            try:
                fault = registry.find(name, version).deployed.guard.fault
            except UnknownModel:  # a refresh has dropped it since
                continue
            found[name, version] = "" if fault is None else str(fault)
    for refusal in registry.refused.values():
        # What is still served of a folder that changed can be asked.
        if not refusal.still_served:
            found.setdefault((refusal.name, refusal.version), refusal.reason)
    return [
        wire.IndexEntry(
            name=name,
            version=version,
            state="UNAVAILABLE" if reason else "READY",
            reason=reason,
        )
        for (name, version), reason in sorted(found.items())
    ]


# --- infer --------------------------------------------------------------------------------

INFER: dict[str, Any] = {
    "response_model": wire.InferReply,
    "openapi_extra": {
        **PARAMETER,
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"$ref": f"{REFERENCE}InferRequest"}},
                OCTETS: {"schema": {"type": "string", "format": "binary"}},
            },
        },
    },
}
HeaderLength = Annotated[
    str | None,
    Header(
        alias=HEADER_LENGTH,
        description="Bytes of the JSON, where binary tensors follow it.",
        max_length=20,
    ),
]


@asking.post("/models/{model}/infer", **INFER)
async def infer(
    model: ModelName, request: Request, state: Shared, length: HeaderLength = None
) -> Response:
    """What does the model say of these rows?

    One tensor a feature, `[n]` or `[n, 1]`, or one of all features in their order, `[n, d]`
    (categories by code, or all as `BYTES`). Outputs: `label`, `probability` and `scores`, or
    `score`. Whoever asks for the output `error` as well is answered although rows are wrong.
    """
    return await _infer(state.registry.get(model), request, length)


@asking.post("/models/{model}/versions/{version}/infer", **INFER)
async def infer_version(
    model: ModelName,
    version: Version,
    request: Request,
    state: Shared,
    length: HeaderLength = None,
) -> Response:
    """The same of a version."""
    return await _infer(state.registry.get(model, version), request, length)


async def _infer(model: ServedModel, request: Request, length: str | None) -> Response:
    questions = ClientQuestions.of(request, model, "infer")
    body = await request.body()
    work = partial(_read, model, body, length, request.headers)
    # Tensors may be long: read beside the event loop, which a short one does not hold up.
    parsers = questions.state.parsers
    asked, rows, each = work() if len(body) <= QUICK_BYTES else await parsers.run(work)
    wanted = _wanted(asked, model)
    attributes = together(_attributes(asked), each)
    batch = _told_of_tensors(await questions.read(rows, "inputs"), asked)
    if batch.wrong and ERROR not in wanted:
        raise batch.refusal
    predicted = await questions.predictions(batch, attributes, each=ERROR in wanted)
    refused = await questions.refused(batch, predicted.failed)
    errors = {place: str(told["error"]) for place, told in refused.items()}
    made = results(model.decision, predicted.found, errors, batch.size)
    said: dict[str, Any] = {"model_name": model.name, "model_version": model.version}
    said |= {} if asked.id is None else {"id": asked.id}
    said |= {"parameters": {"record": predicted.record}}
    content, header = write(said, [(made[name], binary) for name, binary in wanted.items()])
    headers = dict(questions.headers)
    if header is not None:
        headers[HEADER_LENGTH] = str(header)
    content, encoded = _packed(content, request.headers.get("accept-encoding", ""))
    return Response(content, 200, headers | encoded, JSON if header is None else OCTETS)


def _read(
    model: ServedModel, body: bytes, length: str | None, headers: Mapping[str, str]
) -> tuple[wire.InferRequest, list[dict[str, Any]], list[dict[str, Any]] | None]:
    """The request, its rows, and what its tensors say of each of them."""
    # Triton's client declares no type.
    declared = headers.get("content-type", OCTETS)
    if declared.partition(";")[0].strip().lower() != OCTETS:
        check_media_type(headers)
    asked, tail = split(body, length)
    for key, told in (("model_name", model.name), ("model_version", model.version)):
        named = getattr(asked, key)
        if named is not None and named != told:
            problem = f"{key} is {named!r}, and the path's is {told!r}"
            raise invalid((key,), problem, value=named, limit=told)
    return asked, *rows_and_said(read_tensors(asked, tail), model.schema)


def _told_of_tensors(batch: ReadRows, asked: wire.InferRequest) -> ReadRows:
    """What is wrong with rows, by the tensor that has it."""
    places = {given.name: k for k, given in enumerate(asked.inputs)}
    wrong = {}
    for place, error in batch.wrong.items():
        faults = [
            replace(
                fault,
                path=("inputs", places.get(str(fault.path[-1]), 0)),
                problem=f"row {place}: {fault.problem}",
            )
            for fault in error.faults
        ]
        wrong[place] = type(error)(error.part, faults)
    return replace(batch, wrong=wrong)


def _wanted(asked: wire.InferRequest, model: ServedModel) -> dict[str, bool]:
    """Outputs, and whether each is wanted in bytes.

    Raises
    ------
    InvalidRequest
        If one is none of the model's, or is wanted otherwise than it can be had.
    """
    known = [tensor.name for tensor in outputs_of(model.decision)]
    binary = _flag((asked.parameters or {}).get(BINARY, False), ("parameters", BINARY))
    if asked.outputs is None:
        return dict.fromkeys((name for name in known if name != ERROR), binary)
    wanted: dict[str, bool] = {}
    for k, output in enumerate(asked.outputs):
        path = ("outputs", k)
        if output.name not in known or output.name in wanted:
            is_not = "is wanted twice" if output.name in wanted else "is no output of this model"
            problem = f"{output.name} {is_not} ({', '.join(known)})"
            raise invalid((*path, "name"), problem, value=output.name, limit=known)
        for key in output.parameters or {}:
            if key != AS_BINARY:
                problem = f"{key} is no parameter of an output here; known is {AS_BINARY}"
                raise invalid((*path, "parameters", key), problem)
        as_binary = (output.parameters or {}).get(AS_BINARY, binary)
        wanted[output.name] = _flag(as_binary, (*path, "parameters", AS_BINARY))
    return wanted


def _flag(value: object, path: tuple[str | int, ...]) -> bool:
    if isinstance(value, bool):
        return value
    problem = f"{path[-1]} is {validation.shown(value)}, not true or false"
    raise invalid(path, problem, value=value)


def _attributes(asked: wire.InferRequest) -> dict[str, Any]:
    """Of the machine or the person, which parameters may have.

    Raises
    ------
    InvalidRequest
        If a parameter is not known.
    """
    found = {}
    for key, value in (asked.parameters or {}).items():
        if key.startswith(ATTRIBUTE):
            found[key.removeprefix(ATTRIBUTE)] = value
        elif key != BINARY and key not in IGNORED:
            known = ", ".join((BINARY, f"{ATTRIBUTE}NAME", *IGNORED))
            problem = f"{key} is no parameter of a request here; known are {known}"
            raise invalid(("parameters", key), problem)
    return found


def _packed(content: bytes, accepted: str) -> tuple[bytes, dict[str, str]]:
    """The reply as whoever asks takes it, and the headers that say so."""
    told = {"Vary": "Accept-Encoding"}
    codings = {
        name.strip().lower()
        for name, _, weight in (part.partition(";") for part in accepted.split(","))
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    }
    if len(content) < SHORT or not codings & {"gzip", "deflate"}:
        return content, told
    if "gzip" in codings:
        # No time: the same reply has the same bytes.
        return gzip.compress(content, 1, mtime=0), told | {"Content-Encoding": "gzip"}
    return zlib.compress(content, 1), told | {"Content-Encoding": "deflate"}
