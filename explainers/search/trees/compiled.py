"""How the hot loops are compiled, and the two smallest of their parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from llvmlite import ir
from numba import njit, types, uint64
from numba.extending import intrinsic

from explainers.search.trees.question import Question
from explainers.search.trees.structs import Struct, Whole, writer
from explainers.search.trees.tables import CellMap, Tables

Function = TypeVar("Function", bound=Callable[..., object])


class Compiler(Protocol):
    """Compiles a function, which is called as it is written."""

    def __call__(self, function: Function, /) -> Function: ...


# A division by zero must give infinity and not raise: nothing here could catch an exception.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
"""Without numba's reference counting (`_nrt`): nothing here allocates, and nothing here should."""
# numba has no types of its own; behind `Any` mypy strict lets the decorators pass.
_njit: Any = njit
inner: Compiler = _njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""For what only compiled code calls."""
small: Compiler = _njit(
    **_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True
)
"""The same, compiled into whatever calls it."""

allocating: Compiler = _njit(nogil=True, error_model="numpy")
"""For what compiled code calls that makes arrays of its own."""

WHOLE, REAL = types.int64, types.float64
WHOLES, WHOLE_ROWS = types.int64[::1], types.int64[:, ::1]
SMALL_WHOLES, BYTES, FLAGS = types.int32[::1], types.uint8[::1], types.boolean[::1]
REALS, BITS = types.float64[::1], types.uint64[::1]
STRUCT = WHOLES
"""What entries take: numbers, arrays in C order, and structs, by the address of each."""


@dataclass(frozen=True, eq=False)
class Entry:
    """Compiled code that Python calls, and the only types that it is ever called with."""

    compiled: Any
    arguments: tuple[object, ...]

    def compile(self) -> bool:
        """Have its machine code; whether it was neither here nor kept, and had to be made."""
        if self.arguments in self.compiled.overloads:
            return False
        self.compiled.compile(self.arguments)
        # Cache misses are what was compiled here; what was on disk is loaded, not made.
        return self.arguments in self.compiled.stats.cache_misses


ENTRIES: list[Entry] = []


def entry(*arguments: object, **options: object) -> Compiler:
    """For what Python calls, with arguments of these types: compiled code that takes the addresses
    of structs. ``options``: numba's, by default those of :data:`inner`.

    numba keeps the machine code under a key that knows of one source file only, so entries are
    made inside a function of :data:`SOURCES`, which is then a part of the key.
    """

    def declared(function: Function) -> Function:
        compiled = _njit(**(options or _OPTIONS), cache=True)(function)
        ENTRIES.append(Entry(compiled, arguments))
        called: Function = passing_addresses(compiled)
        return called

    return declared


def allocating_entry(*arguments: object) -> Compiler:
    """As :func:`entry`, for what makes arrays."""
    return entry(*arguments, nogil=True, error_model="numpy")


def compile_all(told: Callable[[int, int], None] | None = None) -> None:
    """Compile all that Python calls, with the types that it is called with, and nothing after:
    called with others it raises ``TypeError`` and does not compile inside somebody's question.

    Takes half a minute or more where no machine code is kept yet, and else some tenths of a second.
    ``told`` is called after each part that had to be compiled, with how many are ready of how many.
    """
    # Writers first: every entry is called with the tables that they write.
    writers = [Entry(*writer(struct)) for struct in Struct.__subclasses__()]
    parts = (*writers, *ENTRIES)
    for done, each in enumerate(parts, start=1):
        if each.compile() and told is not None:
            told(done, len(parts))
    for each in ENTRIES:
        # From now on another type is an error, not half a minute inside a request.
        each.compiled.disable_compile()


def passing_addresses(compiled: Any) -> Any:
    """Compiled code, to be called with structs where it takes their addresses."""

    @wraps(compiled.py_func)
    def call(*given: object) -> object:
        # The struct is held by the caller's arguments for as long as this runs.
        return compiled(*[x.address if isinstance(x, Struct) else x for x in given])

    return call


def _sources() -> str:
    # Sorted: file systems list in any order, and the digest must not depend on it.
    texts = [file.read_bytes() for file in sorted(Path(__file__).parent.glob("*.py"))]
    # Modules without compiled code cannot change it, and need no new compiling.
    made_of = [text for text in texts if b"@inner" in text or b"Struct" in text]
    return sha256(b"".join(made_of)).hexdigest()


SOURCES = _sources()
"""Digest of the modules that entries are made of."""


@intrinsic
def _trailing_zeros(typing_context: Any, word: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # The last argument says that a word of 0 may give anything: no test for it is generated.
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return uint64(uint64), generate


lowest_bit: Any = _trailing_zeros
"""Index of the lowest set bit of a word that is not 0: one machine instruction."""


@intrinsic
def _population(typing_context: Any, word: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return uint64(uint64), generate


@intrinsic
def _leading_zeros(typing_context: Any, word: Any) -> Any:

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return uint64(uint64), generate


leading_zeros: Any = _leading_zeros
"""How many bits are above the highest set bit of a word that is not 0: one machine instruction."""


@inner
def highest_bit(word: np.uint64) -> Whole:
    """Index of the highest set bit of a word that is not 0."""
    return 63 - np.int64(leading_zeros(word))


bit_count: Any = _population
"""How many bits of a word are set: one machine instruction."""


@inner
def _stretch_at(q: Question, j: Whole, position: Whole) -> Whole:
    """The stretch of a long axis that a position is in, counted from the first of all axes."""
    x = q.long
    low, high = x.first[j], x.first[j] + q.off[j + 1] - q.off[j] - 1
    while low < high:
        middle = (low + high + 1) >> 1
        if x.start[middle] <= position:
            low = middle
        else:
            high = middle - 1
    return low


@inner
def _long_value(q: Question, j: Whole, position: Whole) -> float:
    x, k = q.long, _stretch_at(q, j, position)
    steps = position - x.start[k]
    # The first of a stretch is listed, because it may be on no grid.
    if steps == 0:
        return q.value[q.off[j] + k - x.first[j]]
    # In the order of `Grid.at`, so that it is the same double.
    return ((x.multiple[k] + steps) * x.numerator[j]) / x.scale[j]


@inner
def _long_cost(q: Question, j: Whole, position: Whole) -> float:
    """The same number as that of the definition, which is computed in the same order."""
    x, k = q.long, _stretch_at(q, j, position)
    # From a missing factual every number costs the same, so the listed cost is that of all.
    if position == x.start[k] or np.isnan(x.factual[j]):
        return q.cost[q.off[j] + k - x.first[j]]
    value = _long_value(q, j, position)
    if value == x.factual[j]:
        return 0.0
    distance = abs(value - x.factual[j]) / x.spread[j]
    return x.weight[j] * distance + x.fixed[j] + x.penalty[j]


@small
def entry_at(q: Question, j: Whole, position: Whole) -> Whole:
    """What is said of a position of axis ``j`` in the arrays of a question: of a long axis, of the
    stretch that it is in."""
    listed = q.listed[j]
    if listed >= 0:
        return listed + position
    return q.off[j] + _stretch_at(q, j, position) - q.long.first[j]


@inner
def first_of(q: Question, j: Whole, entry: Whole) -> Whole:
    """First position of an entry of axis ``j``; of the one beyond its last, how many there are."""
    if entry == q.off[j + 1]:
        return q.size[j]
    if q.listed[j] >= 0:
        return entry - q.off[j]
    return q.long.start[q.long.first[j] - q.off[j] + entry]


@small
def value_at(q: Question, j: Whole, position: Whole) -> float:
    """The value at a position of axis ``j``."""
    listed = q.listed[j]
    if listed >= 0:
        return q.value[listed + position]
    return _long_value(q, j, position)


@small
def cost_at(q: Question, j: Whole, position: Whole) -> float:
    """What the value at a position of axis ``j`` costs."""
    listed = q.listed[j]
    if listed >= 0:
        return q.cost[listed + position]
    return _long_cost(q, j, position)


@small
def cell_at(t: Tables, q: Question, j: Whole, position: Whole) -> Whole:
    """Cell of the tables at hand that a position of axis ``j`` falls into."""
    return t.coarse[t.fine[j] + q.cell[entry_at(q, j, position)]]


@small
def first_in(t: CellMap, q: Question, j: Whole, cell: Whole) -> Whole:
    """First position of axis ``j`` in ``cell`` of the tables at hand, or beyond."""
    return q.first[t.fine[j] + j + t.begin[t.cells[j] + j + cell]]


@small
def cheapest(q: Question, j: Whole, low: Whole, high: Whole) -> Whole:
    """Position of the least cost among ``low..high`` of axis ``j``."""
    # A declared matrix: the cheapest of each interval was looked up beforehand.
    if q.table[j] >= 0:
        return q.cheapest[q.table[j] + low * q.size[j] + high]
    middle = q.middle[j]
    if low >= middle:
        return low
    if high < middle:
        return high
    # The interval straddles the factual value; where that is allowed it is at `middle`.
    return middle if cost_at(q, j, middle) <= cost_at(q, j, middle - 1) else middle - 1
