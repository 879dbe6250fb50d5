from __future__ import annotations

import json

import numpy as np
import pytest

from ifonly.models.errors import SpecError
from ifonly.models.repository.reference import read_examples, read_reference
from tests.unit.models.graphs import REGRESSION, number, quality, spec_of, whole

SCHEMA = spec_of(REGRESSION, number("a", "missing = true"), whole("n"), quality()).schema


def reference(text: str):
    return read_reference(text.encode(), SCHEMA, "m/1/reference.csv")


def refused(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        reference(text)
    assert str(caught.value).startswith("m/1/reference.csv: ")
    return str(caught.value)


def test_rows_are_read_with_categories_as_codes_and_gaps_as_nan():
    rows = reference("a,n,quality\n0.5,3,L\n,-2,H\n")
    np.testing.assert_array_equal(rows, [[0.5, 3, 0], [np.nan, -2, 2]])
    assert rows.dtype == np.float64


def test_columns_may_be_in_any_order():
    np.testing.assert_array_equal(reference("quality,n,a\nM,1,2.5\n"), [[2.5, 1, 1]])


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_are_read():
    assert reference("\ufeffa,n,quality\r\n1,2,L\r\n\r\n").tolist() == [[1, 2, 0]]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("a,n,quality\n", "has a header but no rows"),
        ("a,n\n1,2\n", "has columns a, n, not a, n, quality"),
        ("a,n,quality,a\n1,2,L,1\n", "has columns a, n, quality, a"),
        ("a,n,quality\n1,2\n", "row 1 has 2 cells, the header 3"),
        ("a,n,quality\n1,2,L\n11,2,L\n", "a: row 2: a is 11.0, outside [-10, 10]"),
        ("a,n,quality\nx,2,L\n", "a: row 1: a is 'x' (str), not a number"),
        ("a,n,quality\nnan,2,L\n", "a: row 1: a is nan, not a finite number"),
        ("a,n,quality\n1,2.5,L\n", "n: row 1: n is 2.5, not a whole number"),
        ("a,n,quality\n1,,L\n", "n: row 1: n is null, but this model needs a value"),
        ("a,n,quality\n1,2,X\n", "quality: row 1: quality is 'X', not one of 'L', 'M', 'H'"),
        ("a,n,quality\n1,2,\n", "quality: row 1: quality is null"),
    ],
)
def test_a_cell_that_is_wrong_is_named_by_column_and_row(text, problem):
    assert problem in refused(text)


def test_text_that_is_no_utf8_is_refused():
    with pytest.raises(SpecError, match="not CSV text in UTF-8"):
        read_reference(b"a,n,quality\n1,2,\xff\n", SCHEMA, "r.csv")


# --- examples -----------------------------------------------------------------------------

INSTANCE = {"a": None, "n": 3, "quality": "M"}


def examples(entries):
    return read_examples(json.dumps(entries).encode(), SCHEMA, "m/1/examples.json")


def test_examples_are_read_with_their_rows():
    first, second = examples(
        [
            {"id": "one", "instance": INSTANCE, "note": {"ko": "하나", "en": "one"}},
            {"id": "two", "instance": {**INSTANCE, "a": 1.5}, "note": "as written"},
        ]
    )
    assert (first.id, first.instance, first.note["ko"]) == ("one", INSTANCE, "하나")
    np.testing.assert_array_equal(first.row, [np.nan, 3, 1])
    assert second.note == {"en": "as written"}


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ({}, "is not a list"),
        (["x"], "[0]: is not a table with 'id' and 'instance'"),
        ([{"id": "x"}], "[0]: is not a table with 'id' and 'instance'"),
        ([{"id": "x", "instance": INSTANCE, "nots": 1}], "[0]: has unknown keys nots"),
        ([{"id": 1, "instance": INSTANCE}], "[0].id: is 1, not a text"),
        ([{"id": "x", "instance": 1}], "[0].instance: is 1, not a table"),
        ([{"id": "x", "instance": INSTANCE, "note": 1}], "[0].note"),
        ([{"id": "x", "instance": {**INSTANCE, "n": 99}}], "[0].instance: n is 99, outside"),
        ([{"id": "x", "instance": INSTANCE}] * 2, "[1].id: 'x' is already [0]"),
    ],
)
def test_an_example_that_is_wrong_is_named(entries, problem):
    with pytest.raises(SpecError) as caught:
        examples(entries)
    assert problem in str(caught.value)


def test_examples_that_are_no_json_are_refused():
    with pytest.raises(SpecError, match="is not JSON"):
        read_examples(b"{", SCHEMA, "e.json")
