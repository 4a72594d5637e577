"""f32 copy: maps put one behind the other along their channels, and a map taken apart along them.

Channels in whole blocks are whole stretches of memory. So where a map of one image may lie inside another, nothing is
copied and neither function is called (``passes/lowering/memory/share_maps``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tvm import tirx

from rdpass.core.numeric_types import NumericType
from rdpass.kernels.builder.emit import parallel, tiles
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, store
from rdpass.kernels.machine import Machine
from rdpass.kernels.template import Kernel
from rdpass.targets.isa import Vector

CopyKind = Literal["concatenate", "split"]

_IN_FLIGHT = 8
"""Pixels copied at a time."""


@dataclass(frozen=True)
class Maps:
    """The shape that all maps of a copy share: images, pixels, and the vector that the channels of a block fill."""

    batch: int
    pixels: int
    vector: Vector

    def argument(self, name: str, count: int) -> Buffer:
        """A map of ``count`` blocks of channels."""
        return argument(name, self.vector.numeric, self.batch, count, self.pixels, self.vector.lanes)


def copy_kernel(
    kind: CopyKind, channels: Sequence[int], size: tuple[int, int], numeric: NumericType, machine: Machine
) -> Kernel:
    """The kernel that puts maps of so many ``channels``, whole blocks each, behind one another, or takes one apart.

    ``size``: images, and pixels of each.
    """
    isa = machine.isa
    name = f"{numeric.abbreviation}_{kind}_{'_'.join(map(str, channels))}_{'x'.join(map(str, size))}_{isa.name}"
    maps = Maps(*size, Vector(numeric, isa.block(numeric)))
    counts = [count // maps.vector.lanes for count in channels]
    write = concatenate if kind == "concatenate" else split
    return Kernel(name, write(counts, maps, machine.threads, name), features=(isa.name,))


def concatenate(counts: Sequence[int], maps: Maps, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: a part (N, B, P, L) for each B of ``counts``, then output (N, sum of B, P, L)."""

    def write() -> None:
        parts = [maps.argument(f"part{i}", count) for i, count in enumerate(counts)]
        whole = maps.argument("output", sum(counts))
        for part, first, count in zip(parts, _firsts(counts), counts, strict=True):
            _copy((part, 0), (whole, first), count, maps, threads)

    return function(name, maps.vector.numeric, write)


def split(counts: Sequence[int], maps: Maps, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, sum of B, P, L), then a part (N, B, P, L) for each B of ``counts``."""

    def write() -> None:
        whole = maps.argument("input", sum(counts))
        parts = [maps.argument(f"part{i}", count) for i, count in enumerate(counts)]
        for part, first, count in zip(parts, _firsts(counts), counts, strict=True):
            _copy((whole, first), (part, 0), count, maps, threads)

    return function(name, maps.vector.numeric, write)


def _firsts(counts: Sequence[int]) -> list[int]:
    """The block that each part begins at."""
    return [sum(counts[:index]) for index in range(len(counts))]


def _copy(source: tuple[Buffer, int], destination: tuple[Buffer, int], count: int, maps: Maps, threads: int) -> None:
    """``count`` blocks of channels, from the one of the source on that is named, to that of the destination."""
    (read, begin), (written, block), lanes = source, destination, maps.vector.lanes
    with parallel(maps.batch, count, threads=threads) as (n, index):

        def move(first: Expr, size: int) -> None:
            values = [load(read, n, begin + index, first + t, 0, lanes=lanes) for t in range(size)]
            for t, value in enumerate(values):
                store(written, value, n, block + index, first + t, 0, lanes=lanes)

        tiles(maps.pixels, _IN_FLIGHT, move)
