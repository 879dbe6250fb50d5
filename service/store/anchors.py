"""Anchors: a record in one chain that holds the ends of all the others.

Without them a tail that is cut off leaves a shorter chain, as good as any. An anchor holds the
heads that moved since some anchor had them, so the last anchored head of each chain is the
last one found in any anchor. A file elsewhere keeps them from whoever can change the database.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ifonly.service.store.chain import (
    Facts,
    Head,
    IntegrityFinding,
    Record,
    Trouble,
    canonical,
    document,
)
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import log_heads, writers

if sys.platform != "win32":
    import fcntl

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
    return Facts(
        kind=RecordKind.ANCHOR, actor="system", engine_version=engine_version, detail=detail
    )


def heads_in(detail: Any) -> dict[str, Head]:
    """The heads that an anchor's detail holds; none where it is not an anchor's."""
    # A forged anchor must become findings, not a crash of the verifier.
    try:
        return {str(w): Head(int(s), str(d)) for w, (s, d) in detail["heads"].items()}
    except (TypeError, ValueError, KeyError, AttributeError):
        return {}


def mark(connection: sa.Connection, heads: Heads) -> None:
    """Remember that these are anchored; in one order, so that two who do so never deadlock."""
    for writer, head in sorted(heads.items()):
        connection.execute(
            sa.update(writers)
            # Two processes may anchor one chain: the later must not lower the hint.
            .where(writers.c.id == writer, writers.c.anchored < head.sequence)
            .values(anchored=head.sequence)
        )


def write_down(file: Path, record: Record) -> None:
    """Append an anchor to a file, as one line of JSON, whole and on the disk.

    A line that a crash has cut off before is ended first: it spoils no other.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    line = canonical({**document(record), "hash": record.hash}) + b"\n"
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        with _locked(handle):  # other processes append to it, too
            if os.fstat(handle).st_size:
                os.lseek(handle, -1, os.SEEK_END)
                line = line if os.read(handle, 1) == b"\n" else b"\n" + line
            # os.write may take only a part.
            while line:
                line = line[os.write(handle, line) :]
            # Flushed before the heads are marked: else a crash leaves them in no file.
            os.fsync(handle)
    finally:
        os.close(handle)


def read_down(file: Path) -> Iterator[tuple[str, Head] | IntegrityFinding | str]:
    """Every head in such a file, the anchors' own places among them; a finding for each line that
    is not what was written, a sentence for each that was cut off.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            text = line.strip(_NOTHING)
            # A line of zeros alone counts as one that was cut off.
            if text or b"\0" in line:
                yield from _heads_of(text, f"line {number} of {file.name}", file.name)


def _heads_of(
    line: bytes, here: str, name: str
) -> Iterator[tuple[str, Head] | IntegrityFinding | str]:
    try:
        anchor = json.loads(line)
    except (ValueError, RecursionError):
        if line.startswith(_BEGINS) or _BEGINS.startswith(line):
            yield f"{here} was cut off while it was written: what it anchored is not checked"
        else:
            yield IntegrityFinding("", 0, Trouble.ALTERED, f"{here} is no anchor", name)
        return
    if not _is_whole(anchor):
        yield IntegrityFinding(
            "", 0, Trouble.ALTERED, f"{here} is not the anchor that was written", name
        )
        return
    yield anchor["writer"], Head(anchor["sequence"], anchor["hash"])
    yield from heads_in(anchor["detail"]).items()


_BEGINS = b'{"actor":'
"""Of every line."""
_NOTHING = b"\0\r\n "
"""A file system may leave zeros where a line was to be."""


def _is_whole(anchor: Any) -> bool:
    """Whether a line says what was sealed."""
    if not isinstance(anchor, dict) or anchor.get("kind") != RecordKind.ANCHOR:
        return False
    said = {key: value for key, value in anchor.items() if key != "hash"}
    try:
        return hashlib.sha256(canonical(said)).hexdigest() == anchor.get("hash")
    except (ValueError, RecursionError):
        return False


@contextmanager
def _locked(handle: int) -> Iterator[None]:
    """Nobody else who asks for it has the file meanwhile. (Windows: only one process writes.)"""
    if sys.platform == "win32":
        yield
        return
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)
