"""Every kind of refusal that this service knows: its slug, its status, its title.

``docs/api.md`` lists them; the OpenAPI document names those of each route, in this order.
"""

from __future__ import annotations

from dataclasses import dataclass

from ifonly.service.errors import RequestPart


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of refusal; ``status`` is HTTP's (RFC 9457): from 500 on, the fault is ours."""

    status: int
    slug: str
    title: str

    @property
    def uri(self) -> str:
        # A URN: a plant's network reaches no web address, and none has to be kept alive (0031).
        return f"urn:ifonly:problem:{self.slug}"


# Filled by each definition below, so no kind can be left out of the OpenAPI document.
_KINDS: list[ProblemType] = []


def _kind(status: int, slug: str, title: str) -> ProblemType:
    _KINDS.append(ProblemType(status, slug, title))
    return _KINDS[-1]


INVALID_JSON = _kind(400, "invalid-json", "The body is not JSON")
INVALID_TABLE = _kind(400, "invalid-table", "The body is not a table of this model's rows")
NOT_A_CHECKPOINT = _kind(400, "not-a-checkpoint", "The body shows no head of a log")
UNAUTHENTICATED = _kind(401, "unauthenticated", "Who asks is not known")
FORBIDDEN = _kind(403, "forbidden", "Whoever asks may not")
NOT_SIGNED = _kind(403, "not-signed", "The log has not signed this head")
UNKNOWN_LOG = _kind(404, "unknown-log", "Not a log that is witnessed here")
UNKNOWN_MODEL = _kind(404, "unknown-model", "No such model")
UNKNOWN_RECORD = _kind(404, "unknown-record", "No such record")
NOT_FOUND = _kind(404, "not-found", "No such resource")
METHOD_NOT_ALLOWED = _kind(405, "method-not-allowed", "Not a method of this resource")
JOB_NOT_FINISHED = _kind(409, "job-not-finished", "The job has not ended yet")
# 409: the request is right, and the model that answered is not here any more.
CANNOT_REPLAY = _kind(409, "cannot-replay", "The record cannot be asked again")
# Not 500: nothing failed, and trying again does not help.
NOT_AS_SEALED = _kind(409, "not-as-sealed", "The record is not what was written")
# 409: what somebody acknowledged is not what is there now; they look again.
ALARM_MOVED = _kind(409, "alarm-moved", "The alarm is not as it was looked at")
# 409, not 422: the model is sound, its place is taken.
CANNOT_UPLOAD = _kind(409, "cannot-upload", "The model cannot be put in its place")
CANNOT_ACTIVATE = _kind(409, "cannot-activate", "The version cannot be activated")
# 410, not 404: auditors must see that there was a record.
ERASED = _kind(410, "erased", "The content was erased")
# 421 (RFC 9110, 15.5.20): the request was sent to a host that this service does not answer for.
MISDIRECTED = _kind(421, "misdirected", "Not a name of this service")
NOT_ACCEPTABLE = _kind(406, "not-acceptable", "Not a form of this installation")
BODY_TOO_SLOW = _kind(408, "body-too-slow", "The body did not come in time")
BODY_TOO_LARGE = _kind(413, "body-too-large", "The body is too large")
TOO_MANY_ROWS = _kind(413, "too-many-rows", "The body has too many rows")
UNSUPPORTED_MEDIA_TYPE = _kind(415, "unsupported-media-type", "The body is not declared as JSON")
INVALID = {
    RequestPart.REQUEST: _kind(422, "invalid-request", "The request is not as documented"),
    RequestPart.INSTANCE: _kind(422, "invalid-instance", "Not an instance of this model"),
    RequestPart.TARGET: _kind(422, "invalid-target", "Not a target of this model"),
    RequestPart.MODEL: _kind(422, "invalid-model", "Not a model folder that can be served"),
    RequestPart.CONSTRAINTS: _kind(422, "invalid-constraints", "Not constraints of this model"),
}
# Refused only where a target was named: of the default target it is an answer, already_target.
TARGET_ALREADY_MET = _kind(422, "target-already-met", "The target is met already")
CONTRADICTORY_CONSTRAINTS = _kind(
    422,
    "contradictory-constraints",
    "The constraints contradict each other",
)
NOT_CONSISTENT = _kind(422, "not-consistent", "The head does not begin with the last one")
# 422, as the IETF's draft of Idempotency-Key has it for a key with another payload.
KEY_REUSED = _kind(422, "idempotency-key-reused", "The key was used for another request")
# 429 is about whoever asks, 503 about the service: a client alone is told 503 (0084).
TOO_OFTEN = _kind(429, "too-often", "More was asked than may be")
SHARE_SPENT = _kind(429, "share-spent", "The key's share of the service is spent")
ROW_ABANDONED = _kind(500, "row-abandoned", "Workers ended while they answered it")
# 500: the model's fault, not the client's, whose instance was within the schema's bounds.
SCORE_NOT_FINITE = _kind(500, "score-not-finite", "The model's score is not a number")
MODEL_FAILED = _kind(500, "model-failed", "The model could not score the rows")
INTERNAL_ERROR = _kind(500, "internal-error", "The service failed")
# 502: the answer that came from behind us is not of the model that we explain.
PREDICTOR_DISAGREES = _kind(502, "predictor-disagrees", "The predictor is another model")
PREDICTOR_UNCLEAR = _kind(502, "predictor-unclear", "The predictor's answer cannot be used")
PREDICTOR_UNAVAILABLE = _kind(503, "predictor-unavailable", "The predictor does not answer")
NOT_READY = _kind(503, "not-ready", "Questions cannot be answered yet")
OUT_OF_SERVICE = _kind(503, "model-out-of-service", "The model was taken out of service")
# 503 with time to wait: heads are signed once a second, so it will be there soon.
NOT_IN_LOG = _kind(503, "not-in-log", "No signed head has the record yet")
NO_LOG_KEY = _kind(503, "no-log-key", "The log cannot be signed here")
OVERLOADED = _kind(503, "overloaded", "Too many questions wait")
JOURNAL_FULL = _kind(503, "journal-full", "Too many records wait to be written")
STORE_UNAVAILABLE = _kind(503, "store-unavailable", "The store does not answer")
QUEUE_FULL = _kind(503, "queue-full", "Too many rows of jobs wait")
FORMAT_UNAVAILABLE = _kind(501, "format-unavailable", "Not a format of this installation")

PROBLEM_TYPES = tuple(_KINDS)
