"""The entry points from Python into the compiled search."""

from __future__ import annotations

from typing import Any

import numpy as np

from explainers.search.trees import batches, kernel, primal_heuristic, survival_kernel
from explainers.search.trees.arena import BEST, GUESS, HAS_BEST, Arena, arena_at
from explainers.search.trees.batches import Bounded, Cuts, bounded_at, cuts_at
from explainers.search.trees.compiled import (
    BYTES,
    REAL,
    REALS,
    SOURCES,
    STRUCT,
    WHOLE,
    WHOLE_ROWS,
    WHOLES,
    entry,
)
from explainers.search.trees.question import Question, question_at
from explainers.search.trees.structs import Bytes, Floats, IntRows, Ints, Whole
from explainers.search.trees.tables import Tables, tables_at


def _entry_points(sources: str) -> Any:
    """``sources`` is read by each of them, so that it is a part of the key of its machine code."""

    class EntryPoints:
        """Functions of the tables, the question and the arena."""

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT, WHOLE)
        def begin(t: Tables, q: Question, a: Arena, max_nodes: int) -> Whole:
            """A first answer, then the search of the whole space for a cheaper one; where an
            answer must survive the sensors, the first is only a guess at what one costs."""
            sources  # noqa: B018
            tables, asked, arena = tables_at(t), question_at(q), arena_at(a)
            cost = primal_heuristic.find_incumbent(tables, asked, arena)
            # A row in the target may still fail the sensors, so its cost must not cut anything off.
            is_answer = len(asked.near) == 0
            best = cost if is_answer else np.inf
            kernel.start(tables, asked, arena, best, asked.least, asked.most)
            arena.floats[GUESS] = cost
            # After `start`, which clears the flags.
            if best < np.inf:
                arena.ints[HAS_BEST] = 1
            return kernel.search(tables, asked, arena, max_nodes)

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT, REAL, WHOLES, WHOLES)
        def start(t: Tables, q: Question, a: Arena, best: float, lo: Ints, hi: Ints) -> None:
            sources  # noqa: B018
            kernel.start(tables_at(t), question_at(q), arena_at(a), best, lo, hi)

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT, WHOLE)
        def search(t: Tables, q: Question, a: Arena, max_nodes: int) -> Whole:
            sources  # noqa: B018
            return kernel.search(tables_at(t), question_at(q), arena_at(a), max_nodes)

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT, REAL, STRUCT, STRUCT)
        def bound_boxes(
            t: Tables, q: Question, a: Arena, best: float, cuts: Cuts, boxes: Bounded
        ) -> None:
            sources  # noqa: B018
            tables, asked, arena = tables_at(t), question_at(q), arena_at(a)
            batches.bound(tables, asked, arena, best, cuts_at(cuts), bounded_at(boxes))

        @staticmethod
        @entry(STRUCT, WHOLE_ROWS, WHOLE_ROWS, REALS)
        def least_costs(q: Question, lo: IntRows, hi: IntRows, cost: Floats) -> None:
            sources  # noqa: B018
            batches.least_costs(question_at(q), lo, hi, cost)

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT, WHOLES)
        def reach_from(t: Tables, q: Question, a: Arena, at: Ints) -> None:
            """Put a cheaper row in the place of the best, if one lies near ``at``."""
            sources  # noqa: B018
            arena = arena_at(a)
            best = arena.floats[BEST]
            arena.floats[BEST] = primal_heuristic.reach_from(
                tables_at(t), question_at(q), arena, at, best
            )

        @staticmethod
        @entry(STRUCT, STRUCT)
        def open_bound(q: Question, a: Arena) -> float:
            sources  # noqa: B018
            return kernel.open_bound(question_at(q), arena_at(a))

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT, WHOLES, WHOLE)
        def survives(t: Tables, q: Question, a: Arena, at: Ints, max_parts: int) -> Whole:
            sources  # noqa: B018
            return survival_kernel.survives(
                tables_at(t), question_at(q), arena_at(a), at, max_parts
            )

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT, WHOLES, WHOLE, WHOLE, BYTES)
        def hold_around(
            t: Tables, q: Question, a: Arena, at: Ints, column: int, max_parts: int, out: Bytes
        ) -> None:
            """Which values of a feature would do in the place of that at ``at[column]``."""
            sources  # noqa: B018
            tables, asked, arena = tables_at(t), question_at(q), arena_at(a)
            primal_heuristic.hold_around(tables, asked, arena, at, column, out)
            # Survival is dear, so it is asked only of values that hold without it.
            if len(asked.near) > 0:
                survival_kernel.keep_surviving(tables, asked, arena, at, column, max_parts, out)

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT, WHOLES, WHOLE, WHOLE, WHOLES, BYTES)
        def hold_at(
            t: Tables,
            q: Question,
            a: Arena,
            at: Ints,
            column: int,
            max_parts: int,
            positions: Ints,
            out: Bytes,
        ) -> None:
            """Which of some values of a feature would do in the place of that at ``at[column]``."""
            sources  # noqa: B018
            tables, asked, arena = tables_at(t), question_at(q), arena_at(a)
            primal_heuristic.hold_at(tables, asked, arena, at, column, positions, out)
            if len(asked.near) > 0:
                survival_kernel.keep_those_surviving(
                    tables, asked, arena, at, column, max_parts, positions, out
                )

        @staticmethod
        @entry(STRUCT, STRUCT, STRUCT, WHOLES)
        def over_limit(t: Tables, q: Question, a: Arena, at: Ints) -> float:
            sources  # noqa: B018
            return primal_heuristic.over_limit(tables_at(t), question_at(q), arena_at(a), at)

    return EntryPoints


entry_points = _entry_points(SOURCES)
