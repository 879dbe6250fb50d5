"""The audit trail as files: JSONL, or Parquet where pyarrow is installed (extra ``parquet``)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from ifonly.service.errors import FormatUnavailable
from ifonly.service.store.archive import CheckedRecord
from ifonly.service.store.chain import FACTS, Record, canonical, document
from ifonly.service.store.pieces import Pieces
from ifonly.service.store.terms import Format
from ifonly.service.store.translog import LogBroken, Prover

# One group is in memory at a time, and is what a reader can skip.
ROW_GROUP = 5_000
"""Records in one row group of a Parquet file."""

_NUMBERS = {"sequence", "time_us", "seed", "latency_us"}
_COLUMNS = (
    *("writer", "sequence", "previous", "payload_digest", *FACTS, "hash", "salt", "payload"),
    *("findings", "proof"),
)


MEDIA_TYPES = {
    Format.JSONL: "application/jsonl",
    Format.PARQUET: "application/vnd.apache.parquet",
}


def export(
    entries: Iterable[CheckedRecord], form: Format, prover: Prover | None = None
) -> Iterator[bytes]:
    """The file in pieces; with a ``prover``, each record that is in its head has the proof.

    Raises
    ------
    FormatUnavailable
        At once, if this installation cannot write the format.
    """
    return jsonl(entries, prover) if form is Format.JSONL else parquet(entries, prover)


def jsonl(entries: Iterable[CheckedRecord], prover: Prover | None = None) -> Iterator[bytes]:
    """One object a line: the record's document with ``hash``, and ``salt`` and ``payload`` (text)
    where it has one still; ``findings``, of what is not as it was sealed; ``proof`` where it is in
    the log. All of it canonical, so that equal trails are equal files."""
    return (_written(line(seen, prover)) + b"\n" for seen in entries)


def line(seen: CheckedRecord, prover: Prover | None) -> dict[str, Any]:
    """What one line says."""
    told = {**document(seen.record), "hash": seen.record.hash}
    if seen.payload is not None:
        told |= {
            "salt": seen.payload.salt.hex(),
            # Tampered content may not be UTF-8: it is exported all the same, with its finding.
            "payload": seen.payload.content.decode(errors="replace"),
        }
    # Exported with its findings: leaving a tampered record out would hide it.
    findings = [finding.text for finding in seen.findings]
    proof = _proof(seen.record, prover, findings)
    if findings:
        told["findings"] = findings
    return told if proof is None else told | {"proof": proof}


def _proof(record: Record, prover: Prover | None, findings: list[str]) -> dict[str, Any] | None:
    """Where the log is damaged there is none, which is one more finding: the rest is told."""
    try:
        found = None if prover is None else prover.of(record.writer, record.sequence)
    except LogBroken as broken:
        findings.append(str(broken))
        return None
    return None if found is None else found.as_json()


def _written(line: dict[str, Any]) -> bytes:
    """Canonical; of what no sealed record would say, as it comes."""
    try:
        # Equal trails must be equal files: a digest then tells whether two exports differ.
        return canonical(line)
    # Tampered values (a float, say) have no canonical form.
    except ValueError:
        return json.dumps(line, sort_keys=True, default=str).encode()


def parquet(entries: Iterable[CheckedRecord], prover: Prover | None = None) -> Iterator[bytes]:
    """One row a record, the columns of the table; ``detail`` and ``proof`` as JSON text.

    Raises
    ------
    FormatUnavailable
        If pyarrow is not installed.
    """
    try:
        # Imported here: it is an extra, and large.
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise FormatUnavailable(
            "Parquet needs pyarrow, which is not installed: pip install 'ifonly[parquet]'"
        ) from None
    # A fixed schema: a group whose column is all null would guess another type.
    schema = pa.schema([(n, pa.int64() if n in _NUMBERS else pa.string()) for n in _COLUMNS])

    # An inner generator: without pyarrow the call fails, not a reply under way.
    def pieces() -> Iterator[bytes]:
        pipe = Pieces()
        with pq.ParquetWriter(pipe, schema, compression="zstd") as writer:
            rows: list[dict[str, Any]] = []
            for seen in entries:
                rows.append(_row(seen, prover))
                if len(rows) == ROW_GROUP:
                    writer.write_table(pa.Table.from_pylist(rows, schema))
                    rows = []
                    yield pipe.taken()
            if rows:
                writer.write_table(pa.Table.from_pylist(rows, schema))
        # Taken after the block, at whose end the writer writes the footer.
        yield pipe.taken()

    return pieces()


def _row(seen: CheckedRecord, prover: Prover | None) -> dict[str, Any]:
    record, payload = seen.record, seen.payload
    findings = [finding.text for finding in seen.findings]
    proof = _proof(record, prover, findings)
    facts = {name: getattr(record.facts, name) for name in FACTS}
    if facts["detail"] is not None:
        facts["detail"] = _written(facts["detail"]).decode()
    row = facts | {
        "writer": record.writer,
        "sequence": record.sequence,
        "previous": record.previous,
        "payload_digest": record.payload_digest,
        "hash": record.hash,
        "salt": None if payload is None else payload.salt.hex(),
        "payload": None if payload is None else payload.content.decode(errors="replace"),
        "findings": "; ".join(findings) or None,
        "proof": None if proof is None else canonical(proof).decode(),
    }
    return {name: _typed(name, value) for name, value in row.items()}


def _typed(name: str, value: Any) -> Any:
    """``value`` as its column has it; none, where no sealed record would have it."""
    if value is None or isinstance(value, int if name in _NUMBERS else str):
        return value
    return None if name in _NUMBERS else str(value)
