"""f32 copy: maps put one behind the other along their channels, and a map taken apart along them.

Channels in whole blocks are whole stretches of memory. So where a map of one image may lie inside another, nothing is
copied and neither function is called (``passes/lowering/memory/share_maps``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from tvm import tirx

from rdpass.kernels.builder.emit import parallel, tiles
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, store
from rdpass.kernels.machine import Machine
from rdpass.kernels.template import Kernel
from rdpass.targets.isa import Isa

CopyKind = Literal["concatenate", "split"]

_IN_FLIGHT = 8
"""Pixels copied at a time."""


def copy_kernel(kind: CopyKind, channels: Sequence[int], size: tuple[int, int], machine: Machine) -> Kernel:
    """The kernel that puts maps of so many ``channels``, whole blocks each, behind one another, or takes one apart.

    ``size``: images, and pixels of each.
    """
    isa = machine.isa
    name = f"f32_{kind}_{'_'.join(map(str, channels))}_{'x'.join(map(str, size))}_{isa.name}"
    counts = [count // isa.lanes for count in channels]
    write = concatenate if kind == "concatenate" else split
    return Kernel(name, write(counts, *size, isa, machine.threads, name), features=(isa.name,))


def concatenate(counts: Sequence[int], batch: int, pixels: int, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: a part (N, B, P, L) for each B of ``counts``, then output (N, sum of B, P, L)."""

    def write() -> None:
        parts = [argument(f"part{i}", batch, count, pixels, isa.lanes) for i, count in enumerate(counts)]
        whole = argument("output", batch, sum(counts), pixels, isa.lanes)
        for part, first in zip(parts, _firsts(counts), strict=True):
            _copy(part, 0, whole, first, part.shape, isa, threads)

    return function(name, write)


def split(counts: Sequence[int], batch: int, pixels: int, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, sum of B, P, L), then a part (N, B, P, L) for each B of ``counts``."""

    def write() -> None:
        whole = argument("input", batch, sum(counts), pixels, isa.lanes)
        parts = [argument(f"part{i}", batch, count, pixels, isa.lanes) for i, count in enumerate(counts)]
        for part, first in zip(parts, _firsts(counts), strict=True):
            _copy(whole, first, part, 0, part.shape, isa, threads)

    return function(name, write)


def _firsts(counts: Sequence[int]) -> list[int]:
    """The block that each part begins at."""
    return [sum(counts[:index]) for index in range(len(counts))]


def _copy(
    source: Buffer, source_block: int, destination: Buffer, block: int, shape: Sequence[int], isa: Isa, threads: int
) -> None:
    batch, count, pixels, _ = map(int, shape)
    with parallel(batch, count, threads=threads) as (n, index):

        def move(first: Expr, size: int) -> None:
            values = [load(source, n, source_block + index, first + t, 0, lanes=isa.lanes) for t in range(size)]
            for t, value in enumerate(values):
                store(destination, value, n, block + index, first + t, 0, lanes=isa.lanes)

        tiles(pixels, _IN_FLIGHT, move)
