"""A service of a few lines, and both clients asked alike."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from ifonly.client import AsyncClient, Client, Retries
from ifonly.client.handles import Handle
from ifonly.service.wire import examples

NOW = Retries(first_seconds=0.0)
Service = Callable[[httpx.Request], httpx.Response]


class Awaited:
    """An asynchronous client (or a job of it), awaited at each call."""

    def __init__(self, of: Any, runner: asyncio.Runner) -> None:
        self._of, self._runner = of, runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        return self._called(found) if callable(found) else found

    def _called(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            found = method(*args, **kwargs)
            if inspect.isasyncgen(found):
                return self._drained(found)
            return self._same(self._runner.run(found) if inspect.iscoroutine(found) else found)

        return call

    def _same(self, found: Any) -> Any:
        return Awaited(found, self._runner) if isinstance(found, Handle) else found

    def _drained(self, found: Any) -> Iterator[Any]:
        end = object()

        async def following() -> Any:
            return await anext(found, end)

        try:
            while (each := self._runner.run(following())) is not end:
                yield each
        finally:
            self._runner.run(found.aclose())

    def __enter__(self) -> Any:
        self._runner.run(self._of.__aenter__())
        return self

    def __exit__(self, *error: Any) -> None:
        self._runner.run(self._of.__aexit__(*error))


def _given(service: Service) -> dict[str, Any]:
    return {"url": "http://there", "retries": NOW, "transport": httpx.MockTransport(service)}


def waiting(service: Service, **options: Any) -> Any:
    given = {**_given(service), **options}
    return Client(**given)


def awaited(runner: asyncio.Runner, service: Service, **options: Any) -> Any:
    given = {**_given(service), **options}
    return Awaited(AsyncClient(**given), runner)


def reply(**changed: Any) -> dict[str, Any]:
    """An explanation as a service writes it."""
    return {**examples.EXPLANATION.reply, **changed}


def refusal(status: int, kind: str = "invalid-instance", **headers: str) -> httpx.Response:
    told = {
        "type": f"urn:ifonly:problem:{kind}",
        "title": "Not so",
        "status": status,
        "detail": "because",
        "instance": "/api",
        "request_id": "r1",
        "errors": [{"pointer": "/instance/torque", "detail": "torque is 1e9 Nm", "unit": "Nm"}],
    }
    content = json.dumps(told).encode()
    kinds = {"Content-Type": "application/problem+json"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = httpx.Request("POST", "http://there/api")
    return httpx.Response(status, content=content, headers=kinds | named, request=sent)


def asked(request: httpx.Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.content)
    return found
