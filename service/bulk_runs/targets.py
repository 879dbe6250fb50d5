"""Where answers are wanted: a file or folder of this machine, or an object of a store. It is
complete or not there: written beside, then renamed; or sent as one object."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from ifonly.service.bulk_runs import durable, writing
from ifonly.service.bulk_runs.reading.places import (
    InputFile,
    is_local,
    reading,
    said,
    system_of,
)
from ifonly.service.bulk_runs.writing import OutputFormat
from ifonly.service.errors import CannotBulk

MANIFEST, ERRORS = "manifest.json", "errors.jsonl"
_WHOLE_AT_ONCE = ("s3", "gcs", "abfs")
"""File systems of Arrow's where an object appears once it was sent whole."""


@dataclass(frozen=True)
class OutputFile:
    """One file of what came out."""

    name: str
    """Below a folder; else empty."""
    rows: int
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, name: str, rows: int) -> OutputFile:
        """A file as it is on the disk."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(name, rows, path.stat().st_size, digest)


@dataclass(frozen=True)
class OutputTarget:
    """An output by its path or URL."""

    given: str
    format: OutputFormat
    codec: str | None
    work: Path
    """The folder of the work for it."""

    @classmethod
    def of(cls, given: str, work: Path | None) -> OutputTarget:
        """Raises
        ------
        CannotBulk
            If answers cannot be written so.
        """
        form, codec = writing.format_of(given)
        if work is None:
            # On the same disk: a rename then is all that is left to do.
            path = Path(given).absolute()
            name = f".{path.name}.bulk"
            beside = path.parent if is_local(given) else Path.cwd()
            if not is_local(given):
                digest = hashlib.sha256(given.encode()).hexdigest()[:12]
                name = f".{PurePosixPath(given.rstrip('/')).name}.{digest}.bulk"
            work = beside / name
        return cls(given, form, codec, work.absolute())

    @property
    def is_folder(self) -> bool:
        return self.format is OutputFormat.FOLDER

    def beside(self, what: str) -> str:
        """Where the manifest is, or the errors."""
        return f"{self.given.rstrip('/')}/_{what}" if self.is_folder else f"{self.given}.{what}"

    @property
    def is_there(self) -> bool:
        with reading(self.given):
            system, path = system_of(self.given)
            info = system.get_file_info(path.rstrip("/"))
            return bool(info.type is not pafs.FileType.NotFound)

    def content(self, where: str) -> bytes | None:
        """What is in a file of this target; None: it is not there."""
        with reading(where):
            system, path = system_of(where)
            if system.get_file_info(path).type is not pafs.FileType.File:
                return None
            with system.open_input_stream(path, compression=None) as stream:
                return bytes(stream.read())

    def has(self, file: InputFile) -> bool:
        """Whether a file is one of this target: a glob of what comes in may find it."""
        if not file.system.equals(system_of(self.given)[0]):
            return False
        places = [self.given, self.beside(MANIFEST), self.beside(ERRORS)]
        own = [system_of(place)[1] for place in places]
        return file.path in own or (self.is_folder and file.path.startswith(f"{own[0]}/"))

    # --- writing --------------------------------------------------------------------------

    def write(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> tuple[OutputFile, ...]:
        """Write the answers into the folder of the work.

        Raises
        ------
        CannotBulk
            If they cannot be written.
        """
        ready = self.ready
        try:
            if self.is_folder:
                shutil.rmtree(ready, ignore_errors=True)
                ready.mkdir()
                found = writing.write_folder(ready, schema, batches)
                for path, _ in found:
                    durable.sync(path)
                durable.settled(ready)
                return tuple(OutputFile.of(path, path.name, rows) for path, rows in found)
            with ready.open("wb") as file:
                rows = writing.write(file, self.format, self.codec, schema, batches)
            durable.sync(ready)
        except (OSError, pa.ArrowException) as error:
            raise CannotBulk(f"{ready} cannot be written: {said(error)}") from None
        return (OutputFile.of(ready, "", rows),)

    @property
    def ready(self) -> Path:
        """Where the answers are before they are put in their place."""
        return self.work / "output"

    @property
    def errors(self) -> Path:
        """Likewise the errors."""
        return self.work / ERRORS

    def publish(self, manifest: bytes, *, has_errors: bool, overwrite: bool) -> None:
        """Put everything in its place, the answers last: where they are, all is.

        Raises
        ------
        CannotBulk
            If something is there already, or it cannot be put there.
        """
        if self.is_there and not overwrite:
            raise CannotBulk(f"{self.given} is there already; --overwrite puts it aside")
        try:
            if is_local(self.given):
                self._place(manifest, has_errors)
            else:
                self._send(manifest, has_errors)
        except (OSError, pa.ArrowException) as error:
            raise CannotBulk(f"{self.given} cannot be put in its place: {said(error)}") from None

    def _place(self, manifest: bytes, has_errors: bool) -> None:
        to = Path(self.given).absolute()
        if self.is_folder:
            if has_errors:
                shutil.copyfile(self.errors, self.ready / f"_{ERRORS}")
                durable.sync(self.ready / f"_{ERRORS}")
            durable.write(self.ready / f"_{MANIFEST}", manifest)
            aside = self.work / "before"
            if to.exists():  # a folder cannot be renamed onto one that has files
                to.rename(aside)
            self.ready.rename(to)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            beside = Path(self.beside(ERRORS))
            if has_errors:
                shutil.copyfile(self.errors, self.work / "told")
                durable.sync(self.work / "told")
                (self.work / "told").replace(beside)
            else:
                beside.unlink(missing_ok=True)
            durable.write(Path(self.beside(MANIFEST)), manifest)
            self.ready.replace(to)
        durable.settled(to.parent)

    def _send(self, manifest: bytes, has_errors: bool) -> None:
        kept = self.work / "sent.json"
        durable.write(kept, manifest)
        pairs = [(self.errors, self.beside(ERRORS))] if has_errors else []
        pairs.append((kept, self.beside(MANIFEST)))
        if self.is_folder:
            parts = sorted(self.ready.iterdir())
            root = self.given.rstrip("/")
            # The manifest last: objects of a folder cannot be renamed together.
            pairs = [*((path, f"{root}/{path.name}") for path in parts), *pairs]
        else:
            pairs.append((self.ready, self.given))
        for source, goal in pairs:
            _send(source, goal)


def _send(source: Path, goal: str) -> None:
    system, path = system_of(goal)
    local = pafs.LocalFileSystem()
    is_whole = system.type_name in _WHOLE_AT_ONCE
    if not is_whole:
        with contextlib.suppress(OSError, NotImplementedError):
            system.create_dir(os.path.dirname(path), recursive=True)
    to = path if is_whole else f"{path}{durable.UNFINISHED}"
    pafs.copy_files(str(source), to, local, system)
    if not is_whole:
        if system.get_file_info(path).type is pafs.FileType.File:
            system.delete_file(path)
        system.move(to, path)


def described(
    target: OutputTarget, found: Iterable[Mapping[str, Any]]
) -> Iterator[tuple[str, bool]]:
    """Files of a manifest, and whether each is what it says."""
    for each in found:
        where = f"{target.given.rstrip('/')}/{each['name']}" if each["name"] else target.given
        with reading(where):
            system, path = system_of(where)
            info = system.get_file_info(path)
            if info.type is not pafs.FileType.File:
                yield where, False
                continue
        file = InputFile(where, system, path, info.size or 0, info.mtime_ns or 0)
        yield where, file.sha256 == each["sha256"]
