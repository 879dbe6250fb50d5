"""Processes at one port take its connections evenly, and none is lost."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

import pytest

pytest.importorskip("uvloop")

from ifonly.service.doors.cli import even_listener as module
from ifonly.service.doors.cli.even_listener import Board, EvenLoop

CONNECTIONS = 16


class Holding(asyncio.Protocol):
    """Keeps its connection, says so to a board, and answers what it reads."""

    def __init__(self, board: Board, held: set[asyncio.Transport]) -> None:
        self._board = board
        self._held = held

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._held.add(self._transport)
        self._board.note(len(self._held))

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._held.discard(self._transport)
        self._board.note(len(self._held))


@contextmanager
def process(board: Board, listener: socket.socket) -> Iterator[set[asyncio.Transport]]:
    """As a process would, a thread with a loop of its own listens; it gives what it holds."""
    held: set[asyncio.Transport] = set()
    loop, ready = EvenLoop(board), threading.Event()

    async def serve() -> None:
        server = await loop.create_server(lambda: Holding(board, held), sock=listener)
        assert server.is_serving()
        ready.set()
        await over.wait()
        server.close()
        await server.wait_closed()
        assert not server.is_serving()
        while held:
            for transport in tuple(held):
                transport.abort()
            await asyncio.sleep(0)

    over = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(60)
    try:
        yield held
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=2 * CONNECTIONS) as listener:
        yield listener


def connected(listener: socket.socket, stack: ExitStack) -> socket.socket:
    """A connection that is answered."""
    asking = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=60))
    asking.sendall(b"?")
    return asking


def test_connections_that_come_at_once_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for the other to come, however busy the machine is.
    monkeypatch.setattr(module, "STEP_SECONDS", 0.5)
    monkeypatch.setattr(module, "LONGEST_SECONDS", 0.5)
    first = Board(place=1)
    second = Board(first.counts, place=2)
    with (
        listening() as listener,
        process(first, listener) as one,
        process(second, listener) as two,
        ExitStack() as stack,
    ):
        for asking in [connected(listener, stack) for _ in range(CONNECTIONS)]:
            assert asking.recv(1) == b"?"
        assert len(one) + len(two) == CONNECTIONS
        assert min(len(one), len(two)) >= CONNECTIONS // 4


def test_a_process_does_not_wait_for_one_that_is_gone_or_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LONGEST_SECONDS", 3_600.0)
    monkeypatch.setattr(module, "STEP_SECONDS", 3_600.0)
    board = Board(place=1)
    Board(board.counts, place=2).is_here()
    Board(board.counts, place=2).is_gone()
    killed = Board(board.counts, place=3)
    killed.is_here()
    monkeypatch.setattr(module, "ALIVE_SECONDS", -1.0)
    with listening() as listener, process(board, listener) as held, ExitStack() as stack:
        for _ in range(4):
            assert connected(listener, stack).recv(1) == b"?"
        assert len(held) == 4


def test_how_far_a_process_is_ahead_counts_those_that_are_here() -> None:
    mine = Board(place=1)
    other, gone = Board(mine.counts, place=2), Board(mine.counts, place=3)
    assert mine.ahead == 0
    mine.note(5)
    assert mine.ahead == 0  # nobody else is here
    gone.is_here()
    gone.is_gone()
    other.note(3)
    other.is_here()
    assert (mine.ahead, other.ahead) == (2, 0)
    other.note(9)
    assert mine.ahead == 0


def test_one_who_waits_too_long_loses_the_connection_to_whoever_is_ahead() -> None:
    """The other process is here, has none, and takes none: it hangs."""
    board = Board(place=1)
    hanging = Board(board.counts, place=2)
    with listening() as listener, process(board, listener) as held, ExitStack() as stack:
        for _ in range(4):
            hanging.is_here()
            assert connected(listener, stack).recv(1) == b"?"
        assert len(held) == 4
