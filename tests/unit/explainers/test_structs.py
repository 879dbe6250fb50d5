"""Compiled code gets the arrays that were declared, or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numba import njit

from explainers.search.trees.compiled import passing_addresses
from explainers.search.trees.structs import FloatRows, Ints, Struct, pointer_to


@dataclass(frozen=True, eq=False)
class Inner(Struct):
    weights: FloatRows


@dataclass(frozen=True, eq=False)
class Outer(Struct):
    numbers: Ints
    factor: int
    inner: Inner


outer_at = pointer_to(Outer)


def _total(outer: Any) -> Any:
    o = outer_at(outer)
    found = 0.0
    for i in range(len(o.numbers)):
        for k in range(o.inner.weights.shape[1]):
            found += o.factor * o.numbers[i] * o.inner.weights[i, k]
    return found


total = passing_addresses(njit(_total))


def test_fields_are_read_by_name_through_nested_structs() -> None:
    weights = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    outer = Outer(np.array([1, 10, 100]), 2, Inner(weights))
    assert total(outer) == 2 * (3 + 70 + 1100)
    weights[0, 0] = 5.0  # the arrays are not copied
    assert total(outer) == 2 * (7 + 70 + 1100)


@pytest.mark.parametrize("numbers", [np.arange(3.0), np.arange(6)[::2], np.zeros((3, 1), np.int64)])
def test_an_array_of_another_type_or_order_is_refused(numbers: np.ndarray) -> None:
    with pytest.raises(TypeError, match="numbers is"):
        _ = Outer(numbers, 2, Inner(np.ones((3, 2)))).address
