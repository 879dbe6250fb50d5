"""A model folder that arrives as a zip: nothing in it is trusted, least of all what it says.

Refused unread: paths that lead elsewhere, links and devices, names that some file systems take
for one, encrypted entries, methods of compression that blow up further than deflate can, too
many files, too many bytes. Bytes are counted as they come out; the archive's own word for how
many there are only makes the refusal sooner.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ifonly.models.errors import SpecError, SpecProblem
from ifonly.models.repository.folder import SPEC
from ifonly.models.spec import parse_spec
from ifonly.models.toml_bounds import MAX_BYTES as MAX_TOML

MAX_FILES = 500
MAX_PATH = 200
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OverflowError,
    UnicodeDecodeError,
)
_PIECE = 1 << 20
NAME = "zip"
"""How errors call the archive."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What came out."""

    folder: Path
    """``<root>/<name>/<version>``, whole and on the disk."""
    files: int
    size: int
    """Bytes."""


def unpack(archive: IO[bytes], root: Path, max_bytes: int) -> Parcel:
    """Lay the files of ``archive`` out under ``root`` as a repository has them.

    The files may lie at the archive's top or in one folder, whatever it is called: name and
    version are those that ``spec.toml`` says. Hidden files and ``__MACOSX`` are left out.

    Raises
    ------
    SpecError
        Naming every entry that is wrong, or everything wrong with ``spec.toml``.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _checked(opened.infolist(), max_bytes)
            prefix = _prefix(entries)
            # Name and version come from here, so it is read before anything is written.
            spec = parse_spec(_read(opened, f"{prefix}{SPEC}", MAX_TOML), SPEC)
            folder = root / spec.name / spec.version
            size = _write(opened, entries, prefix, folder, max_bytes)
    except _BROKEN as error:
        raise SpecError(NAME, "", f"cannot be unpacked: {error}") from error
    except NotImplementedError as error:
        raise SpecError(NAME, "", f"needs what is not supported: {error}") from error
    except (FileExistsError, NotADirectoryError) as error:
        raise SpecError(NAME, "", "has a file where another one has a folder") from error
    return Parcel(folder, len(entries), size)


def pack(folder: Path) -> bytes:
    """The files of a version folder, as :func:`unpack` lays them out again elsewhere.

    Raises
    ------
    OSError
        If one cannot be read.
    """
    archive = io.BytesIO()
    # Not pressed: graphs hardly get smaller, and it goes once to each machine.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            opened.write(file, file.relative_to(folder).as_posix())
    return archive.getvalue()


def _checked(found: Sequence[zipfile.ZipInfo], max_bytes: int) -> list[zipfile.ZipInfo]:
    """The files that are ours; every entry was looked at."""
    # First, as all that follows looks at each of them.
    if len(found) > MAX_FILES:
        raise SpecError(NAME, "", f"has {len(found):,} entries, the most is {MAX_FILES}")
    problems = [SpecProblem(_shown(e), text) for e in found if (text := _wrong(e))]
    problems += _same(found)
    if problems:
        raise SpecError.of(NAME, problems)
    # The archive's own word, which only makes the refusal sooner: bytes are counted again below.
    size = sum(entry.file_size for entry in found)
    if size > max_bytes:
        raise _too_large(max_bytes)
    return [entry for entry in found if not entry.is_dir() and not _is_hidden(entry)]


def _wrong(entry: zipfile.ZipInfo) -> str | None:
    # The name as it stands in the archive; `filename` is mended already.
    name, mode = entry.orig_filename, entry.external_attr >> 16
    parts = name.removesuffix("/").split("/")
    # What one system takes for a separator or a drive, another takes for a name.
    if "\\" in name or ":" in name or not name.isprintable() or len(name) > MAX_PATH:
        return "is no file name that every system reads alike"
    if name.startswith("/") or any(part in ("", ".", "..") for part in parts):
        return "leads out of the folder"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file"
    if entry.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if entry.compress_type not in _METHODS:
        return "is compressed by a method other than deflate"
    return None


def _same(found: Sequence[zipfile.ZipInfo]) -> Iterator[SpecProblem]:
    seen: set[str] = set()
    for entry in found:
        # On some file systems the two would be one file, and the later one win.
        name = entry.filename.casefold()
        if name in seen:
            yield SpecProblem(_shown(entry), "is there twice, but for capitals perhaps")
        seen.add(name)


def _is_hidden(entry: zipfile.ZipInfo) -> bool:
    parts = entry.filename.split("/")
    return parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts)


def _prefix(entries: Sequence[zipfile.ZipInfo]) -> str:
    """Path of the folder of ``spec.toml``, with its slash; everything else is below it."""
    specs = [e.filename for e in entries if e.filename.rpartition("/")[2] == SPEC]
    if len(specs) != 1:
        raise SpecError(NAME, "", f"holds {len(specs)} files {SPEC}: one model folder has one")
    prefix = specs[0].removesuffix(SPEC)
    outside = [e for e in entries if not e.filename.startswith(prefix)]
    if outside:
        problem = f"lies outside of {prefix}, the folder of {SPEC}"
        raise SpecError.of(NAME, [SpecProblem(_shown(entry), problem) for entry in outside])
    return prefix


def _read(opened: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    with opened.open(name) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise SpecError(NAME, "", f"has a {SPEC} of more than {max_bytes:,} bytes")
    return data


def _write(
    opened: zipfile.ZipFile,
    entries: Sequence[zipfile.ZipInfo],
    prefix: str,
    folder: Path,
    max_bytes: int,
) -> int:
    size = 0
    for entry in entries:
        path = folder / entry.filename.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        # "x": never into a file that is there already.
        with opened.open(entry) as source, path.open("xb") as target:
            while piece := source.read(_PIECE):
                size += len(piece)
                if size > max_bytes:
                    raise _too_large(max_bytes)
                target.write(piece)
            target.flush()
            # What is announced as deployed must still be there after a power cut.
            os.fsync(target.fileno())
    return size


def _too_large(max_bytes: int) -> SpecError:
    return SpecError(NAME, "", f"unpacks to more than {max_bytes:,} bytes")


def _shown(entry: zipfile.ZipInfo) -> str:
    """The entry's name as text that can be printed."""
    return entry.orig_filename[:MAX_PATH].encode("unicode_escape").decode()
