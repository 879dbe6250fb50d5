"""Everything that there is about one record, in one file that proves itself.

The log signs the list of what is in it; the record, its reviews and the documents of the model
are held by their own digests besides. :mod:`ifonly.service.transparency.verifier` checks it, and is
in it.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ifonly.models.errors import UnknownModel
from ifonly.service.ask import catalogue
from ifonly.service.audit import inspection
from ifonly.service.audit.recheck import asked_model, recheck
from ifonly.service.errors import CannotReplay, NotInLog
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store import archive, translog
from ifonly.service.store.archive import CheckedRecord
from ifonly.service.store.chain import Payload, Record, canonical
from ifonly.service.store.database import Database
from ifonly.service.store.export import line
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.translog import Prover, StoredHead
from ifonly.service.transparency import verifier
from ifonly.service.transparency.signing import Signer, sign_note
from ifonly.service.transparency.verifier import MANIFEST, VerifierKey, manifest_text
from ifonly.service.words import claims

Entry = tuple[Record, Payload | None]

README = """\
Evidence of one record of an ifonly audit trail.

    python verify.py BUNDLE.zip VERIFIER-KEY     needs Python 3.11 and `pip install cryptography`
    ifonly audit check BUNDLE.zip --key VERIFIER-KEY

Take VERIFIER-KEY from who keeps the log, not from keys.json, and verify.py from a source that you
trust: a forger of this file would forge both.

record.json     the record as it was hashed, its salt, question and answer
proof.json      that it is a leaf of the log's tree (RFC 9162)
checkpoint.txt  the signed head of that tree (C2SP tlog-checkpoint), with cosignatures
stamp.tsr       an RFC 3161 time stamp of the lines that the log itself has signed
reviews.jsonl   what people said of it, each a record with its own proof
claim.json      what the answer claims and how that is known, in words
checks.json     every check of the answer, recomputed when this file was made
model.json      the model as it is described to clients; model/: the documents it was served by
manifest.txt    the SHA-256 of all of these, signed by the log
"""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of every member: equal evidence is an equal file."""


@dataclass(frozen=True)
class Keepers:
    """Who signs the log, and who vouches for its heads."""

    signer: Signer
    witnesses: Sequence[VerifierKey] = ()
    roots: bytes | None = None
    """Certificates (PEM) of time stamps."""


def entries_of(database: Database, identity: str) -> list[Entry]:
    """A record, and what was said of it: reviews and erasures, oldest first.

    Raises
    ------
    UnknownRecord
        If there is none of that id.
    """
    record, payload = archive.get(database, identity)
    reviews = archive.about(database, identity, RecordKind.REVIEW)
    return [(record, payload), *reviews, *archive.about(database, identity, RecordKind.ERASURE)]


def bundle(database: Database, registry: Registry, keepers: Keepers, identity: str) -> bytes:
    """The file, a zip.

    Raises
    ------
    UnknownRecord
        If there is no record of that id.
    NotInLog
        If it, or something said of it, is in no signed head yet.
    NoKey
        If it cannot be signed now.
    """
    entries = entries_of(database, identity)
    # One head for all of it: a reader has one signature to check.
    head = _head(database, entries)
    (record, payload), *reviews = entries
    prover = Prover(database, head)
    members = {
        "README.txt": README.encode(),
        "verify.py": _source(),
        "keys.json": _json(
            {"log": str(keepers.signer.key), "witnesses": [str(k) for k in keepers.witnesses]}
        ),
        "record.json": canonical(line(CheckedRecord(record, payload), None)),
        "proof.json": canonical(_proof(prover, record)),
        "checkpoint.txt": head.whole.encode(),
        "reviews.jsonl": b"".join(canonical(_review(prover, *e)) + b"\n" for e in reviews),
        **dict(_stamp(head, keepers)),
        **dict(_claims(record, payload, registry)),
    }
    # The manifest is signed as well: digests alone would not tell who packed it.
    signed = sign_note(keepers.signer, manifest_text(members))
    return _packed({**members, MANIFEST: str(signed).encode()})


def _head(database: Database, entries: Sequence[Entry]) -> StoredHead:
    """One that has all of it; vouched for by others, if there is one."""
    found = [translog.index_of(database, r.writer, r.sequence) for r, _ in entries]
    last = -1 if None in found else max(index for index in found if index is not None)
    head = None if last < 0 else translog.vouched(database, last)
    # No bundle without a head: its whole worth is that somebody signed.
    if head is None:
        raise NotInLog(entries[0][0].facts.id)
    return head


def _source() -> bytes:
    return (files(verifier.__package__ or "") / "verifier.py").read_bytes()


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"


def _proof(prover: Prover, record: Record) -> dict[str, Any]:
    found = prover.of(record.writer, record.sequence)
    if found is None:
        raise NotInLog(record.facts.id)
    # The head is a member of its own, for it is the same for all proofs.
    return {key: value for key, value in found.as_json().items() if key != "checkpoint"}


def _review(prover: Prover, record: Record, payload: Payload | None) -> dict[str, Any]:
    return line(CheckedRecord(record, payload), None) | {"proof": _proof(prover, record)}


def _stamp(head: StoredHead, keepers: Keepers) -> Iterator[tuple[str, bytes]]:
    if head.stamp is not None:
        yield "stamp.tsr", head.stamp
        if keepers.roots is not None:
            yield "tsa-roots.pem", keepers.roots


def _claims(
    record: Record, payload: Payload | None, registry: Registry
) -> Iterator[tuple[str, bytes]]:
    kept = {} if payload is None else json.loads(payload.content)
    if kept.get("answer"):
        yield (
            "claim.json",
            _json([dict(said) for said in claims.in_words(kept["answer"], kept["request"])]),
        )
    checked = inspection.rechecked(recheck(record, payload, registry))
    if checked is not None:
        yield "checks.json", _json(checked.model_dump(mode="json"))
    if record.facts.model is None:
        return
    try:
        model = asked_model(record, registry)
    except (CannotReplay, UnknownModel):
        return  # it is not served any more: the record still has its digests
    yield from _model(model, registry)


def _model(model: ServedModel, registry: Registry) -> Iterator[tuple[str, bytes]]:
    card = catalogue.description(model, registry).model_dump(mode="json", by_alias=True)
    yield "model.json", _json(card | {"parity": model.deployed.parity})
    # As it was when the model was loaded: the file may have changed since.
    yield "model/spec.toml", model.spec_text
    if model.causal is not None and model.deployed.causal is not None:
        yield "model/causal.toml", model.deployed.causal


def _packed(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, data)
    return file.getvalue()
