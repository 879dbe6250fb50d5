"""A TOML file of a model folder as a document that its published JSON Schema accepts."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from itertools import islice
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from ifonly.models.errors import SpecError, SpecProblem
from ifonly.models.toml_bounds import problem_of

Document = Mapping[str, Any]
"""What TOML yields, with :class:`~decimal.Decimal` for every number that has a point."""

Path = tuple[str | int, ...]

MAX_PROBLEMS = 100
"""After which nobody looks for another one."""
MAX_SHOWN = 100
"""Characters of a key or a text that are quoted back."""

MayBeInfinite = Callable[[Path], bool]
"""Whether ``inf`` has a meaning at a place of the document."""


def _nowhere(path: Path) -> bool:
    return False


def read_document(
    text: bytes, file: str, schema: Mapping[str, Any], may_be_infinite: MayBeInfinite = _nowhere
) -> Document:
    """Read TOML and check its shape against ``schema``: keys, types and plain limits.

    Raises
    ------
    SpecError
        With the line and column of a syntax error, or with every key that is wrong, up to
        ``MAX_PROBLEMS``. Or if it is longer or deeper than any that means something.
    """
    document = _parse(text, file)
    wrong = _shape(document, schema, may_be_infinite)
    if wrong:
        raise SpecError.of(file, [problem for _, problem in wrong])
    return document


def well_shaped(
    text: bytes, file: str, schema: Mapping[str, Any], may_be_infinite: MayBeInfinite = _nowhere
) -> Document:
    """What is left of a document that :func:`read_document` refuses, without the values that it
    names: something to look at for what else is wrong. Keys may be missing from it.

    Raises
    ------
    SpecError
        If it is no TOML.
    """
    document = _parse(text, file)
    for path, _ in _shape(document, schema, may_be_infinite):
        _drop(document, path)
    return document


def problems_of(document: Document, schema: Mapping[str, Any]) -> list[SpecProblem]:
    """What is wrong with a document that was not read from a file: keys, types and plain limits, up
    to ``MAX_PROBLEMS``."""
    return [problem for _, problem in _shape(document, schema, _nowhere)]


def _drop(document: Document, path: Path) -> None:
    """Take out the value that ``path`` leads to; the whole of a list, whose items it would move."""
    holder: dict[str, Any] | None = None
    key, at = "", cast("Any", document)
    for part in path:
        if isinstance(at, dict):
            holder, key = at, str(part)
            at = at.get(key)
        elif isinstance(at, list) and isinstance(part, int):
            at = at[part]
    if holder is not None:
        holder.pop(key, None)


def _shape(
    document: Document, schema: Mapping[str, Any], may_be_infinite: MayBeInfinite
) -> list[tuple[Path, SpecProblem]]:
    problems = [*islice(_not_numbers(document, (), may_be_infinite), MAX_PROBLEMS)]
    # A schema says nothing sensible of numbers that are none.
    if not problems:
        found = islice(_misshapen(document, schema), MAX_PROBLEMS)
        problems = list(dict.fromkeys(found))  # one a missing key
    return problems


def dotted(path: Path) -> str:
    """``("features", 3, "bounds")`` as ``features[3].bounds``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _parse(text: bytes, file: str) -> Document:
    try:
        source = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise SpecError(file, "", f"is not UTF-8 text (line {line}): {error.reason}") from error
    # Before `tomllib`, which takes quadratic time on some texts.
    problem = problem_of(source)
    if problem is not None:
        raise SpecError(file, "", problem)
    try:
        # Decimals, so that 0.1 is 1 / 10 when a grid is made of it.
        return tomllib.loads(source, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        last = source.count("\n") + 1
        where = str(error).replace("at end of document", f"at line {last}, the end of the file")
        raise SpecError(file, "", f"is not TOML: {where}") from error
    except (ValueError, ArithmeticError) as error:  # of numbers that Python does not read
        raise SpecError(file, "", f"has a number that cannot be read: {error}") from error


def _not_numbers(
    value: object, path: Path, may_be_infinite: MayBeInfinite
) -> Iterator[tuple[Path, SpecProblem]]:
    """Numbers that no float can hold, and infinities where they have no meaning."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _not_numbers(item, (*path, key), may_be_infinite)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _not_numbers(item, (*path, i), may_be_infinite)
    elif isinstance(value, int | Decimal) and not _fits_float(value, may_be_infinite(path)):
        shown = str(value) if isinstance(value, Decimal) else "a whole number too large"
        problem = f"is {shown}: not a finite number of float range"
        yield path, SpecProblem(dotted(path), problem)


def _fits_float(value: int | Decimal, may_be_infinite: bool) -> bool:
    """Whether ``value`` is a float's worth: no NaN, overflow, or underflow to 0."""
    if isinstance(value, Decimal) and value.is_infinite():
        return may_be_infinite
    try:
        number = float(value)
    except OverflowError:
        return False
    # 1e-400 is no 0 to whoever wrote it.
    return math.isfinite(number) and (number != 0.0 or value == 0)


def _misshapen(document: Document, schema: Mapping[str, Any]) -> Iterator[tuple[Path, SpecProblem]]:
    for error in Draft202012Validator(schema).iter_errors(document):
        path = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            sentences = [*_unknown_keys(error)]
        else:
            sentences = [_sentence(error)]
        # A table with a key too many or too few is itself in order.
        is_of_keys = error.validator in ("additionalProperties", "required")
        for sentence in sentences:
            yield (() if is_of_keys else path), SpecProblem(dotted(path), sentence)


def _sentence(error: ValidationError) -> str:
    """What is wrong, with the value and the limit."""
    value: Any = error.instance
    limit: Any = error.validator_value
    schema: Any = error.schema
    match error.validator:
        case "required":
            absent = [key for key in limit if key not in value]
            return "is missing " + ", ".join(repr(key) for key in absent)
        case "type":
            return f"is {_shown(value)}, not {_types(limit)}"
        case "enum":
            return f"is {_shown(value)}, not one of {', '.join(repr(v) for v in limit)}"
        case "const":
            return f"is {_shown(value)}, not {limit!r}"
        case "minimum":
            return f"is {value}, below {limit}"
        case "exclusiveMinimum":
            return f"is {value}, not above {limit}"
        case "pattern":
            return f"is {value[:MAX_SHOWN]!r}, not {schema.get('title', limit)}"
        case "minLength" | "minItems" | "minProperties":
            return f"has length {len(value)}, the least is {limit}"
        case "maxLength" | "maxItems":
            return f"has length {len(value)}, the most is {limit}"
        case _:
            return str(error.message)[: 5 * MAX_SHOWN]


def _unknown_keys(error: ValidationError) -> Iterator[str]:
    schema: Any = error.schema
    instance: Any = error.instance
    known = list(schema.get("properties", {}))
    unknown = [key for key in instance if key not in known]
    for key in unknown:
        close = get_close_matches(key[:MAX_SHOWN], known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
        yield f"has an unknown key {key[:MAX_SHOWN]!r}{hint}"


def _shown(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    shown = value[:MAX_SHOWN] if isinstance(value, str) else value
    return f"{shown!r} ({type(value).__name__})"


_TYPE_NAMES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "an array",
    "object": "a table",
}


def _types(names: str | Sequence[str]) -> str:
    listed = [names] if isinstance(names, str) else names
    return " or ".join(_TYPE_NAMES.get(name, name) for name in listed)
