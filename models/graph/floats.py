"""Float64 counted in order: neighbours have neighbouring numbers. To search among all of them."""

from __future__ import annotations

import struct

_MAGNITUDE = (1 << 63) - 1


def number(value: float) -> int:
    """Place of ``value``; of 0.0 and of -0.0 it is 0."""
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    # As integers, the bits of positive floats rise with them; those of negative ones fall.
    return int(bits) if bits >= 0 else -(int(bits) & _MAGNITUDE)


def value(number: int) -> float:
    """The float at a place."""
    magnitude: float = struct.unpack("<d", struct.pack("<q", abs(number)))[0]
    return magnitude if number >= 0 else -magnitude
