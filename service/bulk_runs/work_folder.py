"""What is done of a run, beside where its output will be: so that a run that was killed goes on.

A folder ``.NAME.bulk`` with what is run (``run.json``), a file a slice that is answered, and, once
all are, the manifest. One process at a time has it: the system lets go of the lock of one that is
killed. Each part is named for its digest; what is not whole is answered again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ifonly.service.bulk_runs import durable
from ifonly.service.bulk_runs.parts import AnsweredPart, head_of
from ifonly.service.errors import CannotBulk

if sys.platform != "win32":
    import fcntl

RUN, LOCK, PARTS, MANIFEST = "run.json", "lock", "parts", "manifest.json"
_PART = re.compile(r"(\d{8,})\.([0-9a-f]{64})\.part")


class WorkFolder:
    """Open from :func:`held` until its block ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._parts = path / PARTS
        self._found: dict[int, Path] = {}

    # --- what is run ----------------------------------------------------------------------

    @property
    def run(self) -> dict[str, Any] | None:
        """What was begun here; None: nothing."""
        return _read(self.path / RUN)

    def begin(self, run: Mapping[str, Any]) -> None:
        """Say what is run. Whatever else was done here is gone.

        Raises
        ------
        CannotBulk
            If the folder cannot be written.
        """
        self.clear()
        try:
            self._parts.mkdir()
        except OSError as error:
            raise CannotBulk(f"{self._parts} cannot be made: {error.strerror}") from None
        # Last: a folder without it is one in which nothing was begun.
        durable.write(self.path / RUN, json.dumps(run, indent=1, ensure_ascii=False).encode())

    @property
    def manifest(self) -> bytes | None:
        """What the whole run came to, if it was written down before the process ended."""
        try:
            return (self.path / MANIFEST).read_bytes()
        except FileNotFoundError:
            return None

    def keep_manifest(self, manifest: bytes) -> None:
        durable.write(self.path / MANIFEST, manifest)

    def clear(self) -> None:
        """Remove everything but the lock."""
        (self.path / RUN).unlink(missing_ok=True)
        (self.path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(self._parts, ignore_errors=True)
        self._found = {}

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    # --- parts ----------------------------------------------------------------------------

    def look(self) -> Counter[str]:
        """See which parts are there: rows of theirs by status. Of one that is not what its name
        says nothing is kept."""
        self._found = {}
        counts: Counter[str] = Counter()
        for file in sorted(self._parts.iterdir()):
            fits = _PART.fullmatch(file.name)
            data = file.read_bytes()
            if fits is None or _digest(data) != fits[2]:
                file.unlink()
                continue
            self._found[int(fits[1])] = file
            counts.update(head_of(data)[0]["counts"])
        return counts

    @property
    def done(self) -> frozenset[int]:
        """Numbers of the slices that are answered."""
        return frozenset(self._found)

    def put(self, part: AnsweredPart) -> None:
        """Raises
        ------
        CannotBulk
            If it cannot be written.
        """
        data = part.written()
        file = self._parts / f"{part.number:08d}.{_digest(data)}.part"
        durable.write(file, data)
        self._found[part.number] = file

    def parts(self) -> Iterator[AnsweredPart]:
        """All of them, in order, one in memory at a time.

        Raises
        ------
        CannotBulk
            If one is missing, or cannot be read any more.
        """
        for number in range(len(self._found)):
            file = self._found.get(number)
            if file is None:
                raise CannotBulk(f"{self._parts}: part {number} is missing; run the command again")
            try:
                data = file.read_bytes()
                if f".{_digest(data)}." not in file.name:
                    raise ValueError("was changed")
                yield AnsweredPart.read(data)
            except (OSError, ValueError) as error:
                raise CannotBulk(f"{file} cannot be read: {error}") from None


@contextlib.contextmanager
def held(path: Path) -> Iterator[WorkFolder]:
    """The folder, which nobody else has meanwhile; made if it is not there.

    Raises
    ------
    CannotBulk
        If somebody else has it, or it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise CannotBulk(f"{path} cannot be made: {error.strerror}") from None
    try:
        _lock(handle, path)
    except CannotBulk:
        os.close(handle)
        raise
    try:
        yield WorkFolder(path)
    finally:
        # Nothing was begun: nobody has to come back for it.
        if not (path / RUN).exists():
            shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise CannotBulk(
            f"another run is writing the same output (it holds {path / LOCK})"
        ) from None
    # Whoever had it before may have removed it, and somebody else made another one.
    if not (path / LOCK).exists() or os.fstat(handle).st_ino != (path / LOCK).stat().st_ino:
        raise CannotBulk(f"another run has just ended at {path}: run the command again")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except ValueError:
        raise CannotBulk(f"{file} cannot be read: remove its folder to begin anew") from None
