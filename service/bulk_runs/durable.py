"""Files that are whole or not there, and stay after a power cut."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ifonly.service.errors import CannotBulk

UNFINISHED = ".unfinished"


@contextlib.contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which has its name once the block has ended well.

    Raises
    ------
    CannotBulk
        If it cannot be written; then it is not there.
    """
    waiting = path.with_name(path.name + UNFINISHED)
    try:
        with waiting.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(path)
        settled(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            waiting.unlink(missing_ok=True)
        raise CannotBulk(f"{path} cannot be written: {error.strerror or error}") from None


def write(path: Path, data: bytes) -> None:
    """Raises
    ------
    CannotBulk
        As :func:`written`.
    """
    with written(path) as file:
        file.write(data)


def settled(folder: Path) -> None:
    """The names in ``folder`` are on the disk."""
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync(path: Path) -> None:
    """A file that was written is on the disk.

    Raises
    ------
    OSError
        If it cannot be.
    """
    with path.open("rb+") as file:
        os.fsync(file.fileno())
