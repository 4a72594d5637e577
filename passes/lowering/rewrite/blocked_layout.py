"""Between the layout of the network, (N, C, H, W), and that of the kernels, (N, C / L, H W, L).

Channels are padded with zeros to whole blocks of L.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import relax, te, tirx

from rdpass.core.numeric_types import NumericType
from rdpass.kernels.builder.packing import blocks, pad_axis
from rdpass.passes.lowering.match.quantized import shift_to


def blocked_shape(shape: tuple[int, ...], lanes: int) -> tuple[int, int, int, int]:
    """The blocked shape of a map (N, C, H, W)."""
    batch, channels, height, width = shape
    return batch, blocks(channels, lanes), height * width, lanes


def block_channels(lanes: int, kept: NumericType) -> Any:
    """The TE function from (N, C, H, W) to blocks of numbers of type ``kept``: bytes may be kept as those shifted."""

    def compute(planar: Any) -> Any:
        shape = tuple(int(extent) for extent in planar.shape)
        width, channels = shape[3], shape[1]

        def element(n: Any, block: Any, pixel: Any, lane: Any) -> Any:
            channel = block * lanes + lane
            value = planar[n, channel, tirx.floordiv(pixel, width), tirx.floormod(pixel, width)]
            value = _kept_as(value, kept)
            if channels % lanes == 0:
                return value
            return tirx.if_then_else(channel < channels, value, tirx.const(0, kept.value))

        return te.compute(blocked_shape(shape, lanes), element, name="blocked")

    return compute


def _kept_as(value: Any, kept: NumericType) -> Any:
    """A number, or a byte as one of the other type, shifted."""
    given = NumericType(str(value.dtype))
    if given is kept:
        return value
    return tirx.Cast(kept.value, tirx.Cast("int16", value) + tirx.const(shift_to(given, kept), "int16"))


def as_type(meant: NumericType) -> Any:
    """The TE function from bytes of either sign, of any shape, to those that are meant."""
    return lambda given: te.compute(given.shape, lambda *place: _kept_as(given[place], meant), name="shifted")


def unblock_channels(shape: tuple[int, ...], meant: NumericType) -> Any:
    """The TE function from blocks back to the map of ``shape``, of the type that it has in the network."""

    def compute(blocked: Any) -> Any:
        lanes, width = int(blocked.shape[3]), shape[3]

        def element(n: Any, channel: Any, row: Any, column: Any) -> Any:
            place = n, tirx.floordiv(channel, lanes), row * width + column, tirx.floormod(channel, lanes)
            return _kept_as(blocked[place], meant)

        return te.compute(shape, element, name="planar")

    return compute


def block_constant(array: Any, lanes: int) -> Any:
    """A constant (1, C, 1, 1) or (C, 1, 1), per channel, as blocks (1, C / L, 1, L)."""
    flat = np.asarray(array).reshape(-1)
    padded = pad_axis(flat, 0, blocks(len(flat), lanes) * lanes)
    return relax.const(padded.reshape(1, -1, 1, lanes))
