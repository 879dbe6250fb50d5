"""Instances with names are matched by name, wherever a notebook hands one in."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.models.errors import GraphError, InvalidInstance
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task
from tests.support.deployed import deployed_trees

SCHEMA = Schema(
    (
        Feature("temperature", Kind.CONTINUOUS, "°C", 0.0, 200.0, Decimal("0.5")),
        Feature(
            "pressure", Kind.CONTINUOUS, "bar", 0.0, 300.0, Decimal("0.1"), may_be_missing=True
        ),
        Feature("mode", Kind.NOMINAL, categories=tuple(map(Category, ("eco", "boost")))),
    )
)
DECISION = Decision(Task.BINARY, tuple(map(Category, ("normal", "alarm"))), 1, 0.5, desired=0)
POLICY = Policy.read({}, SCHEMA, DECISION)
ROW = [140.0, 6.3, 1.0]
NAMED = {"mode": "boost", "pressure": 6.3, "temperature": 140.0}
"""The same in another order."""


class Series:
    """As pandas has it: ``in`` and iteration speak of labels and of values."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def keys(self) -> list[str]:
        return list(self._values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Any:
        return iter(self._values.values())

    def __array__(self, *_: object, **__: object) -> Any:
        return np.array(list(self._values.values()), dtype=object)


def record(values: dict[str, Any]) -> Any:
    table = np.array(
        [tuple(values.values())],
        dtype=[(k, "U8" if isinstance(v, str) else float) for k, v in values.items()],
    )
    return table[0]


def pandas_series(values: dict[str, Any]) -> Any:
    return pytest.importorskip("pandas").Series(values)


def named_tuple(values: dict[str, Any]) -> Any:
    """As ``DataFrame.itertuples`` gives them."""
    return namedtuple("Pandas", values)(**values)


WAYS = [dict, Series, record, pandas_series, named_tuple]


@pytest.mark.parametrize("way", WAYS)
def test_names_are_matched_whatever_their_order(way: Any) -> None:
    assert POLICY.problem(way(NAMED)).factual.tolist() == ROW
    assert SCHEMA.row(way(NAMED)).tolist() == ROW
    assert SCHEMA.read(way(NAMED)).tolist() == ROW


def test_an_array_is_read_by_position() -> None:
    assert POLICY.problem(np.array(ROW)).factual.tolist() == ROW
    assert SCHEMA.row(ROW).tolist() == ROW


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"torque": 1.0}, "torque", "torque is not a feature of this model"),
        ({"temperature": 210.0}, "temperature", "210.0 °C, outside [0, 200] °C"),
        ({"temperature": float("nan")}, "temperature", "is null"),
        ({"mode": "slow"}, "mode", "'slow', not one of 'eco', 'boost'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    way: Any, change: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidInstance) as refused:
        POLICY.problem(way(NAMED | change))
    (problem,) = refused.value.problems
    assert problem.field == field
    assert words in problem.problem


@pytest.mark.parametrize("way", WAYS)
def test_a_missing_name_is_refused(way: Any) -> None:
    with pytest.raises(InvalidInstance, match="pressure is missing"):
        POLICY.problem(way({k: v for k, v in NAMED.items() if k != "pressure"}))


@pytest.mark.parametrize("way", WAYS)
def test_a_reading_may_be_missing_where_the_schema_says_so(way: Any) -> None:
    assert np.isnan(POLICY.problem(way(NAMED | {"pressure": float("nan")})).factual[1])


@pytest.mark.parametrize(
    ("row", "words", "unit", "limit"),
    [
        ([210.0, 6.3, 1.0], "temperature is 210 °C, outside [0, 200] °C", "°C", (0.0, 200.0)),
        ([140.0, np.inf, 1.0], "pressure is inf bar, outside [0, 300] bar", "bar", (0.0, 300.0)),
        ([140.0, 6.3, 2.0], "mode is 2, not a code of a category, 0 to 1", "", (0, 1)),
        ([140.0, 6.3, 0.5], "mode is 0.5, not a code of a category, 0 to 1", "", (0, 1)),
        ([np.nan, 6.3, 1.0], "temperature is missing", "°C", None),
    ],
)
def test_a_row_outside_the_bounds_is_refused(
    row: list[float], words: str, unit: str, limit: object
) -> None:
    with pytest.raises(InvalidInstance) as refused:
        POLICY.problem(np.array(row))
    (problem,) = refused.value.problems
    assert (problem.problem, problem.unit, problem.limit) == (words, unit, limit)


def test_a_problem_matches_names_as_a_policy_does() -> None:
    problem = POLICY.problem(np.array(ROW))
    built = Problem(SCHEMA, Series(NAMED), problem.target, (), problem.cost)  # type: ignore[arg-type]
    assert built.factual.tolist() == ROW


def test_a_row_too_short_is_refused() -> None:
    with pytest.raises(InvalidInstance, match=r"shape \(2,\), a row \(3,\)"):
        POLICY.problem(np.array(ROW[:2]))


def test_numbers_of_any_library_are_numbers() -> None:
    values = {"temperature": np.int64(140), "pressure": np.float32(6.5), "mode": np.str_("eco")}
    assert SCHEMA.row(values).tolist() == [140.0, 6.5, 0.0]


def test_a_name_that_occurs_twice_is_refused() -> None:
    pandas = pytest.importorskip("pandas")
    twice = pandas.concat([pandas.Series(NAMED), pandas.Series({"pressure": 7.0})])
    with pytest.raises(InvalidInstance, match="pressure is given more than once"):
        POLICY.problem(twice)


def test_references_are_matched_by_name() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame([NAMED, NAMED | {"pressure": None}])
    policy = Policy.read({}, SCHEMA, DECISION, reference=table)
    assert policy.references is not None
    np.testing.assert_array_equal(policy.references, [ROW, [140.0, np.nan, 1.0]])


def test_references_with_an_unknown_column_are_refused() -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame([NAMED | {"torque": 1.0}])
    with pytest.raises(InvalidInstance, match="torque is not a feature"):
        Policy.read({}, SCHEMA, DECISION, reference=table)


def test_a_table_is_no_instance() -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InvalidInstance, match="a table is many instances"):
        POLICY.problem(pandas.DataFrame([NAMED]))


def test_a_predictor_refuses_rows_with_names() -> None:
    pandas = pytest.importorskip("pandas")
    predictor = deployed_trees(0, Task.BINARY).predictor
    with pytest.raises(GraphError, match="not scored by position"):
        predictor.score(pandas.DataFrame([[1.0] * 5], columns=list("abcde")))


class Hot:
    def score(self, rows: Any) -> Any:
        return 1.0 / (1.0 + np.exp(-(rows[:, [0]] - 120.0)))


def test_an_answer_is_about_the_names_and_not_the_places() -> None:
    answers = [explain(POLICY.problem(given), Hot()) for given in (np.array(ROW), Series(NAMED))]
    assert answers[0] == answers[1]


# --- rows one after another ------------------------------------------------------------------

NUMBERS = Schema(SCHEMA.features[:2])
"""Of numbers alone, so that numpy would take whatever order it is given."""
SWAPPED = {"pressure": 6.3, "temperature": 140.0}
STRAIGHT = {"temperature": 141.0, "pressure": 6.4}
BOTH = [[140.0, 6.3], [141.0, 6.4]]


class Columns:
    """A table as pyarrow has it (``column_names``) or polars (``columns``): no ``keys()``."""

    def __init__(self, attribute: str, values: dict[str, list[float]]) -> None:
        self._values = values
        setattr(self, attribute, list(values))

    def __getitem__(self, name: str) -> list[float]:
        return self._values[name]

    def __array__(self, *_: object, **__: object) -> Any:
        return np.array(list(self._values.values())).T


@pytest.mark.parametrize("way", WAYS)
def test_rows_with_names_in_a_list_are_matched_each_by_its_own(way: Callable[..., Any]) -> None:
    assert NUMBERS.rows([way(SWAPPED), way(STRAIGHT)]).tolist() == BOTH
    assert NUMBERS.rows((way(STRAIGHT), way(SWAPPED))).tolist() == BOTH[::-1]
    with pytest.raises(InvalidInstance, match="pressure is missing"):
        NUMBERS.rows([way(SWAPPED), way({"temperature": 1.0})])
    with pytest.raises(GraphError, match="not scored by position"):
        deployed_trees(0, Task.BINARY).predictor.score([way(SWAPPED)])  # type: ignore[arg-type]


@pytest.mark.parametrize("attribute", ["columns", "column_names"])
def test_a_table_of_another_library_is_matched_by_name(attribute: str) -> None:
    values = {"pressure": [6.3, 6.4], "temperature": [140.0, 141.0]}
    assert NUMBERS.rows(Columns(attribute, values)).tolist() == BOTH
    with pytest.raises(InvalidInstance, match="torque is not a feature"):
        NUMBERS.rows(Columns(attribute, values | {"torque": [1.0, 2.0]}))
    with pytest.raises(InvalidInstance, match="a table is many instances"):
        NUMBERS.row(Columns(attribute, values))


@pytest.mark.parametrize("length", [1, 3])
def test_columns_of_different_length_are_no_table(length: int) -> None:
    ragged = {"pressure": [6.3, 6.4], "temperature": [140.0] * length}
    with pytest.raises(InvalidInstance, match="is no column of"):
        NUMBERS.rows(ragged)
    with pytest.raises(InvalidInstance, match="is no column of"):
        NUMBERS.rows(SWAPPED)


@pytest.mark.parametrize("rows", [np.zeros((2, 3)), np.zeros(2), np.zeros((1, 2, 2)), []])
def test_rows_without_names_have_the_right_width(rows: Any) -> None:
    with pytest.raises(InvalidInstance, match=r"rows \(n, 2\)"):
        NUMBERS.rows(rows)
    assert NUMBERS.rows(BOTH).tolist() == BOTH


@pytest.mark.parametrize("row", [["140", "much"], {140.0, 6.3}, [140.0 + 1j, 6.3], [[1.0], 2.0]])
def test_what_is_no_row_of_numbers_is_refused(row: Any) -> None:
    with pytest.raises(InvalidInstance, match="without names a row is numbers"):
        NUMBERS.row(row)


def test_what_a_mask_hides_is_missing() -> None:
    hidden = np.ma.array([140.0, 6.3], mask=[False, True])
    assert np.isnan(NUMBERS.row(hidden)[1])
    assert np.isnan(NUMBERS.rows(hidden[None, :])[0, 1])
    with pytest.raises(InvalidInstance, match="temperature is missing"):
        NUMBERS.row(np.ma.array([140.0, 6.3], mask=[True, False]))


def test_a_number_and_its_text_are_one_name() -> None:
    with pytest.raises(InvalidInstance, match="1 is given more than once"):
        NUMBERS.row(SWAPPED | {1: 2.0, "1": 3.0})
