"""The numbers that tiles are made of: register tiles that fit, blocks, and splits that give every thread work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rdpass.core.numeric_types import NumericTypes
from rdpass.kernels.builder.integer_products import products_of
from rdpass.kernels.machine import Machine
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa

_EQUAL = 0.002
"""The share of a kernel's cycles that its copied rows may cost more where they take less memory."""


def register_tiles(isa: Isa) -> Iterator[tuple[int, int]]:
    """(pixels, vectors) whose sums, inputs and weights fit the registers.

    With inputs in registers one is left free: a core that runs in order waits for each weight that has nowhere to go.
    """
    for vectors in (2, 3, 4, 1):
        for pixels in range(14, 0, -1):
            inputs = pixels if isa.by_element else 1
            if pixels * vectors + inputs + vectors <= isa.registers - isa.by_element:
                yield pixels, vectors


def fitting(pixels: int, outer: int, isa: Isa) -> Iterator[tuple[int, int]]:
    """Register tiles that are no larger than what there is to fill them with: ``outer`` blocks of output channels."""
    for tile, vectors in register_tiles(isa):
        if tile <= max(pixels, 1) and vectors <= outer:
            yield tile, vectors


def fitting_integers(
    pixels: int, outer: int, isa: Isa, types: NumericTypes, held: Callable[[int], int] = lambda size: 0
) -> Iterator[tuple[int, int]]:
    """(pixels, blocks of outputs) of register tiles of integer products, no larger than what fills them.

    ``held``: of a tile of so many pixels, those that stay in registers for several taps of a row.
    """
    way = products_of(isa, types)
    for out in (1, 2, 3, 4):
        for size in range(14, 0, -1):
            if size <= max(pixels, 1) and out <= outer and way.fits(isa, size, out, held(size)):
                yield size, out


def fitting_products(pixels: int, outer: int, isa: Isa) -> Iterator[tuple[int, int]]:
    """Register tiles for Winograd's products: none of one vector, whose turns are so short that they wait for loads."""
    return ((tile, vectors) for tile, vectors in fitting(pixels, outer, isa) if vectors > 1 or outer == 1)


def pixel_blocks(pixels: int, tile: int) -> Iterator[int]:
    """Blocks of whole tiles: a few, or all pixels."""
    for tiles in (4, 7, 14, 28):
        if tiles * tile < pixels:
            yield tiles * tile
    yield pixels


def pixel_block(conv: Convolution, block: int) -> int:
    """Pixels of a block of a 1 x 1 convolution: so many, or a row of the output where it has a stride."""
    return conv.out_width if conv.stride != (1, 1) else min(block, conv.out_height * conv.out_width)


def block_cuts(conv: Convolution, tile: int, groups: int, machine: Machine) -> Iterator[tuple[int, int]]:
    """(pixels of a block, splits of the output groups) of a 1 x 1 convolution in tiles of so many pixels."""
    pixels = conv.out_height * conv.out_width
    for block in pixel_blocks(pixels, tile):
        count = -(-pixels // block) if conv.stride == (1, 1) else conv.out_height
        for splits in sorted({splits_of(groups, count * conv.batch, machine), splits_of(groups, 1, machine)}):
            yield block, splits


def row_cuts(conv: Convolution, groups: int, machine: Machine) -> Iterator[tuple[int, int]]:
    """(rows copied at once, splits of the output groups) of a convolution that goes over copied rows."""
    for rows in sorted({1, 2, 4, 8, conv.out_height}):
        if rows <= conv.out_height:
            tasks = -(-conv.out_height // rows) * conv.batch * conv.groups * conv.subpixels
            for splits in sorted({splits_of(groups, tasks, machine), 2, 4, 8}):
                if groups % splits == 0:
                    yield rows, splits


def few_rows(costs: Mapping[int, float], best: float) -> int:
    """The fewest rows copied at once, of those with such ``costs``, that cost as good as nothing more than ``best``."""
    return next(rows for rows in sorted(costs) if costs[rows] <= (1 + _EQUAL) * best)


def splits_of(groups: int, tasks: int, machine: Machine) -> int:
    """The number of splits that the output groups are cut into, so that every thread has work."""
    wanted = min(groups, -(-machine.threads // tasks))
    return next(splits for splits in range(wanted, groups + 1) if groups % splits == 0)


def rows_of_tiles(down: int) -> list[int]:
    """Rows of Winograd tiles in a block, for any number of blocks of equal height."""
    return sorted({-(-down // number) for number in range(1, down + 1)})


def waiting_groups(numbers: tuple[int, ...], groups: int, machine: Machine) -> Iterator[int]:
    """Choose from ``numbers`` how many output groups' products may wait, every thread having some."""
    for waiting in numbers:
        if groups % waiting == 0 and (waiting == 1 or groups // waiting >= machine.threads):
            yield waiting
