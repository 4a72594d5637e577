"""f32 mean over all pixels and the dense layer after it, from blocked channels to a planar row of classes.

1. The mean: every block of channels is a task; S sums are in flight.
2. The dense layer: every group of V vectors of classes is a task. A tile of images x V vectors is summed in registers
   over all channels; with one image the time goes into reading the weights, each of which is used once.
3. Rows of classes are planar, so that the last vector of the last group may be cut.

``classes`` 0 leaves the mean alone, ``pixels`` 1 the dense layer alone. Where nothing is averaged the dense layer reads
every pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels import reference
from rdpass.kernels.builder.chunked_sums import add_in_chunks
from rdpass.kernels.builder.emit import Registers, bind, broadcast, element, parallel, serial, tiles, when
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, scratch, store
from rdpass.kernels.builder.packing import blocks, dense_numbers, pack_dense, pack_flattened, pack_grouped_table
from rdpass.kernels.builder.register_tile import multiply_block
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload import Head
from rdpass.targets.isa import Isa, Vector

_TOGETHER = 2
"""Blocks of channels of one turn of the dense layer's loop: so many weights can be loaded in pairs by one pointer."""


@dataclass(frozen=True)
class HeadTile(Tile):
    """The integers to tune: images and vectors of the register tile, sums in flight of the mean."""

    images: int = 4
    vectors: int = 4
    sums: int = 4


def head(work: Head, tile: HeadTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, P, L); with a dense layer weights (groups, C/L, L, V L), or (groups, C/L P, L, V L)
    where it reads all pixels, and table (1, groups V L), the bias; output (N, classes), or the means (N, C/L, 1, L).
    """
    lanes = isa.block(work.types.input)
    inner = blocks(work.channels, lanes)
    read = 1 if work.averages else work.pixels
    groups = blocks(work.classes, tile.vectors * lanes)

    def write() -> None:
        x = argument("input", work.types.input, work.batch, inner, work.pixels, lanes)
        if not work.classes:
            y = argument("output", work.types.output, work.batch, inner, 1, lanes)
            _mean(work, tile, isa, threads, x, y)
            return
        w = argument("weights", work.types.weight, groups, inner * read, lanes, tile.vectors * lanes)
        table = argument("table", work.types.accumulator, 1, groups * tile.vectors * lanes)
        y = argument("output", work.types.output, work.batch, work.classes)
        means = x
        if work.pixels > read:
            means = scratch(work.batch, inner, 1, lanes)
            _mean(work, tile, isa, threads, x, means)
        _dense(work, tile, isa, threads, means, w, table, y)

    return function(name, work.types.accumulator, write)


def _mean(work: Head, tile: HeadTile, isa: Isa, threads: int, x: Buffer, out: Buffer) -> None:
    """Sum every S-th pixel apart, so that an addition need not wait for the one before.

    In float32, also of float16: the sum of a large map's pixels is more than that holds.
    """
    apart, own = min(tile.sums, work.pixels), isa.vector(work.types.accumulator)
    vector, lanes = Vector(FLOAT32, own.lanes), own.lanes
    with parallel(work.batch, blocks(work.channels, lanes), threads=threads) as (n, block):
        sums = Registers(apart, vector)

        def pixel(at: Expr) -> Expr:
            value = load(x, n, block, at, 0, lanes=lanes)
            return value if own == vector else tirx.Cast(str(vector), value)

        for s in range(apart):
            sums[s] = pixel(s)
        with serial(work.pixels // apart - 1) as turn:
            for s in range(apart):
                sums[s] = sums[s] + pixel((turn + 1) * apart + s)
        for s in range(work.pixels % apart):
            sums[s] = sums[s] + pixel(work.pixels - work.pixels % apart + s)
        total = sums[0]
        for s in range(1, apart):
            total = total + sums[s]
        mean = total * broadcast(1 / work.pixels, vector)
        store(out, mean if own == vector else tirx.Cast(str(own), mean), n, block, 0, 0, lanes=lanes)


def _dense(work: Head, tile: HeadTile, isa: Isa, threads: int, x: Buffer, w: Buffer, table: Buffer, y: Buffer) -> None:
    vector, vectors = isa.vector(work.types.accumulator), tile.vectors
    lanes = vector.lanes
    groups, last = blocks(work.classes, vectors * lanes), work.classes % (vectors * lanes)
    read, inner = 1 if work.averages else work.pixels, blocks(work.channels, lanes)
    turns, length = (inner, read) if read > 1 else (1, inner)
    with parallel(groups, threads=threads) as (group,):
        sums = Registers(tile.images * vectors, vector)

        def product(n: Expr, images: int) -> None:
            for v in range(vectors):
                bias = bind(load(table, 0, (group * vectors + v) * lanes, lanes=lanes))
                for t in range(images):
                    sums[t * vectors + v] = bias

            def turn(turn: Expr) -> None:
                def several(first: Expr, size: int) -> None:
                    for at in (first + step for step in range(size)):
                        place = (turn, at) if read > 1 else (at, 0)
                        _add(sums, isa, (images, vectors), x, (n, place), w, (group, turn * length + at))

                full, rest = divmod(length, _TOGETHER)
                if full:
                    add_in_chunks(
                        sums, images * vectors, full, _TOGETHER * lanes,
                        lambda step: several(step * _TOGETHER, _TOGETHER),
                    )  # fmt: skip
                if rest:
                    several(full * _TOGETHER, rest)

            add_in_chunks(sums, images * vectors, turns, length * lanes, turn)
            whole = _stores(tile, sums, y, n, group, images, vectors * lanes)
            cut = _stores(tile, sums, y, n, group, images, last)
            when(group < groups - 1 if last else True, whole, cut)

        tiles(work.batch, tile.images, product)


def _add(
    sums: Registers, isa: Isa, size: tuple[int, int], x: Buffer, place: tuple[Expr, tuple[Expr, Expr]], w: Buffer,
    row: tuple[Expr, Expr],
) -> None:  # fmt: skip
    """Add the products of a block of channels: of its first image and place there, and the row of its weights."""
    first, at = place
    multiply_block(
        sums, isa, size,
        lambda t: (x, (first + t, *at)),
        lambda c, v: load(w, *row, c, v * sums.lanes, lanes=sums.lanes),
    )  # fmt: skip


def _stores(
    tile: HeadTile, sums: Registers, y: Buffer, n: Expr, group: Expr, images: int, classes: int
) -> Callable[[], None]:
    """Store the first ``classes`` of a group, whole vectors and then one by one."""

    def stores() -> None:
        for t in range(images):
            for v in range(tile.vectors):
                own = min(sums.lanes, classes - v * sums.lanes)
                at, total = (group * tile.vectors + v) * sums.lanes, sums[t * tile.vectors + v]
                if own == sums.lanes:
                    store(y, total, n + t, at, lanes=sums.lanes)
                else:
                    for index in range(own):
                        store(y, element(total, index), n + t, at + index, lanes=1)

    return stores


class HeadTemplate(Template[Head, HeadTile]):
    name = "head"
    workload = Head
    tile = HeadTile
    types = FLOATS

    def tiles(self, work: Head, machine: Machine) -> Iterator[HeadTile]:
        outer = blocks(max(work.classes, 1), machine.isa.block(work.types.input))
        for images in range(1, min(4, work.batch) + 1):
            for vectors in (1, 2, 4, 8, 12):
                inputs = images if machine.isa.by_element else 1
                fits = images * vectors + inputs + vectors <= machine.isa.registers
                for sums in (4, 2, 8):
                    if fits and vectors <= outer:
                        yield HeadTile(images, vectors, sums)

    def default(self, work: Head, machine: Machine) -> HeadTile | None:
        """One image at a time for one image: more of its classes, unless these are padded and size is what counts."""
        wanted = HeadTile(min(4, work.batch), 4 if work.batch > 1 else 8 if machine.isa.registers >= 32 else 4)
        return self.best(work, (wanted, *self.tiles(work, machine)), machine)

    def weight_bytes(self, work: Head, tile: HeadTile, machine: Machine) -> int:
        lanes, pixels = machine.isa.block(work.types.input), 1 if work.averages else work.pixels
        one = dense_numbers(work.classes, work.channels, lanes, tile.vectors * lanes)
        return work.types.weight.size((pixels, one))

    def build(self, work: Head, constants: Sequence[Any], tile: HeadTile, machine: Machine) -> tuple[Kernel, ...]:
        name = kernel_name(self.name, work, f"_{work.channels}x{work.pixels}_{work.classes}", machine.isa)
        function = head(work, tile, machine.isa, machine.threads, name)
        if constants[0] is None:
            return (kernel_of(work, machine, name, function),)
        (weights, bias), lanes = constants[0], machine.isa.block(work.types.input)
        width = tile.vectors * lanes
        flat = None if work.averages else pack_flattened(weights, work.channels, lanes, width, work.types.weight)
        packed = pack_dense(weights, lanes, width, work.types.weight) if flat is None else flat
        table = pack_grouped_table([bias], 1, width, work.types.accumulator)
        return (kernel_of(work, machine, name, function, packed, table),)

    def oracle(self, work: Head, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.head(work, constants, inputs)


HEAD = HeadTemplate()
