"""The request's type of constraints, derived from what kinds say of their keys."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from ifonly.explainers.constraints.registry import request_keys
from ifonly.models.schema import Feature, Kind, Schema
from ifonly.service.ask import read_request
from ifonly.service.errors import InvalidRequest
from ifonly.service.wire.constraints import Constraints, type_of


def test_the_request_has_the_keys_of_the_kinds() -> None:
    assert list(Constraints.model_fields) == [key.name for key in request_keys()]


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "number", "exclusiveMinimum": 0}, 0.5, 0.0),
        ({"type": "integer", "minimum": 1, "maximum": 3}, 3, 4),
        ({"type": "string", "maxLength": 2}, "ab", "abc"),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 1}, [1], []),
        ({"enum": ["up", "down"]}, "up", "any"),
        ({"$ref": "interval"}, [None, 1.0], [1.0]),
    ],
)
def test_every_limit_is_kept(schema: dict[str, Any], good: object, bad: object) -> None:
    adapter = TypeAdapter(type_of(schema))
    assert adapter.validate_python(good) == good
    with pytest.raises(ValidationError):
        adapter.validate_python(bad)


@pytest.mark.parametrize(
    "schema", [{"type": "number", "multipleOf": 2}, {"$ref": "nowhere"}, {"type": "null"}, {}]
)
def test_a_word_that_is_not_known_is_an_error_and_not_dropped(schema: dict[str, Any]) -> None:
    with pytest.raises(KeyError):
        type_of(schema)


@pytest.mark.parametrize(
    ("name", "kind", "problem"),
    [
        ("is hot", Kind.NOMINAL, "is hot is a category, not a number"),
        (
            "width",
            Kind.INTEGER,
            "width is [3, 1], the lower end above the upper",
        ),
    ],
)
def test_a_fault_is_said_of_its_key_where_its_words_have_no_subject(
    name: str, kind: Kind, problem: str
) -> None:
    model: Any = SimpleNamespace(
        schema=Schema((Feature(name, kind),)), policy=SimpleNamespace(tolerances=())
    )
    asked = Constraints.model_validate({"ranges": {name: [3.0, 1.0 if name == "width" else 4.0]}})
    with pytest.raises(InvalidRequest) as caught:
        read_request.constraints(asked, model)
    (fault,) = caught.value.faults
    assert fault.problem == problem
    assert fault.path == ("constraints", "ranges", name)
