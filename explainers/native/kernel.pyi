from collections.abc import Sequence
from typing import Annotated

import numpy
from numpy.typing import NDArray


class Tables:
    def __init__(self, given: object) -> None: ...

class Long:
    def __init__(self, given: object) -> None: ...

class FlatRules:
    def __init__(self, given: object) -> None: ...

class Question:
    def __init__(self, given: object) -> None: ...

class Arena:
    def __init__(self, given: object) -> None: ...

class Cuts:
    def __init__(self, given: object) -> None: ...

class Bounded:
    def __init__(self, given: object) -> None: ...

def begin(tables: Tables, question: Question, arena: Arena, max_nodes: int) -> int: ...

def start(tables: Tables, question: Question, arena: Arena, best: float, lo: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], hi: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

def search(tables: Tables, question: Question, arena: Arena, max_nodes: int) -> int: ...

def bound_boxes(tables: Tables, question: Question, arena: Arena, best: float, cuts: Cuts, boxes: Bounded) -> None: ...

def least_costs(question: Question, lo: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], hi: Annotated[NDArray[numpy.int64], dict(shape=(None, None), order='C', device='cpu', writable=False)], cost: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu')]) -> None: ...

def reach_from(tables: Tables, question: Question, arena: Arena, at: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

def open_bound(question: Question, arena: Arena) -> float: ...

def survives(tables: Tables, question: Question, arena: Arena, at: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> int: ...

def note_failed(arena: Arena, lo: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], hi: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

def hold_around(tables: Tables, question: Question, arena: Arena, at: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], column: int, out: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]) -> None: ...

def hold_at(tables: Tables, question: Question, arena: Arena, at: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], column: int, positions: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]) -> None: ...

def over_limit(tables: Tables, question: Question, arena: Arena, at: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> float: ...

def sum_bounds(tables: Tables, lo: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu', writable=False)], hi: Annotated[NDArray[numpy.int32], dict(shape=(None, None), order='C', device='cpu', writable=False)], least: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu')], greatest: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu')]) -> None: ...

def paths(roots: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], column: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], mode: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], true_child: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], false_child: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], missing_true: Annotated[NDArray[numpy.bool_], dict(shape=(None,), order='C', device='cpu', writable=False)], index: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], after: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], last: Annotated[NDArray[numpy.int32], dict(shape=(None,), order='C', device='cpu', writable=False)], most: int) -> tuple[Annotated[NDArray[numpy.int64], dict(shape=(None,))], Annotated[NDArray[numpy.int64], dict(shape=(None,))], Annotated[NDArray[numpy.int32], dict(shape=(None,))], Annotated[NDArray[numpy.int32], dict(shape=(None,))], Annotated[NDArray[numpy.bool_], dict(shape=(None,))]]: ...

def fill(tables: Tables, slots: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

class Forest:
    def __init__(self, tables: Tables, question: Question, arena: Arena) -> None: ...

    def merge_some(self, question: Question, arena: Arena, best: float) -> bool: ...

    def write(self, tables: Tables) -> None: ...

    @property
    def closed(self) -> bool: ...

    @property
    def cells(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def coarse(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None,))]: ...

    @property
    def begin(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def count(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def tree(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def goal(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def constant(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

class PricedBox:
    def __init__(self, tables: Tables, question: Question, arena: Arena, around: PricedBox | None) -> None: ...

    def ascend(self, tables: Tables, enough: float, steps: int) -> tuple[float, int, int]: ...

    def strike_off(self, tables: Tables, question: Question, arena: Arena, enough: float) -> None: ...

    def wish(self, tables: Tables, question: Question) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def price(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    @price.setter
    def price(self, arg: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], /) -> None: ...

    @property
    def lo(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def hi(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def charge(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    @property
    def limit(self) -> Annotated[NDArray[numpy.float64], dict(shape=(None,))]: ...

    @property
    def leaf(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def first(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def reached(self) -> bool: ...

def search_any(tables: Tables, question: Question, arena: Arena, max_nodes: int) -> int: ...

class Laws:
    """
    A causal model's arrays (FlatLaws), copied and checked. Threads may share it.
    """

    def __init__(self, flat: object) -> None: ...

    def rows(self, factual: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Sequence[int], values: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], member: int = -1) -> NDArray[numpy.float64]:
        """
        Counterfactual rows, (n, d), of actions, (n, k), not rounded to whole numbers.
        """

    def members(self, factual: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Sequence[int], values: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> NDArray[numpy.float64]:
        """The same by every plausible mechanism: (n, members, d)."""

    def bounds(self, factual: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)], columns: Sequence[int], lower: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], upper: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)], member: int = -1) -> tuple[NDArray[numpy.float64], NDArray[numpy.float64]]:
        """Least and greatest rows of each box of actions, whole numbers read."""

    def read(self, rows: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order='C', device='cpu', writable=False)]) -> NDArray[numpy.float64]:
        """Rows with whole numbers rounded half to even."""

class Effects:
    def __init__(self, given: object) -> None: ...

class Following:
    """What follows on one machine in one mode; one thread's."""

    def __init__(self, effects: object, laws: object, held: Sequence[object], n_own: int, is_all: bool, question: object, factual: Annotated[NDArray[numpy.float64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

    @property
    def is_bounded(self) -> bool: ...

    @property
    def surest(self) -> tuple[float, list[int]] | None: ...

    @property
    def others_decide(self) -> bool: ...

def start_effects(tables: Tables, arena: Arena, following: Following, best: float, lo: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], hi: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> None: ...

def search_effects(tables: Tables, arena: Arena, following: Following, max_nodes: int) -> int: ...

def note_outside(tables: Tables, arena: Arena, following: Following) -> None: ...

def judge_along(tables: Tables, arena: Arena, following: Following, at: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], column: int, positions: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], out: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu')]) -> None: ...

NO_LINK: int = 0

IDENTITY: int = 1

LOGISTIC: int = 2

MARGIN_SLOTS: int = 7

class UnitArrays:
    def __init__(self, given: object) -> None: ...

class PieceArrays:
    def __init__(self, given: object) -> None: ...

class LimitArrays:
    def __init__(self, given: object) -> None: ...

def descend_cells(units: UnitArrays, pieces: PieceArrays, limits: LimitArrays, question: Question, at: Annotated[NDArray[numpy.int64], dict(shape=(None,), order='C', device='cpu', writable=False)], programs: int) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

class NetworkSearch:
    def __init__(self, units: UnitArrays, pieces: PieceArrays, limits: LimitArrays, question: Question, steps: int, first_steps: int, rounds: int, listed: int, most_open: int) -> None: ...

    def start(self, best: float) -> None: ...

    def run(self, most: int, best: float) -> bool: ...

    def take_rows(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    def take_far(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    def take_hopes(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,))]: ...

    @property
    def bound(self) -> float: ...

    @property
    def nodes(self) -> int: ...

    @property
    def is_lost(self) -> bool: ...

SOURCES: str = ...

TOLERANCE: float = 1e-12

def structs() -> dict[str, dict[str, str]]: ...

SP: int = 0

NODES: int = 1

REFUSED: int = 2

HAS_BEST: int = 3

WORDS: int = 4

FRAGILE: int = 5

DIRECTIONS: int = 6

UNMERGED: int = 7

STRUCK: int = 8

INT_SLOTS: int = 9

BEST: int = 0

FLOOR: int = 1

WAITING: int = 2

CORNER: int = 3

GUESS: int = 4

FLOAT_SLOTS: int = 5

DONE: int = 0

MORE: int = 1

VERDICT: int = 2

FULL: int = 3

SURVIVES: int = 0

FAILS: int = 1

UNDECIDED: int = 2

HOLDS: int = 1

IN_DOUBT: int = 2

ALWAYS: int = 1

NEVER: int = 0

SOMETIMES: int = 2

COMPARISON: int = 0

CHANGES: int = 1

MEMBER: int = 2

CONSTANT: int = 3

LE: int = 0

LT: int = 1

GE: int = 2

GT: int = 3

EQ: int = 4

NE: int = 5

FEATURE_BITS: int = 62
