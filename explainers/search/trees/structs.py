"""Named arrays that compiled code reads through one pointer.

numba hands a named tuple of arrays to a function as some seven arguments for each of its arrays:
hundreds a call for the tuples of this package, which took most of the time of compiling them and
of calling short functions. A :class:`Struct` is one pointer to a table of addresses and lengths;
compiled code reads from it what it asks for, by name, and the arrays stay where they are.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core.datamodel import models
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, register_model
from numba.np import arrayobj, numpy_support

from explainers.native import kernel as native_kernel

Ints = Annotated[npt.NDArray[np.int64], types.int64[::1]]
IntRows = Annotated[npt.NDArray[np.int64], types.int64[:, ::1]]
Cells = Annotated[npt.NDArray[np.int32], types.int32[::1]]
CellRows = Annotated[npt.NDArray[np.int32], types.int32[:, ::1]]
CellBoxes = Annotated[npt.NDArray[np.int32], types.int32[:, :, ::1]]
Floats = Annotated[npt.NDArray[np.float64], types.float64[::1]]
FloatRows = Annotated[npt.NDArray[np.float64], types.float64[:, ::1]]
Words = Annotated[npt.NDArray[np.uint64], types.uint64[::1]]
WordRows = Annotated[npt.NDArray[np.uint64], types.uint64[:, ::1]]
Bytes = Annotated[npt.NDArray[np.uint8], types.uint8[::1]]
Flags = Annotated[npt.NDArray[np.bool_], types.boolean[::1]]
FlagRows = Annotated[npt.NDArray[np.bool_], types.boolean[:, ::1]]
Whole = int | np.int64
"""A whole number of compiled code, which knows one kind of them."""
Flag = bool | np.bool_

_arrays: Any = arrayobj
_types: Any = types
_njit: Any = njit
_support: Any = numpy_support
_infer_getattr: Any = infer_getattr
_lower: Any = lower_getattr_generic
_intrinsic: Any = intrinsic
SLOTS = 4
"""Words of the table for each field: an address and up to three lengths, or a whole number."""


class Struct:
    """Base of frozen dataclasses whose fields are arrays in C order, whole numbers or structs."""

    @cached_property
    def address(self) -> npt.NDArray[np.int64]:
        """The table, which compiled code takes in place of the struct; the struct must live as
        long as that is running.

        Raises
        ------
        TypeError
            If an array is not of the declared type, or not in C order.
        """
        struct: Any = type(self)
        values = []
        for name, kind, dtype in _fields(struct):
            value = getattr(self, name)
            # Compiled code reads raw memory: another type or order would be read as wrong numbers.
            if dtype is None:
                value = value.address if isinstance(value, Struct) else value
            elif value.dtype != dtype or value.ndim != kind.ndim or not value.flags.c_contiguous:
                raise TypeError(f"{name} is {value.dtype} {value.shape} and not {kind}")
            values.append(value)
        # The arrays stay in `self`, which keeps them alive; the table holds bare addresses.
        slots = np.empty(SLOTS * len(values), dtype=np.int64)
        _write(slots, *values)
        return slots


    @cached_property
    def native(self) -> Any:
        """The struct as compiled code has it; the arrays are held for as long as it is."""
        return getattr(native_kernel, type(self).__name__)(self)


S = TypeVar("S", bound=Struct)


@cache
def _fields(struct: Any) -> tuple[tuple[str, Any, np.dtype[Any] | None], ...]:
    """Name, numba's type and numpy's, of arrays, of every field."""
    # In the order of declaration, which is also that of the slots in compiled code.
    hints = get_type_hints(struct, include_extras=True)
    kinds = [(name, _kind(hint)) for name, hint in hints.items()]
    return tuple((name, kind, _dtype(kind)) for name, kind in kinds)


def writer(struct: type[Struct]) -> tuple[Any, tuple[Any, ...]]:
    """What is compiled to write the table of a struct, and the types that it takes."""
    declared: Any = struct
    kinds = [
        # A struct within a struct is passed as its own table.
        types.int64[::1] if isinstance(kind, Pointer) else kind
        for _, kind, _ in _fields(declared)
    ]
    return _write, (types.int64[::1], _types.BaseTuple.from_types(kinds))


def _kind(hint: Any) -> Any:
    if hint is int:
        return types.int64
    if isinstance(hint, type) and issubclass(hint, Struct):
        return Pointer(hint)
    return get_args(hint)[1]  # numba's type, beside numpy's


def _dtype(kind: Any) -> np.dtype[Any] | None:
    if not isinstance(kind, types.Array):
        return None
    return np.dtype(_support.as_dtype(kind.dtype))


@_intrinsic
def _write_each(typing_context: Any, slots: Any, values: Any) -> Any:
    """Compiled, because asking numpy for an address takes as long as writing all of them."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        table = _arrays.make_array(slots)(context, builder, arguments[0]).data
        for i, kind in enumerate(values):
            words = [builder.extract_value(arguments[1], i)]
            if isinstance(kind, types.Array):
                array = _arrays.make_array(kind)(context, builder, words[0])
                shape = [builder.extract_value(array.shape, k) for k in range(kind.ndim)]
                words = [builder.ptrtoint(array.data, ir.IntType(64)), *shape]
            for k, word in enumerate(words):
                at = ir.Constant(ir.IntType(64), SLOTS * i + k)
                builder.store(word, builder.gep(table, [at]))
        return context.get_dummy_value()

    return types.void(slots, values), generate


@_njit(cache=True, _nrt=False)
def _write(slots: Any, *values: Any) -> None:
    _write_each(slots, values)


class Pointer(types.Type):
    """numba's type of a pointer to the table of a struct."""

    def __init__(self, struct: Any) -> None:
        self.kinds = {name: kind for name, kind, _ in _fields(struct)}
        super().__init__(name=f"Pointer({struct.__name__})")


@register_model(Pointer)
class _PointerModel(models.OpaqueModel):
    pass


@_infer_getattr
class _PointerFields(AttributeTemplate):
    key = Pointer

    def generic_resolve(self, pointer: Pointer, field: str) -> Any:  # type: ignore[override]
        return pointer.kinds.get(field)


@_lower(Pointer)
def _read_field(context: Any, builder: Any, pointer: Pointer, value: Any, field: str) -> Any:
    kind = pointer.kinds[field]
    first = SLOTS * list(pointer.kinds).index(field)
    word = ir.IntType(64)
    table = builder.bitcast(value, word.as_pointer())

    def slot(k: int) -> Any:
        load = builder.load(builder.gep(table, [ir.Constant(word, first + k)]))
        # The table never changes once written, so loads may be moved out of loops.
        load.set_metadata("invariant.load", builder.module.add_metadata([]))
        return load

    if isinstance(kind, Pointer):
        return builder.inttoptr(slot(0), context.get_value_type(kind))
    if not isinstance(kind, types.Array):
        return slot(0)
    array = _arrays.make_array(kind)(context, builder)
    size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    shape, strides = [slot(1 + k) for k in range(kind.ndim)], [ir.Constant(word, size)]
    # C order: the strides follow from the lengths, so they are not stored.
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    data = builder.inttoptr(slot(0), array.data.type)
    # No meminfo: numba must not count references to memory that Python owns.
    _arrays.populate_array(array, data, shape, strides, ir.Constant(word, size), meminfo=None)
    return array._getvalue()


def pointer_to(struct: type[S]) -> Callable[[S], S]:
    """For compiled code: a struct of this class, of which it has the address, as a pointer to read
    it by."""
    kind = Pointer(struct)

    @_intrinsic
    def pointer(typing_context: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = _arrays.make_array(signature.args[0])(context, builder, arguments[0])
            return builder.bitcast(array.data, context.get_value_type(kind))

        return kind(address), generate

    made: Callable[[S], S] = pointer
    return made
