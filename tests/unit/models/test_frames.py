from __future__ import annotations

import io

import numpy as np
import pytest

from ifonly.models.frames import read_frame, write_frame


def test_what_is_written_is_read() -> None:
    pipe = io.BytesIO()
    first, second = np.arange(6.0).reshape(2, 3), np.array([np.nan, np.inf])
    write_frame(pipe, {"kind": "rows", "n": 2}, first, second)
    write_frame(pipe, {})
    pipe.seek(0)
    header, arrays = read_frame(pipe)
    assert header == {"kind": "rows", "n": 2}
    assert np.array_equal(arrays[0], first)
    assert np.array_equal(arrays[1], second, equal_nan=True)
    assert read_frame(pipe) == ({}, [])


def test_an_empty_array_keeps_its_shape() -> None:
    pipe = io.BytesIO()
    write_frame(pipe, {}, np.empty((0, 6)))
    pipe.seek(0)
    assert read_frame(pipe)[1][0].shape == (0, 6)


@pytest.mark.parametrize("kept", [0, 3, 10, -1])
def test_a_message_that_is_cut_off_is_an_end(kept: int) -> None:
    pipe = io.BytesIO()
    write_frame(pipe, {"kind": "rows"}, np.ones(4))
    with pytest.raises(EOFError):
        read_frame(io.BytesIO(pipe.getvalue()[:kept]))


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1, -2]], np.int64),
        np.array([1.5], np.float32),
        np.array([True, False]),
        np.array([["토크", ""], ["a\x00b", "é"]], dtype=object),
        np.empty((0, 2), dtype=object),
        np.arange(6.0).reshape(2, 3).T,
    ],
)
def test_every_kind_of_array_comes_through_as_it_was(array: np.ndarray) -> None:
    pipe = io.BytesIO()
    write_frame(pipe, {}, array)
    pipe.seek(0)
    (found,) = read_frame(pipe)[1]
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.tolist() == array.tolist()
