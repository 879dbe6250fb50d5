"""A model folder that somebody sends: tried out of sight, then there at once and whole.

It is unpacked into a hidden folder of the repository, which no refresh looks into, and read by
the very functions that read every other folder. What they refuse leaves nothing behind. What they
accept is renamed into its place in one step; a version that is there is never replaced.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ifonly.models.errors import GraphError, ModelError, SpecError
from ifonly.models.repository.activation import FOLDER as ACTIVATIONS
from ifonly.models.repository.activation import NEW
from ifonly.models.repository.parcel import NAME, Parcel, unpack
from ifonly.service.errors import CannotUpload, Fault, InvalidRequest, RequestPart
from ifonly.service.logs import logger
from ifonly.service.served.registry import Registry, ServedModel

HIDDEN = ".incoming-"
MAX_UNPACKED = 1 << 30
"""Bytes that one model may have."""
STALE_SECONDS = 3_600.0
"""After which a hidden folder is nobody's: a model is tried in minutes."""
_THERE = (errno.EEXIST, errno.ENOTEMPTY)


@dataclass(frozen=True, slots=True)
class Staged:
    """A model that may be served, not in its place yet. ``discard`` it in the end."""

    root: Path
    """The hidden folder."""
    model: ServedModel
    parcel: Parcel
    sha256: str
    """Of the zip."""


def stage(registry: Registry, archive: IO[bytes]) -> Staged:
    """The model in ``archive``, read as it would be served.

    Raises
    ------
    InvalidRequest
        If it would be refused: every reason.
    CannotUpload
        If that version is there already, or the folder of models cannot be written.
    """
    root = hidden(registry.root)
    try:
        return _tried(registry, archive, root)
    # Also when cancelled: nothing hidden stays.
    except BaseException:
        shutil.rmtree(root, ignore_errors=True)
        raise


def hidden(models: Path) -> Path:
    """A folder that no refresh looks into, in which a model may be put together.

    Raises
    ------
    CannotUpload
        If the folder of models cannot be written.
    """
    try:
        # In the repository itself: a rename across file systems is not atomic (decision 0063).
        return Path(tempfile.mkdtemp(prefix=HIDDEN, dir=models))
    except OSError as error:
        raise CannotUpload(
            f"the folder of models cannot be written ({error.strerror}): IFONLY_MODELS names one"
        ) from None


def discard(found: Staged) -> None:
    """Leave nothing of it but what was published."""
    shutil.rmtree(found.root, ignore_errors=True)


def sweep(root: Path) -> None:
    """Remove what is left of uploads and activations that a crash cut off; those of other
    processes stay."""
    for folder in (*root.glob(f"{HIDDEN}*"), *root.glob(f"{ACTIVATIONS}/*/{NEW}*")):
        with contextlib.suppress(OSError):  # whoever made it has just removed it
            if time.time() - folder.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
                logger.info("removed %s: an upload that was never finished", folder.name)


def _tried(registry: Registry, archive: IO[bytes], root: Path) -> Staged:
    try:
        parcel = unpack(archive, root, MAX_UNPACKED)
        _check_new(registry, parcel)
        model = registry.read(parcel.folder, root)
    except ModelError as error:
        raise InvalidRequest(RequestPart.MODEL, faults_of(error)) from None
    return Staged(root, model, parcel, sha256_of(archive))


def sha256_of(archive: IO[bytes]) -> str:
    """Of all of it, from its beginning."""
    digest = hashlib.sha256()
    archive.seek(0)
    while piece := archive.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()


def _check_new(registry: Registry, parcel: Parcel) -> None:
    name, version = parcel.folder.parts[-2:]
    # An early answer, before the trial; the rename in `publish` decides.
    if (registry.root / name / version).exists():
        raise is_there(name, version)


def is_there(name: str, version: str) -> CannotUpload:
    """That a version is, so that no other can come."""
    return CannotUpload(
        f"version {version} of {name} is there already: a version is never replaced, send another"
    )


def faults_of(error: ModelError) -> list[Fault]:
    """Everything wrong with a folder: file, key and sentence of each."""
    match error:
        case SpecError():
            file = error.file.rpartition("/")[2]
            return [Fault((file, *filter(None, [p.key])), p.problem) for p in error.problems]
        case GraphError():
            file, _, text = str(error).partition(": ")
            return [Fault((file.rpartition("/")[2],), text or str(error))]
        case _:
            return [Fault((NAME,), str(error))]


def publish(registry: Registry, found: Staged) -> None:
    """Have it served, from now on.

    Raises
    ------
    CannotUpload
        If that version has come meanwhile, or the folder of models cannot be written.
    """
    put_in_place(found.parcel.folder, registry.root)
    registry.refresh()


def put_in_place(folder: Path, models: Path) -> None:
    """Rename ``<somewhere>/<name>/<version>`` into ``models``, in one step.

    Raises
    ------
    CannotUpload
        If that version is there, or the folder of models cannot be written.
    """
    name, version = folder.parts[-2:]
    place = models / name / version
    try:
        # A new name comes with its first version, so that no moment shows it without one.
        if place.parent.exists() or not _renamed(folder.parent, place.parent):
            # Fails where a version is: a rename replaces an empty folder at the most.
            os.rename(folder, place)
    except OSError as error:
        if error.errno in _THERE:
            raise is_there(name, version) from None
        raise CannotUpload(f"the folder of models cannot be written ({error.strerror})") from None


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Have ``folder`` hold ``files``, none of which it has, by their names; on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with (folder / name).open("xb") as file:
            file.write(content)
            file.flush()
            # What is announced as there must still be there after a power cut.
            os.fsync(file.fileno())
    return folder


def safe_name(stem: str) -> str:
    """A name of a model that is made of a file's."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:100] or "model"


def _renamed(folder: Path, place: Path) -> bool:
    """Whether it was; not where another one has come meanwhile."""
    try:
        os.rename(folder, place)
    except OSError as error:
        if error.errno in _THERE:
            return False
        raise
    return True
