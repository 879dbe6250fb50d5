"""One node with what its inputs come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.graph.algebra.builder import Units
from ifonly.models.graph.algebra.forms import Forms, constant_forms
from ifonly.models.graph.source import attributes

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class ComparedForms:
    """Whether each form is above 0."""

    forms: Forms
    or_equal: bool
    """Whether 0 itself counts too."""


Value = Forms | ComparedForms | Array
"""What a tensor comes to: for each row, or the same for every row."""


@dataclass(frozen=True, eq=False)
class Call:
    proto: NodeProto
    opset: int
    values: Sequence[Value | None]
    units: Units

    @cached_property
    def a(self) -> dict[str, Any]:
        """Attributes."""
        return attributes(self.proto)

    def has(self, place: int) -> bool:
        return len(self.values) > place and self.values[place] is not None

    def constant(self, place: int) -> Array:
        """The constant at an input.

        Raises
        ------
        ValueError
            If it is computed.
        """
        value = self.values[place]
        if not isinstance(value, np.ndarray):
            raise ValueError(f"takes {self.proto.input[place]!r}, which is computed")
        return value

    def is_constant(self, place: int) -> bool:
        return isinstance(self.values[place], np.ndarray)

    def forms(self, place: int = 0) -> Forms:
        """What is computed at an input.

        Raises
        ------
        ValueError
            If it is a constant, or a truth value.
        """
        value = self.values[place]
        if not isinstance(value, Forms):
            raise ValueError(f"takes {self.proto.input[place]!r}, which is no computed number")
        return value

    @property
    def rank(self) -> int:
        """Axes of the computed inputs, with the batch.

        Raises
        ------
        ValueError
            If they have not all as many: then one's batch would meet another axis.
        """
        found = {
            len((value.forms if isinstance(value, ComparedForms) else value).shape) + 1
            for value in self.values
            if isinstance(value, Forms | ComparedForms)
        }
        if len(found) != 1:
            raise ValueError("stretches tensors of different rank")
        return found.pop()

    def stretched(self, place: int) -> Forms:
        """An input of an operator that stretches its inputs to one shape; constants as forms."""
        value = self.values[place]
        if not isinstance(value, np.ndarray):
            return self.forms(place)
        return constant_forms(self.fixed(place), self.units.n_known)

    def fixed(self, place: int) -> npt.NDArray[np.float64]:
        """A constant at an input of such an operator, without the axis of the batch.

        Raises
        ------
        ValueError
            If it differs between rows.
        """
        plain = np.asarray(self.constant(place))
        if plain.dtype.kind not in "fiub":
            raise ValueError("computes with texts")
        if plain.ndim > self.rank or (plain.ndim == self.rank and len(plain) != 1):
            raise ValueError(f"stretches a constant of shape {list(plain.shape)} over rows")
        found = plain[0] if plain.ndim == self.rank else plain
        return np.asarray(found, dtype=np.float64)

    def axes(self, given: Sequence[int], rank: int) -> tuple[int, ...]:
        """Axes of a tensor of ``rank`` axes, as axes of its forms.

        Raises
        ------
        ValueError
            If one is none, or the batch.
        """
        if any(not -rank <= axis < rank for axis in given):
            raise ValueError(f"works along axes {list(given)} of {rank}")
        found = tuple(sorted({axis % rank - 1 for axis in given}))
        if -1 in found:
            raise ValueError("works along the batch: rows would be mixed")
        return found

    def either(self, name: str, place: int) -> Array | None:
        """What is an attribute in old opsets and an input in new ones."""
        if name in self.a:
            return np.asarray(self.a[name])
        return self.constant(place) if self.has(place) else None
