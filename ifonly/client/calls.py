"""What is asked of a service, and how its reply is read: the same of both clients. No input, no
output."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypedDict, TypeVar
from urllib.parse import quote

import httpx

from ifonly.client import tables
from ifonly.client.answers import Answered, explanation
from ifonly.client.errors import NotAnAnswer, NotSent, problem
from ifonly.client.reading import head, lenient, read
from ifonly.client.retrying import error_of
from ifonly.client.rows import Instance, encoded, instance_of
from ifonly.explainers.languages import Language
from ifonly.explanation import Explanation
from ifonly.service.wire import (
    alarms,
    common_replies,
    inspection,
    jobs,
    models,
    outcomes,
    replies,
    trail,
)
from ifonly.service.wire import reasons_replies as reason_replies
from ifonly.service.wire.base import Wire
from ifonly.service.wire.problem import ProblemDetails
from ifonly.wanted import Wanted, target_of

T = TypeVar("T")
W = TypeVar("W", bound=Wire)

LINES = "application/jsonl"
LANGUAGE: Language = "en"
Said = Mapping[str, str] | Sequence[Mapping[str, str]]
"""Attributes: of all rows, or of each."""


class Question(TypedDict, total=False):
    """What an explanation may be asked besides its row: ``docs/api.md``, *Explain*."""

    target: Wanted
    """A class, ``(low, high)`` of the score, or the ``target`` of a request."""
    constraints: Mapping[str, Any]
    alternatives: int
    ways: bool
    joint_box: bool
    menu: Mapping[str, Any]
    """``max_levers``, ``levers``: which sets of levers are told."""
    deadline_ms: int
    seed: int
    semantics: Literal["interventional", "independent", "backtracking"]
    attributes: Mapping[str, str] | Sequence[Mapping[str, str]]
    """Of all rows; or of each, where many are asked."""
    language: Language
    """Of sentences."""


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and what becomes of its reply."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    """Of a reply that is none of an error."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    """Which the service may take, beyond what any reply takes."""

    def answer(self, response: httpx.Response) -> T:
        """Raises
        ------
        ClientError
            What the reply says is wrong, or that it is none.
        """
        error = error_of(response)
        if error is not None:
            raise error
        return self.read(response)


def new_key() -> str:
    """A name for a request, which sent again is no second question."""
    return uuid.uuid4().hex


def _read(kind: type[W]) -> Callable[[httpx.Response], W]:
    return lambda response: read(kind, response)


def _model(name: str, what: str = "") -> str:
    return f"/api/v1/models/{quote(name, safe='')}{what}"


def _job(identity: str, what: str = "") -> str:
    return f"/api/v1/jobs/{quote(identity, safe='')}{what}"


def _query(version: str | None = None, proof: bool = False, **more: object) -> dict[str, str]:
    told = {"version": version, "proof": "true" if proof else None, **more}
    return {name: str(value) for name, value in _given(told).items()}


def _given(told: Mapping[str, Any]) -> dict[str, Any]:
    """What was given: None is what a request leaves out."""
    return {name: value for name, value in told.items() if value is not None}


def _posted(path: str, body: Any, query: Mapping[str, str], read: Callable[..., T]) -> Call[T]:
    headers = {"Content-Type": "application/json", "Idempotency-Key": new_key()}
    return Call("POST", path, read, query, encoded(body), headers)


# --- models ---------------------------------------------------------------------------------------


def list_models() -> Call[models.ModelsReply]:
    return Call("GET", "/api/v1/models", _read(models.ModelsReply))


def describe_model(model: str, version: str | None) -> Call[models.ModelReply]:
    return Call("GET", _model(model), _read(models.ModelReply), _query(version))


# --- questions ------------------------------------------------------------------------------------


def predict(
    model: str,
    rows: Iterable[Any],
    attributes: Said | None,
    version: str | None,
    proof: bool,
) -> Call[replies.PredictionsReply]:
    asked: dict[str, Any] = {"instances": [instance_of(row) for row in rows]}
    if attributes:
        if isinstance(attributes, Mapping):
            asked["attributes"] = dict(attributes)
        else:
            asked["attributes"] = [dict(each) for each in attributes]
    path = _model(model, "/predictions")
    return _posted(path, asked, _query(version, proof), _read(replies.PredictionsReply))


def what_if(
    model: str,
    instance: Any,
    setting: Mapping[str, Any],
    version: str | None,
    proof: bool,
    language: Language,
    **more: Any,
) -> Call[replies.WhatIfReply]:
    told = _given(more)
    asked = {
        "instance": instance_of(instance),
        "set": instance_of(setting),
        "languages": [language],
        **told,
    }
    path = _model(model, "/what-if")
    return _posted(path, asked, _query(version, proof), _read(replies.WhatIfReply))


class CommonQuestion(TypedDict, total=False):
    """What one change for many may be asked besides its rows: ``docs/api.md``, *One change for
    many*."""

    records: Sequence[str]
    recorded: Mapping[str, Any]
    levers: Sequence[str]
    change: Literal["relative", "absolute", "either"]
    max_levers: int
    target: Wanted
    constraints: Mapping[str, Any]
    semantics: Literal["interventional", "independent"]
    deadline_ms: int
    seed: int
    attributes: Mapping[str, str]
    language: Language


def common_remedies(
    model: str,
    rows: Iterable[Any] | None,
    version: str | None,
    proof: bool,
    question: CommonQuestion,
) -> Call[common_replies.CommonReply]:
    told: dict[str, Any] = {**question}
    language, target = told.pop("language", LANGUAGE), told.pop("target", None)
    asked = _given(told)
    asked["languages"] = [language]
    if rows is not None:
        asked["instances"] = [instance_of(row) for row in rows]
    if target is not None:
        asked["target"] = target_of(target)
    path = _model(model, "/common-remedies")
    return _posted(path, asked, _query(version, proof), _read(common_replies.CommonReply))


class ReasonsQuestion(TypedDict, total=False):
    """What a question about reasons says besides the model and the row; see ``docs/api.md``,
    *Reasons*."""

    explanation: str
    sets: int
    principal: int
    deadline_ms: int
    seed: int
    attributes: Mapping[str, str]
    language: Language


def reasons(
    model: str, row: Any, version: str | None, proof: bool, question: ReasonsQuestion
) -> Call[reason_replies.ReasonsReply]:
    told: dict[str, Any] = {**question}
    asked = {name: value for name, value in told.items() if name != "language"}
    asked["languages"] = [told.get("language", LANGUAGE)]
    if row is not None:
        asked["instance"] = instance_of(row)
    path = _model(model, "/reasons")
    return _posted(path, asked, _query(version, proof), _read(reason_replies.ReasonsReply))


def asked_of(row: Any, question: Question, number: int = 0) -> Instance:
    """The body of one explanation's request; ``number``: which of the rows it is, from 0.

    Raises
    ------
    NotSent
        If the row has no names, or ``attributes`` say nothing of it.
    """
    instance = instance_of(row)
    language = question.get("language", LANGUAGE)
    return {"instance": instance, **_asked_besides(question, number), "languages": [language]}


def _asked_besides(question: Question, number: int) -> dict[str, Any]:
    """What is asked but for the row and the language, as a request has it."""
    told: dict[str, Any] = {**question}
    said = told.get("attributes")
    if said is not None and not isinstance(said, Mapping):
        if number >= len(said):
            raise NotSent(f"attributes has {len(said)} entries, and none for row {number}")
        told["attributes"] = dict(said[number])
    target = told.pop("target", None)
    told.pop("language", None)
    told = _given(told)
    return told if target is None else {**told, "target": target_of(target)}


def explain_part(
    model: str, body: bytes, start: int, version: str | None, question: Question
) -> Call[Any]:
    """Rows of a table, as an Arrow stream, whose first is row ``start``."""
    if not isinstance(question.get("attributes", {}), Mapping):
        raise NotSent("attributes are said of a whole table here: a mapping")
    said = _asked_besides(question, start)
    # A sentence a row is told to whoever asks for one: most tables are read by programs.
    if (language := question.get("language")) is not None:
        said["languages"] = [language]
    query = _query(version) | tables.question_in_query(said)
    headers = {"Content-Type": tables.STREAM, "Accept": tables.STREAM}
    path = _model(model, "/explanations/stream")
    seconds = 2.0 * question.get("deadline_ms", 2_000) / 1_000.0

    def found(response: httpx.Response) -> Any:
        return tables.answered(response.content, start)

    return Call("POST", path, found, query, body, headers, seconds)


def explain(
    model: str, row: Any, version: str | None, proof: bool, question: Question, number: int = 0
) -> Call[Explanation]:
    asked = asked_of(row, question, number)

    def answered(response: httpx.Response) -> Explanation:
        reply = read(replies.ExplanationReply, response)
        return explanation(reply, asked["instance"], asked["languages"][0])

    posted = _posted(_model(model, "/explanations"), asked, _query(version, proof), answered)
    # Waiting for a thread may take as long again as the search.
    return replace(posted, seconds=2.0 * asked.get("deadline_ms", 0) / 1_000.0)


# --- jobs -----------------------------------------------------------------------------------------


def submit(model: str, bodies: Sequence[Instance], version: str | None, key: str) -> Call[jobs.Job]:
    """A job of bodies, each as :func:`asked_of` makes one; ``key`` names the request."""
    lines = b"\n".join(encoded(body) for body in bodies)
    headers = {"Content-Type": LINES, "Idempotency-Key": key}
    path = _model(model, "/explanations/bulk")
    return Call("POST", path, _read(jobs.Job), _query(version), lines, headers)


def list_jobs(cursor: str | None, conditions: Mapping[str, Any]) -> Call[jobs.JobsReply]:
    query = _query(cursor=cursor, **conditions)
    return Call("GET", "/api/v1/jobs", _read(jobs.JobsReply), query)


def read_job(identity: str) -> Call[jobs.Job]:
    return Call("GET", _job(identity), _read(jobs.Job))


def cancel_job(identity: str) -> Call[jobs.Job]:
    return Call("DELETE", _job(identity), _read(jobs.Job))


def result_path(identity: str) -> str:
    return _job(identity, "/result")


def answered_row(line: bytes, bodies: Sequence[Instance]) -> Answered:
    """One line of a job's result; ``bodies``: what was asked, as far as that is known here.

    Raises
    ------
    NotAnAnswer
        If it is no such line.
    """
    try:
        told = json.loads(line)
        number = int(told["row"])
        body = bodies[number] if 0 <= number < len(bodies) else {}
        instance, languages = body.get("instance", {}), body.get("languages")
        name = told.get("id")
        if "explanation" in told:
            reply = lenient(replies.ExplanationReply).model_validate(told["explanation"])
            language = languages[0] if languages else next(iter(reply.text), LANGUAGE)
            return Answered(number, instance, explanation(reply, instance, language), id=name)
        refused = ERASED if told.get("erased") else told["problem"]
        details = lenient(ProblemDetails).model_validate(refused)
        return Answered(number, instance, error=problem(details), id=name)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotAnAnswer(f"a job's result has a line that is none: {head(line)}") from error


ERASED = {
    "type": "urn:ifonly:problem:erased",
    "title": "The content was erased",
    "status": 410,
    "detail": "the answer to this row was erased",
}


# --- records --------------------------------------------------------------------------------------


def read_explanation(identity: str, proof: bool) -> Call[trail.ExplanationRecord]:
    path = f"/api/v1/explanations/{quote(identity, safe='')}"
    return Call("GET", path, _read(trail.ExplanationRecord), _query(proof=proof))


def review(identity: str, verdict: trail.Verdict, **more: Any) -> Call[trail.Review]:
    told = _given(more)
    path = f"/api/v1/explanations/{quote(identity, safe='')}/reviews"
    return _posted(path, {"verdict": verdict, **told}, {}, _read(trail.Review))


def tell_outcome(
    identity: str, result: outcomes.Result | None, takes_back: str | None, **more: Any
) -> Call[outcomes.Outcome]:
    said = {"result": result, "takes_back": takes_back, **more}
    told = _given(said)
    path = f"/api/v1/explanations/{quote(identity, safe='')}/outcomes"
    return _posted(path, told, {}, _read(outcomes.Outcome))


def tell_outcomes(told: Iterable[Mapping[str, Any]]) -> Call[outcomes.OutcomesReply]:
    body = {"outcomes": [dict(each) for each in told]}
    return _posted("/api/v1/outcomes", body, {}, _read(outcomes.OutcomesReply))


def follow_up(identity: str, window_minutes: int) -> Call[outcomes.FollowUpReply]:
    path = f"/api/v1/explanations/{quote(identity, safe='')}/follow-up"
    query = _query(window_minutes=window_minutes)
    return Call("GET", path, _read(outcomes.FollowUpReply), query)


# --- alarms ---------------------------------------------------------------------------------------


def _alarm(identity: str, what: str = "") -> str:
    return f"/api/v1/alarms/{quote(identity, safe='')}{what}"


def list_alarms(query: Mapping[str, Any]) -> Call[alarms.AlarmsReply]:
    return Call("GET", "/api/v1/alarms", _read(alarms.AlarmsReply), _query(**query))


def read_alarm(identity: str) -> Call[alarms.AlarmReply]:
    return Call("GET", _alarm(identity), _read(alarms.AlarmReply))


def act(identity: str, action: str, **more: Any) -> Call[alarms.ActedReply]:
    told = _given(more)
    body = {"action": action, **told}
    return _posted(_alarm(identity, "/actions"), body, {}, _read(alarms.ActedReply))


def act_together(
    looked: Iterable[alarms.Alarm], action: str, **more: Any
) -> Call[alarms.ActedTogetherReply]:
    told = _given(more)
    seen = [{"id": alarm.id, "returns": alarm.returns} for alarm in looked]
    body = {"action": action, "alarms": seen, **told}
    return _posted("/api/v1/alarms/actions", body, {}, _read(alarms.ActedTogetherReply))


def _event(identity: str, what: str = "") -> str:
    return f"/api/v1/audit/events/{quote(identity, safe='')}{what}"


def list_events(cursor: str | None, conditions: Mapping[str, Any]) -> Call[trail.EventsReply]:
    query = _query(cursor=cursor, **conditions)
    return Call("GET", "/api/v1/audit/events", _read(trail.EventsReply), query)


def read_event(identity: str, proof: bool) -> Call[inspection.EventReply]:
    return Call("GET", _event(identity), _read(inspection.EventReply), _query(proof=proof))


def verify_event(identity: str) -> Call[inspection.StretchReply]:
    return Call("GET", _event(identity, "/verify"), _read(inspection.StretchReply))


def replay_event(identity: str) -> Call[inspection.ReplayReply]:
    path = _event(identity, "/replay")
    return Call("POST", path, _read(inspection.ReplayReply))
