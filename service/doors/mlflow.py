"""MLflow's scoring protocol: ``/invocations`` asks one model."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from ifonly.models.errors import UnknownModel
from ifonly.models.schema import Schema
from ifonly.service.ask.cells import of_number, of_text
from ifonly.service.ask.problems import as_json
from ifonly.service.doors.client_rows import ClientQuestions, in_a_word
from ifonly.service.doors.http.body import QUICK_BYTES, check_media_type
from ifonly.service.doors.http.context import AppState, Shared, context_of
from ifonly.service.doors.http.health import models_ready
from ifonly.service.doors.http.idempotency import PARAMETER
from ifonly.service.doors.http.openapi import REFERENCE
from ifonly.service.doors.http.problems import TooManyRows, UnsupportedMediaType
from ifonly.service.doors.http.request_path import ClientBytesRoute, PublicRoute
from ifonly.service.doors.http.written import JSON, written
from ifonly.service.errors import Fault, InvalidRequest, MalformedBody, RequestPart
from ifonly.service.served.registry import ServedModel
from ifonly.service.settings import ifonly_version
from ifonly.service.wire import mlflow as wire
from ifonly.service.wire import validation
from ifonly.service.wire.kserve import KServeError
from ifonly.service.wire.models import Ready
from ifonly.service.wire.requests import MAX_INSTANCES, check_length
from ifonly.service.wire.strict_json import read_json

CSV = "text/csv"
TAGS: dict[str, Any] = {
    "tags": ["mlflow"],
    "generate_unique_id_function": lambda route: f"mlflow_{route.name}",
}
REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": wire.MlflowError}
    for status in (400, 401, 403, 404, 408, 409, 410, 413, 415, 422, 429, 500, 502, 503)
}
UNREADY: dict[int | str, dict[str, Any]] = {s: {"model": KServeError} for s in (422, 500, 503)}

NO_PARAMS = wire.MlflowParams.model_validate({})

public = APIRouter(route_class=PublicRoute, **TAGS)
asking = APIRouter(route_class=ClientBytesRoute, **TAGS)


@public.get("/ping", response_model=Ready, responses=UNREADY)
async def ping(state: Shared) -> Response:
    """As `/healthz/ready`."""
    return written(Ready(models=models_ready(state)))


@public.get("/health", response_model=Ready, responses=UNREADY)
async def health(state: Shared) -> Response:
    """The same."""
    return written(Ready(models=models_ready(state)))


@public.get(
    "/version",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
        422: UNREADY[422],
        500: UNREADY[500],
    },
)
async def version() -> Response:
    """The version of this service."""
    return Response(ifonly_version(), media_type="text/plain")


INVOCATION: dict[str, Any] = {
    "response_model": wire.MlflowPredicted,
    "responses": REFUSED,
    "openapi_extra": {
        **PARAMETER,
        "requestBody": {
            "required": True,
            # Of the two the one that generators of clients know: of the other they warn.
            "description": f"Or a table with a line of names, as `{CSV}`.",
            "content": {JSON: {"schema": {"$ref": f"{REFERENCE}Invocation"}}},
        },
    },
}


@asking.post("/invocations", **INVOCATION)
async def invoke(request: Request, state: Shared) -> Response:
    """What does the model say of these rows? With `params: {"explain": true}` also: which smallest
    allowed change would have put each prediction in the target?

    Of the only model that is served, or the one that `IFONLY_MLFLOW_MODEL` names.
    """
    return await _invoked(request, state, explains=False)


@asking.post("/invocations/explanations", **INVOCATION)
async def invoke_explained(request: Request, state: Shared) -> Response:
    """The same, explained whatever `params` says; so CSV can be explained too."""
    return await _invoked(request, state, explains=True)


async def _invoked(request: Request, state: AppState, *, explains: bool) -> Response:
    served = _model(state)
    context_of(request).model = served
    questions = ClientQuestions.of(request, served, "invocations")
    body = await request.body()
    work = partial(_read, body, request.headers, served.schema, explains)
    key, rows, params = work() if len(body) <= QUICK_BYTES else await state.parsers.run(work)
    batch = await questions.read(rows, key)
    places = range(batch.size)
    if not (explains or params.explain):
        told = await questions.predictions(batch, params.attributes)
        refused = await questions.refused(batch, told.failed)
        words = {place: in_a_word(p) for place, p in told.found.items()} | refused
        said = as_json({"predictions": [words[place] for place in places]})
        return Response(said, headers=questions.headers, media_type=JSON)
    shared = params.model_dump(by_alias=True, exclude_unset=True, exclude={"explain"})
    found = await questions.explanations(batch, shared)
    predictions = as_json([_prediction(found[place]) for place in places])
    # Joined, not written anew: each answer is byte for byte the one that was recorded.
    explained = b",".join(found[place] for place in places)
    content = b'{"predictions":%b,"explanations":[%b]}' % (predictions, explained)
    return Response(content, headers=questions.headers, media_type=JSON)


def _model(state: AppState) -> ServedModel:
    """The one that is asked here.

    Raises
    ------
    UnknownModel
        If it is not clear which.
    """
    names = state.registry.names()
    if (named := state.settings.mlflow_model) is not None:
        return state.registry.get(named)
    if len(names) != 1:
        served = f"{len(names)} models are served ({', '.join(names)})" if names else "none is"
        raise UnknownModel(
            f"/invocations names no model, and {served}: IFONLY_MLFLOW_MODEL says which one it asks"
        )
    return state.registry.get(names[0])


def _prediction(explained: bytes) -> Any:
    """What the model says of a row that was explained; of one that was not, why."""
    said = json.loads(explained)
    prediction: Mapping[str, Any] | None = said.get("prediction") if "error" not in said else None
    return said if prediction is None else prediction.get("class", prediction.get("score"))


# --- rows ---------------------------------------------------------------------------------


def _read(
    body: bytes, headers: Mapping[str, str], schema: Schema, explains: bool
) -> tuple[str, list[Any], wire.MlflowParams]:
    """What the request calls its rows, they, and what is asked of all of them."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == CSV:
        return "rows", _of_csv(body, schema), NO_PARAMS
    if kind != JSON:
        raise UnsupportedMediaType(
            f"the content type is {kind or 'not given'}; this takes {JSON} or {CSV}"
        )
    check_media_type(headers)
    # Data frames have NaN where a reading is missing, and MLflow's client writes it.
    asked = validation.read(wire.Invocation, read_json(body, nan_is_null=True))
    params = asked.params or NO_PARAMS
    if not (explains or params.explain) and (
        more := params.model_fields_set - {"explain", "attributes"}
    ):
        key = min(more)
        fault = Fault(("params", key), f"{key} is asked of explanations: explain is not true")
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    key, rows = _rows(asked, schema)
    if len(rows) > MAX_INSTANCES:
        raise TooManyRows(len(rows), MAX_INSTANCES)
    try:
        check_length(params.attributes, len(rows))
    except ValueError as error:
        at = ("params", "attributes")
        raise InvalidRequest(RequestPart.REQUEST, [Fault(at, f"params.{error}")]) from None
    return key, rows, params


def _rows(asked: wire.Invocation, schema: Schema) -> tuple[str, list[Any]]:
    if asked.dataframe_split is not None:
        return "dataframe_split", _of_split(asked.dataframe_split, schema)
    if asked.dataframe_records is not None:
        return "dataframe_records", list(asked.dataframe_records)
    if isinstance(asked.inputs, dict):
        return "inputs", _of_columns(asked.inputs)
    key = "instances" if asked.instances is not None else "inputs"
    rows: list[Any] = asked.instances or asked.inputs or []
    if not rows:
        raise InvalidRequest(RequestPart.REQUEST, [Fault((key,), f"{key} has no row")])
    return key, [_coded(row, schema, (key, i)) for i, row in enumerate(rows)]


def _of_split(frame: wire.DataFrameSplit, schema: Schema) -> list[Any]:
    path = ("dataframe_split", "data")
    columns = frame.columns
    if columns is None or columns == list(range(len(schema))):
        return [_coded(row, schema, (*path, i)) for i, row in enumerate(frame.data)]
    names = [str(column) for column in columns]
    if len({*names}) < len(names):
        twice = _given_twice(names)
        fault = Fault(("dataframe_split", "columns"), f"the column {twice} is given twice", twice)
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    for i, row in enumerate(frame.data):
        if len(row) != len(names):
            problem = f"row {i} has {len(row)} values; there are {len(names)} columns"
            fault = Fault((*path, i), problem, len(row), limit=len(names))
            raise InvalidRequest(RequestPart.REQUEST, [fault])
    return [dict(zip(names, row, strict=True)) for row in frame.data]


def _given_twice(names: Sequence[str]) -> str:
    """The first name that was given before; there is one."""
    return next(name for i, name in enumerate(names) if name in names[:i])


def _of_columns(columns: Mapping[str, list[Any]]) -> list[Any]:
    """Columns by name, each ``[n]`` or ``[n, 1]``."""
    sizes = {len(values) for values in columns.values()}
    if len(sizes) != 1 or sizes == {0}:
        told = ", ".join(f"{name} {len(values)}" for name, values in columns.items())
        problem = f"inputs has columns of different length, or without values: {told or 'none'}"
        raise InvalidRequest(RequestPart.REQUEST, [Fault(("inputs",), problem)])
    return [
        {name: _only(values[i]) for name, values in columns.items()} for i in range(sizes.pop())
    ]


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _coded(row: Any, schema: Schema, path: tuple[str | int, ...]) -> Any:
    """A list in the order of the features, in which a number may stand for a category."""
    if not isinstance(row, list) or len(row) != len(schema):
        return row
    cells = zip(schema.features, row, strict=True)
    return [
        of_number(f, v, path) if isinstance(v, int | float) and not isinstance(v, bool) else v
        for f, v in cells
    ]


def _of_csv(body: bytes, schema: Schema) -> list[Any]:
    """Raises
    ------
    MalformedBody, TooManyRows
        If it is no CSV with a line of names, or has too many lines.
    """
    try:
        text = body.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        # Empty lines are no rows, as for pandas, by which MLflow reads.
        (_, header), *lines = [(reader.line_num, line) for line in reader if line]
    except UnicodeDecodeError:
        raise MalformedBody("the body is not UTF-8 text") from None
    except csv.Error as error:
        raise MalformedBody(f"the body is not CSV: {error}") from None
    except ValueError:
        raise MalformedBody("the body is empty; CSV with a line of names is needed") from None
    if not lines:
        raise MalformedBody("the body has a line of names, and no row")
    if len(lines) > MAX_INSTANCES:
        raise TooManyRows(len(lines), MAX_INSTANCES)
    if len({*header}) < len(header):
        raise MalformedBody(f"the column {_given_twice(header)} is given twice")
    for number, line in lines:
        if len(line) != len(header):
            problem = f"line {number} has {len(line)} values; there are {len(header)} columns"
            raise MalformedBody(problem, number, 1)
    return [
        {
            name: of_text(schema[name], value) if name in schema else value
            for name, value in zip(header, line, strict=True)
        }
        for _, line in lines
    ]
