"""Whatever the compiled search is handed, it answers or raises: it never reads or writes outside.

Arrays of real questions are changed at random, and every entry is called with them. A fault here
ends the process, or is told by the sanitizers (``make sanitize``, which tries more of them:
``IFONLY_MALFORMED``).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.batches import Bounded, Cuts
from ifonly.explainers.search.trees.effect_search import Given
from ifonly.explainers.search.trees.question import Question
from ifonly.explainers.search.trees.table_search import SearchInstance
from ifonly.explainers.search.trees.tables import Tables
from tests.support.effects import Parts, parts
from tests.support.native import instance

COUNT = int(os.environ.get("IFONLY_MALFORMED", "600"))
SEEDS = 20
PARTS = 8
EXTREME = (0, 1, -1, 2, 63, 64, 65, 1 << 31, -(1 << 31), (1 << 62), -(1 << 63), (1 << 63) - 1)
REFUSED = (ValueError, TypeError)

Draw = np.random.Generator


def changed(array: Any, draw: Draw) -> Any:
    """An array with some of its numbers, its length or its type changed."""
    kind = int(draw.integers(10))
    if kind == 0:
        return array[: int(draw.integers(len(array) + 1))].copy()
    if kind == 1:
        return np.concatenate([array, array[:1]])
    if kind == 2:
        with np.errstate(all="ignore"):
            return array.astype(str(draw.choice(["float32", "int64", "int32", "uint8"])))
    if kind == 3:
        return array[::-1] if draw.integers(2) else np.asfortranarray(array)
    if kind == 4:
        return draw.permutation(array)
    found = array.copy()
    if not found.size:
        return found
    at = draw.integers(found.size, size=1 + int(draw.integers(3)))
    flat = found.reshape(-1)
    if found.dtype == np.float64:
        flat[at] = draw.choice([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e300, 1e-300])
    elif kind < 7:  # near what is there, which is the likeliest to pass
        with np.errstate(over="ignore"):
            flat[at] += draw.choice(np.array([1, 2], found.dtype))
    else:
        flat[at] = np.array(EXTREME[int(draw.integers(len(EXTREME)))]).astype(found.dtype)
    return found


def malformed(struct: Any, draw: Draw) -> Any:
    """A struct with one field, or one of a struct within, changed."""
    field = fields(struct)[int(draw.integers(len(fields(struct))))]
    value = getattr(struct, field.name)
    if isinstance(value, int):
        return replace(struct, **{field.name: int(draw.choice(EXTREME[:8]))})
    changes = changed(value, draw) if isinstance(value, np.ndarray) else malformed(value, draw)
    return replace(struct, **{field.name: changes})


def positions(q: Question, draw: Draw) -> Any:
    """A row, mostly on the axes."""
    with np.errstate(all="ignore"):
        at = (draw.random(len(q.size)) * np.clip(q.size, 0, 1 << 20)).astype(np.int64)
    return changed(at, draw) if draw.integers(4) == 0 else at


def calls(t: Tables, q: Question, a: Arena, draw: Draw) -> Iterator[Callable[[], object]]:
    """Every entry."""
    n = len(q.size)
    row = positions(q, draw)
    column = int(draw.integers(-1, n + 1))
    best = float(draw.choice([0.5, 3.0, 1e3, np.inf, np.nan]))
    lo, hi = np.minimum(row, q.least) if len(row) == len(q.least) else row, positions(q, draw)
    boxes = (np.repeat(lo[None], 3, axis=0), np.repeat(hi[None], 3, axis=0))
    size = max(0, min(int(q.size[min(max(column, 0), n - 1)]), 1 << 16)) if n else 0
    some = draw.integers(-1, size + 1, size=4)
    out, few = np.zeros(size, np.uint8), np.zeros(4, np.uint8)
    cuts = Cuts(draw.integers(-1, n + 1, size=6), np.sort(draw.integers(0, 7, size=n + 1)))
    yield lambda: kernel.begin(t.native, q.native, a.native, 100)
    yield lambda: kernel.search(t.native, q.native, a.native, 100)
    yield lambda: kernel.search_any(t.native, q.native, a.native, 100)
    yield lambda: kernel.open_bound(q.native, a.native)
    yield lambda: kernel.start(t.native, q.native, a.native, best, lo, hi)
    yield lambda: kernel.start(t.native, q.native, a.native, best, q.least, q.most)
    yield lambda: kernel.reach_from(t.native, q.native, a.native, row)
    yield lambda: merge(t, q, a, best)
    yield lambda: price(t, q, a, best)
    yield lambda: kernel.bound_boxes(
        t.native, q.native, a.native, best, cuts.native, Bounded.of(*boxes).native
    )
    yield lambda: kernel.search(t.native, q.native, a.native, 100)
    yield lambda: kernel.least_costs(q.native, *boxes, np.zeros(3))
    yield lambda: kernel.over_limit(t.native, q.native, a.native, row)
    yield lambda: kernel.hold_around(t.native, q.native, a.native, row, column, out)
    yield lambda: kernel.hold_at(t.native, q.native, a.native, row, column, some, few)
    yield lambda: kernel.survives(t.native, q.native, a.native, row)
    yield lambda: kernel.search(t.native, q.native, a.native, 100)
    yield lambda: kernel.fill(t.native, draw.integers(-1, 64 * len(t.full) + 1, size=4))


def merge(t: Tables, q: Question, a: Arena, best: float) -> None:
    forest = kernel.Forest(t.native, q.native, a.native)
    for _ in range(4):
        if forest.merge_some(q.native, a.native, best):
            break
    forest.write(t.native)


def price(t: Tables, q: Question, a: Arena, best: float) -> None:
    box = kernel.PricedBox(t.native, q.native, a.native, None)
    inside = kernel.PricedBox(t.native, q.native, a.native, box)
    inside.price = np.full(len(inside.price), best)
    inside.ascend(t.native, best, 4)
    inside.wish(t.native, q.native)


def copied(asked: SearchInstance) -> SearchInstance:
    """One whose tables are its own: they are written to."""
    own = {f.name: getattr(asked.tables, f.name).copy() for f in fields(asked.tables)}
    return replace(asked, tables=Tables(**own))


def ask_all(t: Tables, q: Question, a: Arena, draw: Draw) -> tuple[int, int]:
    """How many entries answered, and how many raised."""
    answered = raised = 0
    for call in calls(t, q, a, draw):
        try:
            call()
            answered += 1
        except REFUSED:
            raised += 1
    return answered, raised


@pytest.mark.parametrize("part", range(PARTS))
def test_an_error_and_never_a_crash(part: int) -> None:
    answered = raised = 0
    for k in range(COUNT // PARTS):
        draw = np.random.default_rng([part, k])
        asked = copied(instance(int(draw.integers(SEEDS))))
        t, q, a = asked.tables, asked.question, Arena.of(asked.tables, stack=64)
        which = int(draw.integers(3))
        if which == 0:
            t = malformed(t, draw)
        elif which == 1:
            q = malformed(q, draw)
        else:
            # What lies on the stack is the search's own; its counts are Python's, too.
            a.ints[int(draw.integers(len(a.ints)))] = draw.choice(EXTREME)
            a = replace(a, at=changed(a.at, draw)) if draw.integers(2) else a
        found = ask_all(t, q, a, draw)
        answered, raised = answered + found[0], raised + found[1]
    # Both happen, so that it is neither the first check alone nor nothing that was tried.
    assert answered > COUNT // PARTS
    assert raised > COUNT // PARTS


def test_counts_of_an_arena_are_read_with_care() -> None:
    asked = instance(0)
    for slot in (kernel.SP, kernel.WORDS, kernel.FRAGILE):
        for count in EXTREME:
            a = Arena.of(asked.tables, stack=64)
            kernel.begin(asked.tables.native, asked.question.native, a.native, 1)
            a.ints[slot] = count
            try:
                kernel.search(asked.tables.native, asked.question.native, a.native, 10)
                kernel.open_bound(asked.question.native, a.native)
            except ValueError:
                continue
            assert 0 <= count <= 65


@pytest.mark.parametrize("part", range(PARTS))
def test_nodes_of_an_ensemble_that_lead_nowhere_are_refused(part: int) -> None:
    for k in range(COUNT // PARTS):
        draw = np.random.default_rng([part, k])
        given = nodes(draw)
        name = list(given)[int(draw.integers(len(given)))]
        given[name] = changed(given[name], draw)
        with np.errstate(all="ignore"):
            try:
                kernel.paths(**given, most=1_000)
            except REFUSED:
                continue


def nodes(draw: Draw) -> dict[str, Any]:
    """Of a tree of three leaves, two features."""
    return {
        "roots": np.array([0], np.int64),
        "column": np.array([0, 1, -1, -1, -1], np.int64),
        "mode": np.array([draw.integers(3), draw.integers(3), -1, -1, -1], np.int64),
        "true_child": np.array([1, 2, -1, -1, -1], np.int64),
        "false_child": np.array([4, 3, -1, -1, -1], np.int64),
        "missing_true": np.array([True, False, False, False, False]),
        "index": np.array([0, 1, 0, 0, 0], np.int32),
        "after": np.array([1, 1, 0, 0, 0], np.int32),
        "last": np.array([2, 2], np.int32),
    }


# --- what follows ---------------------------------------------------------------------------------

EFFECTS = tuple(seed for seed in range(24) if parts(seed) is not None)


def mixed(draw: Draw) -> tuple[Parts, bool]:
    """What belongs together, or with one thing malformed, or of another model; and whether it may
    be asked much of."""
    own, other = (parts(int(draw.choice(EFFECTS))) for _ in range(2))
    assert own is not None
    assert other is not None
    which = int(draw.integers(8))
    if which == 0:
        return replace(own, effects=malformed(own.effects, draw)), False
    if which == 1:
        return replace(own, question=malformed(own.question, draw)), False
    if which == 2:
        return replace(own, laws=malformed(own.laws, draw)), False
    if which == 3:
        return replace(own, tables=malformed(own.tables, draw)), False
    if which == 4:
        name = str(draw.choice([f.name for f in fields(own)]))
        return replace(own, **{name: getattr(other, name)}), False
    if which == 5:
        return replace(own, factual=changed(own.factual, draw)), False
    return own, True


def calls_of_effects(given: Given, a: Arena, q: Question, draw: Draw) -> list[Callable[[], object]]:
    """Every entry that takes what follows, in any order."""
    (t, _, f), n = given, len(q.size)
    row, column = positions(q, draw), int(draw.integers(-1, n + 1))
    size = max(1, min(int(q.size[min(max(column, 0), n - 1)]), 1 << 16))
    start = int(draw.integers(size))
    run = np.arange(start, min(start + 300, size), dtype=np.int64)
    some = [run, run[::-1].copy(), draw.integers(-2, size + 1, size=40)][int(draw.integers(3))]
    out = np.zeros(len(some) + int(draw.integers(10) == 0), np.uint8)
    best = float(draw.choice([0.5, 3.0, np.inf, np.nan, -1.0]))
    lo, hi = np.minimum(row, q.least) if len(row) == len(q.least) else row, positions(q, draw)

    def refuse() -> None:
        a.refused[:] = a.at
        a.ints[kernel.REFUSED] = 1

    every: list[Callable[[], object]] = [
        lambda: kernel.start_effects(*given, best, q.least, q.most),
        lambda: kernel.start_effects(*given, np.inf, q.least, q.most),
        lambda: kernel.start_effects(*given, best, lo, hi),
        lambda: kernel.search_effects(*given, 60),
        lambda: kernel.search_effects(*given, 60),
        lambda: kernel.search_effects(*given, int(draw.integers(-1, 3))),
        lambda: kernel.note_outside(*given),
        lambda: kernel.judge_along(*given, row, column, some, out),
        lambda: kernel.open_bound(q.native, a.native),
        lambda: kernel.search(t, q.native, a.native, 20),
        lambda: kernel.start(t, q.native, a.native, best, q.least, q.most),
        lambda: f.surest,
        refuse,
    ]
    return [every[i] for i in draw.integers(len(every), size=14)]


@pytest.mark.parametrize("part", range(PARTS))
def test_what_follows_is_an_error_and_never_a_crash(part: int) -> None:
    found = Counter[str]()
    for k in range(COUNT // PARTS):
        draw = np.random.default_rng([part, k, 1])
        x, fits = mixed(draw)
        try:
            a = Arena.of(x.tables, stack=int(draw.choice([2, 4, 64])))
            laws, given = kernel.Laws(x.laws), (x.tables.native, a.native)
            held = [laws] * int(draw.integers(3))
            # Laws of another graph, by which others may follow.
            other = parts(int(draw.choice(EFFECTS)))
            if other is not None and draw.random() < 0.3:
                held.append(kernel.Laws(other.laws))
                fits = fits and other.laws is x.laws
            n_own, is_all = int(draw.integers(5)), bool(draw.integers(2))
            f = kernel.Following(
                x.effects.native, laws, held, n_own, is_all, x.question.native, x.factual
            )
        except (*REFUSED, IndexError):
            assert not fits
            found["refused"] += 1
            continue
        if not fits and draw.integers(2):
            slot = int(draw.integers(len(a.ints)))
            a.ints[slot] = draw.choice(EXTREME)
        for call in calls_of_effects((*given, f), a, x.question, draw):
            try:
                call()
                found["answered"] += 1
            except REFUSED:
                found["raised"] += 1
    # Many a thing is found when it is handed over, and many another when it is asked.
    assert found["refused"] > COUNT // PARTS // 20, found
    assert found["answered"] > COUNT // PARTS, found
    assert found["raised"] > COUNT // PARTS, found
