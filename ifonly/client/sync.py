"""The client that waits."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack

import httpx

from ifonly.client import calls, tables
from ifonly.client import rows as given
from ifonly.client.answers import Answered
from ifonly.client.batches import Batch, batches, failed
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
Pause = Callable[[float], object]
"""Waits so many seconds; true: nobody waits any more."""


class Client:
    """A service, asked over HTTP; from several threads, too.

    Each question has an ``Idempotency-Key`` of its own, so that one that is sent again, for its
    connection was lost or the service had no time (429, 503), is answered once.

    Parameters
    ----------
    url
        By default ``IFONLY_URL``, or ``http://127.0.0.1:8080``.
    key
        An API key or a token (``Authorization: Bearer``), or what gives one; by default
        ``IFONLY_KEY``.
    timeout : float
        Seconds of silence after which one try is given up; a question's deadline comes on top.
    retries
        How often, and after how long.
    verify, transport
        As httpx has them: a context of TLS, a transport of one's own.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        key: Key = None,
        timeout: float = 30.0,
        retries: Retries | None = None,
        verify: Any = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._connection = Connection.of(url, key, timeout, retries)
        self._http = httpx.Client(**self._connection.options, verify=verify, transport=transport)

    def __repr__(self) -> str:
        return f"Client({self._connection!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    # --- models -----------------------------------------------------------------------------------

    def models(self) -> list[ModelSummary]:
        """What is served."""
        return self._send(calls.list_models()).models

    def model(self, model: str, *, version: str | None = None) -> ModelReply:
        """Features, classes, policy and examples of one."""
        return self._send(calls.describe_model(model, version))

    # --- questions --------------------------------------------------------------------------------

    def predict(
        self,
        model: str,
        rows: Any,
        *,
        attributes: calls.Said | None = None,
        version: str | None = None,
        proof: bool = False,
    ) -> replies.PredictionsReply:
        """What the model says of one row or of many (1,000 at most, one record); ``attributes``:
        of all of them, or a list of as many as there are rows."""
        each = [rows] if given.is_one(rows) else given.each(rows)
        return self._send(calls.predict(model, each, attributes, version, proof))

    def what_if(
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
        """What the model would say were these ``set``, and which rules would be broken."""
        more = {"rung": rung, "over": over, "attributes": attributes}
        return self._send(calls.what_if(model, instance, set, version, proof, language, **more))

    def common_remedies(
        self,
        model: str,
        rows: Any = None,
        *,
        version: str | None = None,
        proof: bool = False,
        **question: Unpack[CommonQuestion],
    ) -> CommonReply:
        """Which one change of a few levers would have cleared the most of ``rows``; of ``records``
        or ``recorded`` alarms, where none are given.

        Raises
        ------
        Problem
            If the service refuses.
        Unreachable, NotAnAnswer, NotSent
            If there is no reply, it is none, or a row has no names.
        """
        instances = None if rows is None else given.each(rows)
        return self._send(calls.common_remedies(model, instances, version, proof, question))

    def reasons(
        self,
        model: str,
        instance: Any = None,
        *,
        version: str | None = None,
        proof: bool = False,
        **question: Unpack[ReasonsQuestion],
    ) -> ReasonsReply:
        """Which readings alone force the decision of a row, and which count most; of a recorded
        ``explanation``, where none is given.

        Raises
        ------
        Problem
            If the service refuses.
        Unreachable, NotAnAnswer, NotSent
            If there is no reply, it is none, or the row has no names.
        """
        return self._send(calls.reasons(model, instance, version, proof, question))

    def explain(
        self,
        model: str,
        instance: Any,
        *,
        version: str | None = None,
        proof: bool = False,
        **question: Unpack[Question],
    ) -> Explanation:
        """The smallest change that would have flipped the decision on one row.

        Raises
        ------
        Problem
            If the service refuses.
        Unreachable, NotAnAnswer, NotSent
            If nobody answers; if what came is no answer; if ``instance`` cannot be sent.
        """
        return self._send(calls.explain(model, instance, version, proof, question))

    def explain_many(
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
    ) -> Iterator[Answered]:
        """An answer to each row of a table, a list or a generator, as they come.

        A row that is refused has its error at its place, and the others are answered; what is
        wrong with all of them (no key, no such model, nobody answers) is raised.

        Parameters
        ----------
        ordered
            In the order of ``rows``; else whichever is answered first, by its ``row``.
        concurrency
            Requests at once. Of a generator, a few rows more are taken ahead of answers.
        rows_per_job
            Ask by jobs of so many rows instead: after other work, and free of the limits of rate.
            Leaving the loop cancels what has not been answered.
        progress
            A bar, if tqdm is installed; by default for 20 rows or more where somebody looks.
        """
        given.check_sizes(concurrency, rows_per_job)
        broken: list[Exception] = []
        source = given.until_it_breaks(given.each(rows), broken)
        if rows_per_job is not None:
            found = self._by_jobs(model, source, rows_per_job, version, question)
        else:
            found = self._at_once(model, source, version, ordered, concurrency, question)
        with bar(given.length(rows), progress) as done:
            for answered in found:
                yield answered
                done(1)
        if broken:
            raise broken[0]

    def explain_table(
        self,
        model: str,
        table: Any,
        *,
        version: str | None = None,
        id: str | None = None,
        **question: Unpack[Question],
    ) -> pa.Table:
        """A table of answers to the rows of a table (pyarrow, pandas, polars), a line each, in its
        order; nothing of it is a record of its own. ``id``: the column by which its rows are known,
        which answers have as ``id``; a ``language``: with a sentence.

        Raises
        ------
        Problem
            If the service refuses all of it; a row that it refuses has a ``problem``.
        NotSent
            If it is no table, or pyarrow is not there.
        """
        sent = tables.parts(tables.table_of(table, id))
        asked = (calls.explain_part(model, part, n, version, question) for n, part in sent)
        return tables.joined([self._send(call) for call in asked])

    # --- jobs -------------------------------------------------------------------------------------

    def submit(
        self,
        model: str,
        rows: Any,
        *,
        version: str | None = None,
        key: str | None = None,
        **question: Unpack[Question],
    ) -> Job:
        """Rows that are answered after the reply. As a block, ``with client.submit(…) as job:``, it
        is cancelled when the block is left by an error (or Ctrl-C). ``key``: of an earlier try,
        whose job it then is."""
        bodies = [calls.asked_of(r, question, k) for k, r in enumerate(given.each(rows))]
        key = key or calls.new_key()
        try:
            return self._submit(model, bodies, version, key)
        except (KeyboardInterrupt, Unreachable) as error:
            note_begun(error, key)
            raise

    def job(self, id: str) -> Job:
        """One that was submitted earlier, or elsewhere."""
        return Job(self, self._send(calls.read_job(id)))

    def jobs(self, **conditions: str | int) -> Iterator[Job]:
        """Those that one may see, the newest first: ``state=``, ``model=``, ``by=``."""
        cursor: str | None = None
        while True:
            page = self._send(calls.list_jobs(cursor, conditions))
            for told in page.jobs:
                yield Job(self, told)
            cursor = page.next
            if cursor is None:
                return

    # --- alarms -----------------------------------------------------------------------------------

    def alarms(self, **query: str | int) -> wire_alarms.AlarmsReply:
        """A page of equipment in alarm, the most urgent first: ``state=``, ``search=``,
        ``equipment=``, ``lever=``, ``sort=``, ``page=``, ``limit=``."""
        return self._send(calls.list_alarms(query))

    def alarm(self, id: str) -> wire_alarms.AlarmReply:
        """One, with all that was done about it."""
        return self._send(calls.read_alarm(id))

    def act(
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
        """Acknowledge an alarm, shelve it, say what was done, …: ``docs/alarms.md``."""
        told = {"way": way, "explanation": explanation, "minutes": minutes}
        return self._send(calls.act(id, action, **told, returns=returns, comment=comment))

    def act_together(
        self,
        alarms: Iterable[wire_alarms.Alarm],
        action: str,
        *,
        minutes: int | None = None,
        comment: str | None = None,
    ) -> wire_alarms.ActedTogetherReply:
        """The same about several, as they were listed: none that has returned since."""
        call = calls.act_together(alarms, action, minutes=minutes, comment=comment)
        return self._send(call)

    # --- records ----------------------------------------------------------------------------------

    def record(self, id: str, *, proof: bool = False) -> trail.ExplanationRecord:
        """An explanation as it was given, its request, and what people said of it."""
        return self._send(calls.read_explanation(id, proof))

    def tell_outcome(
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
        """What came of an explanation's advice; or that one's own word does not count any more."""
        told = {"happened": happened, "number": number, "unit": unit, "comment": comment}
        return self._send(calls.tell_outcome(id, result, takes_back, **told))

    def tell_outcomes(self, told: Iterable[Mapping[str, Any]]) -> outcomes.OutcomesReply:
        """Many at once, by explanation or by equipment: ``docs/follow-up.md``."""
        return self._send(calls.tell_outcomes(told))

    def follow_up(
        self, id: str, *, window_minutes: int = outcomes.WINDOW_MINUTES
    ) -> outcomes.FollowUpReply:
        """What became of an explanation's advice."""
        return self._send(calls.follow_up(id, window_minutes))

    def review(
        self,
        id: str,
        verdict: trail.Verdict,
        *,
        rank: int | None = None,
        way: trail.Way | None = None,
        outcome: trail.Outcome | None = None,
        comment: str | None = None,
    ) -> trail.Review:
        """Approve, reject or comment on an explanation; or say whether it was acted on."""
        told = {"rank": rank, "way": way, "outcome": outcome, "comment": comment}
        return self._send(calls.review(id, verdict, **told))

    def events(self, **conditions: str | int) -> Iterator[trail.Event]:
        """Records of the audit trail, the newest first: ``kind=``, ``model=``, ``since=``, …"""
        cursor: str | None = None
        while True:
            page = self._send(calls.list_events(cursor, conditions))
            yield from page.events
            cursor = page.next
            if cursor is None:
                return

    def event(self, id: str, *, proof: bool = False) -> inspection.EventReply:
        """One record whole."""
        return self._send(calls.read_event(id, proof))

    def verify(self, id: str) -> inspection.StretchReply:
        """Hold one record against its chain; an answer in it is recomputed."""
        return self._send(calls.verify_event(id))

    def replay(self, id: str) -> inspection.ReplayReply:
        """Ask a recorded question again of the same model."""
        return self._send(calls.replay_event(id))

    # --- how --------------------------------------------------------------------------------------

    def _send(self, call: Call[T], pause: Pause = time.sleep, retries: Retries | None = None) -> T:
        tries = Tries(retries or self._connection.retries)
        while True:
            try:
                outcome: Outcome = self._http.request(**self._connection.request(call))
            except httpx.RequestError as error:
                outcome = error
            seconds = tries.pause_after(outcome)
            if seconds is None or pause(seconds):
                if isinstance(outcome, httpx.Response):
                    return call.answer(outcome)
                raise tries.failure(outcome, self._connection.url) from outcome

    def _at_once(
        self,
        model: str,
        rows: Iterator[Any],
        version: str | None,
        ordered: bool,
        concurrency: int,
        question: Question,
    ) -> Iterator[Answered]:
        """Some requests at a time, each of one row."""
        left = threading.Event()

        def ask(number: int, row: Any) -> Answered:
            try:
                call = calls.explain(model, row, version, False, question, number)
                found = self._send(call, left.wait)
            except ClientError as error:
                return failed(number, row, error)
            return Answered(number, found.instance, found)

        pool, most = ThreadPoolExecutor(concurrency, "ifonly-client"), AHEAD * concurrency
        waiting: deque[Future[Answered]] = deque()
        try:
            for number, row in enumerate(rows):
                waiting.append(pool.submit(ask, number, row))
                while waiting and (len(waiting) >= most or _is_any(waiting, ordered)):
                    yield _next(waiting, ordered)
            while waiting:
                yield _next(waiting, ordered)
        finally:
            # Nothing more is asked, and nobody pauses: what is under way is all that is waited for.
            left.set()
            pool.shutdown(cancel_futures=True)

    def _by_jobs(
        self,
        model: str,
        rows: Iterator[Any],
        size: int,
        version: str | None,
        question: Question,
    ) -> Iterator[Answered]:
        """A job after the other, the next of which waits while one is read."""
        begun: deque[tuple[Batch, Job | None]] = deque()
        try:
            for batch in batches(rows, size, question):
                job = self._part(model, batch.bodies, version)
                begun.append((batch, job))
                if len(begun) == AHEAD:
                    yield from _answers(*begun[0])
                    begun.popleft()
            while begun:
                yield from _answers(*begun[0])
                begun.popleft()
        except BaseException as error:
            for _, job in begun:
                if job is not None:
                    job.leave(error)
            raise

    def _part(self, model: str, bodies: Sequence[Instance], version: str | None) -> Job | None:
        """A job that is cancelled with what it is a part of; None: it would have no row."""
        if not bodies:
            return None
        key = calls.new_key()
        try:
            job = self._submit(model, bodies, version, key)
        except (KeyboardInterrupt, Unreachable) as error:
            try:
                begun = self._submit(model, bodies, version, key, ONCE)
                begun.leave(error)
            except ClientError:
                note_begun(error, key)
            raise
        job.is_left_running = False
        return job

    def _submit(
        self,
        model: str,
        bodies: Sequence[Instance],
        version: str | None,
        key: str,
        retries: Retries | None = None,
    ) -> Job:
        call = calls.submit(model, bodies, version, key)
        return Job(self, self._send(call, retries=retries), bodies)


class Job(Handle):
    """Rows that are answered after the reply."""

    def __init__(self, client: Client, told: wire.Job, bodies: Sequence[Instance] = ()) -> None:
        super().__init__(told, bodies)
        self._client = client

    def __enter__(self) -> Self:
        self.is_left_running = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is not None:
            self.leave(error)

    def look(self) -> Self:
        """How far it is now."""
        self.told = self._client._send(calls.read_job(self.id))
        return self

    def wait(self, timeout: float | None = None, *, progress: bool | None = None) -> Self:
        """Until it has ended.

        Raises
        ------
        TimeoutError
            If it has not within ``timeout`` seconds; it goes on.
        """
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
                    time.sleep(seconds)
                    self.look()
                except (KeyboardInterrupt, Unreachable) as error:
                    self.note_left(error)
                    raise
                seconds = min(LAST_LOOK, 1.5 * seconds)

    def results(self) -> Iterator[Answered]:
        """Each row, in order, once it has ended (:meth:`wait`), as they come. A connection that is
        lost on the way is made again, and no row is given twice.

        Raises
        ------
        Conflict
            If it has not ended.
        """
        http, connection = self._client._http, self._client._connection
        call = Call("GET", calls.result_path(self.id), lambda response: response)
        reader, tries = ResultReader(self._bodies), Tries(connection.retries)
        while True:
            reader.begin()
            try:
                with http.stream(**connection.request(call)) as response:
                    if response.is_success:
                        for piece in response.iter_bytes():
                            for answered in reader.read(piece):
                                tries.went_on()
                                yield answered
                        return
                    response.read()
                outcome: Outcome = response
            except httpx.RequestError as error:
                outcome = error
            seconds = tries.pause_after(outcome)
            if seconds is None:
                raise tries.failure(outcome, connection.url)
            time.sleep(seconds)

    def cancel(self) -> Self:
        """No further row is answered."""
        self.told = self._client._send(calls.cancel_job(self.id))
        return self

    def leave(self, error: BaseException) -> None:
        """Cancel it, if it goes on, since its block was left by ``error``, which is told if that
        cannot be done."""
        if self.is_over:
            return
        try:
            self.told = self._client._send(calls.cancel_job(self.id), retries=ONCE)
        except NotFound:
            pass  # it has ended meanwhile
        except ClientError as reason:
            self.note_lost(error, reason)


def _is_any(waiting: deque[Future[Answered]], ordered: bool) -> bool:
    return waiting[0].done() if ordered else any(each.done() for each in waiting)


def _next(waiting: deque[Future[Answered]], ordered: bool) -> Answered:
    if ordered:
        return waiting.popleft().result()
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    first = next(iter(done))
    waiting.remove(first)
    return first.result()


def _answers(batch: Batch, job: Job | None) -> Iterator[Answered]:
    found = () if job is None else job.wait(progress=False).results()
    yield from chain.from_iterable(map(batch.placed, found))
    yield from batch.rest()
