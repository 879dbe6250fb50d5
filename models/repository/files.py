"""Model folders on disk: which there are, whether they changed, what must not be followed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ifonly.models.errors import SpecError
from ifonly.models.spec.checks import is_path_safe

Id = tuple[str, str]
"""Name and version."""

Signature = tuple[tuple[Any, ...], ...]
"""What ``stat`` says of every file of a folder: changes whenever one is written."""


def label_of(key: Id) -> str:
    """``name/version``, or the name alone where there is no version."""
    return "/".join(part for part in key if part)


def version_folders(root: Path) -> Iterator[tuple[Id, Path]]:
    """Every version folder; with version ``""`` a model's folder in which none can be read."""
    for name, path in _subfolders(root):
        try:
            versions = _subfolders(path) if _is_inside(path, root) else []
        except OSError:
            versions = []
        if not is_path_safe(name) or not versions:
            # Told as a folder without versions, so that whoever put it
            # there learns why it is not served.
            yield (name, ""), path
            continue
        for version, below in versions:
            yield (name, version), below


def _subfolders(path: Path) -> list[tuple[str, Path]]:
    """Folders in ``path`` by name; those whose names start with a dot are not ours."""
    with os.scandir(path) as entries:
        names = [entry.name for entry in entries if entry.is_dir()]
    return [(name, path / name) for name in sorted(names) if not name.startswith(".")]


def _is_inside(path: Path, root: Path) -> bool:
    return path.resolve().is_relative_to(root.resolve())


def check_path(key: Id, path: Path, root: Path) -> None:
    """Refuse names that are no names, and links that leave ``root``, unread.

    Raises
    ------
    SpecError
        Naming the folder or the file.
    OSError
        If the folder cannot be listed.
    """
    for part in key:
        if part and not is_path_safe(part):
            raise SpecError(label_of(key), "", f"{part!r} cannot name a model or a version")
    if not _is_inside(path, root):
        raise SpecError(label_of(key), "", "is a link that leaves the repository")
    # An unreadable folder is found here, and not as a missing file later.
    os.scandir(path).close()
    for file in _files(path) if key[1] else ():
        if not _is_inside(file, root):
            name = f"{label_of(key)}/{file.relative_to(path)}"
            raise SpecError(name, "", "is a link that leaves the repository")


def _files(path: Path) -> list[Path]:
    """Files in ``path`` and below, sorted; hidden ones are not ours."""
    found = []
    for folder, below, names in os.walk(path):
        # In place, which keeps `os.walk` out of hidden folders.
        below[:] = [name for name in below if not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    return sorted(found)


def signature_of(path: Path) -> Signature:
    """Differs after any write to a file of the folder ``path``."""
    return tuple(_stat(file) for file in _files(path))


def _stat(file: Path) -> tuple[Any, ...]:
    try:
        stat = file.stat()
    except FileNotFoundError:  # a link to nowhere, or gone since it was listed
        return (str(file),)
    # Size and time alone miss a file that was put in the place of another of the same size.
    return (str(file), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def content_of(path: Path) -> str:
    """Digest of the names and bytes of all files."""
    digest = hashlib.sha256()
    for file in _files(path):
        data = hashlib.sha256(file.read_bytes() if file.is_file() else b"").hexdigest()
        # A zero byte parts name and digest: no name can hold one.
        digest.update(f"{file.relative_to(path)}\0{data}\n".encode())
    return digest.hexdigest()
