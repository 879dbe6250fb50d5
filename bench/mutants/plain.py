"""The compiled kernel as the plain Python that it is written in, for faults to be planted there.

Compiling it takes a hundred seconds of CPU; a fault would have to pay for it. :func:`install` has
numba leave functions as they are, structs be passed as themselves, and bits be counted by Python.
To be called before anything of ``explainers.search.trees`` is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numba
import numba.extending
import numpy as np


def install() -> None:
    """From here on, in this process."""
    assert not any(name.startswith("explainers.search.trees") for name in sys.modules)
    found: Any = numba
    found.njit = _plain
    found.extending.intrinsic = _intrinsic
    np.seterr(all="ignore")  # as compiled code divides
    from explainers.search.trees import compiled, structs

    struct: Any = structs.Struct
    struct.address = property(lambda self: self)
    made: Any = compiled
    made.compile_all = lambda told=None: None


def _plain(*given: Any, **options: Any) -> Any:
    def as_it_is(function: Any) -> Any:
        function.py_func = function
        return function

    return as_it_is(given[0]) if given and callable(given[0]) else as_it_is


def _intrinsic(function: Callable[..., Any]) -> Callable[..., Any]:
    return _BY_NAME[function.__name__]


def _lowest(word: Any) -> Any:
    value = int(word)
    return np.uint64((value & -value).bit_length() - 1)


_BY_NAME: dict[str, Callable[..., Any]] = {
    "pointer": lambda address: address,
    "_write_each": lambda slots, values: None,
    "_trailing_zeros": _lowest,
    "_population": lambda word: np.uint64(int(word).bit_count()),
    "_leading_zeros": lambda word: np.uint64(64 - int(word).bit_length()),
}
