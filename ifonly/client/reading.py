"""Replies as a client reads them: by the wire's own types, of newer and of older services.

The types are the wire's (:mod:`ifonly.service.wire`), so there is one definition of a reply. The
service writes them strictly; a client reads them leniently, by subclasses that are made here: what
it does not know is kept (``model_extra``), what an older service does not say yet is its default or
None, and a new word where it knows a list of words is that word.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from functools import cache, reduce
from operator import or_
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from ifonly.client.errors import NotAnAnswer
from ifonly.service.wire.base import Wire

W = TypeVar("W", bound=Wire)
_MAKING = threading.RLock()
HEAD = 200
"""Characters of a body that are told."""


class _AsSent:
    """Written again as it came: nothing that was not there."""

    def as_mapping(self) -> dict[str, Any]:
        assert isinstance(self, BaseModel)
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def __reduce__(self) -> tuple[Any, ...]:
        # Classes that are made while the program runs cannot be found by their name.
        return _revived, (type(self).__mro__[2], self.as_mapping())


def _revived(kind: type[Wire], told: dict[str, Any]) -> Wire:
    found: Wire = lenient(kind).model_validate(told)
    return found


def lenient(kind: type[W]) -> type[W]:
    """A subclass of ``kind`` that reads what other versions write: always the same one."""
    with _MAKING:
        return cast(type[W], _made(kind))


@cache
def _made(kind: type[Wire]) -> Any:
    fields = {name: _field(field) for name, field in kind.model_fields.items()}
    namespace = {
        "__module__": kind.__module__,
        "__doc__": kind.__doc__,
        "__annotations__": {
            name: _opened(field.annotation) | None for name, field in kind.model_fields.items()
        },
        "model_config": ConfigDict(extra="allow", strict=False),
        **fields,
    }
    metaclass: Any = type(kind)
    return metaclass(kind.__name__, (_AsSent, kind), namespace)


def _field(field: FieldInfo) -> Any:
    # None is not validated against the annotation: it says that nothing was said.
    if field.default_factory is not None:
        factory = cast(Callable[[], Any], field.default_factory)
        return Field(default_factory=factory, alias=field.alias)
    return Field(None if field.is_required() else field.default, alias=field.alias)


def _opened(annotation: Any) -> Any:
    """``annotation`` of types that are read leniently, without limits and with new words."""
    origin, of = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _opened(of[0])
    if origin is Literal:
        return reduce(or_, {type(word) for word in of}, annotation)
    if origin in (Union, UnionType):
        return reduce(or_, map(_opened, of))
    if origin is not None:
        return origin[tuple(_opened(each) if each is not Ellipsis else each for each in of)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        # In this order: to a text that is a member, the text is as near as the member.
        return Annotated[annotation | str, Field(union_mode="left_to_right")]
    if isinstance(annotation, type) and issubclass(annotation, Wire):
        return lenient(annotation)
    return annotation


def read(kind: type[W], response: httpx.Response) -> W:
    """The body of a reply.

    Raises
    ------
    NotAnAnswer
        If it is none of that kind.
    """
    return read_bytes(kind, response.content, response.url)


def read_bytes(kind: type[W], body: bytes, said_by: object) -> W:
    """Raises
    ------
    NotAnAnswer
        If it is none of that kind.
    """
    try:
        found: W = lenient(kind).model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = "/".join(map(str, first["loc"]))
        told = f"{said_by} sent no {kind.__name__}: {first['msg']} at /{place}; {head(body)}"
        raise NotAnAnswer(told) from error
    return found


def head(body: bytes) -> str:
    """How it begins, to be told."""
    text = body[: 4 * HEAD].decode("utf-8", "replace").strip()
    return f"it begins {text[:HEAD]!r}" if text else "it is empty"
