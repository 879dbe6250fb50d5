"""The kinds of record: what each tells of, its statuses, and what people call both.

A new kind is a member of :class:`RecordKind`, its entry in ``KINDS``, and whoever writes such
records. Pages, filters, exports, the OpenAPI document and ``docs/audit.md`` (``python -m
bench.record_kinds``) follow from here; tests name a word that a language lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ifonly.service.lifecycle import AlarmDeed

Called = Mapping[str, str]
"""By language tag; empty: the languages' folders have it (``kind.`` and ``status.`` there)."""


class RecordKind(StrEnum):
    """What a record tells of."""

    PREDICTION = "prediction"
    WHAT_IF = "what_if"
    EXPLANATION = "explanation"
    COMMON = "common"
    ROWS = "rows"
    REFUSAL = "refusal"
    FAILURE = "failure"
    REVIEW = "review"
    ERASURE = "erasure"
    ANCHOR = "anchor"
    KEY = "key"
    JOB = "job"
    MODEL = "model"
    SIGN_IN = "sign_in"
    ACCESS = "access"
    HOLD = "hold"
    ALARM = "alarm"
    SAMPLE = "sample"
    BULK = "bulk"
    OUTCOME = "outcome"
    EXPERIMENT = "experiment"
    REASONS = "reasons"


def _each(*statuses: str) -> Mapping[str, Called]:
    """Statuses that the languages' folders have words for."""
    # Empty, and not left out: filters and pages list statuses from here.
    return {status: {} for status in statuses}


@dataclass(frozen=True, slots=True)
class KindOfRecord:
    """What is said of a kind, apart from its name."""

    tells: str
    """Of what, in English, as ``docs/audit.md`` lists it."""
    statuses: Mapping[str, Called] = field(default_factory=dict)
    """Each that such a record can have; none: it has no status, or says its own (``tells``)."""
    called: Called = field(default_factory=dict)


KINDS: Mapping[RecordKind, KindOfRecord] = {
    RecordKind.PREDICTION: KindOfRecord("what the model says of rows", _each("alarm", "no_alarm")),
    RecordKind.WHAT_IF: KindOfRecord("what would follow from what was set"),
    RecordKind.EXPLANATION: KindOfRecord(
        "an answer; its status is the claim",
        _each("optimal", "feasible", "infeasible", "unknown", "abstained", "already_target"),
    ),
    RecordKind.COMMON: KindOfRecord(
        "one change for many alarms; its status is the claim",
        _each("optimal", "feasible", "infeasible", "unknown", "already_target"),
    ),
    RecordKind.ROWS: KindOfRecord(
        "rows of a job that need nothing changed, answered together", _each("already_target")
    ),
    RecordKind.REFUSAL: KindOfRecord(
        "a question that was refused; its status is the kind of problem"
    ),
    RecordKind.FAILURE: KindOfRecord(
        "a question that we failed; its status is the kind of problem"
    ),
    RecordKind.REVIEW: KindOfRecord(
        "what somebody said of an explanation, or took back of it; its status is the verdict",
        _each("approve", "reject", "comment", "acted", "not_acted", "withdraw"),
    ),
    RecordKind.ERASURE: KindOfRecord("that contents were erased"),
    RecordKind.ANCHOR: KindOfRecord("the ends of all chains that moved"),
    RecordKind.KEY: KindOfRecord(
        "an API key, or the key that signs the log", _each("created", "revoked", "log_key")
    ),
    RecordKind.JOB: KindOfRecord(
        "the beginning of a job, or its end", _each("queued", "done", "cancelled")
    ),
    RecordKind.MODEL: KindOfRecord(
        "a version of a model that was sent, or is asked from then on where none is named",
        _each("uploaded", "staged", "edited", "discarded", "activated", "rolled_back", "refused"),
    ),
    RecordKind.SIGN_IN: KindOfRecord(
        "a sign-in to the pages", _each("signed_in", "sign_in_failed", "signed_out")
    ),
    RecordKind.ACCESS: KindOfRecord(
        "a look at what others asked", _each("read", "listed", "exported")
    ),
    RecordKind.HOLD: KindOfRecord("a legal hold", _each("put", "lifted")),
    RecordKind.ALARM: KindOfRecord(
        "what somebody did about an alarm; its status is what", _each(*AlarmDeed)
    ),
    RecordKind.SAMPLE: KindOfRecord(
        "a sample of explanations, drawn for review: of which population, with which seed",
        _each("drawn"),
    ),
    RecordKind.BULK: KindOfRecord(
        "a run over a file, table or stream of rows: what was read, asked, answered and written",
        {
            **_each("done"),
            "begun": {"en": "begun", "ko": "시작됨", "ja": "開始"},
            "broken_off": {"en": "broken off", "ko": "중단됨", "ja": "中断"},
            "some_invalid": {
                "en": "some rows invalid",
                "ko": "일부 행 오류",
                "ja": "一部の行が不正",
            },
        },
        {"en": "Bulk run", "ko": "일괄 실행", "ja": "一括実行"},
    ),
    RecordKind.OUTCOME: KindOfRecord(
        "what came of advice, by the plant's own word, or that such a word was taken back",
        {
            "success": {"en": "success", "ko": "성공", "ja": "成功"},
            "failure": {"en": "failure", "ko": "실패", "ja": "失敗"},
            "taken_back": {"en": "taken back", "ko": "철회됨", "ja": "取り消し"},
        },
        {"en": "Outcome", "ko": "결과", "ja": "結果"},
    ),
    RecordKind.EXPERIMENT: KindOfRecord(
        "an experiment on advice: its design, before anybody is assigned, or its end",
        {
            "started": {"en": "started", "ko": "시작됨", "ja": "開始"},
            "stopped": {"en": "stopped", "ko": "중지됨", "ja": "停止"},
            "stopped_by_guard": {
                "en": "stopped by a guard",
                "ko": "보호 지표로 중지됨",
                "ja": "ガード指標により停止",
            },
        },
        {"en": "Experiment", "ko": "실험", "ja": "実験"},
    ),
    RecordKind.REASONS: KindOfRecord(
        "readings that alone force a decision; its status is the claim",
        {
            "smallest": {"en": "fewest, proven", "ko": "최소 개수, 증명됨", "ja": "最少、証明済み"},
            "minimal": {
                "en": "none can be left out",
                "ko": "하나도 뺄 수 없음",
                "ja": "一つも欠かせない",
            },
            "sufficient": {
                "en": "sufficient, proven",
                "ko": "충분함, 증명됨",
                "ja": "十分、証明済み",
            },
            **_each("unknown"),
        },
        {"en": "Reasons", "ko": "판정 이유", "ja": "判定理由"},
    ),
}
# Without repeats, in the order of the table: pages show them so.
STATUSES = tuple(dict.fromkeys(status for each in KINDS.values() for status in each.statuses))
"""What can be filtered by; a refusal's status is its kind, and is written in full."""


def own_words(language: str) -> Iterator[tuple[str, str]]:
    """What kinds and statuses bring their own words for, by key of the texts."""
    for kind, each in KINDS.items():
        named = {f"kind.{kind}": each.called}
        named |= {f"status.{status}": called for status, called in each.statuses.items()}
        yield from ((key, called[language]) for key, called in named.items() if language in called)
