"""Who asks, and as what."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Self

from ifonly.service.errors import Forbidden


class Role(StrEnum):
    """What somebody is here for."""

    OPERATOR = "operator"
    """Asks about alarms, and says what came of it."""
    PIPELINE = "pipeline"
    """A program that asks."""
    SENDER = "sender"
    """A program that sends events of a deployed model, and reads nothing: its key stands where
    others may see it."""
    AUDITOR = "auditor"
    """Reads the trail and judges what was suggested; asks nothing."""
    ADMIN = "admin"
    """All of it."""


# No brackets: fnmatch would read a set of characters, and the databases' patterns something else.
_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,128}")
# It stands in JSON paths of queries (ifonly.service.store.visibility).
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_LONGEST_VALUE = 128
_MOST = 64
"""Patterns, attributes, values of one."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which part of a plant somebody is here for. What is not within it is not there."""

    models: tuple[str, ...] = ("*",)
    """Patterns of names, of which one must fit: ``*`` is any text, ``?`` any character."""
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Names of what requests say in ``attributes``, and the values that are within: of each."""

    def __post_init__(self) -> None:
        faults = [f"{p!r} is no pattern of names" for p in self.models if not _is_pattern(p)]
        for name, values in self.attributes:
            faults += [] if _NAME.fullmatch(name) else [f"{name!r} is no name of an attribute"]
            faults += [f"{v!r} is no value of {name}" for v in values if not _is_value(v)]
        sizes = [len(self.models), len(self.attributes), *(len(v) for _, v in self.attributes)]
        if max(sizes) > _MOST:
            faults.append(f"a scope has at most {_MOST} patterns, attributes and values of each")
        if faults:
            raise ValueError("; ".join(faults))

    @classmethod
    def read(cls, value: object) -> Self:
        """Of ``{"models": ["line-a-*"], "attributes": {"line": ["a"]}}``; one text stands for a
        list of it, and of models that are not named all are within.

        Raises
        ------
        ValueError
            If it is anything else.
        """
        # An empty object would be everything, which nobody writes on purpose.
        if not isinstance(value, Mapping) or set(value) - {"models", "attributes"} or not value:
            raise ValueError("a scope is an object with models, attributes, or both")
        attributes = value.get("attributes", {})
        if not isinstance(attributes, Mapping):
            raise ValueError("attributes is no object")
        said = tuple(sorted((str(name), _texts(values)) for name, values in attributes.items()))
        return cls(_texts(value.get("models", "*")), said)

    @classmethod
    def of(cls, text: str | None) -> Self:
        """That of a record or a row of a table; None: everything."""
        return cls() if text is None else cls.read(json.loads(text))

    def check(self, attributes: Mapping[str, str]) -> None:
        """Raises
        ------
        Forbidden
            If what a request says in ``attributes`` is not within, or it does not say enough.
        """
        if not self.has(attributes):
            wanted = ", ".join(f"{name} = {' or '.join(v)}" for name, v in self.attributes)
            raise Forbidden(f"this key or account is for requests whose attributes say {wanted}")

    @property
    def in_words(self) -> str | None:
        """As records and tables have it; None: everything."""
        if self.is_everything:
            return None
        said = {"models": self.models, "attributes": dict(self.attributes)}
        return json.dumps(said, separators=(",", ":"), ensure_ascii=False)

    @property
    def is_everything(self) -> bool:
        return "*" in self.models and not self.attributes

    def has_model(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.models)

    def has(self, attributes: Mapping[str, Any]) -> bool:
        """Whether what a request says of the machine is within."""
        return all(attributes.get(name) in values for name, values in self.attributes)

    def covers(self, other: Scope) -> bool:
        """Whether whatever attributes are within ``other`` are within this one."""
        theirs = dict(other.attributes)
        return all(name in theirs and {*theirs[name]} <= {*values}
                   for name, values in self.attributes)  # fmt: skip


def _is_pattern(text: str) -> bool:
    return _PATTERN.fullmatch(text) is not None


def _is_value(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_VALUE


def _texts(value: object) -> tuple[str, ...]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(text, str) for text in found):
        raise ValueError(f"{value!r} is neither a text nor a list of texts")
    return tuple(found)


EVERYTHING = Scope()
NOTHING = Scope(models=())
"""Of whoever should say what they are here for, and does not."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose word was checked."""

    actor: str
    """As records name them: ``key:<id>``, ``oidc:<subject>``, ``cli:<user>``, ``anonymous``."""
    roles: frozenset[Role]
    scope: Scope = EVERYTHING

    @classmethod
    def of(cls, actor: str, roles: str | None, scope: str | None = None) -> Principal:
        """Whoever a record names; ``roles`` and ``scope``: as in :attr:`in_words`."""
        # Without accounts records have no roles.
        if roles is None:
            return ANYONE
        named = frozenset(Role(role) for role in roles.split(",") if role)
        return cls(actor, named, Scope.of(scope))

    @property
    def in_words(self) -> str | None:
        """The roles as records have them; None without accounts."""
        if self == ANYONE:
            return None
        return ",".join(sorted(self.roles))


ANYONE = Principal("anonymous", frozenset(Role))
"""Whoever asks a service without accounts."""
