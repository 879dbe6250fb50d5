"""A service, asked from Python: ``docs/python-client.md``.

    from ifonly.client import Client
    with Client("http://127.0.0.1:8080") as client:
        print(client.explain("milling-machine", row))

Importing this imports httpx and the types of replies, and nothing that searches or scores.
"""

from ifonly.client.aio import AsyncClient, AsyncJob
from ifonly.client.answers import Answered
from ifonly.client.errors import (
    Busy,
    ClientError,
    Conflict,
    Erased,
    Failed,
    Forbidden,
    Invalid,
    NotAnAnswer,
    NotFound,
    NotSent,
    Problem,
    TimedOut,
    Unauthenticated,
    Unreachable,
)
from ifonly.client.retrying import Retries
from ifonly.client.sync import Client, Job

__all__ = [
    "Answered",
    "AsyncClient",
    "AsyncJob",
    "Busy",
    "Client",
    "ClientError",
    "Conflict",
    "Erased",
    "Failed",
    "Forbidden",
    "Invalid",
    "Job",
    "NotAnAnswer",
    "NotFound",
    "NotSent",
    "Problem",
    "Retries",
    "TimedOut",
    "Unauthenticated",
    "Unreachable",
]
