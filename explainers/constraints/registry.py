"""All kinds of constraints: each module of this package that has a ``KIND`` is one.

What documents may say, and what it means, is derived from them; nobody else lists kinds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

import ifonly.explainers.constraints
from ifonly.explainers.constraints.base import Constraint, Source
from ifonly.explainers.constraints.given import Given, ReadingContext, Table
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind, JsonSchema


def _found() -> Iterator[ConstraintKind]:
    package = ifonly.explainers.constraints
    for module in iter_modules(package.__path__):
        found = getattr(import_module(f"{package.__name__}.{module.name}"), "KIND", None)
        if isinstance(found, ConstraintKind):
            yield found


KINDS: tuple[ConstraintKind, ...] = tuple(
    sorted(_found(), key=lambda kind: (kind.place, kind.name))
)


_KEYS = {
    Source.POLICY: tuple(kind.of_policy for kind in KINDS if kind.of_policy),
    Source.REQUEST: tuple(kind.of_request for kind in KINDS if kind.of_request),
}
"""Keys that are for the whole row, in the order in which their constraints stand."""


def read_policy(policy: Table, context: ReadingContext) -> Iterator[Constraint]:
    """What a spec's ``[policy]`` declares: feature by feature, then of the whole row.

    Raises
    ------
    InvalidPolicy
        Naming the key, the value and the limit.
    """
    yield from _of_features(_table(policy, "features"), context)
    yield from _of_table(policy, "policy", Source.POLICY, context)


def read_request(asked: Table, context: ReadingContext) -> Iterator[Constraint]:
    """What a request's ``constraints`` add. Raises as :func:`read_policy`."""
    yield from _of_table(asked, "constraints", Source.REQUEST, context)


def _of_features(features: Table, context: ReadingContext) -> Iterator[Constraint]:
    for feature in context.schema.features:
        table, path = _table(features, feature.name), ("policy", "features", feature.name)
        for kind in KINDS:
            key = kind.of_feature
            # Some keys say something by being absent: a feature that may be missing stays so.
            if key is None or not (key.name in table or key.if_absent):
                continue
            value, where = table.get(key.name), (*path, key.name)
            given = Given(value, where, Source.POLICY, context, feature)
            found = tuple(key.read(given.because(table.get("why"))))
            yield from found
            # A feature that is never set needs no other limit.
            if found and kind.excludes_others:
                break


def _of_table(
    table: Table, parent: str, source: Source, context: ReadingContext
) -> Iterator[Constraint]:
    for key in _KEYS[source]:
        # A null means the same as a key that is not there.
        if table.get(key.name) is not None:
            given = Given(table[key.name], (parent, key.name), source, context)
            for part in given.by_feature() if key.by_feature else (given,):
                yield from key.read(part)


def _table(table: Table, key: str) -> Table:
    found = table.get(key, {})
    assert isinstance(found, Mapping)
    return found


# --- what documents may say ---------------------------------------------------------------------


def request_keys() -> tuple[ConstraintKey, ...]:
    """Keys of a request's ``constraints``, in their order."""
    placed = [(k.of_request.place or k.place, k.of_request) for k in KINDS if k.of_request]
    return tuple(key for _, key in sorted(placed, key=lambda each: each[0]))


def complete(spec_schema: JsonSchema) -> dict[str, object]:
    """The JSON Schema of ``spec.toml`` with what kinds say of their keys put in."""
    defs = dict(cast("Mapping[str, Mapping[str, object]]", spec_schema["$defs"]))
    of_feature = [kind.of_feature for kind in KINDS if kind.of_feature]
    of_policy = [kind.of_policy for kind in KINDS if kind.of_policy]
    for name, keys in (("featurePolicy", of_feature), ("policy", of_policy)):
        known = cast("Mapping[str, object]", defs[name]["properties"])
        properties = {**known, **{key.name: dict(key.schema) for key in keys}}
        defs[name] = {**defs[name], "properties": properties}
        for key in keys:
            defs |= {ref: dict(schema) for ref, schema in key.defs.items()}
    return {**spec_schema, "$defs": defs}
