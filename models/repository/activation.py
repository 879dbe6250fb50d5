"""Which version is asked where none is named: the latest but those that were taken back.

``<root>/.activations/<name>/<number>/activation.json`` says so, one folder an activation, the one
of the highest number counts. Each is put there by one rename, which fails where that number is
taken: of two people who decide at once, one does.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ifonly.models.repository.naming import natural

FOLDER = ".activations"
FILE = "activation.json"
NEW = ".new-"
"""Begins the name of one that has no number yet."""
TAKEN = (errno.EEXIST, errno.ENOTEMPTY)
"""What a rename says of a place in which something is."""
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Activation:
    """What was decided last of a model's versions."""

    number: int
    """Of the activations of this model, from 1."""
    version: str
    """That was chosen."""
    withdrawn: tuple[str, ...]
    """Versions that are not asked unless they are named: later ones, taken back."""
    record: str
    """Id of the record that says who chose, and why."""


def served_version(versions: Sequence[str], activation: Activation | None) -> str | None:
    """Of ``versions``, oldest first, the one that is asked; None: each was taken back.

    A version that came since it was decided is later than all that were there, and is asked.

    >>> served_version(["1", "2", "3"], Activation(1, "1", ("2",), ""))
    '3'
    """
    taken_back = set() if activation is None else {*activation.withdrawn}
    return next((v for v in reversed(versions) if v not in taken_back), None)


def following(
    versions: Sequence[str], version: str, before: Activation | None, record: str
) -> Activation:
    """The activation by which ``version`` is asked, and none of the others of ``versions``."""
    later = {v for v in versions if natural(v) > natural(version)}
    # What was taken back before stays so: that a later one goes must not bring it back.
    withdrawn = (later | set(before.withdrawn if before else ())) - {version}
    number = 1 if before is None else before.number + 1
    return Activation(number, version, tuple(sorted(withdrawn, key=natural)), record)


def last_activation(root: Path, name: str) -> Activation | None:
    """The one that counts; None where nobody has decided."""
    try:
        found = [int(entry) for entry in os.listdir(root / FOLDER / name) if entry.isdecimal()]
    except (FileNotFoundError, NotADirectoryError):
        return None
    for number in sorted(found, reverse=True):
        # One that cannot be read was written by hand: the one before it counts.
        with suppress(OSError, ValueError, KeyError, TypeError):
            return _read(root / FOLDER / name / str(number) / FILE, number)
    return None


def _read(path: Path, number: int) -> Activation:
    with path.open("rb") as file:
        said = json.loads(file.read(_MOST_BYTES))
    withdrawn, version = said["withdrawn"], said["version"]
    if not isinstance(version, str) or not all(isinstance(v, str) for v in withdrawn):
        raise ValueError("names are texts")
    return Activation(number, version, tuple(withdrawn), str(said.get("record", "")))


def activate(root: Path, name: str, chosen: Activation) -> bool:
    """Have ``chosen`` count; False: its number is taken, somebody else has decided meanwhile.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    said = {"version": chosen.version, "withdrawn": chosen.withdrawn, "record": chosen.record}
    place = root / FOLDER / name
    place.mkdir(parents=True, exist_ok=True)
    return _put_numbered({FILE: json.dumps(said).encode()}, place, chosen.number)


def _put_numbered(files: dict[str, bytes], place: Path, number: int) -> bool:
    """Have a folder ``<place>/<number>`` of ``files``, whole and on the disk; False: it is taken.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    # Beside its place: a rename across file systems is not atomic.
    made = Path(tempfile.mkdtemp(prefix=NEW, dir=place))
    try:
        for name, content in files.items():
            with (made / name).open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        os.rename(made, place / str(number))
    except OSError as error:
        shutil.rmtree(made, ignore_errors=True)
        if error.errno in TAKEN:
            return False
        raise
    return True
