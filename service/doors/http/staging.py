"""Routes of versions that are here and not asked yet: sent, looked at, changed, tried."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from ifonly.service.ask import answering
from ifonly.service.ask.budget import Budget
from ifonly.service.audit import staging as taking
from ifonly.service.audit.recorder import Recorder
from ifonly.service.doors.http.arguments import LONGEST_NAME
from ifonly.service.doors.http.context import Recording, Shared
from ifonly.service.doors.http.openapi import guarded
from ifonly.service.doors.http.problems import UnsupportedMediaType
from ifonly.service.doors.http.request_path import ApiRoute
from ifonly.service.doors.http.routes import ModelName
from ifonly.service.doors.http.uploading import MEDIA_TYPES
from ifonly.service.doors.http.written import written
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.served import staging
from ifonly.service.served.staging_candidates import Sent
from ifonly.service.wire import replies, requests
from ifonly.service.wire import staged as wire

router = APIRouter(prefix="/api/v1/staged", route_class=ApiRoute, tags=["models"])

FORM = "multipart/form-data"
TEXTS = ("name", "version", "label", "held_out", "columns", "answers")
_BINARY = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "properties": {
        "folder": _BINARY | {"description": "A zip of a model folder; then nothing else."},
        "file": _BINARY | {"description": "The model: ONNX, XGBoost, LightGBM, CatBoost, skops."},
        "sample": _BINARY | {"description": "Rows that it was made for: CSV or Parquet."},
        "name": {"type": "string", "description": "Default: the file's."},
        "version": {"type": "string", "description": "Default: the next whole number."},
        "label": {"type": "string", "description": "Column of the decisions in the sample."},
        "held_out": {
            "type": "string",
            "enum": ["", "true", "false"],
            "description": "Whether the model was trained on none of the labelled rows.",
        },
        "columns": {"type": "string", "description": "Columns that it reads, in its order: a,b."},
        "answers": {"type": "string", "description": "To questions, as a JSON object of texts."},
    },
}
Version = Annotated[str, Path(max_length=LONGEST_NAME, description="A version that is staged.")]


@router.get("", response_model=wire.StagedListReply, responses=guarded(422))
async def list_staged(state: Shared) -> Response:
    """Every version that is staged."""
    found = await anyio.to_thread.run_sync(taking.summaries, state.registry)
    return written(wire.StagedListReply(staged=found))


@router.post(
    "",
    status_code=201,
    response_model=wire.StagedReply,
    responses=guarded(400, 409, 413, 415, 422),
    openapi_extra={
        "requestBody": {
            "required": True,
            # A zip alone is taken, too; makers of clients warn of its type.
            "content": {FORM: {"schema": _FORM}},
        }
    },
)
async def stage_model(request: Request, recording: Recording) -> Response:
    """A version, as a zip of its folder (also as the whole body, ``application/zip``) or as a
    model file and a sample of its rows: tried, and asked by nobody until it is activated."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    path = request.url.path
    if kind in MEDIA_TYPES:
        archive = io.BytesIO(await request.body())
        reply = await taking.take_zip(archive, recording, path)
    elif kind == FORM:
        try:
            reply = await take_form(await read_form(request), recording, path)
        finally:
            await request.close()  # files that came with it, also with a refused one
    else:
        raise UnsupportedMediaType(f"the content type is {kind or 'not given'}; this takes {FORM}")
    place = f"/api/v1/staged/{reply.name}/{reply.version}"
    return written(reply, 201, {"Location": place})


async def take_form(form: FormData, recording: Recorder, path: str) -> wire.StagedReply:
    """Stage what a form has; raises as :func:`ifonly.service.audit.staging.take_zip`."""
    came = sent_in(form)
    if isinstance(came, Sent):
        return await taking.take_file(came, recording, path)
    return await taking.take_zip(came.file, recording, path)


async def read_form(request: Request) -> FormData:
    """Raises
    ------
    InvalidRequest
        If the body is no form.
    """
    try:
        return await request.form(max_files=2, max_fields=20)
    except HTTPException as error:
        fault = Fault((), f"the form cannot be read: {error.detail}")
        raise InvalidRequest(RequestPart.REQUEST, [fault]) from None


def sent_in(form: FormData) -> UploadFile | Sent:
    """The zip of a form; or its model file and sample.

    Raises
    ------
    InvalidRequest
        If it has neither.
    """
    folder = form.get("folder")
    # A form in which no file was chosen sends an empty one.
    if isinstance(folder, UploadFile) and folder.size:
        return folder
    file, sample = form.get("file"), form.get("sample")
    faults = [
        Fault((name,), "no file was chosen")
        for name, part in (("file", file), ("sample", sample))
        if not isinstance(part, UploadFile) or not part.size
    ]
    texts = {name: form.get(name, "") for name in TEXTS}
    faults += [
        Fault((k,), "is a file, not a text") for k, v in texts.items() if not isinstance(v, str)
    ]
    answers = _answers(str(texts["answers"]))
    if answers is None:
        faults.append(Fault(("answers",), "is no JSON object of texts"))
    held_out = str(texts["held_out"]).strip()
    if held_out not in _TRUTHS:
        faults.append(Fault(("held_out",), f"is {held_out[:100]!r}, not one of true, false"))
    if faults:
        raise InvalidRequest(RequestPart.MODEL, faults)
    assert isinstance(file, UploadFile)
    assert isinstance(sample, UploadFile)
    return Sent(
        file.file,
        file.filename or "",
        sample.file,
        sample.filename or "",
        name=str(texts["name"]).strip(),
        version=str(texts["version"]).strip(),
        label=str(texts["label"]).strip(),
        columns=str(texts["columns"]),
        answers=answers,
        held_out=_TRUTHS[held_out],
    )


_TRUTHS = {"": None, "true": True, "false": False}


def _answers(text: str) -> Mapping[str, str] | None:
    if not text.strip():
        return {}
    try:
        said: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    is_of_texts = isinstance(said, dict) and all(isinstance(v, str) for v in said.values())
    return said if is_of_texts else None


@router.get("/{model}/{version}", response_model=wire.StagedReply, responses=guarded(404, 409, 422))
async def read_staged(
    model: ModelName, version: Version, state: Shared, recording: Recording
) -> Response:
    """What was guessed, what was asked, and what it would be served as."""
    found = taking.found(model, version, state.registry, recording.principal)
    loaded = await anyio.to_thread.run_sync(staging.loaded, state.registry, found)
    return written(taking.shown(found, loaded, state.registry))


@router.patch(
    "/{model}/{version}",
    response_model=wire.StagedReply,
    responses=guarded(400, 404, 409, 413, 415, 422),
)
async def change_staged(
    model: ModelName,
    version: Version,
    change: wire.StagedEdit,
    request: Request,
    state: Shared,
    recording: Recording,
) -> Response:
    """Set fields, check guesses, answer questions: all of it, or nothing and every reason."""
    found = taking.found(model, version, state.registry, recording.principal)
    return written(await taking.edit(found, change, recording, request.url.path))


@router.delete("/{model}/{version}", response_model=replies.Audit, responses=guarded(404, 409, 422))
async def discard_staged(
    model: ModelName, version: Version, state: Shared, recording: Recording
) -> Response:
    """Take it out again."""
    found = taking.found(model, version, state.registry, recording.principal)
    return written(await taking.discard(found, recording))


@router.post(
    "/{model}/{version}/explanations",
    response_model=replies.ExplanationReply,
    responses=guarded(400, 404, 409, 413, 415, 422, 503),
)
async def explain_staged(
    model: ModelName,
    version: Version,
    asked: requests.ExplanationRequest,
    state: Shared,
    recording: Recording,
) -> Response:
    """What it would answer. It decides nothing, so this leaves no record."""
    found = taking.found(model, version, state.registry, recording.principal)
    loaded = await anyio.to_thread.run_sync(staging.loaded, state.registry, found)
    turn = state.turns.search(recording.principal.actor)
    budget = Budget.of(asked.deadline_ms, state.settings, turn)
    return written(
        await state.workers.run(
            lambda: answering.explanation(loaded, asked, budget, state.watch), budget.patience
        )
    )
