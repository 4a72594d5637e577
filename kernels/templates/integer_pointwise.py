"""Integer 1x1 convolution: bytes times bytes, summed in int32 registers and stored as bytes again.

Cut as the one of floats is (``pointwise``): blocks of pixels, whose input stays in cache over all output channels;
groups of B blocks of sixteen output channels; tiles of T pixels, summed over all input channels in registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import bind, parallel, serial, spans, tiles
from rdpass.kernels.builder.epilogue import other_argument
from rdpass.kernels.builder.function import Expr, argument, function
from rdpass.kernels.builder.integer_products import BLOCK, STEP, Walk, pack_steps, products_of
from rdpass.kernels.builder.integer_tile import IntegerTile, Numbers, pack_numbers, short_of
from rdpass.kernels.builder.packing import blocks, dense_numbers
from rdpass.kernels.cost_model import REREAD, busiest_share, integer_cycles, map_bytes, traffic_cycles
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import convolution_name
from rdpass.kernels.quantization import Short
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.tile_space import block_cuts, fitting_integers, pixel_block
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class IntegerPointwiseTile(Tile):
    """The integers to tune: pixels and blocks of outputs of the register tile, pixels of a block, splits of groups."""

    pixels: int = 4
    out: int = 1
    block: int = 56
    splits: int = 1


def integer_pointwise(
    conv: Convolution, tile: IntegerPointwiseTile, isa: Isa, threads: int, name: str, short: Short = Short.NOTHING
) -> tirx.PrimFunc:
    """Arguments: input (N, C/16, H W, 16), weights (groups, C/16, 256 B), biases and factors (groups 16 B), scalars,
    the map to add (where there is one and it is not the output), output (N, F/16, H' W', 16). ``short``: what is
    short of its numbers.
    """
    types = conv.types
    inner, outer = blocks(conv.channels, BLOCK), blocks(conv.filters, BLOCK)
    groups = blocks(outer, tile.out)
    assert groups % tile.splits == 0
    pixels = conv.out_height * conv.out_width
    block = pixel_block(conv, tile.block)

    def write() -> None:
        x = argument("input", types.input, conv.batch, inner, conv.height * conv.width, BLOCK)
        w = argument("weights", types.weight, groups, inner, STEP * tile.out)
        numbers = Numbers.arguments(groups * tile.out * BLOCK)
        other = other_argument(conv.epilogue, types.output, conv.batch, outer, pixels, BLOCK)
        y = argument("output", types.output, conv.batch, outer, pixels, BLOCK)

        def cover(n: Expr, first: Expr, count: int, split: Expr) -> None:
            sums = IntegerTile(isa, types, conv.epilogue, (tile.pixels, tile.out), numbers, other, short)
            source = first if conv.stride == (1, 1) else bind(tirx.floordiv(first, block) * conv.stride[0] * conv.width)
            with serial(groups // tile.splits) as turn:
                group = bind(split * (groups // tile.splits) + turn)

                def product(offset: Expr, size: int) -> None:
                    at, begin = bind(first + offset), bind(source + offset * conv.stride[1])

                    walk = Walk(
                        (inner,),
                        lambda at, _, t: (x, (n, at[0], begin + t * conv.stride[1])),
                        lambda at, _: (w, (group, at[0])),
                    )
                    sums.write(size, group, outer, walk, y, lambda t, block: (n, block, at + t, 0))

                tiles(count, tile.pixels, product)

        for begin, number, count in spans(pixels, block):
            with parallel(conv.batch, number, tile.splits, threads=threads) as (n, index, split):
                cover(n, bind(begin + index * block), count, split)

    return function(name, types.input, write)


class IntegerPointwise(Template[Convolution, IntegerPointwiseTile]):
    name = "integer_pointwise"
    workload = Convolution
    tile = IntegerPointwiseTile
    types = INTEGERS

    def misfit(self, work: Convolution, machine: Machine) -> str | None:
        return None if work.is_pointwise else "not a 1x1 window without padding, groups and subpixels"

    def tiles(self, work: Convolution, machine: Machine) -> Iterator[IntegerPointwiseTile]:
        pixels = work.out_height * work.out_width
        outer = blocks(work.filters, BLOCK)
        wide = pixels if work.stride == (1, 1) else work.out_width
        for size, out in fitting_integers(wide, outer, machine.isa, work.types):
            for block, splits in block_cuts(work, size, blocks(outer, out), machine):
                yield IntegerPointwiseTile(size, out, block, splits)

    def cost(self, work: Convolution, tile: IntegerPointwiseTile, machine: Machine) -> float:
        block = pixel_block(work, tile.block)
        passes = -(-work.out_pixels // block) * work.batch
        cycles = 0.0
        for number, size in ((work.out_pixels // block, block), (1, work.out_pixels % block)):
            if number and size:
                one = integer_cycles((tile.pixels, tile.out), size, work.channels, work.filters, work.types, machine)
                cycles += number * one * busiest_share(number * tile.splits * work.batch, machine)
        weights, held = work.channels * work.filters, block * work.channels
        groups = blocks(blocks(work.filters, BLOCK), tile.out)
        # Where a block's input is too large for L1, every group reads it from L2 again.
        again = held * groups * passes if held > machine.l1 / 2 else weights * passes
        own = work.batch * cycles + again / REREAD / machine.threads
        return own + traffic_cycles(weights, passes, held, map_bytes(work), machine)

    def weight_bytes(self, work: Convolution, tile: IntegerPointwiseTile, machine: Machine) -> int:
        return dense_numbers(work.filters, work.channels, BLOCK, tile.out * BLOCK)

    def build(
        self, work: Convolution, constants: Sequence[Any], tile: IntegerPointwiseTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        weights, bias, by = constants
        short = short_of(machine.isa, constants, work.types.input)
        name = convolution_name(f"pointwise{short}", work, (tile.pixels, tile.out * BLOCK), machine.isa)
        function = integer_pointwise(work, tile, machine.isa, machine.threads, name, short)
        packed = pack_steps(weights[:, :, 0, 0], tile.out, products_of(machine.isa, work.types))
        numbers = pack_numbers(weights, bias, by, 1, tile.out * BLOCK, short)
        return (kernel_of(work, machine, name, function, packed, *numbers),)

    def oracle(self, work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.convolution(work, constants, inputs)


INTEGER_POINTWISE = IntegerPointwise()
