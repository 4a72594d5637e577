"""QuantizeLinear of a planar map of float32: to blocked bytes.

Every block of channels is a task. Sixteen pixels at a time, each channel's are quantised to a row of bytes, and the
rows of a block are turned round. Fewer pixels than sixteen are done one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, INT8, UINT8, NumericTypes
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import bind, parallel, when
from rdpass.kernels.builder.function import Expr, argument, function, load, scratch, store
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.quantizer import RUN, Quantizer, each_run
from rdpass.kernels.builder.transposition import SIDE, transposed
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.template import Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload import Quantization
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class QuantizationTile(Tile):
    """The integer: pixels that are turned round together, which the size of a vector sets."""

    pixels: int = SIDE


def quantization(work: Quantization, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C, P), planar; scale and zero (2), output (N, C/16, P, 16)."""
    byte, count = work.types.output, blocks(work.channels, SIDE)

    def write() -> None:
        x = argument("input", work.types.input, work.batch, work.channels, work.pixels)
        numbers = argument("numbers", work.types.input, 2)
        y = argument("output", byte, work.batch, count, work.pixels, SIDE)
        quantizer = Quantizer(isa, byte, numbers[(0,)], bind(tirx.Cast("int32", numbers[(1,)])))

        def cover(n: Expr, block: Expr, channels: int) -> None:
            held = scratch(SIDE, SIDE)

            def row(channel: int, pixel: Expr, pixels: int) -> None:
                quantizer.run(
                    pixels,
                    lambda place, lanes: load(x, n, block * SIDE + channel, pixel + place, lanes=lanes),
                    lambda place, value, lanes: store(held, value, channel, place, lanes=lanes),
                )

            def many(pixel: Expr) -> None:
                for channel in range(channels):
                    row(channel, pixel, RUN)
                nothing = T.Broadcast(tirx.const(0, byte.value), SIDE)
                rows = [bind(load(held, c, 0, lanes=SIDE)) if c < channels else nothing for c in range(SIDE)]
                for index, value in enumerate(transposed(rows)):
                    store(y, value, n, block, pixel + index, 0, lanes=SIDE)

            def one(pixel: Expr) -> None:
                for channel in range(channels):
                    row(channel, pixel, 1)
                    store(y, held[channel, 0], n, block, pixel, channel, lanes=1)
                for channel in range(channels, SIDE):
                    store(y, tirx.const(0, byte.value), n, block, pixel, channel, lanes=1)

            each_run(work.pixels, many, one)

        with parallel(work.batch, count, threads=threads) as (n, block):
            left = work.channels - (count - 1) * SIDE
            last = True if count == 1 else block == count - 1
            when(last, lambda: cover(n, block, left), lambda: cover(n, block, SIDE))

    return function(name, byte, write)


class QuantizationTemplate(Template[Quantization, QuantizationTile]):
    name = "quantization"
    workload = Quantization
    tile = QuantizationTile
    types = tuple(NumericTypes(FLOAT32, FLOAT32, FLOAT32, byte) for byte in (INT8, UINT8))

    def misfit(self, work: Quantization, machine: Machine) -> str | None:
        byte = machine.isa.byte
        return None if work.types.output is byte else f"{machine.isa.name} multiplies {byte}"

    def tiles(self, work: Quantization, machine: Machine) -> Iterator[QuantizationTile]:
        yield QuantizationTile()

    def build(
        self, work: Quantization, constants: Sequence[Any], tile: QuantizationTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        name = kernel_name("quantize", work, f"_{work.channels}x{work.pixels}", machine.isa)
        function = quantization(work, machine.isa, machine.threads, name)
        return (kernel_of(work, machine, name, function, np.array(constants, FLOAT32)),)

    def oracle(self, work: Quantization, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.quantization(work, constants, inputs)


QUANTIZATION = QuantizationTemplate()
