"""One stream of rows, from the body's pieces to those of the reply. Needs pyarrow."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa
from fastapi import Request
from starlette.requests import ClientDisconnect

from ifonly.models.window import document_schema
from ifonly.service import logs
from ifonly.service.ask import problem_types as kinds
from ifonly.service.ask.problems import FORESEEN, Refusal, problem_of
from ifonly.service.audit.recorder import Recorder
from ifonly.service.bulk import BulkOptions, InvalidTable, NotInBulk
from ifonly.service.doors.http.incoming import IncomingBody, Silence
from ifonly.service.errors import Fault, TooManyTableRows
from ifonly.service.jobs import row_streams
from ifonly.service.jobs.forms import TableForm
from ifonly.service.jobs.reading import MAX_ENDS
from ifonly.service.jobs.row_ids import ID
from ifonly.service.jobs.row_streams import Answerer, RowsIn, RowWriter
from ifonly.service.jobs.table_process import TableProcess, TableWanted
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind

FEW, MANY = 16, 1_024
"""Rows that are answered as one: so many at first, twice as many while they take no longer than
a slice of the processor, half as many where they take four."""
SLICE_SECONDS = 0.05
PAUSE_SECONDS = 0.02
"""Lines that have come are not kept waiting for others for longer."""
DROP_SECONDS = 2.0
TOLD: tuple[type[Exception], ...] = (*FORESEEN, InvalidTable, NotInBulk, OSError)
"""Errors that are told to whoever sends rows; any other is a failure that nobody foresaw."""
OPTIONS = ("target", "constraints", "semantics", "alternatives", "ways", "seed", "languages")


class RowStream:
    """A stream that was begun: ``pieces`` once, then ``aclose`` them."""

    def __init__(
        self,
        request: Request,
        recording: Recorder,
        model: ServedModel,
        question: Mapping[str, Any],
        form: TableForm,
        wanted: TableForm,
    ) -> None:
        self._recording = recording
        self._model = model
        self._question = question
        self._form = form
        self._wanted = wanted
        self._runtime = recording.runtime
        settings = self._runtime.settings
        self._most = settings.max_stream_rows
        self._line_bytes = settings.max_body_bytes
        self._body = IncomingBody(request.receive, request.headers, settings.max_stream_bytes)
        facts = recording.drafting.facts(
            RecordKind.BULK,
            model,
            status="begun",
            languages=",".join(question.get("languages", ())) or None,
            seed=question.get("seed"),
            detail={"input": form.value, "output": wanted.value},
        )
        asked = json.dumps(question, ensure_ascii=False).encode()
        self._begun = Draft(facts, b'{"request":%b}' % asked)
        self._answerer: Answerer | None = None
        self._writer: RowWriter | None = None
        self._size = FEW
        self._began = time.perf_counter()

    @property
    def record(self) -> str:
        """Id of the record that it was begun."""
        return self._begun.facts.id

    async def left(self) -> None:
        """Returns once its client has gone away."""
        while not self._body.gone.is_set():
            await asyncio.sleep(0.1)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """The reply.

        Raises
        ------
        Exception
            Before the first piece: what is wrong with all rows. Later it is the last row's problem.
        """
        is_recorded = False
        status = "broken_off"
        try:
            async with contextlib.aclosing(self._incoming()) as incoming:
                async for rows in incoming:
                    output = await self._answered(rows)
                    if not is_recorded:
                        # Before the first answer leaves, it is known that there were some.
                        await self._recording.record(self._begun)
                        is_recorded = True
                    assert self._writer is not None
                    if piece := self._writer.write(output):
                        yield piece
            if self._writer is None:
                self._made(None)
            if not is_recorded:
                await self._recording.record(self._begun)
                is_recorded = True
            assert self._answerer is not None
            status = "done" if self._answerer.is_all_good else "some_invalid"
        except TOLD as error:
            if not is_recorded:
                await self._body.drop(DROP_SECONDS)
                raise _as_problem(error) from None
            status = "some_invalid"
            yield self._ended(error)
        finally:
            await self._body.close()
            if is_recorded and status == "broken_off":
                # Not waited for: nobody is there, and whoever closes this may be in a hurry.
                self._recording.append(self._end(status))
        assert self._writer is not None
        last = self._writer.close()
        # Before the last piece leaves: who has all of it has what its record vouches for.
        await self._recording.record(self._end(status))
        if last:
            yield last

    def _ended(self, error: Exception) -> bytes:
        """A last row that says why there are no more."""
        assert self._answerer is not None
        assert self._writer is not None
        problem = problem_of(_as_problem(error))
        if problem is None:
            logs.logger.error("a stream of rows failed: %s", logs.where(error))
        told = "the service failed" if problem is None else problem.detail
        return self._writer.write(self._answerer.end(told))

    def _end(self, status: str) -> Draft:
        answerer, writer = self._answerer, self._writer
        assert answerer is not None
        assert writer is not None
        digests = {"input_sha256": self._body.digest, "output_sha256": writer.digest}
        detail = {"rows": answerer.rows, "counts": dict(answerer.counts), **digests}
        begun = self._begun.facts
        facts = self._recording.drafting.facts(
            RecordKind.BULK,
            self._model,
            status=status,
            languages=begun.languages,
            seed=begun.seed,
            detail=detail,
            about=begun.id,
        )
        told = json.dumps({"answer": detail, "request": self._question}, ensure_ascii=False)
        return Draft(facts, told.encode())

    # --- answers ------------------------------------------------------------------------------

    def _made(self, table: pa.Schema | None) -> None:
        """What answers rows of such a table, and writes what it says."""
        said = {name: self._question[name] for name in OPTIONS if name in self._question}
        if "languages" in said:
            said["languages"] = tuple(said["languages"])
        settings = self._runtime.settings
        asked = self._question.get("deadline_ms", settings.default_deadline_ms)
        options = BulkOptions(**said, deadline_ms=min(asked, settings.max_deadline_ms), id=ID)
        if table is not None:
            options = row_streams.read_as(table, options)
        elif ID in self._model.schema:
            options = row_streams.read_as(pa.schema([]), options)
        explain = row_streams.explainer(self._model, options)
        if table is not None:
            explain.check_schema(table)
        self._answerer = Answerer(explain)
        self._writer = RowWriter(self._wanted, self._answerer.schema)

    async def _answered(self, rows: RowsIn) -> pa.RecordBatch:
        """In a thread of those that explain, in the actor's turn (decision 0084)."""
        if self._body.gone.is_set():
            raise ClientDisconnect
        runtime, actor = self._runtime, self._recording.principal.actor
        turns = runtime.turns
        took = 0.0

        def answer() -> pa.RecordBatch:
            nonlocal took
            assert self._answerer is not None
            # As rows of jobs: it gives way to questions, and costs nothing of a share.
            with turns.search(actor, background=True, is_over=self._body.gone.is_set):
                began = time.monotonic()
                found = self._answerer.answer(rows)
                took = time.monotonic() - began
            return found

        found = await runtime.workers.run(answer, actor=actor)
        if took < SLICE_SECONDS:
            self._size = min(MANY, 2 * self._size)
        elif took > 4 * SLICE_SECONDS:
            self._size = max(1, self._size // 2)
        return found

    # --- rows ---------------------------------------------------------------------------------

    async def _incoming(self) -> AsyncGenerator[RowsIn]:
        source = self._of_lines() if self._form is TableForm.JSONL else self._of_table()
        count = 0
        async with contextlib.aclosing(source) as found:
            async for rows in found:
                count += len(rows.places) + len(rows.refused)
                if count > self._most:
                    raise TooManyTableRows(count, self._most)
                yield rows

    async def _of_lines(self) -> AsyncGenerator[RowsIn]:
        # Made beside the event loop: its tables take a moment.
        await self._runtime.workers.run(partial(self._made, None))
        async with contextlib.aclosing(self._lines()) as found:
            async for lines in found:
                # Parsed with the loop's other work in between, some lines at a time.
                start = 0
                while some := lines[start : start + self._size]:
                    start += len(some)
                    yield await asyncio.to_thread(row_streams.of_lines, some, self._model.schema)

    async def _lines(self) -> AsyncGenerator[Sequence[tuple[int, bytes]]]:
        """Lines that are not blank, each with its place."""
        waiting: list[tuple[int, bytes]] = []
        rest, place, is_first = b"", 0, True
        while True:
            piece = await self._body.next(PAUSE_SECONDS if waiting else None)
            if isinstance(piece, Silence):
                yield waiting
                waiting = []
                continue
            if piece is None:
                break
            if is_first:  # a mark of byte order is what Windows tools put before UTF-8
                piece, is_first = piece.removeprefix(b"\xef\xbb\xbf"), False
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > self._line_bytes:
                raise Refusal(kinds.BODY_TOO_LARGE, self._too_long(place + len(lines)))
            for line in lines:
                if len(line) > self._line_bytes:
                    raise Refusal(kinds.BODY_TOO_LARGE, self._too_long(place))
                if line.strip():
                    waiting.append((place, line))
                place += 1
            if place > MAX_ENDS * self._most:
                raise TooManyTableRows(place, self._most)
            if len(waiting) >= self._size:
                yield waiting
                waiting = []
        if rest.strip():
            waiting.append((place, rest))
        if waiting:
            yield waiting

    def _too_long(self, place: int) -> str:
        return f"row {place} has more than {self._line_bytes:,} bytes, which is the limit"

    async def _of_table(self) -> AsyncGenerator[RowsIn]:
        names = [*document_schema(self._model.schema).names, ID]
        # No attribute of a row is read here: a prefix that no name has.
        wanted = TableWanted(self._form, names, "\0", self._most)
        process = await asyncio.to_thread(TableProcess, wanted)
        feeding = asyncio.create_task(self._fed(process))
        place = 0
        try:
            batches = process.batches()
            while (batch := await asyncio.to_thread(next, batches, None)) is not None:
                if self._answerer is None:
                    await self._runtime.workers.run(partial(self._made, batch.schema))
                start = 0
                while start < batch.num_rows:
                    some = batch.slice(start, self._size)
                    yield RowsIn(some, range(place, place + some.num_rows))
                    start, place = start + some.num_rows, place + some.num_rows
            await feeding
        finally:
            feeding.cancel()
            await asyncio.to_thread(process.close)
            await asyncio.gather(feeding, return_exceptions=True)

    async def _fed(self, process: TableProcess) -> None:
        """The body goes into the process as it is read."""
        try:
            while (piece := await self._body.next()) is not None:
                assert isinstance(piece, bytes)
                if not await asyncio.to_thread(process.feed, piece):
                    return
        finally:
            await asyncio.to_thread(process.end)


def _as_problem(error: Exception) -> Exception:
    """What of the bulk function's errors is the client's to mend, as a refusal."""
    if isinstance(error, InvalidTable):
        faults = [Fault((fault.column,), fault.problem) for fault in error.faults]
        return Refusal(kinds.INVALID_TABLE, str(error), faults=faults)
    if isinstance(error, NotInBulk):
        return Refusal(kinds.INVALID_TABLE, str(error))
    return error
