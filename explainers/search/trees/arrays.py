"""Arrays that compiled code reads, in C order: numpy's type, and how many dimensions."""

from __future__ import annotations

from typing import Annotated, TypeVar

import numpy as np
import numpy.typing as npt

Ints = Annotated[npt.NDArray[np.int64], 1]
IntRows = Annotated[npt.NDArray[np.int64], 2]
Cells = Annotated[npt.NDArray[np.int32], 1]
CellRows = Annotated[npt.NDArray[np.int32], 2]
Floats = Annotated[npt.NDArray[np.float64], 1]
FloatRows = Annotated[npt.NDArray[np.float64], 2]
Words = Annotated[npt.NDArray[np.uint64], 1]
WordRows = Annotated[npt.NDArray[np.uint64], 2]
Bytes = Annotated[npt.NDArray[np.uint8], 1]

Native = TypeVar("Native")


def once(struct: object, made: Native) -> Native:
    """``made``, a struct in compiled code, or what another thread has made of it before: a search
    goes on only with the very tables and question that it has begun with."""
    found: Native = vars(struct).setdefault("native", made)
    return found
