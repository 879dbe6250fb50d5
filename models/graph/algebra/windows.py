"""Convolutions and pools: windows over the axes behind batch and channels."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.algebra.builder import Units
from ifonly.models.graph.algebra.forms import Forms
from ifonly.models.graph.algebra.functions import extreme

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Windows:
    """The places that each window reads."""

    places: Places
    """``(*out, n_kernel)``: places in the line of all numbers of one channel; -1: padding."""
    out: tuple[int, ...]
    """Lengths of the axes that come out."""

    @classmethod
    def of(
        cls, attributes: dict[str, Any], lengths: tuple[int, ...], kernel: tuple[int, ...]
    ) -> Windows:
        """Windows of a Conv or a pool with these attributes over axes of these lengths.

        Raises
        ------
        ValueError
            If there are as many axes of another number, or the windows are laid in a way that is
            not read.
        """
        n = len(lengths)
        if len(kernel) != n:
            raise ValueError(f"has a kernel of {len(kernel)} axes for {n}")
        strides = _each(attributes, "strides", n)
        dilations = _each(attributes, "dilations", n)
        wide = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
        before, after = _pads(attributes, lengths, strides, wide)
        spans = [length + b + a - w for length, b, a, w in zip(lengths, before, after, wide,
                                                              strict=True)]  # fmt: skip
        if any(span < 0 for span in spans):
            raise ValueError(f"has windows of {wide} over lengths {list(lengths)}")
        if attributes.get("ceil_mode", 0) and any(
            span % stride for span, stride in zip(spans, strides, strict=True)
        ):
            raise ValueError("has windows that reach beyond the end (ceil_mode)")
        out = tuple(span // stride + 1 for span, stride in zip(spans, strides, strict=True))
        grid = np.arange(int(np.prod(lengths))).reshape(lengths)
        padded = np.pad(grid, list(zip(before, after, strict=True)), constant_values=-1)
        found = np.empty((*out, int(np.prod(kernel))), dtype=np.intp)
        for k, at in enumerate(itertools.product(*(range(size) for size in kernel))):
            cut = tuple(
                slice(a * d, a * d + s * (o - 1) + 1, s)
                for a, d, s, o in zip(at, dilations, strides, out, strict=True)
            )
            found[..., k] = padded[cut]
        return cls(found, out)


def _each(attributes: dict[str, Any], name: str, n: int) -> tuple[int, ...]:
    return tuple(int(v) for v in attributes.get(name, (1,) * n))


def _pads(
    attributes: dict[str, Any],
    lengths: tuple[int, ...],
    strides: tuple[int, ...],
    wide: list[int],
) -> tuple[list[int], list[int]]:
    n = len(lengths)
    way = attributes.get("auto_pad", b"NOTSET").decode()
    if way in ("NOTSET", "VALID"):
        pads = [int(v) for v in attributes.get("pads", (0,) * (2 * n))] if way == "NOTSET" else []
        return (pads[:n], pads[n:]) if pads else ([0] * n, [0] * n)
    before, after = [], []
    for length, stride, width in zip(lengths, strides, wide, strict=True):
        total = max((-(-length // stride) - 1) * stride + width - length, 0)
        less, more = total // 2, total - total // 2
        before.append(more if way == "SAME_LOWER" else less)
        after.append(less if way == "SAME_LOWER" else more)
    return before, after


def convolved(x: Forms, kernel: Floats, bias: Floats | None, attributes: dict[str, Any]) -> Forms:
    """``x``, ``(channels, *lengths)``, with ``kernel``, ``(maps, channels / group, *sizes)``."""
    channels, *lengths = x.shape
    groups = int(attributes.get("group", 1))
    maps, own, *sizes = kernel.shape
    if own * groups != channels or maps % groups:
        raise ValueError(f"reads {own * groups} channels where there are {channels}")
    windows = Windows.of(attributes, tuple(lengths), tuple(sizes))
    n, n_out = int(np.prod(lengths)), int(np.prod(windows.out))
    places = windows.places.reshape(n_out, -1)
    plain = kernel.reshape(maps, own, -1)
    matrix = np.zeros((channels, n, maps, n_out))
    step = maps // groups
    for m, k in itertools.product(range(maps), range(places.shape[1])):
        start = (m // step) * own
        read = np.flatnonzero(places[:, k] >= 0)
        # Added, for a window may read one place several times only through padding, never here.
        matrix[start : start + own, places[read, k], m, read] += plain[m, :, k][:, None]
    found = x.reshaped((channels * n,)).mapped(matrix.reshape(channels * n, maps * n_out))
    found = found.reshaped((maps, *windows.out))
    if bias is None:
        return found
    return found.shifted(bias.reshape(maps, *(1,) * len(windows.out)))


def largest(units: Units, x: Forms, attributes: dict[str, Any]) -> Forms:
    """MaxPool: padding never is the largest."""
    channels, *lengths = x.shape
    kernel = tuple(int(v) for v in attributes["kernel_shape"])
    windows = Windows.of(attributes, tuple(lengths), kernel)
    places = windows.places
    # A place twice changes no maximum.
    some = places.max(axis=-1, keepdims=True)
    places = np.where(places < 0, some, places)
    offset = np.arange(channels).reshape(-1, *(1,) * places.ndim) * int(np.prod(lengths))
    parts = x.picked(offset + places[None])
    return extreme(units, parts, (len(parts.shape) - 1,), keep=False, greatest_=True)


def averaged(x: Forms, attributes: dict[str, Any]) -> Forms:
    """AveragePool."""
    channels, *lengths = x.shape
    kernel = tuple(int(v) for v in attributes["kernel_shape"])
    windows = Windows.of(attributes, tuple(lengths), kernel)
    n, n_out = int(np.prod(lengths)), int(np.prod(windows.out))
    places = windows.places.reshape(n_out, -1)
    matrix = np.zeros((n, n_out))
    for k in range(places.shape[1]):
        read = np.flatnonzero(places[:, k] >= 0)
        matrix[places[read, k], read] += 1.0
    counts = (
        float(places.shape[1]) if attributes.get("count_include_pad", 0) else matrix.sum(axis=0)
    )
    found = x.reshaped((channels, n)).mapped(matrix / counts)
    return found.reshaped((channels, *windows.out))
