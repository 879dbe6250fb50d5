"""What Python says of the compiled search is what it is."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

import hatch_build
from ifonly.explainers.native import kernel
from ifonly.explainers.search.networks.arrays import LimitArrays, PieceArrays, UnitArrays
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.batches import Bounded, Cuts
from ifonly.explainers.search.trees.effects import Effects
from ifonly.explainers.search.trees.question import FlatRules, Long, Question
from ifonly.explainers.search.trees.tables import Tables
from ifonly.explainers.space import TOLERANCE
from tests.support.native import instance

STRUCTS: tuple[Any, ...] = (
    *(Tables, Long, FlatRules, Question, Arena, Cuts, Bounded, Effects),
    *(UnitArrays, PieceArrays, LimitArrays),
)


def kind(hint: Any) -> str:
    """Of a field, as the compiled search tells it."""
    if hint is int:
        return "int"
    if hint in STRUCTS:
        return str(hint.__name__)
    array, dimensions = get_args(hint)
    (dtype,) = get_args(get_args(array)[1])
    return f"{np.dtype(dtype)} {dimensions}"


def test_structs_have_the_fields_that_the_compiled_search_reads() -> None:
    declared = {
        struct.__name__: {
            field.name: kind(get_type_hints(struct, include_extras=True)[field.name])
            for field in fields(struct)
        }
        for struct in STRUCTS
    }
    assert declared == kernel.structs()


def test_the_stub_says_what_there_is(tmp_path: Path) -> None:
    """CONTRIBUTING.md says how it is written anew."""
    made = tmp_path / "kernel.pyi"
    command = [
        sys.executable,
        "-m",
        "nanobind.stubgen",
        "-q",
        "-m",
        "ifonly.explainers.native.kernel",
    ]
    subprocess.run([*command, "-o", str(made)], cwd=hatch_build.ROOT, check=True)
    assert made.read_text() == (hatch_build.FOLDER / "kernel.pyi").read_text()


def test_what_runs_is_made_of_the_sources_as_they_are() -> None:
    assert hatch_build.digest() == kernel.SOURCES, "python hatch_build.py compiles them"


def test_comparisons_have_the_tolerance_of_the_definitions() -> None:
    assert kernel.TOLERANCE == TOLERANCE


@pytest.mark.parametrize(
    "limit",
    [np.zeros(1, np.float32), np.zeros(4)[::2], np.zeros((1, 1)), [0.0], None],
    ids=["type", "order", "dimensions", "list", "none"],
)
def test_an_array_of_another_kind_is_refused_by_name(limit: Any) -> None:
    question = replace(instance(0).question, limit=limit)
    with pytest.raises(TypeError, match=r"Question\.limit"):
        _ = question.native


def test_lengths_that_do_not_fit_are_refused_by_name() -> None:
    question = instance(0).question
    with pytest.raises(ValueError, match="Question: band has 3 entries and not 1"):
        _ = replace(question, band=np.zeros(3)).native


def test_a_struct_is_handed_over_once_whichever_thread_is_first() -> None:
    tables = replace(instance(0).tables)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: tables.native, range(64)))
    assert {id(one) for one in found} == {id(tables.native)}


def test_a_search_goes_on_only_where_it_has_begun() -> None:
    asked, other = instance(0), instance(1)
    arena = Arena.of(asked.tables)
    with pytest.raises(ValueError, match="no such search has begun"):
        kernel.search(asked.tables.native, asked.question.native, arena.native, 1)
    kernel.begin(asked.tables.native, asked.question.native, arena.native, 1)
    again = replace(asked.question)
    with pytest.raises(ValueError, match="no such search has begun"):
        kernel.search(asked.tables.native, again.native, arena.native, 1)
    with pytest.raises(ValueError, match="the arena is one for other tables"):
        kernel.begin(other.tables.native, other.question.native, arena.native, 1)


def test_what_would_be_written_to_a_copy_is_refused() -> None:
    q = instance(0).question
    row = np.zeros((1, len(q.size)), np.int64)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        kernel.least_costs(q.native, row, row, np.zeros(1, np.float32))
