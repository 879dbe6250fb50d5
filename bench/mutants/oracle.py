"""The project's own oracle tests, called one after the other until one fails."""

from __future__ import annotations

import importlib
import inspect
import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from bench.mutants import forks
from bench.mutants.mutant import Mutant
from bench.mutants.planting import is_ready, plant
from tests.support.checks import Tally

MODULES = (
    "oracle.test_trees_against_brute_force",
    "oracle.test_trees_on_stretches",
    "oracle.test_networks_against_brute_force",
    "oracle.test_common_changes_against_brute_force",
    "oracle.test_linear_and_relu_against_brute_force",
    "oracle.test_units_against_brute_force",
    "oracle.test_blackbox_against_brute_force",
    "oracle.test_causal_trees_against_brute_force",
    "oracle.test_effects_in_linear_programs",
    "oracle.test_effects_in_the_kernel",
    "oracle.test_infeasible_subsystems_and_ranges",
    "oracle.test_survival_against_brute_force",
    "oracle.test_backtracking_against_brute_force",
    "oracle.test_causal_recourse_against_brute_force",
    "oracle.test_missing_causes_against_brute_force",
    "oracle.test_several_graphs_against_brute_force",
    "oracle.test_priced_boxes_against_brute_force",
    "oracle.test_firm_targets_against_brute_force",
    "oracle.verify.test_laws",
    "unit.causal.test_causal_model",
    "unit.causal.test_certainty",
    "unit.causal.test_expression",
    "property.causal.test_causal_properties",
    "unit.explainers.test_milp",
    "unit.explainers.test_sum_bounds",
)
"""Walks over every action, and, of what follows, how surely, and of programs, by hand."""
NEAR = (
    ("causal.backtracking", ("backtracking",)),
    ("causal.intervals", ("causal_properties", "unit.causal", "causal_trees")),
    (
        "causal",
        (
            "test_laws",
            "unit.causal",
            "causal_properties",
            "backtracking",
            "causal_trees",
            "causal_recourse",
            "missing_causes",
        ),
    ),
    ("search.milp.chain", ("test_units",)),
    ("search.milp", ("test_milp", "linear_and_relu", "linear_programs")),
    ("native.surviv", ("survival",)),
    ("native.batches", ("causal_trees",)),
    ("native.effects", ("effects_in_the_kernel",)),
    ("native.causal", ("effects_in_the_kernel",)),
    ("native.functions", ("effects_in_the_kernel",)),
    ("native.intervals", ("effects_in_the_kernel",)),
    ("native.primal_heuristic", ("infeasible_subsystems_and_ranges",)),
    ("native.following", ("several_graphs", "causal_trees", "causal_recourse", "missing_causes")),
    *(
        (f"native.{part}", ("test_networks",))
        for part in ("network", "envelopes", "separable", "dual", "cell_descent")
    ),
    ("native.sum_bounds", ("test_sum_bounds", "common_changes")),
    ("native.merging", ("priced_boxes", "test_trees")),
    ("native.charges", ("priced_boxes", "test_trees")),
    ("native.lagrangian", ("priced_boxes", "test_trees")),
    ("native.score_search", ("any_row", "infeasible_subsystems_and_ranges")),
    ("native", ("test_trees", "infeasible_subsystems_and_ranges", "survival")),
    ("search.trees.survival", ("survival",)),
    ("search.trees.effect", ("effects_in_the_kernel",)),
    ("search.trees.following", ("causal_trees",)),
    ("search.trees.modes", ("causal_trees",)),
    ("search.trees.tree_merging", ("priced_boxes", "test_trees")),
    ("search.trees.lagrangian", ("priced_boxes", "test_trees")),
    ("search.trees", ("test_trees", "infeasible_subsystems_and_ranges", "survival")),
    ("search", ("blackbox",)),
    ("infeasible_subsystem", ("infeasible_subsystems_and_ranges", "survival")),
)
"""By a part of the program, the tests that are tried first: the first part that has the fault."""
SECONDS = 8
"""Of CPU for all that are tried of one mutant."""
FIXTURES: dict[str, Callable[[pytest.MonkeyPatch], Any]] = {
    "tally": lambda _: Tally(),
    "paths": lambda _: Counter(),
    "monkeypatch": lambda patch: patch,
}
"""What tests may want besides their parameters; those that want more are left out."""
PREPARE = "prepare"
"""A module's function that is called before each of its tests, here and by its own fixture."""
Call = tuple[str, Callable[[], Any]]


def calls(seed: int) -> list[list[Call]]:
    """Every parametrized case of the oracle tests, module by module, in a random order."""
    found = [list(_calls_of(f"tests.{name}")) for name in MODULES]
    for name, own in zip(MODULES, found, strict=True):
        random.Random(f"{seed} {name}").shuffle(own)  # whatever other modules there are
    return found


def _calls_of(name: str) -> Iterator[Call]:
    module = importlib.import_module(name)
    prepare = vars(module).get(PREPARE, lambda _: None)
    for test, function in vars(module).items():
        marks = getattr(function, "pytestmark", ())
        if test.startswith("test_") and callable(function) and not _is_long(marks):
            for given in _parameters(function):
                wanted = set(inspect.signature(function).parameters) - set(given)
                if wanted - FIXTURES.keys():
                    break
                told = ", ".join(str(value)[:60] for value in given.values())
                call = partial(_called, prepare, function, given, wanted)
                yield f"{name.removeprefix('tests.')}::{test}[{told}]", call


def _is_long(marks: Iterable[Any]) -> bool:
    """Of a test, or of one of its cases: one alone may take longer than all that are tried."""
    return any(mark.name == "long" for mark in marks)


def _called(
    prepare: Callable[[pytest.MonkeyPatch], None],
    function: Callable[..., Any],
    given: dict[str, Any],
    wanted: set[str],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        prepare(patch)
        function(**given, **{name: FIXTURES[name](patch) for name in wanted})


def _parameters(function: Any) -> Iterator[dict[str, Any]]:
    """As pytest would expand them."""
    lists = []
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "parametrize":
            names, values = mark.args[:2]
            keys = [n.strip() for n in names.split(",")] if isinstance(names, str) else names
            own = [v for v in values if not _is_long(getattr(v, "marks", ()))]
            lists.append([dict(zip(keys, _tuple(v, len(keys)), strict=True)) for v in own])
    for chosen in itertools.product(*lists):
        yield {key: value for part in chosen for key, value in part.items()}


def _tuple(value: Any, n: int) -> Sequence[Any]:
    if type(value).__name__ == "ParameterSet":
        return tuple(value.values)
    return tuple(value) if n > 1 else (value,)


def caught_by(
    mutant: Mutant, modules: Sequence[Sequence[Call]], seconds: int = SECONDS
) -> str | None:
    """The first case that fails, or does not end, with the fault planted; None if none does in
    ``seconds`` of CPU."""
    assert is_ready(mutant), f"{mutant}: does not compile"
    told, died = forks.run(lambda: _tried(mutant, modules, seconds), seconds)
    if not told:
        return None
    name, error = told[-1]
    if not (error or died):
        return None
    how = error or ("does not end" if died == "SIGXCPU" else f"dies: {died}")
    return f"{name}: {how}" if _passes(name, modules) else None


def _passes(name: str, modules: Sequence[Sequence[Call]]) -> bool:
    """Whether that test passes without the fault."""
    run = next(run for own in modules for told, run in own if told == name)
    return bool(forks.run(lambda: iter([run() is None]), SECONDS)[0])


def _tried(
    mutant: Mutant, modules: Sequence[Sequence[Call]], seconds: int
) -> Iterator[tuple[str, str]]:
    """Each case before it runs, and once more with its error if it fails: the last of all."""
    plant(mutant)
    began = time.process_time()
    near = [own for own in modules if _is_near(mutant, own)]
    others = [own for own in modules if not _is_near(mutant, own)]
    for name, run in (*_in_turn(near), *_in_turn(others)):
        if time.process_time() - began > seconds:
            break
        yield name, ""
        try:
            run()
        except pytest.skip.Exception:
            continue
        except Exception as error:
            yield name, type(error).__name__
            return


def _in_turn(modules: Sequence[Sequence[Call]]) -> Iterator[Call]:
    for turn in itertools.zip_longest(*modules):
        yield from filter(None, turn)


def _is_near(mutant: Mutant, own: Sequence[Call]) -> bool:
    """Whether these tests are of the part that holds the fault."""
    module = mutant.module.removeprefix("ifonly.explainers.")
    near = next((tests for part, tests in NEAR if module.startswith(part)), ())
    return bool(own) and any(part in own[0][0].partition("::")[0] for part in near)
