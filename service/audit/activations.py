"""Who has which version asked, and why: recorded, then done."""

from __future__ import annotations

import anyio.to_thread

from ifonly.models.errors import UnknownModel
from ifonly.service.access import Principal
from ifonly.service.ask.problems import problem_of
from ifonly.service.audit.drafts import Drafting, asked_by, content
from ifonly.service.audit.recorder import Recorder
from ifonly.service.errors import CannotActivate, Forbidden, ServiceError
from ifonly.service.served import activation, staging
from ifonly.service.served.activation import Step
from ifonly.service.served.registry import Registry, ServedModel
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
    staged, model = await anyio.to_thread.run_sync(_chosen, registry, name, request.version)
    try:
        check_scope(name, recorder.principal)
        if staged is not None and staged.guesses and not request.accept_guesses:
            raise CannotActivate(f"{staged.guesses} guesses are not checked")
        step = activation.step_to(registry, model, request.previous)
        draft = drafted(recorder.drafting, step, request)
        # Recorded before it is done: no version may decide anything without a record of why.
        audit = await recorder.record(draft)
        await anyio.to_thread.run_sync(activation.take, registry, step, draft.facts.id, staged)
    except ServiceError as error:
        await refused(error, recorder, path, asked_by(request))
        raise
    return wire.ActivationReply(
        name=name, version=model.version, previous=step.previous, audit=audit
    )


def _chosen(
    registry: Registry, name: str, version: str
) -> tuple[StagedVersion | None, ServedModel]:
    """The version, and where it is staged; None: it is among those that are served."""
    try:
        staged = staging.find(registry, name, version)
    except UnknownModel:
        return None, registry.get(name, version)
    return staged, staging.loaded(registry, staged)


def drafted(drafting: Drafting, step: Step, request: wire.ActivationRequest) -> Draft:
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
