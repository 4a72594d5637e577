"""DequantizeLinear of blocked bytes: to a planar map of float32.

Every block of channels is a task. Sixteen pixels at a time are turned round to a row of each channel, which is widened.
Fewer pixels than sixteen are done one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, INT8, INT32, UINT8, NumericTypes
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import bind, parallel, when
from rdpass.kernels.builder.function import Expr, argument, function, load, scratch, store
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.quantizer import each_run, kind_of, same
from rdpass.kernels.builder.transposition import SIDE, transposed
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.template import Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload import Dequantization
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class DequantizationTile(Tile):
    """The integer: pixels that are turned round together, which the size of a vector sets."""

    pixels: int = SIDE


def dequantization(work: Dequantization, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/16, P, 16), scale and zero (2), output (N, C, P), planar."""
    types, count, lanes = work.types, blocks(work.channels, SIDE), isa.lanes(work.types.output)

    def write() -> None:
        x = argument("input", types.input, work.batch, count, work.pixels, SIDE)
        numbers = argument("numbers", types.output, 2)
        y = argument("output", types.output, work.batch, work.channels, work.pixels)
        scale, zero = numbers[(0,)], bind(tirx.Cast("int32", numbers[(1,)]))

        def cover(n: Expr, block: Expr, channels: int) -> None:
            held = scratch(SIDE)

            def widened(place: Expr, channel: int, size: int, row: Expr, first: int) -> None:
                whole = tirx.Cast(kind_of(INT32, size), row) - same(zero, size)
                value = tirx.Cast(kind_of(types.output, size), whole) * same(scale, size)
                store(y, value, n, block * SIDE + channel, place + first, lanes=size)

            def many(pixel: Expr) -> None:
                rows = [bind(load(x, n, block, pixel + index, 0, lanes=SIDE)) for index in range(SIDE)]
                for channel, row in enumerate(transposed(rows)[:channels]):
                    store(held, row, 0, lanes=SIDE)
                    for first in range(0, SIDE, lanes):
                        widened(pixel, channel, lanes, load(held, first, lanes=lanes), first)

            def one(pixel: Expr) -> None:
                for channel in range(channels):
                    widened(pixel, channel, 1, x[n, block, pixel, channel], 0)

            each_run(work.pixels, many, one)

        with parallel(work.batch, count, threads=threads) as (n, block):
            left = work.channels - (count - 1) * SIDE
            last = True if count == 1 else block == count - 1
            when(last, partial(cover, n, block, left), partial(cover, n, block, SIDE))

    return function(name, types.input, write)


class DequantizationTemplate(Template[Dequantization, DequantizationTile]):
    name = "dequantization"
    workload = Dequantization
    tile = DequantizationTile
    types = tuple(NumericTypes(byte, INT8, INT32, FLOAT32) for byte in (INT8, UINT8))

    def tiles(self, work: Dequantization, machine: Machine) -> Iterator[DequantizationTile]:
        yield DequantizationTile()

    def build(
        self, work: Dequantization, constants: Sequence[Any], tile: DequantizationTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        name = kernel_name("dequantize", work, f"_{work.channels}x{work.pixels}", machine.isa)
        function = dequantization(work, machine.isa, machine.threads, name)
        return (kernel_of(work, machine, name, function, np.array(constants, FLOAT32)),)

    def oracle(self, work: Dequantization, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.dequantization(work, constants, inputs)


DEQUANTIZATION = DequantizationTemplate()
