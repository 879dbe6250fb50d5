"""How the failure of a command is told, and with which exit code it ends."""

from __future__ import annotations

import logging

from ifonly.models.errors import ModelError, UnknownModel
from ifonly.service import logs
from ifonly.service.ask.problems import Refusal
from ifonly.service.doors.cli.console import Failure, complain
from ifonly.service.errors import InvalidRequest, MalformedBody, ServiceError


def told(error: Exception) -> int:
    """Tell it on standard error; the exit code.

    Raises
    ------
    Exception
        ``error`` itself, if nobody expected it and IFONLY_LOG_LEVEL is DEBUG.
    """
    match error:
        case InvalidRequest():
            complain(*(fault.problem for fault in error.faults))
            return 2
        case MalformedBody() | Refusal() | UnknownModel():
            complain(str(error))
            return 2
        case Failure() | ModelError() | ServiceError():
            complain(str(error))
            return 1
    if logs.logger.isEnabledFor(logging.DEBUG):
        raise error
    complain(f"failed: {type(error).__name__}: {error} (IFONLY_LOG_LEVEL=DEBUG shows where)")
    return 1
