"""The client that does not wait: for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack

import httpx

from ifonly.client import calls, tables
from ifonly.client import rows as given
from ifonly.client.answers import Answered
from ifonly.client.batches import Batch, batches_async, failed
from ifonly.client.calls import LANGUAGE, Call, CommonQuestion, Question, ReasonsQuestion
from ifonly.client.connection import Connection, Key
from ifonly.client.errors import ClientError, NotFound, Unreachable
from ifonly.client.handles import (
    AHEAD,
    FIRST_LOOK,
    LAST_LOOK,
    ONCE,
    Handle,
    ResultReader,
    note_begun,
)
from ifonly.client.retrying import Outcome, Retries, Tries
from ifonly.client.rows import Instance
from ifonly.explainers.languages import Language
from ifonly.explanation import Explanation
from ifonly.progress import bar
from ifonly.service.wire import alarms as wire_alarms
from ifonly.service.wire import inspection, outcomes, replies, trail
from ifonly.service.wire import jobs as wire
from ifonly.service.wire.common_replies import CommonReply
from ifonly.service.wire.models import ModelReply, ModelSummary
from ifonly.service.wire.reasons_replies import ReasonsReply

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


class AsyncClient:
    """:class:`ifonly.client.Client`, whose methods are awaited. Rows may come by and by
    (``async for``), too; a task that is cancelled asks nothing more."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: Key = None,
        timeout: float = 30.0,
        retries: Retries | None = None,
        verify: Any = True,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._connection = Connection.of(url, key, timeout, retries)
        self._http = httpx.AsyncClient(
            **self._connection.options, verify=verify, transport=transport
        )

    def __repr__(self) -> str:
        return f"AsyncClient({self._connection!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    # --- models -----------------------------------------------------------------------------------

    async def models(self) -> list[ModelSummary]:
        return (await self._send(calls.list_models())).models

    async def model(self, model: str, *, version: str | None = None) -> ModelReply:
        return await self._send(calls.describe_model(model, version))

    # --- questions --------------------------------------------------------------------------------

    async def predict(
        self,
        model: str,
        rows: Any,
        *,
        attributes: calls.Said | None = None,
        version: str | None = None,
        proof: bool = False,
    ) -> replies.PredictionsReply:
        each = [rows] if given.is_one(rows) else given.each(rows)
        return await self._send(calls.predict(model, each, attributes, version, proof))

    async def what_if(
        self,
        model: str,
        instance: Any,
        set: Mapping[str, Any],
        *,
        rung: Literal["association", "intervention", "counterfactual"] | None = None,
        over: Mapping[str, float] | None = None,
        attributes: Mapping[str, str] | None = None,
        language: Language = LANGUAGE,
        version: str | None = None,
        proof: bool = False,
    ) -> replies.WhatIfReply:
        more = {"rung": rung, "over": over, "attributes": attributes}
        return await self._send(
            calls.what_if(model, instance, set, version, proof, language, **more)
        )

    async def common_remedies(
        self,
        model: str,
        rows: Any = None,
        *,
        version: str | None = None,
        proof: bool = False,
        **question: Unpack[CommonQuestion],
    ) -> CommonReply:
        instances = None if rows is None else given.each(rows)
        return await self._send(calls.common_remedies(model, instances, version, proof, question))

    async def reasons(
        self,
        model: str,
        instance: Any = None,
        *,
        version: str | None = None,
        proof: bool = False,
        **question: Unpack[ReasonsQuestion],
    ) -> ReasonsReply:
        return await self._send(calls.reasons(model, instance, version, proof, question))

    async def explain(
        self,
        model: str,
        instance: Any,
        *,
        version: str | None = None,
        proof: bool = False,
        **question: Unpack[Question],
    ) -> Explanation:
        return await self._send(calls.explain(model, instance, version, proof, question))

    async def explain_many(
        self,
        model: str,
        rows: Any,
        *,
        version: str | None = None,
        ordered: bool = True,
        concurrency: int = 8,
        rows_per_job: int | None = None,
        progress: bool | None = None,
        **question: Unpack[Question],
    ) -> AsyncGenerator[Answered]:
        """As :meth:`ifonly.client.Client.explain_many`; ``rows`` may be an async generator. An
        answer is given as soon as it is there, also while the next row is waited for."""
        given.check_sizes(concurrency, rows_per_job)
        broken: list[Exception] = []
        source = given.until_it_breaks_async(given.each_async(rows), broken)
        if rows_per_job is not None:
            found = self._by_jobs(model, source, rows_per_job, version, question)
        else:
            found = self._at_once(model, source, version, ordered, concurrency, question)
        # Closed here, and not when somebody collects what is left of them.
        async with aclosing(source), aclosing(found):
            with bar(given.length(rows), progress) as done:
                async for answered in found:
                    yield answered
                    done(1)
        if broken:
            raise broken[0]

    async def explain_table(
        self,
        model: str,
        table: Any,
        *,
        version: str | None = None,
        id: str | None = None,
        **question: Unpack[Question],
    ) -> pa.Table:
        sent = tables.parts(tables.table_of(table, id))
        asked = (calls.explain_part(model, part, n, version, question) for n, part in sent)
        return tables.joined([await self._send(call) for call in asked])

    # --- jobs -------------------------------------------------------------------------------------

    async def submit(
        self,
        model: str,
        rows: Any,
        *,
        version: str | None = None,
        key: str | None = None,
        **question: Unpack[Question],
    ) -> AsyncJob:
        bodies: list[Instance] = []
        async for row in given.each_async(rows):
            bodies.append(calls.asked_of(row, question, len(bodies)))
        key = key or calls.new_key()
        try:
            return await self._submit(model, bodies, version, key)
        except (asyncio.CancelledError, Unreachable) as error:
            note_begun(error, key)
            raise

    async def job(self, id: str) -> AsyncJob:
        return AsyncJob(self, await self._send(calls.read_job(id)))

    async def jobs(self, **conditions: str | int) -> AsyncGenerator[AsyncJob]:
        cursor: str | None = None
        while True:
            page = await self._send(calls.list_jobs(cursor, conditions))
            for told in page.jobs:
                yield AsyncJob(self, told)
            cursor = page.next
            if cursor is None:
                return

    # --- alarms -----------------------------------------------------------------------------------

    async def alarms(self, **query: str | int) -> wire_alarms.AlarmsReply:
        return await self._send(calls.list_alarms(query))

    async def alarm(self, id: str) -> wire_alarms.AlarmReply:
        return await self._send(calls.read_alarm(id))

    async def act(
        self,
        id: str,
        action: str,
        *,
        way: trail.Way | None = None,
        explanation: str | None = None,
        minutes: int | None = None,
        returns: int | None = None,
        comment: str | None = None,
    ) -> wire_alarms.ActedReply:
        told = {"way": way, "explanation": explanation, "minutes": minutes}
        return await self._send(calls.act(id, action, **told, returns=returns, comment=comment))

    async def act_together(
        self,
        alarms: Iterable[wire_alarms.Alarm],
        action: str,
        *,
        minutes: int | None = None,
        comment: str | None = None,
    ) -> wire_alarms.ActedTogetherReply:
        call = calls.act_together(alarms, action, minutes=minutes, comment=comment)
        return await self._send(call)

    # --- records ----------------------------------------------------------------------------------

    async def record(self, id: str, *, proof: bool = False) -> trail.ExplanationRecord:
        return await self._send(calls.read_explanation(id, proof))

    async def tell_outcome(
        self,
        id: str,
        result: outcomes.Result | None = None,
        *,
        happened: str | None = None,
        number: float | None = None,
        unit: str | None = None,
        comment: str | None = None,
        takes_back: str | None = None,
    ) -> outcomes.Outcome:
        told = {"happened": happened, "number": number, "unit": unit, "comment": comment}
        return await self._send(calls.tell_outcome(id, result, takes_back, **told))

    async def tell_outcomes(self, told: Iterable[Mapping[str, Any]]) -> outcomes.OutcomesReply:
        return await self._send(calls.tell_outcomes(told))

    async def follow_up(
        self, id: str, *, window_minutes: int = outcomes.WINDOW_MINUTES
    ) -> outcomes.FollowUpReply:
        return await self._send(calls.follow_up(id, window_minutes))

    async def review(
        self,
        id: str,
        verdict: trail.Verdict,
        *,
        rank: int | None = None,
        way: trail.Way | None = None,
        outcome: trail.Outcome | None = None,
        comment: str | None = None,
    ) -> trail.Review:
        told = {"rank": rank, "way": way, "outcome": outcome, "comment": comment}
        return await self._send(calls.review(id, verdict, **told))

    async def events(self, **conditions: str | int) -> AsyncIterator[trail.Event]:
        cursor: str | None = None
        while True:
            page = await self._send(calls.list_events(cursor, conditions))
            for event in page.events:
                yield event
            cursor = page.next
            if cursor is None:
                return

    async def event(self, id: str, *, proof: bool = False) -> inspection.EventReply:
        return await self._send(calls.read_event(id, proof))

    async def verify(self, id: str) -> inspection.StretchReply:
        return await self._send(calls.verify_event(id))

    async def replay(self, id: str) -> inspection.ReplayReply:
        return await self._send(calls.replay_event(id))

    # --- how --------------------------------------------------------------------------------------

    async def _send(self, call: Call[T], retries: Retries | None = None) -> T:
        tries = Tries(retries or self._connection.retries)
        while True:
            try:
                outcome: Outcome = await self._http.request(**self._connection.request(call))
            except httpx.RequestError as error:
                outcome = error
            seconds = tries.pause_after(outcome)
            if seconds is None:
                if isinstance(outcome, httpx.Response):
                    return call.answer(outcome)
                raise tries.failure(outcome, self._connection.url) from outcome
            await asyncio.sleep(seconds)

    async def _at_once(
        self,
        model: str,
        rows: AsyncIterator[Any],
        version: str | None,
        ordered: bool,
        concurrency: int,
        question: Question,
    ) -> AsyncGenerator[Answered]:
        """Some requests at a time, each of one row."""
        free = asyncio.Semaphore(concurrency)

        async def ask(number: int, row: Any) -> Answered:
            async with free:
                try:
                    call = calls.explain(model, row, version, False, question, number)
                    found = await self._send(call)
                except ClientError as error:
                    return failed(number, row, error)
            return Answered(number, found.instance, found)

        asked: deque[asyncio.Task[Answered]] = deque()
        coming: asyncio.Task[Any] | None = None
        number, is_over = 0, False
        try:
            while True:
                if coming is None and not is_over and len(asked) < AHEAD * concurrency:
                    coming = asyncio.create_task(_next(rows))
                looked = {*([asked[0]] if ordered and asked else asked), *_some(coming)}
                if not looked:
                    return
                done, _ = await asyncio.wait(looked, return_when=asyncio.FIRST_COMPLETED)
                if coming is not None and coming in done:
                    row, coming = coming.result(), None
                    is_over = row is END
                    if not is_over:
                        asked.append(asyncio.create_task(ask(number, row)))
                        number += 1
                for task in [task for task in asked if task in done]:
                    asked.remove(task)
                    yield task.result()
        finally:
            left = [*asked, *_some(coming)]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _by_jobs(
        self,
        model: str,
        rows: AsyncIterator[Any],
        size: int,
        version: str | None,
        question: Question,
    ) -> AsyncGenerator[Answered]:
        """A job after the other, the next of which waits while one is read."""
        begun: deque[tuple[Batch, AsyncJob | None]] = deque()
        try:
            async with aclosing(batches_async(rows, size, question)) as made:
                async for batch in made:
                    job = await self._part(model, batch.bodies, version)
                    begun.append((batch, job))
                    if len(begun) == AHEAD:
                        async with aclosing(_answers(*begun[0])) as found:
                            async for answered in found:
                                yield answered
                        begun.popleft()
            while begun:
                async with aclosing(_answers(*begun[0])) as found:
                    async for answered in found:
                        yield answered
                begun.popleft()
        except BaseException as error:
            for _, job in begun:
                if job is not None:
                    await job.leave(error)
            raise

    async def _part(
        self, model: str, bodies: Sequence[Instance], version: str | None
    ) -> AsyncJob | None:
        """A job that is cancelled with what it is a part of; None: it would have no row."""
        if not bodies:
            return None
        key = calls.new_key()
        try:
            job = await self._submit(model, bodies, version, key)
        except (asyncio.CancelledError, Unreachable) as error:
            try:
                begun = await self._submit(model, bodies, version, key, ONCE)
                await begun.leave(error)
            except ClientError:
                note_begun(error, key)
            raise
        job.is_left_running = False
        return job

    async def _submit(
        self,
        model: str,
        bodies: Sequence[Instance],
        version: str | None,
        key: str,
        retries: Retries | None = None,
    ) -> AsyncJob:
        call = calls.submit(model, bodies, version, key)
        return AsyncJob(self, await self._send(call, retries=retries), bodies)


class AsyncJob(Handle):
    """:class:`ifonly.client.Job`, whose methods are awaited."""

    def __init__(
        self, client: AsyncClient, told: wire.Job, bodies: Sequence[Instance] = ()
    ) -> None:
        super().__init__(told, bodies)
        self._client = client

    async def __aenter__(self) -> Self:
        self.is_left_running = False
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is not None:
            await self.leave(error)

    async def look(self) -> Self:
        self.told = await self._client._send(calls.read_job(self.id))
        return self

    async def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> Self:
        end = None if timeout is None else time.monotonic() + timeout
        seconds, shown = FIRST_LOOK, 0
        with bar(self.told.rows, progress) as done:
            while True:
                done(self.told.answered - shown)
                shown = self.told.answered
                if self.is_over:
                    return self
                if end is not None and time.monotonic() >= end:
                    raise TimeoutError(f"{self!r} goes on")
                try:
                    await asyncio.sleep(seconds)
                    await self.look()
                except (asyncio.CancelledError, Unreachable) as error:
                    self.note_left(error)
                    raise
                seconds = min(LAST_LOOK, 1.5 * seconds)

    async def results(self) -> AsyncGenerator[Answered]:
        http, connection = self._client._http, self._client._connection
        call = Call("GET", calls.result_path(self.id), lambda response: response)
        reader, tries = ResultReader(self._bodies), Tries(connection.retries)
        while True:
            reader.begin()
            try:
                async with http.stream(**connection.request(call)) as response:
                    if response.is_success:
                        async for piece in response.aiter_bytes():
                            for answered in reader.read(piece):
                                tries.went_on()
                                yield answered
                        return
                    await response.aread()
                outcome: Outcome = response
            except httpx.RequestError as error:
                outcome = error
            seconds = tries.pause_after(outcome)
            if seconds is None:
                raise tries.failure(outcome, connection.url)
            await asyncio.sleep(seconds)

    async def cancel(self) -> Self:
        self.told = await self._client._send(calls.cancel_job(self.id))
        return self

    async def leave(self, error: BaseException) -> None:
        """Cancel it, if it goes on, since its block was left by ``error``, which is told if that
        cannot be done."""
        if self.is_over:
            return
        try:
            self.told = await self._client._send(calls.cancel_job(self.id), retries=ONCE)
        except NotFound:
            pass  # it has ended meanwhile
        except ClientError as reason:
            self.note_lost(error, reason)


END = object()
"""That there are no more rows."""


async def _next(rows: AsyncIterator[Any]) -> Any:
    return await anext(rows, END)


def _some(task: asyncio.Task[Any] | None) -> list[asyncio.Task[Any]]:
    return [] if task is None else [task]


async def _answers(batch: Batch, job: AsyncJob | None) -> AsyncGenerator[Answered]:
    if job is not None:
        await job.wait(progress=False)
        async with aclosing(job.results()) as found:
            async for told in found:
                for answered in batch.placed(told):
                    yield answered
    for answered in batch.rest():
        yield answered
