"""Anchors: a record in one chain that holds the ends of all the others.

Without them a tail that is cut off leaves a shorter chain, as good as any. An anchor holds the
heads that moved since some anchor had them, so the last anchored head of each chain is the
last one found in any anchor. A file elsewhere keeps them from whoever can change the database.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from service.store.chain import Facts, Head, Kind, Record, canonical, document
from service.store.tables import log_heads, writers

Heads = Mapping[str, Head]


def moved(connection: sa.Connection) -> dict[str, Head]:
    """The heads that no anchor has yet."""
    found = connection.execute(
        sa.select(writers.c.id, writers.c.head_sequence, writers.c.head_hash).where(
            writers.c.head_sequence > writers.c.anchored
        )
    )
    return {writer: Head(sequence, digest) for writer, sequence, digest in found}


def signed_head(connection: sa.Connection) -> str | None:
    """The newest head of the log, as it was signed; an anchor carries it to where anchors go."""
    newest = sa.select(log_heads.c.note).order_by(log_heads.c.size.desc()).limit(1)
    return connection.execute(newest).scalar_one_or_none()


def facts(heads: Heads, engine_version: str, signed: str | None = None) -> Facts:
    detail: dict[str, Any] = {
        "heads": {writer: [h.sequence, h.hash] for writer, h in sorted(heads.items())}
    }
    if signed is not None:
        detail["log"] = signed
    return Facts(kind=Kind.ANCHOR, actor="system", engine_version=engine_version, detail=detail)


def heads_in(detail: Any) -> dict[str, Head]:
    """The heads that an anchor's detail holds; none where it is not an anchor's."""
    try:
        return {str(w): Head(int(s), str(d)) for w, (s, d) in detail["heads"].items()}
    except (TypeError, ValueError, KeyError, AttributeError):
        return {}


def mark(connection: sa.Connection, heads: Heads) -> None:
    """Remember that these are anchored; in one order, so that two who do so never deadlock."""
    for writer, head in sorted(heads.items()):
        connection.execute(
            sa.update(writers)
            .where(writers.c.id == writer, writers.c.anchored < head.sequence)
            .values(anchored=head.sequence)
        )


def write_down(file: Path, record: Record) -> None:
    """Append an anchor to a file, as one line of JSON, and see it onto the disk."""
    line = canonical({**document(record), "hash": record.hash}) + b"\n"
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)


def read_down(file: Path) -> Iterator[tuple[str, Head]]:
    """Every head in such a file, the anchors' own places among them.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If a line of it is no anchor.
    """
    with file.open("rb") as lines:
        for line in lines:
            anchor = json.loads(line)
            yield anchor["writer"], Head(anchor["sequence"], anchor["hash"])
            yield from heads_in(anchor["detail"]).items()
