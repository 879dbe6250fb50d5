"""Whether what a caller gives as a policy or as constraints is one: nothing is dropped unread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np

from ifonly.explainers.errors import InvalidPolicy
from ifonly.models.document import problems_of
from ifonly.models.spec import json_schema


def policy_of(table: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """``table``, as ``[policy]`` of a ``spec.toml`` says it; None: nothing.

    Raises
    ------
    InvalidPolicy
        Naming the first key that is wrong, its value and the limit.
    """
    if table is None:
        return {}
    for problem in problems_of(_plain(table, Decimal), _policy_schema()):
        raise InvalidPolicy(f"policy.{problem.key}" if problem.key else "policy", problem.problem)
    plain: Mapping[str, Any] = _plain(table, float)
    return plain


def constraints_of(table: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """``table``, as ``constraints`` of a request says it; None: nothing.

    Raises
    ------
    InvalidPolicy
        Naming the keys that are wrong, their values and limits.
    """
    if table is None:
        return {}
    plain: Mapping[str, Any] = _plain(table, float)
    # Read as over HTTP, as those of a model folder are.
    from ifonly.service.errors import InvalidRequest
    from ifonly.service.wire import validation
    from ifonly.service.wire.constraints import Constraints

    try:
        validation.read(Constraints, plain)
    except InvalidRequest as error:
        raise InvalidPolicy("constraints", str(error)) from None
    return plain


def _plain(value: Any, number: type[float] | type[Decimal]) -> Any:
    """Without numpy's types and tuples; ``number``: of all that are not whole."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item, number) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item, number) for item in value]
    # A number that is none stays so: it must not pass for a limit that is left open.
    found = value.item() if isinstance(value, np.generic) else value
    # By its digits, as a document has them.
    return number(repr(found)) if isinstance(found, float) else found


@cache
def _policy_schema() -> Mapping[str, Any]:
    return {"$ref": "#/$defs/policy", "$defs": json_schema()["$defs"]}
