"""Narrowing never cuts off a row that is allowed; a conflict leaves nothing and is minimal."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ifonly.explainers.constraints import conflict, propagate
from ifonly.explainers.space import Axis
from tests.support.bruteforce import settable
from tests.support.generated import SCHEMA, factual
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.questions import question

some_kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique_by=lambda k: k.name)


@settings(max_examples=60, deadline=None)
@given(kinds=some_kinds, seed=st.integers(0, 10_000))
def test_what_is_narrowed_away_is_not_allowed(kinds: list[ConstraintKind], seed: int) -> None:
    problem, _, _ = question(kinds, seed)
    whole = tuple(
        Axis.of(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)
    )
    rows = np.array(list(itertools.product(*(axis.values() for axis in whole))))
    allowed = rows[problem.allowed(rows)]
    for j, axis in enumerate(propagate(problem.constraints, whole, problem.factual)):
        assert all(float(v) in axis for v in np.unique(allowed[:, j]))


@settings(max_examples=60, deadline=None)
@given(kinds=some_kinds, seed=st.integers(0, 10_000))
def test_allowed_rows_are_those_that_every_predicate_keeps(
    kinds: list[ConstraintKind], seed: int
) -> None:
    problem, _, kept = question(kinds, seed)
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)]
    rows = np.array(list(itertools.product(*axes)))
    expected = [all(keeps(row, problem.factual) for keeps in kept) for row in rows]
    assert problem.allowed(rows).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(kinds=some_kinds, seed=st.integers(0, 10_000))
def test_every_member_of_a_conflict_is_needed_for_it(
    kinds: list[ConstraintKind], seed: int
) -> None:
    problem, _, _ = question(kinds, seed)
    whole = tuple(
        Axis.of(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)
    )
    found = conflict(problem.constraints, whole, problem.factual)
    if found is None:
        return
    for member in found:
        rest = [c for c in found if c is not member]
        assert conflict(rest, whole, problem.factual) is None


@given(seed=st.integers(0, 10_000))
def test_an_axis_is_what_decimal_arithmetic_lists(seed: int) -> None:
    for feature, value in zip(SCHEMA.features, factual(seed), strict=True):
        expected = sorted(settable(feature, float(value)), key=lambda v: (np.isnan(v), v))
        np.testing.assert_array_equal(Axis.of(feature, float(value)).values(), expected)
