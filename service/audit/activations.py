"""Who has which version asked, and why: recorded, then done."""

from __future__ import annotations

from contextlib import suppress

import anyio.to_thread

from ifonly.models.errors import UnknownModel
from ifonly.service.access import Principal
from ifonly.service.ask.problems import problem_of
from ifonly.service.audit.drafts import Drafting, asked_by, content
from ifonly.service.audit.recorder import Recorder
from ifonly.service.errors import CannotActivate, Forbidden, ServiceError
from ifonly.service.served import activation, staging
from ifonly.service.served.activation import ActivationStep
from ifonly.service.served.registry import Registry
from ifonly.service.served.staging import StagedVersion
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import staged as wire

ACTIVATED, ROLLED_BACK, REFUSED = "activated", "rolled_back", "refused"


async def activate(
    recorder: Recorder, name: str, request: wire.ActivationRequest, path: str
) -> wire.ActivationReply:
    """Have a version that is staged, or here already, asked where none is named.

    Raises
    ------
    UnknownModel
        If it is not here.
    CannotActivate, Forbidden
        If it may not be; that is recorded too.
    """
    registry = recorder.runtime.registry
    try:
        if registry.may_see(name):  # else it is not there
            check_scope(name, recorder.principal)
        staged, step = await anyio.to_thread.run_sync(chosen_step, registry, name, request)
        draft = drafted(recorder.drafting, step, request)
        # Recorded before it is done: no version may decide anything without a record of why.
        audit = await recorder.record(draft)
        await anyio.to_thread.run_sync(activation.take, registry, step, draft.facts.id, staged)
    except ServiceError as error:
        await refused(error, recorder, path, asked_by(request))
        raise
    return wire.ActivationReply(
        name=name, version=step.model.version, previous=step.previous, audit=audit
    )


def chosen_step(
    registry: Registry, name: str, request: wire.ActivationRequest
) -> tuple[StagedVersion | None, ActivationStep]:
    """The step to the version that is asked for, and where that is staged; None: it is among those
    that are served.

    Raises
    ------
    UnknownModel
        If it is neither.
    CannotActivate, CannotUpload
        If it may not be taken, or cannot be loaded.
    """
    staged, model = None, None
    with suppress(UnknownModel):
        staged = staging.find(registry, name, request.version)
        model = staging.loaded(registry, staged)
    if staged is not None and staged.guesses and not request.accept_guesses:
        raise CannotActivate(f"{staged.guesses} guesses are not checked")
    found = model or registry.get(name, request.version)
    return staged, activation.step_to(registry, found, request.previous)


def drafted(drafting: Drafting, step: ActivationStep, request: wire.ActivationRequest) -> Draft:
    """That, and from which version to which; what is said of it is in the content."""
    status = ROLLED_BACK if step.is_back else ACTIVATED
    detail = {} if step.previous is None else {"previous": step.previous}
    facts = drafting.facts(RecordKind.MODEL, step.model, status=status, detail=detail or None)
    return Draft(facts, content(b"null", asked_by(request)))


def check_scope(name: str, principal: Principal) -> None:
    """Raises
    ------
    Forbidden
        If it is none of their models; or if they are here for some machines only, for a model
        decides for all of them.
    """
    scope = principal.scope
    if not scope.has_model(name) or scope.attributes:
        raise Forbidden(f"{principal.actor} may send models within their scope only")


async def refused(
    error: ServiceError, recorder: Recorder, path: str, asked: bytes = b"null"
) -> None:
    """Whoever wants what is refused is remembered, with the reasons; not the model."""
    problem = problem_of(error)
    assert problem is not None
    if problem.is_ours:  # of a store that does not answer there can be no record
        return
    said = {"status": REFUSED, "detail": {"why": problem.kind.slug}}
    facts = recorder.drafting.plain(kind=RecordKind.MODEL, **said)
    await recorder.record(Draft(facts, content(problem.written(path), asked)))
