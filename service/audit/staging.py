"""A version that is staged, changed and taken out again: tried, recorded, then done."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import anyio.to_thread
import numpy as np

from ifonly.models.adding.fields import SpecField
from ifonly.service.access import Principal
from ifonly.service.audit.activations import check_scope, refused
from ifonly.service.audit.drafts import Drafting
from ifonly.service.audit.recorder import Recorder
from ifonly.service.errors import CannotUpload, ServiceError
from ifonly.service.served import staging, staging_candidates
from ifonly.service.served.activation import served_now
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.served.staging import StagedVersion, StagingCandidate
from ifonly.service.served.staging_candidates import Edit, Sent
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import staged as wire
from ifonly.service.wire.replies import Audit

STAGED, EDITED, DISCARDED = "staged", "edited", "discarded"


async def take_zip(archive: Any, recorder: Recorder, path: str) -> wire.StagedReply:
    """Stage the model folder in a zip.

    Raises
    ------
    InvalidRequest, CannotUpload, Forbidden
        If it cannot be; that is recorded too.
    """
    registry, by = recorder.runtime.registry, recorder.principal.actor
    return await _taken(
        partial(staging_candidates.of_zip, registry, archive, by), STAGED, recorder, path
    )


async def take_file(sent: Sent, recorder: Recorder, path: str) -> wire.StagedReply:
    """Stage a folder that is made of a model file and a sample; raises as :func:`take_zip`."""
    registry, by = recorder.runtime.registry, recorder.principal.actor
    make = partial(staging_candidates.of_file, registry, sent, registry.limits, by)
    return await _taken(make, STAGED, recorder, path)


async def edit(
    staged: StagedVersion, request: wire.StagedEdit, recorder: Recorder, path: str
) -> wire.StagedReply:
    """Set what the request says; raises as :func:`take_zip`."""
    registry, by = recorder.runtime.registry, recorder.principal.actor
    said = Edit(request.values, request.checked, request.answers)

    def make() -> StagingCandidate:
        if request.revision not in (None, staged.revision):
            raise CannotUpload(
                f"somebody has changed {staged.name} {staged.version} meanwhile: load it again"
            )
        return staging_candidates.edited(registry, staged, said, registry.limits, by)

    return await _taken(make, EDITED, recorder, path)


async def _taken(
    make: Callable[[], StagingCandidate], status: str, recorder: Recorder, path: str
) -> wire.StagedReply:
    registry = recorder.runtime.registry
    try:
        # In a thread: converting and trying take seconds.
        found = await anyio.to_thread.run_sync(make)
    except ServiceError as error:
        await refused(error, recorder, path)
        raise
    try:
        check_scope(found.name, recorder.principal)
        audit = await recorder.record(drafted(recorder.drafting, found, status))
        put = await anyio.to_thread.run_sync(staging.put, registry, found)
    except ServiceError as error:
        await refused(error, recorder, path)
        raise
    finally:
        await anyio.to_thread.run_sync(staging.discard, found)
    return shown(put, found.model, registry, audit)


async def discard(staged: StagedVersion, recorder: Recorder) -> Audit:
    """Take it out.

    Raises
    ------
    CannotUpload
        If the folder of models cannot be written.
    Forbidden
        If it is none of theirs.
    """
    registry = recorder.runtime.registry
    check_scope(staged.name, recorder.principal)
    facts = recorder.drafting.plain(
        kind=RecordKind.MODEL, status=DISCARDED, model=staged.name, version=staged.version
    )
    audit = await recorder.record(Draft(facts))
    await anyio.to_thread.run_sync(staging.take_out, registry, staged)
    return audit


def drafted(drafting: Drafting, found: StagingCandidate, status: str) -> Draft:
    """That a revision was staged or edited."""
    detail = {"revision": found.revision}
    return Draft(drafting.facts(RecordKind.MODEL, found.model, status=status, detail=detail))


def found(name: str, version: str, registry: Registry, principal: Principal) -> StagedVersion:
    """Raises
    ------
    UnknownModel
        If no such version is staged, of those that they may see.
    Forbidden
        If they are here for some machines only.
    """
    staged = staging.find(registry, name, version)
    check_scope(name, principal)
    return staged


# --- what is shown --------------------------------------------------------------------------------


def summary(staged: StagedVersion, registry: Registry) -> wire.StagedSummary:
    """A version among others."""
    return wire.StagedSummary(
        name=staged.name,
        version=staged.version,
        revision=staged.revision,
        active=served_now(registry, staged.name),
        origin=str(staged.about.get("origin", "")),
        by=str(staged.about.get("by", "")),
        guesses=staged.guesses,
    )


def summaries(registry: Registry) -> list[wire.StagedSummary]:
    """Every version that is staged."""
    return [summary(each, registry) for each in staging.listing(registry)]


def shown(
    staged: StagedVersion, model: ServedModel, registry: Registry, audit: Audit | None = None
) -> wire.StagedReply:
    """Everything that whoever decides about it needs to know."""
    return wire.StagedReply(
        **summary(staged, registry).model_dump(),
        model_sha256=model.deployed.model_sha256,
        spec_sha256=model.deployed.spec_sha256,
        reading=model.deployed.form_refusal,
        told=list(staged.about.get("told", ())),
        questions=[wire.StagedQuestion(**q) for q in staged.about.get("questions", ())],
        fields=[_field(each, model) for each in staged.fields],
        first=first_row(model),
        audit=audit,
    )


def _field(each: SpecField, model: ServedModel) -> wire.StagedField:
    of = each.feature
    return wire.StagedField(
        key=each.key,
        feature=model.schema.names[of] if isinstance(of, int) else of,
        value=_as_json(each.value),
        guess=each.guess,
        choices=list(each.choices),
        is_shown_only=each.is_shown_only,
    )


def _as_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, Decimal):
        # An open end, which JSON cannot write.
        return float(value) if math.isfinite(value) else None
    return value


def first_row(model: ServedModel) -> dict[str, Any] | None:
    """The first of its reference rows that is not decided as is desired, or the first one."""
    rows = model.deployed.reference
    if rows is None or not len(rows):
        return None
    decision = model.decision
    if decision.desired is None:
        return model.schema.write(rows[0])
    decided = decision.decide(model.deployed.predictor.score(rows))
    wrong = np.flatnonzero(decided != decision.desired)
    return model.schema.write(rows[wrong[0] if len(wrong) else 0])
