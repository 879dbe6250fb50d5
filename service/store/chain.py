"""The audit chain: how a record is written down, hashed, linked and checked. No input, no output.

A record's hash is SHA-256 of its *document*: one JSON object in the canonical form of RFC 8785
(keys sorted, no spaces, UTF-8). Documents hold only text, whole numbers below 2**53, lists and
objects, so Python's ``json`` writes that form too. ``docs/audit.md`` shows a verifier that
shares nothing with this module.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.terms import Trouble as Trouble

FORMAT = 1
"""Of the documents; another number means other fields or another way to hash."""
GENESIS = "0" * 64
"""What the first record of a chain has for its predecessor's hash."""
# As long as the digest: salts are no easier to try than the digest is to invert.
SALT_BYTES = 32
# RFC 7493 (I-JSON), section 2.2: beyond this a reader that keeps doubles rounds.
MAX_WHOLE = 2**53 - 1
DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_us() -> int:
    """Microseconds since 1970, UTC, by the system's clock."""
    # Integer division: a float of seconds since 1970 can be off by the last microsecond.
    return (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What one record says, apart from its place in a chain. ``None`` is not written down."""

    kind: RecordKind
    id: str = field(default_factory=new_id)
    time_us: int = field(default_factory=now_us)
    """Microseconds since 1970, by the clock of the process: the sequence, not it, is the order."""
    actor: str
    """Who asked: ``key:<id>``, ``oidc:<subject>``, ``system``; ``anonymous`` without accounts."""
    role: str | None = None
    request_id: str | None = None
    about: str | None = None
    """Id of the record that this one is about."""
    status: str | None = None
    """The claim; whether predictions hold an alarm; a refusal's or failure's kind; a review's
    verdict; what happened to a key or a job."""
    languages: str | None = None
    model: str | None = None
    version: str | None = None
    model_sha256: str | None = None
    spec_sha256: str | None = None
    causal_sha256: str | None = None
    engine: str | None = None
    engine_version: str | None = None
    seed: int | None = None
    latency_us: int | None = None
    """From the first byte of the request to the answer, without the wait for the record."""
    detail: Mapping[str, Any] | None = None
    """What only this kind has, e.g. an anchor's heads: text, whole numbers, lists, objects."""


FACTS = tuple(f.name for f in fields(Facts))


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many records it has, and the hash of the last."""

    sequence: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Record:
    """Facts in their place."""

    writer: str
    sequence: int
    """From 1, without gaps."""
    previous: str
    payload_digest: str | None
    facts: Facts
    hash: str

    @property
    def head(self) -> Head:
        return Head(self.sequence, self.hash)


@dataclass(frozen=True, slots=True)
class Payload:
    """What a record tells of, word for word; kept apart so that it can be erased."""

    salt: bytes
    content: bytes

    @classmethod
    def of(cls, content: bytes) -> Payload:
        return cls(secrets.token_bytes(SALT_BYTES), content)

    @property
    def digest(self) -> str:
        """Salted: once both are gone, no guess at the content can be confirmed."""
        return hashlib.sha256(self.salt + self.content).hexdigest()

    def findings(self, record: Record) -> list[IntegrityFinding]:
        """Whether it is the one that was sealed with ``record``."""
        # The length first: a byte moved from the content to the salt gives the same digest.
        if len(self.salt) == SALT_BYTES and self.digest == record.payload_digest:
            return []
        text = f"the payload of record {record.sequence} is not the one that was sealed"
        where = "audit_payloads"
        return [
            IntegrityFinding(record.writer, record.sequence, Trouble.PAYLOAD_ALTERED, text, where)
        ]


def seal(facts: Facts, writer: str, after: Head, payload_digest: str | None) -> Record:
    """``facts`` as the next record of ``writer``'s chain."""
    record = Record(writer, after.sequence + 1, after.hash, payload_digest, facts, "")
    return Record(writer, record.sequence, after.hash, payload_digest, facts, hash_of(record))


def hash_of(record: Record) -> str:
    """The hash that ``record`` ought to have, from everything else it says."""
    return hashlib.sha256(canonical(document(record))).hexdigest()


def document(record: Record) -> dict[str, Any]:
    """What is hashed."""
    facts = record.facts
    said = {name: getattr(facts, name) for name in FACTS if name != "time_us"}
    said |= {
        "format": FORMAT,
        "writer": record.writer,
        "sequence": record.sequence,
        "previous": record.previous,
        "payload_digest": record.payload_digest,
        "time": stated_time(facts.time_us),
    }
    # Absent, not null: a field that is added later leaves the hashes of old records as they are.
    return {key: value for key, value in said.items() if value is not None}


def stated_time(time_us: int) -> str:
    """As :func:`timestamp`; for a number that is no time, text that no sealed record has."""
    try:
        # A tampered cell must become a finding, not a crash of the verifier.
        return timestamp(time_us)
    except (TypeError, OverflowError):
        return f"no time: {time_us!r}"


def timestamp(time_us: int) -> str:
    """RFC 3339, UTC, always with six decimals.

    >>> timestamp(1_700_000_000_000_001)
    '2023-11-14T22:13:20.000001Z'
    """
    moment = _EPOCH + timedelta(microseconds=time_us)
    # Unless told, isoformat leaves out a fraction of zero: one moment must have one spelling.
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def microseconds(text: str) -> int:
    """The inverse of :func:`timestamp`; any RFC 3339 time with an offset.

    Raises
    ------
    ValueError
        If it is no such time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no offset from UTC")
    try:
        # In year 1 or 9999 an offset can lead out of what datetime can say.
        moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text} is in no year that has four digits") from None
    return (moment - _EPOCH) // timedelta(microseconds=1)


def canonical(value: object) -> bytes:
    """``value`` in the canonical form of RFC 8785.

    >>> canonical({"b": [1, "x"], "a": None})
    b'{"a":null,"b":[1,"x"]}'
    """
    _check(value)
    return _write(value).encode()


# Built once: json.dumps makes an encoder a call when its options are not the default ones.
_write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def _check(value: object) -> None:
    """Refuse what JSON's writers disagree about: fractions, huge numbers, odd keys."""
    match value:
        case None | str() | bool():
            return
        case int():
            if abs(value) > MAX_WHOLE:
                raise ValueError(f"{value} is beyond what every JSON reader keeps")
        case dict():
            for key, item in value.items():
                # RFC 8785, 3.2.3 sorts by UTF-16 units, Python by code points: ASCII is the same.
                if not (isinstance(key, str) and key.isascii()):
                    raise ValueError(f"key {key!r} is not ASCII text")
                if not isinstance(item, str):
                    _check(item)
        case list() | tuple():
            for item in value:
                _check(item)
        case _:
            raise ValueError(f"{type(value).__name__} has no canonical form here")


@dataclass(frozen=True, slots=True)
class IntegrityFinding:
    """One thing wrong with what is stored, and where."""

    writer: str
    sequence: int
    trouble: Trouble
    text: str
    where: str = "audit_records"
    """The table, or the table and its column (``audit_payloads.salt``) where that is known."""


def check(record: Record, before: Head) -> list[IntegrityFinding]:
    """Whether ``record`` is what was sealed, and follows ``before``; one finding for each lie.

    What follows is judged from what this record claims, so that one lie is one finding.
    """
    found = []

    def report(sequence: int, trouble: Trouble, text: str) -> None:
        found.append(IntegrityFinding(record.writer, sequence, trouble, text))

    expected = before.sequence + 1
    if record.sequence != expected:
        last = record.sequence - 1
        which = f"records {expected} to {last} are" if last > expected else f"record {last} is"
        report(expected, Trouble.MISSING, f"{which} missing")
    # elif: after a gap the hash cannot fit either, and that would be the same lie told twice.
    elif record.previous != before.hash:
        text = f"record {record.sequence} does not follow record {before.sequence}"
        report(record.sequence, Trouble.UNLINKED, text)
    return found + own_findings(record)


def own_findings(record: Record) -> list[IntegrityFinding]:
    """Whether a record is what was sealed, by what it says itself."""
    return [] if _holds(record) else [_altered(record)]


def _holds(record: Record) -> bool:
    try:
        return hash_of(record) == record.hash
    except (ValueError, TypeError, OverflowError):  # a field that no sealed record could have
        return False


def _altered(record: Record) -> IntegrityFinding:
    at = record.sequence
    # Swapped neighbours, and rows renumbered after a deletion, stand one place from their own.
    for place in (at - 1, at + 1):
        elsewhere = Record(
            record.writer, place, record.previous, record.payload_digest, record.facts, record.hash
        )
        if _holds(elsewhere):
            text = f"what stands as record {at} was sealed as record {place}"
            return IntegrityFinding(record.writer, at, Trouble.MOVED, text)
    text = f"record {at} is not what was sealed: a field or its hash was altered"
    return IntegrityFinding(record.writer, at, Trouble.ALTERED, text)
