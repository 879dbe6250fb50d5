"""Kinds of constraints: found by their modules, and everything else derived from them."""

from __future__ import annotations

from pkgutil import iter_modules
from typing import Any

import pytest

import ifonly.explainers.constraints as package
from bench.spec_schema import SCHEMA as SPEC_SCHEMA
from bench.spec_schema import written
from ifonly.explainers.constraints import Constraint
from ifonly.explainers.constraints.registry import KINDS, request_keys
from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.policy import read_constraints
from ifonly.models.schema import Feature, Kind, Schema
from tests.support.generated import SCHEMA

HOT = Feature("is hot", Kind.NOMINAL)
"""A name that reads like the beginning of what is wrong."""
WIDE = Feature("has.width", Kind.INTEGER, "mm", 0.0, 9.0)


def _descendants(kind: type[Constraint]) -> set[type[Constraint]]:
    below = kind.__subclasses__()
    return set(below).union(*map(_descendants, below))


def test_every_kind_of_the_package_is_found_and_no_two_share_a_key() -> None:
    own = {c for c in _descendants(Constraint) if c.__module__.startswith(package.__name__)}
    assert {k.constraint for k in KINDS} == own - {package.Single}
    for keys in (
        [k.of_feature for k in KINDS],
        [k.of_policy for k in KINDS],
        [k.of_request for k in KINDS],
    ):
        names = [key.name for key in keys if key]
        assert len(names) == len(set(names))


def test_a_module_holds_one_kind() -> None:
    modules = {k.constraint.__module__ for k in KINDS}
    assert len(modules) == len(KINDS)
    assert modules <= {f"{package.__name__}.{m.name}" for m in iter_modules(package.__path__)}


def test_the_published_schema_says_what_the_kinds_say() -> None:
    """Else: ``python -m bench.spec_schema``."""
    text = SPEC_SCHEMA.read_text(encoding="utf-8")
    assert written(text) == text


def test_every_key_of_a_request_is_described() -> None:
    assert [key.name for key in request_keys() if not key.schema.get("description")] == []


@pytest.mark.parametrize(
    ("asked", "path", "is_sentence", "unit"),
    [
        ({"ranges": {"is hot": [0, 1]}}, ("constraints", "ranges", "is hot"), True, ""),
        ({"ranges": {"has.width": [3, 1]}}, ("constraints", "ranges", "has.width"), False, "mm"),
        (
            {"max_change": {"has.width": -1}},
            ("constraints", "max_change", "has.width"),
            False,
            "mm",
        ),
        ({"freeze": ["has.width", "x"]}, ("constraints", "freeze", 1), True, ""),
    ],
)
def test_what_is_wrong_is_told_as_data(
    asked: dict[str, Any], path: tuple[str | int, ...], is_sentence: bool | int, unit: str
) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        read_constraints(asked, Schema((HOT, WIDE)))
    told = caught.value
    assert (told.path, told.is_sentence, told.unit) == (path, is_sentence, unit)
    assert told.key == ".".join(map(str, path))


@pytest.mark.parametrize(
    "asked",
    [
        {"freeze": "speed"},
        {"ranges": ["speed"]},
        {"ranges": {"speed": [1, 2, 3]}},
        {"ranges": {"speed": ["a", "b"]}},
        {"max_change": {"speed": "much"}},
        {"only_to": {"mode": "auto"}},
    ],
)
def test_what_has_another_shape_is_an_invalid_policy_by_its_key(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy, match=rf"constraints\.{next(iter(asked))}"):
        read_constraints(asked, SCHEMA)
