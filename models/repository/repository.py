"""All deployed models, and how they change while they are served."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar, cast, overload

from ifonly.models.errors import ModelError, UnknownModel
from ifonly.models.onnx import GuardLimits
from ifonly.models.repository.activation import Activation, last_activation, served_version
from ifonly.models.repository.deployed import DeployedModel
from ifonly.models.repository.files import (
    Id,
    Signature,
    check_path,
    content_of,
    label_of,
    signature_of,
    version_folders,
)
from ifonly.models.repository.folder import load_folder
from ifonly.models.repository.naming import natural

T = TypeVar("T")


@dataclass(frozen=True)
class FolderRefusal:
    """A folder that is not served as it stands."""

    name: str
    version: str
    reason: str
    still_served: bool
    """Whether what the folder held before is still served."""
    is_out_of_service: bool = False
    """It was served, and broke a limit."""


@dataclass(frozen=True)
class RefreshChanges:
    """What a refresh did, each as ``name/version``."""

    loaded: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    activated: tuple[str, ...] = ()
    """What is asked from now on where no version is named."""


@dataclass(frozen=True)
class _Entry(Generic[T]):
    """A version that is served."""

    model: DeployedModel
    prepared: T
    signature: Signature
    content: str


@dataclass(frozen=True)
class _Refused:
    """A folder that is not served as it stands."""

    reason: str
    signature: Signature | None = None
    """The folder as it was when it was refused: not tried again until it changes. None where
    it was not looked into: tried again every time."""
    keeps: bool = True
    """Whether what was served before stays served."""


@dataclass(frozen=True)
class _Snapshot(Generic[T]):
    """What is served at one moment. Replaced whole, never changed."""

    entries: Mapping[Id, _Entry[T]] = field(default_factory=dict)
    """The folders that are served, by name, then version, oldest first."""
    refused: Mapping[Id, _Refused] = field(default_factory=dict)
    activations: Mapping[str, Activation] = field(default_factory=dict)
    """By name; of a name that is not in it nobody has decided."""

    def served(self, name: str) -> str | None:
        """The version that is asked where none is named; None: each was taken back."""
        return served_version(self.versions_of(name), self.activations.get(name))

    @cached_property
    def versions(self) -> Mapping[str, tuple[str, ...]]:
        """Versions of each name, oldest first."""
        versions: dict[str, tuple[str, ...]] = {}
        for name, version in self.entries:
            versions[name] = (*versions.get(name, ()), version)
        return versions

    def versions_of(self, name: str) -> tuple[str, ...]:
        if name not in self.versions:
            known = ", ".join(self.versions) or "none"
            raise UnknownModel(f"no model {name!r} is deployed; deployed: {known}")
        return self.versions[name]


class Repository(Generic[T]):
    """Models under ``root/<name>/<version>``.

    ``before`` is called with each folder that is to be loaded, ``limits`` are those of its graphs.
    ``prepare`` turns each model into what the caller needs beside it, once, when it is loaded;
    a :class:`~ifonly.models.errors.ModelError` that either raises refuses the folder. Readers never
    wait: they see the models as they were before a refresh, or as they are after it.
    """

    @overload
    def __init__(
        self: Repository[DeployedModel], root: Path | str, *, threads: int = 1
    ) -> None: ...

    @overload
    def __init__(
        self,
        root: Path | str,
        prepare: Callable[[DeployedModel], T],
        *,
        threads: int = 1,
        limits: GuardLimits | None = None,
        before: Callable[[Path], object] | None = None,
    ) -> None: ...

    def __init__(
        self,
        root: Path | str,
        prepare: Callable[[DeployedModel], Any] | None = None,
        *,
        threads: int = 1,
        limits: GuardLimits | None = None,
        before: Callable[[Path], object] | None = None,
    ) -> None:
        self.root = Path(root)
        self._prepare = cast("Callable[[DeployedModel], T]", prepare or _itself)
        self._threads = threads
        self._limits = limits
        self._before = before
        self._snapshot: _Snapshot[T] = _Snapshot()
        self._refreshing = threading.Lock()

    def load(self) -> RefreshChanges:
        """Read every folder for the first time; the same as :meth:`refresh`."""
        return self.refresh()

    def names(self) -> tuple[str, ...]:
        """Names of the models served, sorted."""
        return tuple(self._snapshot.versions)

    def versions(self, name: str) -> tuple[str, ...]:
        """Versions of a model, the latest last.

        Raises
        ------
        UnknownModel
            If no model of that name is deployed.
        """
        return self._snapshot.versions_of(name)

    def models(self) -> tuple[DeployedModel, ...]:
        """Every version of every model, by name, then version, oldest first."""
        return tuple(entry.model for entry in self._snapshot.entries.values())

    def get(self, name: str, version: str | None = None) -> DeployedModel:
        """A model; where no version is named its latest by natural order that was not taken back.

        Raises
        ------
        UnknownModel
            If no model of that name and version is deployed, or none is named and each was taken
            back.
        """
        return self._entry(name, version).model

    def prepared(self, name: str, version: str | None = None) -> T:
        """What ``prepare`` made of the model that :meth:`get` returns."""
        return self._entry(name, version).prepared

    def activation(self, name: str) -> Activation | None:
        """What was decided last of the versions of a model; None: nothing."""
        return self._snapshot.activations.get(name)

    @property
    def refused(self) -> Mapping[str, FolderRefusal]:
        """``name/version`` of each folder that is not served as it stands, and why."""
        # One look: reasons and entries must be of the same moment.
        snapshot = self._snapshot
        return {
            label_of(key): FolderRefusal(*key, refused.reason, key in snapshot.entries)
            for key, refused in snapshot.refused.items()
        }

    def _entry(self, name: str, version: str | None) -> _Entry[T]:
        snapshot = self._snapshot  # one look: a refresh may replace it meanwhile
        versions = snapshot.versions_of(name)
        asked = snapshot.served(name) if version is None else version
        if asked is None:
            raise UnknownModel(
                f"each version of model {name!r} that is here was taken back: {', '.join(versions)}"
            )
        entry = snapshot.entries.get((name, asked))
        if entry is None:
            raise UnknownModel(
                f"model {name!r} has no version {version!r}; it has {', '.join(versions)}"
            )
        return entry

    # --- refresh --------------------------------------------------------------------------

    def refresh(self) -> RefreshChanges:
        """Load what is new, reload what changed, drop what is gone.

        A folder that cannot be loaded is refused: its reason is in :attr:`refused`, and what
        it held before stays served.

        Raises
        ------
        OSError
            If the root is no folder that can be read; what was served stays served.
        """
        # Two refreshes at once would load everything twice; readers take no lock.
        with self._refreshing:
            before = self._snapshot
            visits = {
                key: self._visit(key, path, before) for key, path in version_folders(self.root)
            }
            names = {name for name, version in visits if version}
            # Read after the folders: of a version that is chosen, the folder is there before.
            decided = {name: last_activation(self.root, name) for name in sorted(names)}
            # One assignment: a reader sees all of it or nothing.
            self._snapshot = _merged(before, visits, {k: a for k, a in decided.items() if a})
            return _changes(before, self._snapshot)

    def _visit(self, key: Id, path: Path, before: _Snapshot[T]) -> _Entry[T] | _Refused:
        old, earlier = before.entries.get(key), before.refused.get(key)
        try:
            check_path(key, path, self.root)
            signature = signature_of(path)
        except (ModelError, OSError) as error:
            return _Refused(str(error))
        if not key[1]:
            return _Refused(f"{label_of(key)}: holds no version folder", keeps=False)
        # Untouched, so not even read.
        if old is not None and old.signature == signature:
            return old
        # Refused before and not written to since: it would be refused again.
        if earlier is not None and earlier.signature == signature:
            return earlier
        return self._read(path, signature, old)

    def _read(
        self, path: Path, signature: Signature, old: _Entry[T] | None
    ) -> _Entry[T] | _Refused:
        try:
            content = content_of(path)
            # A model out of service comes back only by being loaded anew.
            is_well = old is not None and old.model.guard.fault is None
            if old is not None and is_well and old.content == content:
                # Touched, but with the same bytes: what is prepared is kept.
                return replace(old, signature=signature)
            if self._before is not None:
                self._before(path)
            model = load_folder(path, self.root, threads=self._threads, limits=self._limits)
            entry = _Entry(model, self._prepare(model), signature, content)
            # Written to while it was read, so what was read may be half of each.
            changed = signature_of(path) != signature
        except ModelError as error:
            return _Refused(str(error), signature)
        except Exception as error:  # one folder must not stop the others from being served
            return _Refused(f"{type(error).__name__}: {error}", signature)
        return _Refused("was written to while it was read", signature) if changed else entry


def _itself(model: DeployedModel) -> DeployedModel:
    return model


def _merged(
    before: _Snapshot[T],
    visits: Mapping[Id, _Entry[T] | _Refused],
    decided: Mapping[str, Activation],
) -> _Snapshot[T]:
    """What is served after the visits: a refused folder leaves what was."""
    entries = {key: visit for key, visit in visits.items() if isinstance(visit, _Entry)}
    refused = {key: visit for key, visit in visits.items() if isinstance(visit, _Refused)}
    for key, old in before.entries.items():
        # A whole name may be refused, and then all of its versions.
        refusal = refused.get(key) or refused.get((key[0], ""))
        if refusal is not None and refusal.keeps:
            entries[key] = old
    order = sorted(entries, key=lambda key: (key[0], natural(key[1])))
    return _Snapshot({key: entries[key] for key in order}, refused, decided)


def _changes(before: _Snapshot[T], after: _Snapshot[T]) -> RefreshChanges:
    was, now = before.entries, after.entries
    return RefreshChanges(
        loaded=tuple(
            label_of(k) for k, e in now.items() if k not in was or was[k].model is not e.model
        ),
        removed=tuple(label_of(k) for k in was if k not in now),
        refused=tuple(label_of(k) for k, r in after.refused.items() if before.refused.get(k) != r),
        activated=tuple(
            label_of((name, version))
            for name, decided in after.activations.items()
            if before.activations.get(name) != decided
            and name in after.versions
            and (version := after.served(name)) is not None
        ),
    )
