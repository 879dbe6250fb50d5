"""``ifonly serve`` and ``ifonly run``: the service, and the service with a first explanation."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer
import uvicorn
from fastapi import FastAPI
from rich.text import Text

from ifonly.explainers.wording import DEFAULT_LANGUAGES
from ifonly.service.doors.app import create_app
from ifonly.service.doors.cli import rendering, store
from ifonly.service.doors.cli.connections import PatientOnlySoLong
from ifonly.service.doors.cli.console import Failure, Models, err, out, registry, settings
from ifonly.service.doors.cli.interpreter import settled
from ifonly.service.doors.cli.processes import application, supervise
from ifonly.service.doors.demonstration import NotShipped
from ifonly.service.served.registry import Registry
from ifonly.service.settings import Settings

if TYPE_CHECKING:
    import httpx

Host = Annotated[str | None, typer.Option("--host", help="Address to listen at.")]
Port = Annotated[int | None, typer.Option("--port", help="Port to listen at; 0: any free one.")]
BACKLOG = 2_048
HUNG_SECONDS = 60
"""A process that says nothing for so long is replaced; importing everything takes some of it."""
START_SECONDS = 60.0
ANSWER_SECONDS = 90.0


NoAuth = Annotated[
    bool | None,
    typer.Option("--no-auth", help="Answer whoever asks; only where nobody else can, on loopback."),
]


Processes = Annotated[
    int | None, typer.Option("--processes", help="How many processes answer, at one port.")
]


def serve(
    host: Host = None,
    port: Port = None,
    models: Models = None,
    no_auth: NoAuth = None,
    processes: Processes = None,
) -> None:
    """Serve the models until told to stop. Settings: environment variables IFONLY_*."""
    chosen = settings(host=host, port=port, models=models, no_auth=no_auth, processes=processes)
    serve_as(chosen, registry(chosen, warm=True))


def serve_as(chosen: Settings, loaded: Registry) -> None:
    """Serve until told to stop."""
    with listen(chosen.host, chosen.port) as listener:
        # With a port: the first key is shown once, and must not be of a service that never came.
        store.prepare(chosen)
        err.print(f"ifonly serves {', '.join(loaded.names())} at {url_of(listener)}", markup=False)
        if chosen.processes > 1:
            supervise(_config(chosen, application(chosen), several=True), listener)
        else:
            _serve(_server(chosen, loaded), listener)


def run(
    host: Host = None,
    port: Port = None,
    models: Models = None,
    once: Annotated[bool, typer.Option("--once", help="Stop after the first explanation.")] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Send readings of twelve simulated machines meanwhile.")
    ] = False,
) -> None:
    """Serve the models on loopback, to anybody here, and show a first alarm explained."""
    if once and demo:
        raise Failure("--once stops where --demo begins; give one of the two")
    chosen = settings(host=host, port=port, models=models, no_auth=True)
    if "log_level" not in chosen.model_fields_set:
        chosen = chosen.model_copy(update={"log_level": "WARNING"})  # keep the page tidy
    loaded = registry(chosen, warm=True)
    with listen(chosen.host, chosen.port) as listener:
        store.prepare(chosen)
        app = create_app(chosen.model_copy(update={"processes": 1}), loaded)
        server = uvicorn.Server(_config(chosen, settled(app)))
        begin = partial(demonstrate, app) if demo else greet
        greeter = Greeter(server, url_of(listener), begin, once=once)
        greeter.start()
        _serve(server, listener)
        greeter.join()
    if greeter.failure is not None:
        raise Failure(greeter.failure)


class Greeter(threading.Thread):
    """Once the service is ready, has ``begin`` show what it does, with a client and its URL."""

    def __init__(
        self,
        server: uvicorn.Server,
        url: str,
        begin: Callable[[httpx.Client, str], None],
        *,
        once: bool,
    ) -> None:
        super().__init__(name="greeter", daemon=True)
        self._server = server
        self._url = url
        self._begin = begin
        self._once = once
        self.failure: str | None = None

    def run(self) -> None:
        # `ifonly serve` asks nobody.
        import httpx

        try:
            # trust_env: no proxy of the environment stands before loopback.
            with httpx.Client(
                base_url=self._url, timeout=ANSWER_SECONDS, trust_env=False
            ) as client:
                if self._is_ready(client):
                    self._begin(client, self._url)
        except NotShipped as error:
            self.failure = str(error)
        except httpx.HTTPStatusError as error:
            reply = error.response
            self.failure = f"{reply.url.path} answered {reply.status_code}: {reply.text}"
        except httpx.HTTPError as error:
            self.failure = f"the first explanation failed: {type(error).__name__}: {error}"
        if self._once or self.failure is not None:
            self._server.should_exit = True
        elif not self._server.should_exit:
            out.print(f"\nServing at {self._url}; Ctrl-C stops.", markup=False)

    def _is_ready(self, client: httpx.Client) -> bool:
        """Wait until the service says so; not if it is told to stop meanwhile."""
        last = time.monotonic() + START_SECONDS
        while not self._server.should_exit:
            if self._server.started and client.get("/healthz/ready").is_success:
                return True
            if time.monotonic() > last:
                self.failure = f"the service is not ready after {START_SECONDS:.0f} s"
                return False
            time.sleep(0.02)
        return False


def demonstrate(app: FastAPI, client: httpx.Client, url: str) -> None:
    """Have the simulated machines of ``app`` send their readings.

    Raises
    ------
    NotShipped
        If their model is not served.
    """
    state = app.state.ifonly
    state.demonstration.start(url, state.registry)
    out.print(
        f"Twelve simulated machines send readings: {url}/alarms\n"
        "None of it is real; records of it carry the attribute simulated.",
        markup=False,
    )


def greet(client: httpx.Client, url: str) -> None:
    """Print an alarm of the first model that ships examples, its explanation, and how to ask."""
    described = _first_with_examples(client)
    if described is None:
        out.print("No model here ships an example; see GET /api/v1/models.", markup=False)
        return
    example = described["examples"][0]
    path = f"/api/v1/models/{described['name']}/explanations"
    body = {"instance": example["instance"]}
    reply = client.post(path, json=body).raise_for_status().json()
    for tag in DEFAULT_LANGUAGES:
        title = described["title"].get(tag, described["name"])
        out.print(
            Text(f"{title}: {rendering.prediction(reply['prediction'], tag)}", style="bold red")
        )
    out.print(rendering.readings(example["instance"], described["features"], DEFAULT_LANGUAGES[-1]))
    rendering.explanation(out, reply, DEFAULT_LANGUAGES)
    text = json.dumps(body, ensure_ascii=False)
    out.print(
        f"\nAsk again:\ncurl -s {url}{path} -H 'Content-Type: application/json' "
        f"-d {shlex.quote(text)}",
        markup=False,
    )


def _first_with_examples(client: httpx.Client) -> dict[str, Any] | None:
    for summary in client.get("/api/v1/models").raise_for_status().json()["models"]:
        described: dict[str, Any] = (
            client.get(f"/api/v1/models/{summary['name']}").raise_for_status().json()
        )
        if described["examples"]:
            return described
    return None


def _server(chosen: Settings, loaded: Registry) -> uvicorn.Server:
    return uvicorn.Server(_config(chosen, settled(create_app(chosen, loaded))))


def _config(chosen: Settings, app: Callable[..., Any], *, several: bool = False) -> uvicorn.Config:
    """``several``: of several processes, in each of which ``app`` makes the application."""
    loop: Any = "auto"
    http = partial(PatientOnlySoLong, most=chosen.max_connections)
    if several and os.name == "posix":
        # Here, since Windows has no uvloop.
        from ifonly.service.doors.cli.even_listener import Board, EvenLoop

        board = Board()
        loop, http = partial(EvenLoop, board), partial(http, noted=board.note)
    return uvicorn.Config(
        app,
        factory=several,
        workers=chosen.processes,
        loop=loop,
        http=http,  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        # doors.http.request_log writes a line a request.
        access_log=False,
        # A version tells strangers which faults to try.
        server_header=False,
        timeout_graceful_shutdown=chosen.shutdown_seconds,
        timeout_worker_healthcheck=HUNG_SECONDS,
    )


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    """Until Ctrl-C or SIGTERM; both are a clean end, so uvicorn's passing them on is caught."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises
    ------
    Failure
        If the port is taken, or the host is not this machine's.
    """
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        # With its protocol named (``create_server`` leaves it 0) asyncio knows the socket for TCP
        # and turns Nagle's algorithm off; otherwise each reply waits 40 ms for an acknowledgement.
        listener = socket.socket(family, kind, protocol)
        # On Windows the option would let a second process take the same port.
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        return listener
    except OSError as error:
        if listener is not None:
            listener.close()
        raise Failure(
            f"cannot listen at {host} port {port}: {_reason(error)}; "
            "choose another with --port or --host"
        ) from None


def _reason(error: OSError) -> str:
    if isinstance(error, socket.gaierror) or error.errno is None:
        return str(error.strerror or error)
    return os.strerror(error.errno).lower()


def url_of(listener: socket.socket) -> str:
    """Where a client on this machine finds it."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1" if host == "0.0.0.0" else "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
