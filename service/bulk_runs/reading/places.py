"""Files by path, glob or URL: on this machine's disks and in object stores."""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from ifonly.service.errors import CannotBulk

PIECE_BYTES = 1 << 20
_WILD = "*?["


@dataclass(frozen=True)
class InputFile:
    """One file with rows."""

    name: str
    """As it is shown: below the folder that was given, or the whole path of a file."""
    system: pafs.FileSystem
    path: str
    size: int
    changed_ns: int
    """When it was written last; 0: its store does not say."""
    partition: tuple[tuple[str, str], ...] = ()
    """What its folders say of all its rows, as Hive writes it: ``line=a/day=2026-01-31``."""

    def opened(self) -> Any:
        """A stream of its bytes.

        Raises
        ------
        CannotBulk
            If it cannot be opened.
        """
        with reading(self.name):
            return self.system.open_input_stream(self.path, compression=None)

    def at(self) -> Any:
        """As :meth:`opened`, of a file whose parts can be read in any order."""
        with reading(self.name):
            return self.system.open_input_file(self.path)

    @property
    def sha256(self) -> str:
        """Digest of its bytes, which are read for it."""
        digest = hashlib.sha256()
        with self.opened() as stream, reading(self.name):
            while piece := stream.read(PIECE_BYTES):
                digest.update(piece)
        return digest.hexdigest()

    @property
    def is_as_listed(self) -> bool:
        """Whether nobody has written to it since."""
        info = self.system.get_file_info(self.path)
        return (info.size, info.mtime_ns or 0) == (self.size, self.changed_ns)


class reading:  # noqa: N801 (a context, as those of contextlib)
    """What a library says of a file that it cannot read becomes one sentence of ours."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None: ...

    def __exit__(self, _: Any, error: BaseException | None, __: Any) -> None:
        if isinstance(error, OSError | pa.ArrowException):
            raise CannotBulk(f"{self.name} cannot be read: {said(error)}") from error


def said(error: BaseException) -> str:
    """The first line of what a library says; of the system's errors, what it calls them."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"{text} (--encoding says what it is: cp949, shift_jis)" if "UTF8" in text else text


def system_of(given: str) -> tuple[pafs.FileSystem, str]:
    """The file system of a path or URL, and the path in it.

    Raises
    ------
    CannotBulk
        If nothing here speaks to it.
    """
    if "://" not in given:
        return pafs.LocalFileSystem(), os.path.abspath(given)
    try:
        system, path = pafs.FileSystem.from_uri(given)
        return system, path
    except (OSError, pa.ArrowException, ValueError):
        # Not one of Arrow's own (file, s3, gs, abfs, hdfs), or not in this build of it.
        pass
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        scheme = given.partition("://")[0]
        raise CannotBulk(
            f"{given}: {scheme}:// needs fsspec and its library for it: pip install fsspec"
        ) from None
    try:
        other, path = url_to_fs(given)
    except (ImportError, OSError, ValueError) as error:
        raise CannotBulk(f"{given}: {said(error)}") from None
    return pafs.PyFileSystem(pafs.FSSpecHandler(other)), str(path)


def place_of(given: str) -> str:
    """``given`` as it is found from any folder."""
    is_named = "://" in given or given.startswith("iceberg:")
    return given if is_named else os.path.abspath(given)


def is_local(given: str) -> bool:
    """Whether ``given`` is a path of this machine."""
    return "://" not in given


def files_of(given: str) -> tuple[InputFile, ...]:
    """The files that a path, a glob or a folder means, in the order of their names.

    Names that begin with ``_`` or ``.`` are none: writers of folders of parts keep what is theirs
    there.

    Raises
    ------
    CannotBulk
        If there is none, or they cannot be listed.
    """
    with reading(given):
        system, path = system_of(given)
        if any(sign in path for sign in _WILD) and not _is_there(system, path):
            found = list(_globbed(system, path))
            root = os.path.commonpath([os.path.dirname(i.path) for i in found]) if found else ""
        else:
            info = system.get_file_info(path)
            if info.type is pafs.FileType.NotFound:
                raise CannotBulk(f"{given} is not there")
            if info.type is pafs.FileType.File:
                return (_input(PurePosixPath(info.path).name, system, info, ()),)
            root, found = path, _below(system, path)
    found = sorted((i for i in found if _is_visible(i.path, root)), key=lambda info: info.path)
    if not found:
        raise CannotBulk(f"{given} has no files")
    named = ((_under(info.path, root), info) for info in found)
    return tuple(_input(name, system, info, _partition(name)) for name, info in named)


def _is_there(system: pafs.FileSystem, path: str) -> bool:
    """Whether a name that could be a glob is the name of a file."""
    return bool(system.get_file_info(path).type is not pafs.FileType.NotFound)


def _below(system: pafs.FileSystem, path: str, *, recursive: bool = True) -> list[Any]:
    chosen = pafs.FileSelector(path, recursive=recursive, allow_not_found=True)
    return [i for i in system.get_file_info(chosen) if i.type is pafs.FileType.File]


def _globbed(system: pafs.FileSystem, pattern: str) -> Iterator[Any]:
    parts = PurePosixPath(pattern.replace(os.sep, "/")).parts
    first = next(i for i, part in enumerate(parts) if any(sign in part for sign in _WILD))
    base = str(PurePosixPath(*parts[:first])) if first else ""
    for info in _below(system, base, recursive=len(parts) > first + 1 or parts[first] == "**"):
        if _fits(PurePosixPath(info.path).parts, parts):
            yield info


def _fits(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Part by part, as shells do; ``**`` is any number of folders.

    >>> _fits(("a", "b", "c.csv"), ("a", "**", "*.csv"))
    True
    >>> _fits(("a", "b", "c.csv"), ("a", "*.csv"))
    False
    """
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_fits(path[i:], pattern[1:]) for i in range(len(path) + 1))
    return bool(path) and fnmatch.fnmatchcase(path[0], pattern[0]) and _fits(path[1:], pattern[1:])


def _under(path: str, root: str) -> str:
    return os.path.relpath(path, root) if root else path


def _is_visible(path: str, root: str) -> bool:
    return not any(part[0] in "_." for part in PurePosixPath(_under(path, root)).parts)


def _partition(name: str) -> tuple[tuple[str, str], ...]:
    pairs = (part.partition("=") for part in PurePosixPath(name).parts[:-1] if "=" in part)
    return tuple((key, value) for key, _, value in pairs)


def _input(
    name: str, system: pafs.FileSystem, info: Any, partition: tuple[tuple[str, str], ...]
) -> InputFile:
    return InputFile(name, system, info.path, info.size or 0, info.mtime_ns or 0, partition)
