"""The project's own oracle tests, called one after the other until one fails."""

from __future__ import annotations

import importlib
import inspect
import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest

from bench.mutants import forks
from bench.mutants.planting import Mutant, plant
from tests.support.checks import Tally

MODULES = (
    "test_trees_against_brute_force",
    "test_linear_and_relu_against_brute_force",
    "test_blackbox_against_brute_force",
    "test_causal_trees_against_brute_force",
    "test_effects_in_linear_programs",
    "test_blocking_and_ranges",
    "test_survival_against_brute_force",
    "test_backtracking_against_brute_force",
    "test_causal_recourse_against_brute_force",
    "test_priced_boxes_against_brute_force",
)
DEFINITIONS = ("tests.unit.causal.test_causal_model", "tests.unit.causal.test_certainty",
               "tests.unit.causal.test_expression")  # fmt: skip
"""Walks by hand of what follows, and how surely."""
SECONDS = 8
"""Of CPU for all that are tried of one mutant."""
FIXTURES: dict[str, Callable[[], Any]] = {"tally": Tally}
"""What tests may want besides their parameters; those that want more are left out."""
Call = tuple[str, Callable[[], Any]]


def calls(seed: int) -> list[list[Call]]:
    """Every parametrized case of the oracle tests, module by module, in a random order."""
    rng = random.Random(seed)
    names = [*(f"tests.oracle.{name}" for name in MODULES), *DEFINITIONS]
    found = [list(_calls_of(name)) for name in names]
    for own in found:
        rng.shuffle(own)
    return found


def _calls_of(name: str) -> Iterator[Call]:
    module = importlib.import_module(name)
    for test, function in vars(module).items():
        if test.startswith("test_") and callable(function):
            for given in _parameters(function):
                wanted = set(inspect.signature(function).parameters) - set(given)
                if wanted - FIXTURES.keys():
                    break
                told = ", ".join(str(value)[:60] for value in given.values())
                call = partial(_called, function, given, wanted)
                yield f"{name.split('.')[-1]}::{test}[{told}]", call


def _called(function: Callable[..., Any], given: dict[str, Any], wanted: set[str]) -> None:
    function(**given, **{name: FIXTURES[name]() for name in wanted})


def _parameters(function: Any) -> Iterator[dict[str, Any]]:
    """As pytest would expand them."""
    lists = []
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "parametrize":
            names, values = mark.args[:2]
            keys = [n.strip() for n in names.split(",")] if isinstance(names, str) else names
            lists.append([dict(zip(keys, _tuple(v, len(keys)), strict=True)) for v in values])
    for chosen in itertools.product(*lists):
        yield {key: value for part in chosen for key, value in part.items()}


def _tuple(value: Any, n: int) -> Sequence[Any]:
    if type(value).__name__ == "ParameterSet":
        return tuple(value.values)
    return tuple(value) if n > 1 else (value,)


def caught_by(mutant: Mutant, modules: Sequence[Sequence[Call]]) -> str | None:
    """The first case that fails with the fault planted; None if none does in the time."""
    told, died = forks.run(lambda: _tried(mutant, modules), SECONDS)
    if not told:
        return None if died in ("", "SIGXCPU") else f"the tests die: {died}"
    name, error = told[0]
    return f"{name}: {error}" if _passes(name, modules) else None


def _passes(name: str, modules: Sequence[Sequence[Call]]) -> bool:
    """Whether that test passes without the fault."""
    run = next(run for own in modules for told, run in own if told == name)
    return bool(forks.run(lambda: iter([run() is None]), SECONDS)[0])


def _tried(mutant: Mutant, modules: Sequence[Sequence[Call]]) -> Iterator[tuple[str, str]]:
    plant(mutant)
    near = [own for own in modules if _is_near(mutant, own)]
    for name, run in (*_in_turn(near), *_in_turn(modules)):
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
    name = own[0][0] if own else ""
    part = next((p for p in ("trees", "milp", "causal", "blackbox") if p in mutant.module), "")
    return {"milp": "linear"}.get(part, part or "-") in name
