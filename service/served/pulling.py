"""Models fetched from where they are kept, each whole or not at all.

There, beside the folders ``<name>/<version>``, is a file ``SHA256SUMS`` as ``sha256sum`` writes it:
what it does not name is not fetched, what it names is checked. Its own digest names all of it.
No archive is unpacked, and no store has to be able to list what it has.

A version is fetched into a hidden folder, tried as the service would try it, and renamed into its
place: a service that runs finds it there at its next look. A version that is there is never
replaced.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ifonly.models.errors import ModelError
from ifonly.service.errors import CannotPull, CannotUpload
from ifonly.service.served.objects import Read
from ifonly.service.served.registry import Registry
from ifonly.service.served.uploads import MAX_UNPACKED, hidden, put_in_place

SUMS = "SHA256SUMS"
MAX_SUMS = 1 << 20
MAX_FILES = 2_000
"""Of all versions together."""
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")

Files = Mapping[str, str]
"""Of one version: digests (SHA-256, hexadecimal) by path from its folder."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What ``SHA256SUMS`` names."""

    sha256: str
    """Its own."""
    versions: Mapping[tuple[str, str], Files]
    """By name and version of the model."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of the versions, each as ``name/version``."""

    placed: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    """They were there before, with the same files."""
    refused: dict[str, str] = field(default_factory=dict)
    """With the reason."""
    unfetched: set[str] = field(default_factory=set)
    """Of these, those that were not there as named: they may come."""


def listing(read: Read, sha256: str | None = None) -> Listing:
    """Raises
    ------
    CannotPull
        If it cannot be read, is not the one of that digest, or names what cannot be a model's file.
    """
    content = bytearray()
    for piece in read(SUMS):
        content += piece
        if len(content) > MAX_SUMS:
            raise CannotPull(f"{SUMS} is longer than {MAX_SUMS:,} bytes")
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256.lower():
        raise CannotPull(f"{SUMS} has the SHA-256 {digest}, and not {sha256}")
    return Listing(digest, _versions(bytes(content)))


def _versions(content: bytes) -> Mapping[tuple[str, str], Files]:
    lines = content.decode("utf-8", "replace").splitlines()
    if len(lines) > MAX_FILES:
        raise CannotPull(f"{SUMS} names {len(lines):,} files, the most is {MAX_FILES:,}")
    versions: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    folded = set[str]()
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        # As `sha256sum` writes paths that it was given with `./`.
        parts = match[2].removeprefix("./").split("/") if match else []
        # Stricter than names need be: no path leads out, or is read otherwise by another system.
        if match is None or len(parts) < 3 or not all(map(_PART.fullmatch, parts)):
            raise CannotPull(f"{SUMS}, line {number}: no digest of a file <name>/<version>/…")
        name, version, *path = parts
        # On some file systems the two would be one file.
        if (one := "/".join(parts).casefold()) in folded:
            raise CannotPull(f"{SUMS}, line {number}: named twice, but for capitals perhaps")
        folded.add(one)
        versions[name, version]["/".join(path)] = match[1]
    return versions


def pull(read: Read, listed: Listing, registry: Registry) -> Pulled:
    """Put every version that is not there yet into the registry's folder; one that is refused
    keeps none of the others from it."""
    pulled = Pulled()
    for (name, version), files in sorted(listed.versions.items()):
        identity, place = f"{name}/{version}", registry.root / name / version
        if not place.exists():
            try:
                _place(read, files, identity, registry)
                pulled.placed.append(identity)
                continue
            except (ModelError, CannotPull, CannotUpload) as error:
                # Another process may have been faster.
                if not place.exists():
                    pulled.refused[identity] = str(error)
                    if isinstance(error, CannotPull):
                        pulled.unfetched.add(identity)
                    continue
        if _is_same(place, files):
            pulled.there.append(identity)
        else:
            pulled.refused[identity] = (
                "is there with other files: a version is never replaced, give it another number"
            )
    return pulled


def _place(read: Read, files: Files, identity: str, registry: Registry) -> None:
    root = hidden(registry.root)
    try:
        folder = root / identity
        size = 0
        for path, digest in files.items():
            size += _fetch(read, f"{identity}/{path}", digest, root, MAX_UNPACKED - size)
        registry.read(folder, root)
        put_in_place(folder, registry.root)
    except OSError as error:  # a full disk; or a file where another one has a folder
        raise CannotUpload(f"cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _fetch(read: Read, path: str, sha256: str, root: Path, most: int) -> int:
    """Bytes of a file, which is on the disk then."""
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        for piece in read(path):
            size += len(piece)
            if size > most:
                raise CannotPull(f"{path}: the model is longer than {MAX_UNPACKED:,} bytes")
            digest.update(piece)
            file.write(piece)
        file.flush()
        # What is announced as deployed must still be there after a power cut.
        os.fsync(file.fileno())
    if digest.hexdigest() != sha256:
        raise CannotPull(f"{path} has the SHA-256 {digest.hexdigest()}, and {SUMS} says {sha256}")
    return size


def _is_same(place: Path, files: Files) -> bool:
    found = {p.relative_to(place).as_posix(): p for p in place.rglob("*") if p.is_file()}
    return found.keys() == files.keys() and all(
        hashlib.sha256(found[path].read_bytes()).hexdigest() == sha256
        for path, sha256 in files.items()
    )
