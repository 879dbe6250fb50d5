"""What is wrong with how a run was asked for, and not with what it met."""

from __future__ import annotations

from ifonly.service.errors import Fault, InvalidRequest, RequestPart


def misasked(what: str, problem: str) -> InvalidRequest:
    """That an option, or a name, cannot be meant."""
    text = f"{what} {problem}" if problem.startswith("is ") else f"{what}: {problem}"
    return InvalidRequest(RequestPart.REQUEST, [Fault((what,), text)])
