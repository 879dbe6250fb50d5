"""Rows as a person has them, as the JSON of a request. Nothing of numpy is imported until a row
comes that is no mapping."""

from __future__ import annotations

import json
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import aclosing
from typing import Any

from ifonly.client.errors import NotSent

Instance = dict[str, Any]


def instance_of(row: Any) -> Instance:
    """One row by name: a mapping, a Series, a named tuple, a record of a structured array. A
    reading that is missing (None, NaN, pandas' NA) is None.

    Raises
    ------
    NotSent
        If it has no names.
    """
    if isinstance(row, Mapping):
        return {str(name): _plain(value) for name, value in row.items()}
    from ifonly.models.errors import InvalidInstance
    from ifonly.models.naming import named

    try:
        return named(row)
    except InvalidInstance as error:
        raise NotSent(str(error)) from error


def is_one(rows: Any) -> bool:
    """Whether ``rows`` are one row and not many."""
    if isinstance(rows, Mapping):
        return True
    if isinstance(rows, list | Iterator | AsyncIterable):
        return False
    from ifonly.models.naming import has_names, is_table

    return has_names(rows) and not is_table(rows)


def each(rows: Any) -> Iterator[Any]:
    """Rows one after another: of a table (pandas, polars, pyarrow), or of whatever is iterated.

    Raises
    ------
    NotSent
        If they are one row, or none can be had of them.
    """
    if is_one(rows):
        raise NotSent("one row came where many are taken: [row]")
    if isinstance(rows, list | Iterator):
        return iter(rows)
    from ifonly.models.errors import InvalidInstance
    from ifonly.models.naming import columns_of, is_table

    if is_table(rows):
        try:
            columns = columns_of(rows)
        except InvalidInstance as error:
            raise NotSent(str(error)) from error
        # By position: columns are all of one length.
        values = zip(*columns.values(), strict=True)
        return (dict(zip(columns, row, strict=True)) for row in values)
    if not isinstance(rows, Iterable) or isinstance(rows, str | bytes):
        raise NotSent(f"a {type(rows).__name__} came where rows are taken")
    return iter(rows)


def until_it_breaks(rows: Iterator[Any], broken: list[Exception]) -> Iterator[Any]:
    """``rows``, and in ``broken`` why there are no more: those before it can be answered first."""
    try:
        yield from rows
    except Exception as error:
        broken.append(error)


async def until_it_breaks_async(
    rows: AsyncGenerator[Any], broken: list[Exception]
) -> AsyncGenerator[Any]:
    """The same of rows that come by and by."""
    try:
        async with aclosing(rows):
            async for row in rows:
                yield row
    except Exception as error:
        broken.append(error)


async def each_async(rows: Any) -> AsyncGenerator[Any]:
    """The same of rows that may come by and by."""
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
        return
    for row in each(rows):
        yield row


def check_sizes(concurrency: int, rows_per_job: int | None) -> None:
    """Raises
    ------
    ValueError
        If one of them is less than one.
    """
    for name, size in (("concurrency", concurrency), ("rows_per_job", rows_per_job)):
        if size is not None and size < 1:
            raise ValueError(f"{name} is {size}, and has to be 1 at least")


def length(rows: Any) -> int | None:
    """How many there are; None: that is known at their end."""
    return len(rows) if hasattr(rows, "__len__") and not isinstance(rows, Mapping) else None


def encoded(body: Any) -> bytes:
    """JSON of a request.

    Raises
    ------
    NotSent
        If it has something that JSON has not: infinity, an object of a program.
    """
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, default=_scalar)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotSent(f"this cannot be written as JSON: {error}") from error


def _scalar(value: Any) -> Any:
    """A number of numpy's, as Python has it."""
    plain = _plain(value)
    if plain is value:
        raise TypeError(f"a {type(value).__name__} is no number, text or None")
    return plain


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas', which it does not need to be
        return None
    # numpy's numbers are known by what they can do: numpy is not imported.
    item = getattr(value, "item", None)
    scalar = item() if callable(item) and getattr(value, "ndim", None) == 0 else value
    return None if isinstance(scalar, float) and scalar != scalar else scalar
