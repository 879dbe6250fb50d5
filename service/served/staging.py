"""Versions that are here, and asked by nobody but those who decide about them.

``<models>/.staged/<name>@<version>/<revision>`` holds what was sent, what was found, and a model
folder ``<name>/<version>``; no refresh looks there. Each revision is put in its place by one
rename, which fails where it is taken (decision 0112); the highest one counts.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ifonly.explainers.languages import LANGUAGES
from ifonly.models.adding.fields import SpecField, fields_of, guesses_left
from ifonly.models.errors import ModelError, UnknownModel
from ifonly.models.repository.activation import TAKEN
from ifonly.models.repository.folder import SPEC
from ifonly.models.repository.naming import natural
from ifonly.models.spec.checks import is_path_safe
from ifonly.service.errors import CannotUpload
from ifonly.service.served import uploads
from ifonly.service.served.registry import Registry, ServedModel

FOLDER, ABOUT, SOURCE = ".staged", "about.json", "source"
VALUES = "values"
_AT = "@"
"""Between name and version; in neither."""


@dataclass(frozen=True, slots=True)
class StagedVersion:
    """One that is in its place."""

    name: str
    version: str
    revision: int
    root: Path
    """Folder of the revision."""
    about: Mapping[str, Any]
    """``origin``, ``questions``, ``told``, ``source``, ``by``."""

    @property
    def folder(self) -> Path:
        return self.root / self.name / self.version

    @property
    def spec(self) -> bytes:
        return (self.folder / SPEC).read_bytes()

    @property
    def fields(self) -> tuple[SpecField, ...]:
        return fields_of(self.spec, LANGUAGES)

    @property
    def guesses(self) -> int:
        """What nobody has checked: marks in the spec, and questions that took their guess."""
        asked = sum(bool(q.get("is_guess")) for q in self.about.get("questions", ()))
        return guesses_left(self.spec) + asked


@dataclass(frozen=True, slots=True)
class StagingCandidate:
    """A revision that may be staged, not in its place yet. ``discard`` it in the end."""

    root: Path
    """The hidden folder that becomes the revision's."""
    name: str
    version: str
    revision: int
    model: ServedModel
    """As it would be served."""
    about: Mapping[str, Any]


def listing(registry: Registry) -> tuple[StagedVersion, ...]:
    """Every one within the scope, by name, then version."""
    try:
        entries = os.listdir(registry.root / FOLDER)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    found = []
    for entry in entries:
        name, _, version = entry.partition(_AT)
        with suppress(UnknownModel):  # a broken one, or gone since
            found.append(find(registry, name, version))
    return tuple(sorted(found, key=lambda each: (each.name, natural(each.version))))


def find(registry: Registry, name: str, version: str) -> StagedVersion:
    """Raises
    ------
    UnknownModel
        If there is no such version within the scope.
    """
    unknown = UnknownModel(f"no version {version!r} of {name!r} is staged")
    if not (is_path_safe(name) and is_path_safe(version) and registry.may_see(name)):
        raise unknown
    place = _place(registry.root, name, version)
    try:
        revision = max(_revisions(place), default=0)
        root = place / str(revision)
        about = json.loads((root / ABOUT).read_bytes())
    except (OSError, ValueError):
        raise unknown from None
    if not isinstance(about, dict) or not (root / name / version / SPEC).is_file():
        raise unknown
    return StagedVersion(name, version, revision, root, about)


def loaded(registry: Registry, staged: StagedVersion) -> ServedModel:
    """The model as it would be served; the last few stay loaded.

    Raises
    ------
    CannotUpload
        If it cannot be any more: somebody wrote into its folder.
    """
    try:
        return registry.read_once(staged.folder, staged.root)
    except ModelError as error:
        raise CannotUpload(str(error)) from None


def _place(models: Path, name: str, version: str) -> Path:
    return models / FOLDER / f"{name}{_AT}{version}"


def versions_staged(models: Path, name: str) -> list[str]:
    """Versions of a model that are staged, by the names of their folders."""
    return [p.name.partition(_AT)[2] for p in (models / FOLDER).glob(f"{name}{_AT}*")]


def _revisions(place: Path) -> Iterator[int]:
    return (int(entry) for entry in os.listdir(place) if entry.isdecimal())


def put(registry: Registry, candidate: StagingCandidate) -> StagedVersion:
    """Have it staged.

    Raises
    ------
    CannotUpload
        If somebody was there before, or the folder of models cannot be written.
    """
    place = _place(registry.root, candidate.name, candidate.version)
    root = place / str(candidate.revision)
    try:
        if candidate.revision == 1:
            place.mkdir(parents=True, exist_ok=True)
        # Fails where somebody has put this revision.
        os.rename(candidate.root, root)
    except OSError as error:
        if error.errno not in TAKEN:
            raise CannotUpload(
                f"the folder of models cannot be written ({error.strerror})"
            ) from None
        if candidate.revision == 1:
            raise uploads.is_there(candidate.name, candidate.version) from None
        raise CannotUpload(
            f"somebody has changed {candidate.name} {candidate.version} meanwhile: load it again"
        ) from None
    for revision in _revisions(place):
        if revision < candidate.revision:
            shutil.rmtree(place / str(revision), ignore_errors=True)
    return StagedVersion(
        candidate.name, candidate.version, candidate.revision, root, candidate.about
    )


def discard(candidate: StagingCandidate) -> None:
    """Leave nothing of it but what was put."""
    shutil.rmtree(candidate.root, ignore_errors=True)


def take_out(registry: Registry, staged: StagedVersion) -> None:
    """Have it staged no more.

    Raises
    ------
    CannotUpload
        If the folder of models cannot be written.
    """
    away = uploads.hidden(registry.root)
    try:
        # Renamed first: half of it must not be found.
        os.rename(_place(registry.root, staged.name, staged.version), away / "gone")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise CannotUpload(f"the folder of models cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(away, ignore_errors=True)


def deploy(registry: Registry, staged: StagedVersion) -> None:
    """Move its folder to where versions are served.

    Raises
    ------
    CannotUpload
        If that version is there, or somebody has changed or moved it meanwhile.
    """
    uploads.put_in_place(staged.folder, registry.root)
    with suppress(CannotUpload):  # it is deployed; what is left is not found any more
        take_out(registry, staged)
