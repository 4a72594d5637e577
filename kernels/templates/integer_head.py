"""Mean over all pixels of bytes, to bytes or float32; and the dense layer that reads bytes, to a planar row of classes.

1. The mean: every block of sixteen channels is a task; S sums are in flight, in int16 while they fit.
2. The dense layer: every group of B blocks of classes is a task. A tile of images x B blocks is summed in int32
   registers over all that is read (``integer_products``).
3. Rows of classes are planar, so that the last block of the last group may be cut: it goes through scratch.

A network rounds its means to bytes before a layer reads them, so mean and layer are two kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, INT16, INT32
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import Registers, bind, broadcast, parallel, serial, tiles
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, scratch, store
from rdpass.kernels.builder.integer_products import BLOCK, STEP, Walk, pack_steps, products_of
from rdpass.kernels.builder.integer_tile import IntegerTile, Numbers, pack_numbers
from rdpass.kernels.builder.intrinsics import section
from rdpass.kernels.builder.packing import blocks, dense_numbers
from rdpass.kernels.builder.requantization import Requantizer, scalars_argument
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.quantization import INPUT_ZERO, mean_factors
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.tile_space import fitting_integers
from rdpass.kernels.workload import Head
from rdpass.targets.isa import Isa, Vector

_FIT = 128
"""Bytes whose sum is an int16."""


@dataclass(frozen=True)
class IntegerHeadTile(Tile):
    """The integers to tune: images and blocks of classes of the register tile, sums in flight of the mean."""

    images: int = 1
    out: int = 1
    sums: int = 4


def integer_head(work: Head, tile: IntegerHeadTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/16, P, 16); for the mean the factor (1) and scalars, for a layer weights
    (groups, C/16, P, 256 B), biases and factors (groups 16 B), scalars; output (N, C/16, 1, 16) or (N, classes).
    """
    write = partial(_dense if work.classes else _mean, work, tile, isa, threads)
    return function(name, work.types.output, write)


def _mean(work: Head, tile: IntegerHeadTile, isa: Isa, threads: int) -> None:
    types, inner = work.types, blocks(work.channels, BLOCK)
    x = argument("input", types.input, work.batch, inner, work.pixels, BLOCK)
    factor, scalars = argument("factor", FLOAT32, 1), scalars_argument()
    y = argument("output", types.output, work.batch, inner, 1, BLOCK)
    writer = Requantizer(work.epilogue, isa, types, factor, scalars)
    lanes = writer.lanes
    with parallel(work.batch, inner, threads=threads) as (n, block):
        zeros = scalars[(INPUT_ZERO,)] * -work.pixels
        totals = Registers(writer.vectors, isa.vector(INT32))
        for v in range(writer.vectors):
            totals[v] = T.Broadcast(zeros, lanes)

        def some(first: Expr, pixels: int) -> None:
            """Add so many pixels, whose sums are int16."""
            total = _sum_of(x, (n, block), first, pixels, tile.sums)
            for v in range(writer.vectors):
                totals[v] = totals[v] + tirx.Cast(f"int32x{lanes}", section(total, v, lanes))

        tiles(work.pixels, _FIT, some)
        rows = [broadcast(factor[(0,)], writer.vector)] * writer.vectors
        writer.put([totals[v] for v in range(writer.vectors)], rows, y, (n, block, 0, 0))


def _sum_of(x: Buffer, of: tuple[Expr, Expr], first: Expr, pixels: int, in_flight: int) -> Expr:
    """The sum of at most ``_FIT`` pixels: every S-th apart, so that an addition need not wait for the one before."""
    apart = min(in_flight, pixels)
    vector = Vector(INT16, BLOCK)
    sums = Registers(apart, vector)

    def pixel(at: Expr) -> Expr:
        return tirx.Cast(str(vector), load(x, *of, first + at, 0, lanes=BLOCK))

    for s in range(apart):
        sums[s] = pixel(s)
    with serial(pixels // apart - 1) as turn:
        for s in range(apart):
            sums[s] = sums[s] + pixel((turn + 1) * apart + s)
    for s in range(pixels % apart):
        sums[s] = sums[s] + pixel(pixels - pixels % apart + s)
    total = sums[0]
    for s in range(1, apart):
        total = total + sums[s]
    return bind(total)


def _dense(work: Head, tile: IntegerHeadTile, isa: Isa, threads: int) -> None:
    types, inner, width = work.types, blocks(work.channels, BLOCK), tile.out * BLOCK
    groups = blocks(work.classes, width)
    x = argument("input", types.input, work.batch, inner, work.pixels, BLOCK)
    w = argument("weights", types.weight, groups, inner, work.pixels, STEP * tile.out)
    numbers = Numbers.arguments(groups * width)
    y = argument("output", types.output, work.batch, work.classes)
    with parallel(groups, threads=threads) as (group,):
        sums = IntegerTile(isa, types, work.epilogue, (tile.images, tile.out), numbers)
        row = scratch(tile.images, width)

        def product(first: Expr, images: int) -> None:
            walk = Walk((inner, work.pixels), lambda at, _, t: (x, (first + t, *at)), lambda at, _: (w, (group, *at)))

            def position(t: int, block: Expr) -> tuple[Expr, ...]:
                return t, (block - group * tile.out) * BLOCK

            sums.write(images, group, groups * tile.out, walk, row, position)
            begin = bind(group * width)
            with serial(tirx.min(width, work.classes - begin)) as index:
                for t in range(images):
                    store(y, load(row, t, index, lanes=1), first + t, begin + index, lanes=1)

        tiles(work.batch, tile.images, product)


class IntegerHead(Template[Head, IntegerHeadTile]):
    name = "integer_head"
    workload = Head
    tile = IntegerHeadTile
    types = INTEGERS

    def misfit(self, work: Head, machine: Machine) -> str | None:
        if work.classes and work.averages and work.pixels > 1:
            return "a mean of bytes is rounded before a layer reads it: two kernels"
        return None

    def tiles(self, work: Head, machine: Machine) -> Iterator[IntegerHeadTile]:
        if not work.classes:
            yield from (IntegerHeadTile(1, 1, sums) for sums in (4, 2, 8))
            return
        for images, out in fitting_integers(work.batch, blocks(work.classes, BLOCK), machine.isa, work.types):
            yield IntegerHeadTile(images, out)

    def default(self, work: Head, machine: Machine) -> IntegerHeadTile | None:
        """As many images at a time as fit, of one image as many classes: short of enough sums a product waits. Fewer
        classes where these are padded and size is what counts.
        """

        def summed(tile: IntegerHeadTile) -> tuple[int, int, int]:
            return min(tile.images * tile.out, 4), tile.images, tile.sums

        return self.best(work, sorted(self.tiles(work, machine), key=summed, reverse=True), machine)

    def weight_bytes(self, work: Head, tile: IntegerHeadTile, machine: Machine) -> int:
        pixels = 1 if work.averages else work.pixels
        return pixels * dense_numbers(work.classes, work.channels, BLOCK, tile.out * BLOCK)

    def build(
        self, work: Head, constants: Sequence[Any], tile: IntegerHeadTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        name = kernel_name("head", work, f"_{work.channels}x{work.pixels}_{work.classes}", machine.isa)
        function = integer_head(work, tile, machine.isa, machine.threads, name)
        layer, *mean = constants
        if layer is None:
            (by,) = mean
            return (kernel_of(work, machine, name, function, mean_factors(by, np.array([work.pixels])), by.scalars),)
        weights, bias, by = layer
        by_pixel = weights.reshape(len(weights), work.channels, work.pixels)
        packed = pack_steps(by_pixel, tile.out, products_of(machine.isa, work.types))
        numbers = pack_numbers(weights, bias, by, 1, tile.out * BLOCK)
        return (kernel_of(work, machine, name, function, packed, *numbers),)

    def oracle(self, work: Head, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.head(work, constants, inputs)


INTEGER_HEAD = IntegerHead()
