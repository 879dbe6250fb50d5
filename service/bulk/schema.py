"""The columns of what goes in and of what comes out, as Arrow schemas (docs/bulk.md).

They follow from the model and the options alone, never from data, so every batch of every file,
process and machine has the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from ifonly.models.schema import Feature, Kind, Schema
from ifonly.models.window import document_schema, window_of
from ifonly.service.bulk.options import BulkOptions

FORMAT = 1
"""Of the columns; another one is another number."""
METADATA = b"ifonly"
"""Key of an output schema's metadata: what was asked of which model, as JSON."""
UNIT = b"unit"
"""Key of a field's metadata: the unit of its values."""


def _needed(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


_NUMBER, _TEXT, _FLAG = pa.float64(), pa.string(), pa.bool_()
_MOVED = [
    _needed("feature", _TEXT),
    pa.field("from", _NUMBER),
    pa.field("to", _NUMBER),
    pa.field("from_category", _TEXT),
    pa.field("to_category", _TEXT),
    pa.field("unit", _TEXT),
]
ACTION = pa.struct([*_MOVED, pa.field("low", _NUMBER), pa.field("high", _NUMBER)])
"""One feature that is set; ``low`` and ``high``: its sufficient range."""
EFFECT = pa.struct([*_MOVED, pa.field("via", pa.list_(_needed("item", _TEXT)))])
"""One feature that follows, and what of what is set leads there."""
ACTIONS = pa.list_(_needed("item", ACTION))
EFFECTS = pa.list_(_needed("item", EFFECT))
_FOUND = [
    pa.field("cost", _NUMBER),
    pa.field("lower_bound", _NUMBER),
    pa.field("gap", _NUMBER),
    pa.field("actions", ACTIONS),
    pa.field("effects", EFFECTS),
    pa.field("decision_after", _TEXT),
    pa.field("probability_after", _NUMBER),
    pa.field("score_after", _NUMBER),
    pa.field("chance", _NUMBER),
    pa.field("survives", _FLAG),
    pa.field("survival", _NUMBER),
    pa.field("rests_on_rounding", _FLAG),
]
"""What is told of one counterfactual."""
FOUND = tuple(field.name for field in _FOUND)
ALTERNATIVES = pa.list_(_needed("item", pa.struct(_FOUND)))
WAYS = pa.list_(
    _needed(
        "item",
        pa.struct(
            [
                _needed("name", _TEXT),
                _needed("status", _TEXT),
                pa.field("same_as", _TEXT),
                pa.field("why", _TEXT),
                pa.field("survives_factor", _NUMBER),
                *_FOUND,
            ]
        ),
    )
)
RELAXATION = pa.struct(
    [
        _needed("lifted", _TEXT),
        pa.field("cost", _NUMBER),
        pa.field("actions", ACTIONS),
        pa.field("effects", EFFECTS),
    ]
)
_FAULT = [
    pa.field("field", _TEXT),
    pa.field("problem", _TEXT),
    pa.field("value", _TEXT),
    pa.field("unit", _TEXT),
    pa.field("low", _NUMBER),
    pa.field("high", _NUMBER),
    pa.field("allowed", pa.list_(_needed("item", _TEXT))),
]
PROBLEM = pa.struct(_FAULT)


def schema_in(schema: Schema, options: BulkOptions) -> pa.Schema:
    """What is read of a table. Other types are read where they can mean nothing else: numbers of
    any width, decimals, numbers as text, dictionaries, categories whose names are whole numbers."""
    fields = [pa.field(options.id, id_type(options))] if options.id is not None else []
    if window_of(schema) is not None:
        channels = document_schema(schema).features
        return pa.schema([*fields, *(_channel_field(f, options) for f in channels)])
    return pa.schema([*fields, *(_feature_field(f, options) for f in schema.features)])


def schema_out(options: BulkOptions, identity: Mapping[str, Any]) -> pa.Schema:
    """What comes out: a line for each row that went in, in order."""
    said = json.dumps(identity, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return pa.schema(list(_output_fields(options)), {METADATA: said.encode()})


def schema_problems(options: BulkOptions) -> pa.Schema:
    """A line for each fault of a row that could not be answered."""
    return pa.schema([*_row_fields(options), *_FAULT])


def id_type(options: BulkOptions) -> pa.DataType:
    return pa.string() if options.id_type is None else options.id_type


def as_json(schema: pa.Schema) -> list[dict[str, Any]]:
    """Its fields, for people and for readers that have no Arrow."""
    return [_field_as_json(field) for field in schema]


def _field_as_json(field: pa.Field) -> dict[str, Any]:
    said: dict[str, Any] = {"name": field.name, "type": _type_as_json(field.type)}
    if not field.nullable:
        said["nullable"] = False
    unit = (field.metadata or {}).get(UNIT)
    return said | ({"unit": unit.decode()} if unit else {})


def _type_as_json(kind: pa.DataType) -> Any:
    if pa.types.is_list(kind):
        return {"list": _type_as_json(kind.value_type)}
    if pa.types.is_struct(kind):
        return {"struct": [_field_as_json(kind.field(k)) for k in range(kind.num_fields)]}
    return str(kind)


def _feature_field(feature: Feature, options: BulkOptions) -> pa.Field:
    kind = pa.float64()
    if feature.kind.is_categorical:
        kind = pa.string()
    elif feature.kind is Kind.INTEGER:
        kind = pa.int64()
    name = options.columns.get(feature.name, feature.name)
    metadata = {UNIT: feature.unit.encode()} if feature.unit else None
    return pa.field(name, kind, feature.may_be_missing, metadata)


def _channel_field(feature: Feature, options: BulkOptions) -> pa.Field:
    """The readings of a channel of a window, oldest first."""
    own = _feature_field(feature, options)
    item = pa.field("item", pa.float64(), feature.may_be_missing)
    return pa.field(own.name, pa.list_(item), False, own.metadata)


def _row_fields(options: BulkOptions) -> Iterator[pa.Field]:
    yield _needed("row", pa.int64())
    if options.id is not None:
        yield pa.field("id", id_type(options))


def _output_fields(options: BulkOptions) -> Iterator[pa.Field]:
    yield from _row_fields(options)
    yield _needed("status", _TEXT)
    yield pa.field("decision", _TEXT)
    yield pa.field("probability", _NUMBER)
    yield pa.field("score", _NUMBER)
    yield pa.field("verified", _FLAG)
    yield from _FOUND
    yield pa.field("deadline_hit", _FLAG)
    yield pa.field("blocked_by", pa.list_(_needed("item", _TEXT)))
    yield pa.field("relaxation", RELAXATION)
    if options.alternatives > 1:
        yield pa.field("alternatives", ALTERNATIVES)
    if options.ways:
        yield pa.field("ways", WAYS)
    for tag in options.languages:
        yield pa.field(f"sentence_{tag}", _TEXT)
    yield pa.field("problem", PROBLEM)
