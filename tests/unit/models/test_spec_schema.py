"""The published JSON Schema of ``spec.toml``: valid, documented, and met by what we ship."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ifonly import models
from ifonly.models.errors import SpecError
from ifonly.models.spec import json_schema, parse_spec
from tests.support.kinds import KINDS
from tests.support.questions import policy_table
from tests.unit.models.spec_example import FULL, WINDOW

ARTIFACTS = Path(models.__file__).parent / "artifacts"
SHIPPED = sorted(ARTIFACTS.glob("*/*/spec.toml"))


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every subschema that describes a table, with its path."""
    if isinstance(schema, dict):
        if "object" in schema.get("type", ()):
            yield path, schema
        for key, item in schema.items():
            yield from objects(item, f"{path}/{key}")


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema and "properties" not in schema:
        schema = json_schema()["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def keys_used(schema: dict[str, Any], value: Any, path: str = "") -> Iterator[str]:
    schema = resolved(schema)
    if isinstance(value, dict):
        for key, item in value.items():
            properties = schema.get("properties", {})
            if key in properties:
                yield f"{path}.{key}"
                yield from keys_used(properties[key], item, f"{path}.{key}")
            elif isinstance(schema.get("additionalProperties"), dict):
                yield from keys_used(schema["additionalProperties"], item, f"{path}.*")
    elif isinstance(value, list):
        for item in value:
            yield from keys_used(schema.get("items", {}), item, f"{path}[]")


def keys_known(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    schema = resolved(schema)
    for key, item in schema.get("properties", {}).items():
        yield f"{path}.{key}"
        yield from keys_known(item, f"{path}.{key}")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from keys_known(schema["additionalProperties"], f"{path}.*")
    if "items" in schema:
        yield from keys_known(schema["items"], f"{path}[]")


def test_it_is_a_valid_schema_of_draft_2020_12():
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(json_schema())


def test_every_table_refuses_unknown_keys_or_says_what_they_hold():
    tables = list(objects(json_schema()))
    assert len(tables) >= 10
    for path, table in tables:
        assert "additionalProperties" in table, path
        assert table["additionalProperties"] is not True, path


def test_every_key_has_a_title_and_a_description():
    for path, table in objects(json_schema()):
        for key, item in table.get("properties", {}).items():
            described = item if "title" in item else resolved(item)
            assert described.get("title"), f"{path}/{key}"
            assert described.get("description"), f"{path}/{key}"


def test_every_key_is_used_by_the_full_example_or_by_a_kind_that_the_oracle_tries():
    policy = {"policy": policy_table(KINDS)}
    examples = (tomllib.loads(FULL), tomllib.loads(WINDOW), policy)
    used = {key for used in examples for key in keys_used(json_schema(), used)}
    # Of another task, method, form of rows.
    other = {".decision.unit", ".policy.plausibility.min_score", ".predictor.tensor"}
    assert used | other == set(keys_known(json_schema()))


def test_the_full_example_is_accepted():
    assert list(Draft202012Validator(json_schema()).iter_errors(tomllib.loads(FULL))) == []
    parse_spec(FULL.encode(), "s")


@pytest.mark.parametrize("key", list(tomllib.loads(FULL)))
def test_a_misspelt_key_is_noticed(key):
    starts = (f"{key} ", f"[{key}]", f"[{key}.", f"[[{key}]", f"[[{key}.")
    lines = FULL.splitlines()
    misspelt = [
        line.replace(key, f"{key}x", 1) if line.startswith(starts) else line for line in lines
    ]
    text = "\n".join(misspelt).encode()
    with pytest.raises(SpecError, match=f"unknown key '{key}x'"):
        parse_spec(text, "s")


def test_it_ships_as_plain_json_beside_the_code():
    path = Path(models.__file__).parent / "spec.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: f"{p.parent.parent.name}-{p.parent.name}")
def test_the_spec_of_every_shipped_model_is_accepted(path):
    spec = parse_spec(path.read_bytes(), str(path))
    assert (spec.name, spec.version) == (path.parent.parent.name, path.parent.name)


def test_a_model_is_shipped():
    if not ARTIFACTS.exists():
        pytest.skip("no artifacts yet")
    assert SHIPPED
