"""The register tile that every dense kernel turns round: acc[t][v] += weights[c][v] * input[t][c].

``t`` counts pixels (or Winograd tiles), ``v`` vectors of output channels, ``c`` the channels of one block. The sums
stay in registers; the weights of a channel lie side by side, so that they load in pairs.
"""

from __future__ import annotations

from collections.abc import Callable

from rdpass.kernels.builder.emit import Registers, bind, broadcast, lane, serial
from rdpass.kernels.builder.function import Buffer, Expr, load
from rdpass.targets.isa import Isa

At = tuple[Buffer, tuple[Expr, ...]]
"""A place in a buffer, without the last index."""

_UNROLLED = 4


def multiply_block(
    acc: Registers,
    isa: Isa,
    size: tuple[int, int],
    pixel: Callable[[int], At],
    weight: Callable[[Expr, int], Expr],
) -> None:
    """Add the products of one block of input channels: inputs, weights and sums are of one type.

    Args:
        acc: the sums, ``acc[t * vectors + v]``.
        isa: the instruction set.
        size: (tiles, vectors).
        pixel: where the L channels of tile ``t`` lie.
        weight: the vector ``v`` of weights of channel ``c`` of the block.
    """
    if isa.by_element:
        _by_element(acc, size, pixel, weight)
    else:
        with serial(acc.lanes // _UNROLLED) as quarter:
            for channel in range(_UNROLLED):
                _broadcast(acc, size, pixel, weight, quarter * _UNROLLED + channel)


def _by_element(
    acc: Registers,
    size: tuple[int, int],
    pixel: Callable[[int], At],
    weight: Callable[[Expr, int], Expr],
) -> None:
    tiles, vectors = size
    inputs = [bind(load(buffer, *index, 0, lanes=acc.lanes)) for buffer, index in map(pixel, range(tiles))]
    for channel in range(acc.lanes):
        weights = [bind(weight(channel, v)) for v in range(vectors)]
        for t in range(tiles):
            for v in range(vectors):
                at = t * vectors + v
                acc[at] = acc[at] + weights[v] * lane(inputs[t], channel, acc.lanes)


def _broadcast(
    acc: Registers,
    size: tuple[int, int],
    pixel: Callable[[int], At],
    weight: Callable[[Expr, int], Expr],
    channel: Expr,
) -> None:
    tiles, vectors = size
    weights = [bind(weight(channel, v)) for v in range(vectors)]
    for t in range(tiles):
        buffer, index = pixel(t)
        value = bind(broadcast(buffer[(*index, channel)], acc.vector))
        for v in range(vectors):
            at = t * vectors + v
            acc[at] = acc[at] + weights[v] * value
