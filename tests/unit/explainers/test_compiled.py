"""All that Python calls is compiled at once, for the types that are declared, and never again."""

from __future__ import annotations

import numpy as np
import pytest

from explainers.search.trees.compiled import ENTRIES, compile_all
from explainers.search.trees.entry_points import entry_points


def test_each_entry_has_machine_code_for_what_it_declares_and_for_nothing_else() -> None:
    compile_all()
    assert ENTRIES
    for entry in ENTRIES:
        assert list(entry.compiled.overloads) == [entry.arguments], entry.compiled.py_func


def test_nobody_is_told_of_what_is_ready() -> None:
    compile_all()
    told: list[int] = []
    compile_all(lambda done, of: told.append(done))
    assert told == []


def test_a_call_with_other_types_is_an_error_and_compiles_nothing() -> None:
    compile_all()
    empty = np.zeros((0, 2), np.int32)
    with pytest.raises(TypeError):
        entry_points.least_costs(np.zeros(0, np.int64), empty, empty, np.zeros(0))
