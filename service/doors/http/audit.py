"""Routes of what was recorded: explanations, their reviews, and the audit trail."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from ifonly.service.audit import bundle as bundling
from ifonly.service.audit import inspection, oversight, proofs, records, reviews
from ifonly.service.audit.fairness import recorded
from ifonly.service.audit.replay import replay
from ifonly.service.audit.trust_root import roots_of, verified, witness_keys
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.http.idempotency import PARAMETER
from ifonly.service.doors.http.openapi import bytes_out, guarded
from ifonly.service.doors.http.request_path import OnceRoute
from ifonly.service.doors.http.written import JSON, attachment, kind_for, written
from ifonly.service.errors import NoLogKey
from ifonly.service.store import archive, translog
from ifonly.service.store.export import MEDIA_TYPES, export
from ifonly.service.transparency.signing import NoKey
from ifonly.service.wire import fairness as wire_fairness
from ifonly.service.wire import inspection as wire_one
from ifonly.service.wire import report as wire_many
from ifonly.service.wire import trail as wire

router = APIRouter(prefix="/api/v1", route_class=OnceRoute)

Identity = Annotated[
    # No NUL: PostgreSQL refuses it in text, and no id has one.
    str, Path(max_length=64, pattern=r"^[^\x00]*$", description="An explanation's id.")
]
CSV = "text/csv"
ZIP = "application/zip"


@router.get(
    "/explanations/{id}",
    tags=["reviews"],
    response_model=wire.ExplanationRecord,
    responses=guarded(404, 410, 422),
)
async def read_explanation(
    id: Identity, query: Annotated[wire.ProofQuery, Query()], state: Shared
) -> Response:
    """An explanation as it was given, with its request and its reviews."""
    await _in_a_head(id, query.proof, state)
    body = await state.readers.run(partial(records.explanation, state.store.database, id))
    return Response(body, media_type=JSON)


async def _in_a_head(identity: str, wanted: bool, state: AppState) -> None:
    """Wait until a signed head has the record, if that is wanted."""
    if wanted:
        find = partial(archive.get, state.store.database, identity)
        record, _ = await state.readers.run(find)
        await proofs.wait(state, record.writer, record.sequence)


@router.get(
    "/explanations/{id}/reviews",
    tags=["reviews"],
    response_model=wire.ReviewsReply,
    responses=guarded(404, 422),
)
async def list_reviews(id: Identity, state: Shared) -> Response:
    """What people said of it, oldest first."""
    reply = await state.readers.run(partial(records.reviews, state.store.database, id))
    return written(reply)


@router.post(
    "/explanations/{id}/reviews",
    tags=["reviews"],
    status_code=201,
    response_model=wire.Review,
    responses=guarded(400, 404, 413, 415, 422),
    openapi_extra=PARAMETER,
)
async def review(id: Identity, request: wire.ReviewRequest, recording: Recording) -> Response:
    """Approve, reject or comment on it; or say whether it was acted on, and what happened."""
    reply = await reviews.given(id, request, recording)
    return written(reply, 201)


@router.get(
    "/audit/events", tags=["audit"], response_model=wire.EventsReply, responses=guarded(422)
)
async def list_events(query: Annotated[wire.PageQuery, Query()], state: Shared) -> Response:
    """Records of all chains, the newest first."""
    reply = await state.readers.run(partial(records.events, state.store.database, query))
    # A record that was tampered with is shown as it was found: no warnings of that.
    return written(reply, warns=False)


@router.get(
    "/audit/events/{id}",
    tags=["audit"],
    response_model=wire_one.EventReply,
    responses=guarded(404, 422),
)
async def read_event(
    id: Identity, query: Annotated[wire.ProofQuery, Query()], state: Shared
) -> Response:
    """One record whole: what it tells of, what it claims in words, what was said about it."""
    await _in_a_head(id, query.proof, state)
    reply = await state.readers.run(partial(inspection.event, state.store.database, id))
    return written(reply, warns=False)


@router.get(
    "/audit/events/{id}/verify",
    tags=["audit"],
    response_model=wire_one.StretchReply,
    responses=guarded(404, 422),
)
async def verify_one(id: Identity, state: Shared) -> Response:
    """Hold one record against its chain, from the anchor before it to the first that has it; an
    answer in it is recomputed besides."""
    reply = await state.readers.run(
        partial(inspection.verified, state.store.database, state.registry, id)
    )
    return written(reply)


@router.get(
    "/audit/events/{id}/bundle",
    tags=["audit"],
    response_class=Response,
    responses={
        200: bytes_out(ZIP),
        **guarded(404, 422),
    },
)
async def bundle_one(id: Identity, request: Request, state: Shared) -> Response:
    """Everything that there is about a record, in one file that proves itself: `ifonly audit
    check`."""
    database = state.store.database
    # Each record of the bundle needs a proof, so a head must have the newest of them.
    for record, _ in await state.readers.run(partial(bundling.entries_of, database, id)):
        await proofs.wait(state, record.writer, record.sequence)
    made = await state.readers.run(partial(_bundled, state, id))
    kind = kind_for(request.headers.get("accept"), ZIP)
    return Response(made, media_type=kind, headers=attachment(f"{id}.zip"))


def _bundled(state: AppState, identity: str) -> bytes:
    """Raises
    ------
    NoLogKey
        If this process has no key, or cannot sign with it now.
    """
    if state.sequencer is None:
        raise NoLogKey("this process has no key to sign the bundle with")
    signer, settings = state.sequencer.signer, state.settings
    witnesses = tuple(witness_keys(settings).values())
    keepers = bundling.Keepers(signer, witnesses, roots_of(settings))
    try:
        return bundling.bundle(state.store.database, state.registry, keepers, identity)
    except NoKey as error:
        raise NoLogKey(str(error)) from error


@router.post(
    "/audit/events/{id}/replay",
    tags=["audit"],
    response_model=wire_one.ReplayReply,
    responses=guarded(404, 409, 410, 422),
)
async def replay_one(id: Identity, state: Shared) -> Response:
    """Ask a recorded question again of the model with the same digests. Records nothing."""
    again = partial(replay, state.store.database, state.registry, id)
    # A replay searches, so it takes a thread of those that explain.
    came = await state.workers.run(again)
    return written(inspection.replayed(came))


@router.get(
    "/audit/queue", tags=["reviews"], response_model=wire_many.QueueReply, responses=guarded(422)
)
async def list_queue(query: Annotated[wire_many.QueueQuery, Query()], state: Shared) -> Response:
    """Explanations that no auditor has approved or rejected, the newest first."""
    reply = await state.readers.run(partial(oversight.queue, state.store.database, query))
    return written(reply, warns=False)


@router.get(
    "/audit/report",
    tags=["audit"],
    response_model=wire_many.ReportReply,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}, **guarded(422)},
)
async def report(query: Annotated[wire_many.ReportQuery, Query()], state: Shared) -> Response:
    """Recourse over a period: success, infeasibility and cost by group, levers, rules, verdicts.

    Reads every explanation in the period: some thousands a second."""
    database, registry = state.store.database, state.registry
    if query.format == "csv":
        # What reads the whole store has a thread of its own, so that it never takes all readers.
        body = await state.auditors.run(partial(oversight.as_csv, database, registry, query))
        return Response(body, media_type=CSV, headers=attachment("recourse.csv"))
    _, reply = await state.auditors.run(partial(oversight.recourse, database, registry, query))
    return written(reply)


@router.get(
    "/audit/fairness",
    tags=["audit"],
    response_model=wire_fairness.FairnessReply,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}, **guarded(422)},
)
async def fairness(
    query: Annotated[wire_fairness.FairnessQuery, Query()], state: Shared
) -> Response:
    """Decisions, recourse, its cost and what came of it, between groups by several attributes and
    what these have in common: exact tests, corrected for their number, and sizes.

    Reads every explanation and reading in the period."""
    database, registry = state.store.database, state.registry
    if query.format == "csv":
        body = await state.auditors.run(partial(recorded.as_csv, database, registry, query))
        return Response(body, media_type=CSV, headers=attachment("fairness.csv"))
    return written(await state.auditors.run(partial(recorded.fairness, database, registry, query)))


@router.get(
    "/audit/verify", tags=["audit"], response_model=wire.VerificationReply, responses=guarded()
)
async def verify_all(state: Shared) -> Response:
    """Read every chain and see whether it holds. Takes a second for some ten thousand records."""
    check = partial(verified, state.settings, state.store.database)
    report = await state.auditors.run(check)
    return written(records.verification(report))


@router.get(
    "/audit/export",
    tags=["audit"],
    response_class=Response,
    responses={
        200: bytes_out(*MEDIA_TYPES.values()),
        **guarded(422, 501),
    },
)
async def export_all(
    query: Annotated[wire.ExportQuery, Query()], request: Request, state: Shared
) -> Response:
    """The trail as a file, chain by chain, with salts and payloads: enough to verify it."""
    entries = records.entries(state.store.database, query)
    # One prover: all proofs of the file are by one head.
    prover = await state.readers.run(partial(translog.prover, state.store.database))
    pieces = records.gathered(export(entries, query.format, prover))
    return StreamingResponse(
        pieces,
        media_type=kind_for(request.headers.get("accept"), MEDIA_TYPES[query.format]),
        headers=attachment(f"audit.{query.format.value}"),
    )
