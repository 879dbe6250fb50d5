"""A request's body as it comes, piece by piece, while its reply is being sent."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from ifonly.service.doors.http.problems import BodyTooLarge, UnsupportedMediaType
from ifonly.service.errors import MalformedBody

AHEAD = 2
"""Pieces that wait: more of the body stays with its sender."""
PIECE = 1 << 18
"""Bytes that are unpacked at once."""


class Silence:
    """Nothing came for a while."""


SILENCE: Final = Silence()


class IncomingBody:
    """What ``receive`` brings. ``close`` it; ``gone`` is set once its client is not there."""

    def __init__(self, receive: Receive, headers: Mapping[str, str], most: int) -> None:
        self._receive = receive
        self._unpacker = Unpacker(headers, most)
        self._queue: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(AHEAD)
        self._digest = hashlib.sha256()
        self.gone = threading.Event()
        self._task = asyncio.create_task(self._pump())

    @property
    def digest(self) -> str:
        """Of what came, unpacked."""
        return self._digest.hexdigest()

    async def next(self, patience: float | None = None) -> bytes | Silence | None:
        """The next piece; None: that was all. ``SILENCE``: nothing for ``patience`` seconds.

        Raises
        ------
        BodyTooLarge, BodyTooSlow, MalformedBody
            If there is too much, if it does not come, or is not packed as it says.
        ClientDisconnect
            If nobody is there any more.
        """
        try:
            async with asyncio.timeout(patience):
                found = await self._queue.get()
        except TimeoutError:
            return SILENCE
        if isinstance(found, Exception):
            raise found
        if found is not None:
            self._digest.update(found)
        return found

    async def _pump(self) -> None:
        # Alone at `receive`: what a second reader took would be lost.
        try:
            more = True
            while more:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                more = message.get("more_body", False)
                for piece in self._unpacker.unpacked(message.get("body", b"")):
                    await self._queue.put(piece)
            self._unpacker.end()
            await self._queue.put(None)
            # Whoever goes away while the rest is answered is heard of here.
            while (await self._receive())["type"] != "http.disconnect":
                pass
            self.gone.set()
        except Exception as error:
            if isinstance(error, ClientDisconnect):
                self.gone.set()
            await self._queue.put(error)

    async def drop(self, seconds: float) -> None:
        """Read on, for nothing: most clients hear no refusal before they have sent everything."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(seconds):
                while await self.next() is not None:
                    pass

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Unpacker:
    """Takes a content encoding off, piece by piece, and never unpacks more than may be."""

    def __init__(self, headers: Mapping[str, str], most: int) -> None:
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("identity", "gzip", "x-gzip", "deflate"):
            told = f"the content encoding is {coding}; this takes gzip, deflate or none"
            raise UnsupportedMediaType(told)
        self._coding = coding
        self._most = most
        self._count = 0
        self._member: Any = None

    def unpacked(self, piece: bytes) -> Iterator[bytes]:
        """Raises
        ------
        BodyTooLarge, MalformedBody
        """
        if self._coding == "identity":
            if piece:
                yield self._counted(piece)
            return
        while piece:
            if self._member is None:
                # 16: the gzip format alone. `deflate` is zlib's (RFC 9110, 8.4.1.2).
                gzip = self._coding != "deflate"
                self._member = zlib.decompressobj(wbits=zlib.MAX_WBITS | (16 if gzip else 0))
            try:
                found = self._member.decompress(piece, PIECE)
            except zlib.error:
                raise MalformedBody(f"the body is not {self._coding}, as it says") from None
            if found:
                yield self._counted(found)
            piece = self._member.unconsumed_tail
            if self._member.eof:  # a file of gzip may have several members
                piece, self._member = self._member.unused_data, None
            elif not piece and len(found) == PIECE:
                yield from self._rest()

    def _rest(self) -> Iterator[bytes]:
        """What was unpacked already, and did not fit into the piece before."""
        while found := self._member.decompress(b"", PIECE):
            yield self._counted(found)

    def end(self) -> None:
        """Raises
        ------
        MalformedBody
            If it ended too early.
        """
        if self._member is not None:
            raise MalformedBody(f"the body is {self._coding} that is cut short")

    def _counted(self, piece: bytes) -> bytes:
        self._count += len(piece)
        if self._count > self._most:
            raise BodyTooLarge(None, self._most)
        return piece
