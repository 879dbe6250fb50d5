"""A sample in the order of time as the windows that a graph of rank 3 reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.models.adding.questions import Asker, Question
from ifonly.models.encoding import Encoding, FeatureEncoding, Place, TensorInput
from ifonly.models.errors import DataError, GraphError
from ifonly.models.sample import Sample
from ifonly.models.schema import Feature
from ifonly.models.window import AT, Period, Window, WindowLayout, WindowSchema

RANK = 3
MOST_WINDOWS = 20_000
"""Taken from all over the sample."""


@dataclass(frozen=True, eq=False)
class SampledWindows:
    """Windows of a sample, whose rows are readings one period apart."""

    window: Window
    sample: Sample
    """Unrolled: a row is a window."""
    encoding: Encoding
    last: npt.NDArray[np.int64]
    """Of each window the row of the sample that it ends with."""


def is_window(tensors: Sequence[TensorInput]) -> bool:
    """Raises
    ------
    GraphError
        If there is an input of rank 3 beside others.
    """
    deep = [tensor for tensor in tensors if len(tensor.shape) == RANK]
    if deep and len(tensors) > 1:
        raise GraphError(f"{deep[0]} has rank 3, and there are others: a window goes to one input")
    return bool(deep)


def sampled(tensor: TensorInput, sample: Sample, ask: Asker) -> SampledWindows:
    """The windows of ``sample``, whose columns are channels.

    Raises
    ------
    GraphError
        If the input is none of as many channels.
    DataError
        If the sample is no readings of numbers, or shorter than a window.
    """
    channels = sample.schema.features
    for channel in channels:
        if channel.kind.is_categorical:
            raise DataError(channel.name, "is text, and a channel of a window is a number")
        if AT in channel.name:
            raise DataError(channel.name, f"has {AT!r} in its name, which a channel cannot have")
    layout, steps = _laid_out(tensor, channels, ask)
    period = _period(ask)
    n = len(sample.rows)
    if n < steps:
        raise DataError("sample", f"has {n} rows, and a window has {steps} readings")
    window = Window(channels, steps, period, layout)
    last = np.arange(steps - 1, n)
    last = last[:: max(math.ceil(len(last) / MOST_WINDOWS), 1)]
    series = np.lib.stride_tricks.sliding_window_view(sample.rows, steps, axis=0)
    rows = series[last - steps + 1].reshape(len(last), -1)
    readings = [
        replace(channel, name=window.reading_name(c, t), resolution=None)
        for c, channel in enumerate(channels)
        for t in range(steps)
    ]
    encodings = [
        FeatureEncoding(
            window.reading_name(c, t),
            whole=channel.kind == "integer",
            may_be_missing=channel.may_be_missing,
            place=Place(None, window.place(c, t)),
        )
        for c, channel in enumerate(channels)
        for t in range(steps)
    ]
    schema = WindowSchema(tuple(readings), window=window)
    told = (
        *sample.assumptions,
        f"rows of the sample are readings one {period} apart, oldest first: windows of {steps}",
    )
    unrolled = replace(sample, schema=schema, rows=rows, assumptions=told)
    return SampledWindows(window, unrolled, Encoding(tuple(encodings), window.shape), last)


def _laid_out(
    tensor: TensorInput, channels: Sequence[Feature], ask: Asker
) -> tuple[WindowLayout, int]:
    """Which dimension has the channels, and how many steps the other has."""
    n, (_, first, second) = len(channels), tensor.shape
    ways = {
        layout: steps
        for layout, steps, width in (
            (WindowLayout.STEPS_CHANNELS, first, second),
            (WindowLayout.CHANNELS_STEPS, second, first),
        )
        if width is None or width == n
    }
    if not ways:
        names = ", ".join(channel.name for channel in channels)
        raise GraphError(
            f"{tensor} has no dimension of {n}, the columns of the sample ({names}): name those "
            f"that the model reads, in its order, by --columns"
        )
    layout = next(iter(ways))
    if len(ways) > 1:
        known = tuple(each.value for each in ways)
        text = f"which dimensions of {tensor} are steps and channels?"
        layout = WindowLayout(ask(Question("layout", text, layout.value, known)))
    steps = ways[layout]
    return layout, _steps(ask) if steps is None else steps


def _steps(ask: Asker) -> int:
    told = ask(Question("steps", "how many readings of each channel does the model read?", "10"))
    if not told.isdecimal() or int(told) < 1:
        raise GraphError(f"steps are {told!r}, not a whole number from 1")
    return int(told)


def _period(ask: Asker) -> Period:
    text = "how long is it from one reading to the next (a number and ms, s, min, h or d)?"
    told = ask(Question("period", text, "1 min"))
    try:
        return Period.read(told)
    except ValueError as error:
        raise GraphError(f"period {error}") from None
