"""What other services' clients ask: many rows in one request, each of them a question to the core.

A row that is wrong is told so in its place, and does not keep the others from their answers; where
no row has an answer the request is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

from fastapi import Request

from ifonly.models.errors import NotFinite
from ifonly.models.window import Window, WindowLayout, document_schema, window_of
from ifonly.service.ask import answering, read_request
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.problem_types import FORBIDDEN, KEY_REUSED
from ifonly.service.ask.problems import as_json, problem_of
from ifonly.service.audit.recorder import Recorder
from ifonly.service.doors.http.context import AppState, Context, context_of
from ifonly.service.doors.http.idempotency import REPLAYED, earlier, once
from ifonly.service.doors.http.problems import in_their_words
from ifonly.service.errors import CannotReplay, Fault, InvalidRequest, KeyReused, RequestPart
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.idempotency import Named
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import replies, requests, validation

OF_ALL = (FORBIDDEN, KEY_REUSED)
"""Refusals of a row that are as true of every other."""
QUICK_ROWS = 64
"""Rows that the event loop reads itself."""

Instance = dict[str, Any]
Said = Mapping[str, str] | Sequence[Mapping[str, str]]
"""Attributes: of all rows, or of each."""
Explained = Callable[[requests.ExplanationRequest, int, Budget], replies.ExplanationReply]
"""Answers a question about the row at a place."""


@dataclass(frozen=True, slots=True)
class ReadRows:
    """Rows of a request by their places."""

    key: str
    """What the request calls them."""
    size: int
    instances: Mapping[int, Instance]
    """By feature name, as the model's schema has them."""
    wrong: Mapping[int, InvalidRequest]
    """What is wrong with all others."""

    @property
    def refusal(self) -> InvalidRequest:
        """All that is wrong with any of them."""
        faults = [fault for error in self.wrong.values() for fault in error.faults]
        return InvalidRequest(RequestPart.INSTANCE, faults)


def read_rows(rows: Sequence[Any], key: str, model: ServedModel) -> ReadRows:
    """Rows that are objects by feature name, or lists in the order of the model's features."""
    instances, wrong = {}, {}
    for place, row in enumerate(rows):
        try:
            named = named_row(row, key, place, model)
            read_request.instance(named, model, (key, place))
            instances[place] = named
        except InvalidRequest as error:
            wrong[place] = error
    return ReadRows(key, len(rows), instances, wrong)


def named_row(row: Any, key: str, place: int, model: ServedModel) -> Instance:
    """A row by feature name; ``key``, ``place``: where it stands.

    Raises
    ------
    InvalidRequest
        If it is neither an object nor a list of a value for each feature.
    """
    window, names = window_of(model.schema), document_schema(model.schema).names
    if isinstance(row, dict):
        return row
    if window is not None and isinstance(row, list):
        return _named_window(row, key, place, window)
    if not isinstance(row, list):
        problem = f"{key}[{place}] is {validation.shown(row)}, not an object or a list"
        raise InvalidRequest(RequestPart.INSTANCE, [Fault((key, place), problem, row)])
    if len(row) != len(names):
        problem = f"{key}[{place}] has {len(row)} values; {model.name} reads {len(names)}"
        fault = Fault((key, place), problem, len(row), limit=len(names))
        raise InvalidRequest(RequestPart.INSTANCE, [fault])
    return dict(zip(names, row, strict=True))


def _named_window(row: list[Any], key: str, place: int, window: Window) -> Instance:
    """A window as the model's graph takes it, ``[steps, channels]`` or the other way round."""
    lines, width = window.shape
    sizes = {len(line) if isinstance(line, list) else -1 for line in row}
    if len(row) != lines or sizes != {width}:
        problem = f"{key}[{place}] is no window of [{lines}, {width}] ({window.layout})"
        fault = Fault((key, place), problem, len(row), limit=[lines, width])
        raise InvalidRequest(RequestPart.INSTANCE, [fault])
    if window.layout is WindowLayout.STEPS_CHANNELS:
        row = [list(series) for series in zip(*row, strict=True)]
    return dict(zip(window.names, row, strict=True))


def said_of(attributes: Said, place: int) -> Mapping[str, str]:
    """What is said of one row."""
    return attributes if isinstance(attributes, Mapping) else attributes[place]


def _shared(shared: Mapping[str, Any], place: int) -> Mapping[str, Any]:
    """What is asked of all rows, as it is asked of one."""
    if isinstance(shared.get("attributes"), list):
        return {**shared, "attributes": said_of(shared["attributes"], place)}
    return shared


def in_a_word(prediction: replies.Prediction) -> str | float | None:
    """The class, or the value of a regression that has none."""
    return prediction.score if prediction.class_ is None else prediction.class_


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model says of rows, by their places."""

    found: Mapping[int, replies.Prediction]
    failed: Mapping[int, Exception]
    """Rows of which it gives no finite score."""
    record: str
    """Id of the record; of the first one, where rows were asked alone."""


def _record(reply: replies.PredictionsReply) -> str:
    assert reply.audit is not None  # what a door is answered is recorded
    return reply.audit.id


@dataclass(slots=True)
class ClientQuestions:
    """Puts the rows of one request to the core, for whoever has sent it."""

    model: ServedModel
    request: Request
    context: Context
    recorder: Recorder
    asked: str
    """What records call the question."""
    _replayed: int = 0
    _answered: int = 0

    @classmethod
    def of(cls, request: Request, model: ServedModel, asked: str) -> ClientQuestions:
        context = context_of(request)
        return cls(model, request, context, context.recorder(), asked)

    @property
    def state(self) -> AppState:
        return self.context.state

    @property
    def headers(self) -> dict[str, str]:
        """Of the reply, once there is one: whether all of it had been answered before."""
        return REPLAYED if self._replayed == self._answered else {}

    async def read(self, rows: Sequence[Any], key: str) -> ReadRows:
        """As :func:`read_rows`; many rows beside the event loop."""
        work = partial(read_rows, rows, key, self.model)
        return work() if len(rows) <= QUICK_ROWS else await self.state.parsers.run(work)

    async def predictions(
        self, batch: ReadRows, attributes: Said, *, each: bool = True
    ) -> Predicted:
        """What the model says of each row that can be read; one record for all. ``each``: rows of
        which the model gives no finite score do not lose the others, which are then asked alone.
        ``attributes``: of all rows of the request, or of each of them.

        Raises
        ------
        InvalidRequest
            If no row can be read.
        NotFinite
            If none has a finite score, or one has not and the others are not asked alone.
        CannotReplay
            If it was answered before, by another version.
        """
        if not batch.instances:
            raise batch.refusal
        rows = batch.instances
        try:
            said = attributes if isinstance(attributes, Mapping) else [attributes[k] for k in rows]
            reply = await self._predicted([*rows.values()], said, 0)
            return Predicted(dict(zip(rows, reply.predictions, strict=True)), {}, _record(reply))
        except NotFinite:
            if not each or len(rows) == 1:
                raise
        found: dict[int, replies.Prediction] = {}
        failed: dict[int, Exception] = {}
        record = ""
        for place, row in rows.items():
            try:
                said = said_of(attributes, place)
                reply = await self._predicted([row], said, place + 1)
            except NotFinite as error:
                failed[place] = error
            else:
                found[place], record = reply.predictions[0], record or _record(reply)
        if not found:
            raise next(iter(failed.values()))
        return Predicted(found, failed, record)

    async def _predicted(
        self, rows: Sequence[Instance], attributes: Said, part: int
    ) -> replies.PredictionsReply:
        # Left out if empty: the record is of what was asked.
        told = {"attributes": attributes} if attributes else {}
        native = validation.read(requests.PredictionsRequest, {"instances": [*rows], **told})
        work = partial(answering.predictions, self.model, native)

        async def ask(recorder: Recorder) -> bytes:
            found = await recorder.answer(RecordKind.PREDICTION, self.model, native, work)
            return found.written()

        written = await self._once(part, ask)
        reply = replies.PredictionsReply.model_validate_json(written)
        if reply.provenance.spec_sha256 != self.model.deployed.spec_sha256:
            # The same rows may be wrong by another spec, and its classes others.
            raise CannotReplay(
                f"this request was answered by version {reply.provenance.version} of the model, "
                "which is another one now"
            )
        return reply

    async def explanations(
        self, batch: ReadRows, shared: Mapping[str, Any], explained: Explained | None = None
    ) -> dict[int, bytes]:
        """For each row the answer to its question, or why there is none, as JSON; ``shared``: what
        is asked of all (``attributes`` may be a list: of each). Each is a search with its own
        deadline, and has its own record.

        Raises
        ------
        Exception
            Of a row, if no row has an answer.
        """
        found: dict[int, bytes] = {}
        failed: dict[int, Exception] = {}
        if not batch.instances:
            raise batch.refusal
        for place, instance in batch.instances.items():
            try:
                asked = {**_shared(shared, place), "instance": instance}
                native = validation.read(requests.ExplanationRequest, asked)
                found[place] = await self._explanation(native, place, explained)
            except Exception as error:
                # A failure that nobody foresaw, and what is about the request, not about its row.
                if (problem := problem_of(error)) is None or problem.kind in OF_ALL:
                    raise
                failed[place] = error
        if not found:
            raise next(iter(failed.values()))
        told = await self.refused(batch, failed, shared)
        return found | {place: as_json(said) for place, said in told.items()}

    async def _explanation(
        self, native: requests.ExplanationRequest, place: int, explained: Explained | None
    ) -> bytes:
        turn = self.state.turns.search(self.recorder.principal.actor)
        budget = Budget.of(native.deadline_ms, self.state.settings, turn)
        if explained is None:
            work = partial(answering.explanation, self.model, native, budget, self.state.watch)
        else:
            work = partial(explained, native, place, budget)

        async def ask(recorder: Recorder) -> bytes:
            found = await recorder.answer(
                RecordKind.EXPLANATION, self.model, native, work, budget.patience
            )
            return found.written()

        return await self._once(place, ask)

    async def _once(self, place: int, ask: Any) -> bytes:
        """The answer to one question, once if the client has named the request."""
        named = self.recorder.named
        self._answered += 1
        if named is None:
            return bytes(await ask(self.recorder))
        part = named.part(place)

        def again(state: AppState, part: Named, identity: str) -> bytes:
            self._replayed += 1
            return earlier(state, part, identity)

        try:
            answer = partial(ask, replace(self.recorder, named=part))
            return await once(self.state, part, answer, again)
        except KeyReused:
            # By the client's own key, not by the part's.
            raise KeyReused(named.key) from None

    async def refused(
        self,
        batch: ReadRows,
        failed: Mapping[int, Exception] = MappingProxyType({}),
        shared: Mapping[str, Any] = MappingProxyType({}),
    ) -> dict[int, dict[str, Any]]:
        """What rows are told in place of their answers, once it is recorded: of those that cannot
        be read in one record, of each that ``failed`` in one of its own."""
        told = {}
        if batch.wrong:
            audit = await self._recorded(batch.refusal, self.context.body)
            told = {place: self._told(error, audit) for place, error in batch.wrong.items()}
        for place, error in failed.items():
            question = {**_shared(shared, place), "instance": batch.instances[place]}
            audit = await self._recorded(error, as_json(question))
            told[place] = self._told(error, audit)
        return told

    async def _recorded(self, error: Exception, body: bytes) -> replies.Audit | None:
        path, problem = self.request.url.path, problem_of(error)
        return await self.recorder.failure(self.model, self.asked, body, problem, path)

    def _told(self, error: Exception, audit: replies.Audit | None) -> dict[str, Any]:
        problem = problem_of(error)
        assert problem is not None  # others are raised
        said = in_their_words(problem, self.request.url.path)
        return said if audit is None else said | {"audit": audit.model_dump(mode="json")}
