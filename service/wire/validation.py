"""What pydantic found wrong with a request, as faults that name place, value and limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from ifonly.service.errors import MAX_FAULTS, Fault, InvalidRequest, Path, RequestPart
from ifonly.service.wire.requests import OF_ALL, OF_EACH

W = TypeVar("W", bound=BaseModel)

Details = Mapping[str, Any]
"""One entry of ``ValidationError.errors()``."""

# Pydantic's context holds other keys as well; only these are limits that a client can keep.
_LIMITS = ("ge", "gt", "le", "lt", "max_length", "min_length", "expected", "pattern")
_JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}
_EXPECTED = {
    "bool": "true or false",
    "dict": "an object",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "model": "an object",
    "model_attributes": "an object",
    "string": "text",
}


def faults(details: Sequence[Details], body_type: object) -> tuple[Fault, ...]:
    """One fault for each of pydantic's errors, of the first ``MAX_FAULTS`` and one;
    ``body_type`` is the wire type of the body."""
    # One beyond the most: so the reply can say that there are others.
    return tuple(_fault(error, body_type) for error in details[: MAX_FAULTS + 1])


def read(kind: type[W], body: object) -> W:
    """``body``, which is JSON that was read, as a wire type.

    Raises
    ------
    InvalidRequest
        If it is none; every fault is named, up to ``MAX_FAULTS`` and one.
    """
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        # Without URLs: pydantic's documentation says nothing of our request.
        first = islice(error.errors(include_url=False), MAX_FAULTS + 1)
        details = [{**e, "loc": ("body", *_place(e, body))} for e in first]
        # The cause is dropped: it repeats what was sent, and tracebacks end in logs.
        raise InvalidRequest(RequestPart.REQUEST, faults(details, kind)) from None


def _place(error: Details, body: object) -> Iterator[str | int]:
    """Where it is in ``body``: of a union, pydantic names the member that it tried as well."""
    *before, last = error["loc"] or (None,)
    here: Any = body
    for part in before:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            continue
        yield part
    is_there = last in here if isinstance(here, Mapping) else isinstance(last, int)
    if last is not None and (is_there or error["type"] == "missing"):
        yield last


def called(path: Path) -> str:
    """What people call a place: ``languages[0]`` for ``("languages", 0)``."""
    last = max((i for i, part in enumerate(path) if isinstance(part, str)), default=None)
    if last is None:
        return "the body"
    return f"{path[last]}{''.join(f'[{i}]' for i in path[last + 1 :])}"


def _fault(error: Details, body_type: object) -> Fault:
    source, *rest = error["loc"]
    path: Path = tuple(_without_forms(rest))
    name = called(path)
    context = error.get("ctx", {})
    limit = next((context[key] for key in _LIMITS if key in context), None)
    value = error.get("input")
    if error["type"] == "extra_forbidden":
        # Known keys are listed, since most unknown ones are misspelt.
        limit = _known_keys(body_type, path[:-1]) if source == "body" else None
    # Pydantic gives the whole enclosing object as input here, which is not what is wrong.
    if error["type"] in ("missing", "value_error"):
        value = None
    problem = _sentence(error["type"], value, limit, error["msg"])
    return Fault(
        path,
        problem if error["type"] == "value_error" else f"{name} {problem}",
        value,
        limit=limit,
        parameter=name if source == "query" else "",
    )


def _without_forms(place: Sequence[str | int]) -> Iterator[str | int]:
    """Pydantic names, behind the key of a union, the form that it took it for."""
    for before, part in zip((None, *place), place, strict=False):
        if before != "attributes" or part not in (OF_ALL, OF_EACH):
            yield part


def _sentence(kind: str, value: object, limit: object, message: str) -> str:
    match kind:
        case "missing":
            return "is missing"
        case "extra_forbidden" if isinstance(limit, tuple):
            return f"is not a key here; known are {', '.join(limit)}"
        case "extra_forbidden":
            return "is not known here"
        case "greater_than_equal":
            return f"is {value}, below {limit}"
        case "less_than_equal":
            return f"is {value}, above {limit}"
        case "too_long" | "string_too_long":
            return f"has length {_length(value)}, the most is {limit}"
        case "too_short" | "string_too_short":
            return f"has length {_length(value)}, the least is {limit}"
        case "string_pattern_mismatch":
            return f"is {shown(value)}, not of the form {limit}"
        case "literal_error":
            return f"is {shown(value)}, not one of {limit}"
        case "value_error":
            return message.removeprefix("Value error, ")
    wanted = _EXPECTED.get(kind.removesuffix("_type"))
    if wanted is not None:
        return f"is {shown(value)}, not {wanted}"
    return f"is {shown(value)}: {message[:1].lower()}{message[1:]}"


def _length(value: object) -> object:
    return len(value) if isinstance(value, str | list | dict) else "unknown"


def shown(value: object) -> str:
    """A scalar as JSON would show it, with its kind; a container by its kind alone."""
    kind = _JSON_NAMES.get(type(value), type(value).__name__)
    if value is None or isinstance(value, dict | list):
        return kind
    # Before numbers, for a bool is an int in Python.
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # Texts of strangers are cut: a megabyte in a message would be a megabyte in the log.
        brief = value if len(value) <= 60 else f"{value[:60]}…"
        return f"{brief!r} ({kind})"
    return str(value)


def _known_keys(body_type: object, path: Path) -> tuple[str, ...] | None:
    """Keys of the object at ``path`` of a body of this type."""
    model = _model_in(body_type)
    for part in path:
        if model is None or isinstance(part, int):
            continue
        # By alias: the client knows `class` and not `class_`.
        by_name = {f.alias or name: f for name, f in model.model_fields.items()}
        if part not in by_name:
            return None
        model = _model_in(by_name[part].annotation)
    if model is None:
        return None
    return tuple(f.alias or name for name, f in model.model_fields.items())


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The first wire type within ``annotation``: ``Target | None`` is about ``Target``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)
