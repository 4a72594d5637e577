"""What a tile of a Winograd kernel would cost; see ``estimate``."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.cost_model import (
    BYTES,
    HOLDS,
    busiest_share,
    map_bytes,
    out_pixels,
    product_cycles,
    space_price,
    spilt_bytes,
    traffic_cycles,
)
from rdpass.kernels.machine import Machine
from rdpass.kernels.templates.pointwise import spans
from rdpass.kernels.templates.strided_winograd import StridedWinogradTile
from rdpass.kernels.templates.winograd import WinogradTile
from rdpass.kernels.workload import Convolution

# The share of L2 that what is read in between leaves alone, where that is one group's weights, which only pass through.
_KEEPS = 0.88
# Vector operations to transform one channel block of a tile of Winograd inputs, and of outputs.
_TRANSFORM_IN = {(2, 2): 60, (4, 2): 125, (4, 4): 220}
_TRANSFORM_OUT = {(2, 2): 40, (4, 2): 90, (4, 4): 170}
# The same one way, of F(m, 2) by its n = m + 1 numbers, and of one tap; without loads and stores.
_ONE_WAY_IN = {1: 0, 3: 3, 4: 4, 5: 11}
_ONE_WAY_OUT = {1: 0, 3: 3, 4: 4, 5: 9}
# Maps of so many bytes are what the peak of a network is made of. This share of them may be scratch; a byte more has
# its price in cycles.
_LARGE, _SHARE, _RAISES = 3 << 19, 18, 32


def estimate_winograd(conv: Convolution, tile: WinogradTile, machine: Machine) -> float:
    """Cycles of ``winograd``."""
    lanes = machine.isa.lanes
    down, across = -(-conv.out_height // tile.size[0]), -(-conv.out_width // tile.size[1])
    numbers, held = tile.numbers, tile.rows * across
    inner, outer = blocks(conv.channels, lanes), blocks(conv.filters, lanes)
    columns = -(-held // tile.pixels)
    # Blocks of rows are of equal height but for the last.
    passes = -(-down // tile.rows) * conv.batch
    filled = columns * tile.pixels
    products = product_cycles((tile.pixels, tile.vectors), filled, conv.channels, conv.filters, machine) * numbers
    transforms = held * (inner * _TRANSFORM_IN[tile.size] + outer * _TRANSFORM_OUT[tile.size])
    weights = BYTES * numbers * conv.channels * conv.filters
    v = BYTES * numbers * filled * inner * lanes
    waiting = BYTES * numbers * filled * tile.waiting * tile.vectors * lanes
    groups = blocks(outer, tile.vectors)
    # V is read again by every batch of waiting groups; where it does not fit L2, from memory.
    again = v * (groups // tile.waiting)
    between = v + waiting + weights * tile.waiting // groups
    spilt = again + v if between > _KEEPS * machine.l2 else 0
    moved = map_bytes(conv) + passes * (spilt + spilt_bytes(waiting, machine))
    traffic = traffic_cycles(weights, passes, v + waiting, moved, machine)
    share = down / tile.rows * conv.batch * busiest_share(groups // tile.waiting, machine)
    work = share * (products + transforms / machine.multiplies + again / 16 / 4)
    return work + traffic + space_price(v // machine.threads + waiting, machine)


def estimate_strided(conv: Convolution, tile: StridedWinogradTile, machine: Machine) -> float:
    """Cycles of ``strided_winograd``."""
    groups = blocks(blocks(conv.filters, machine.isa.lanes), tile.vectors)
    runs = spans(conv.out_height, min(tile.rows * tile.size[0], conv.out_height))
    steps = [
        (number * conv.batch, _estimate_phase(conv, tile, height, both, machine))
        for _, number, height in runs
        for both in ((True, True), (True, False), (False, True), (False, False))
    ]
    work = sum(count * step.cycles for count, step in steps)
    passes = conv.batch * sum(number for _, number, _ in runs)
    weights = BYTES * tile.numbers * conv.channels * conv.filters
    scratch = max(step.scratch for _, step in steps)
    stays = weights + scratch <= HOLDS * machine.l2
    # Two phases share each line of the input, and all four add to the output: by then it is gone, as the weights are.
    again = 0 if stays else map_bytes(conv) + 2 * BYTES * conv.batch * conv.filters * out_pixels(conv)
    moved = map_bytes(conv) + again + sum(count * step.spilt for count, step in steps)
    traffic = traffic_cycles(weights, passes, scratch, moved, machine)
    beyond = max(0, scratch * machine.threads - map_bytes(conv) // _SHARE) if map_bytes(conv) > _LARGE else 0
    room = space_price(scratch, machine) + _RAISES * beyond
    return work * busiest_share(groups // tile.waiting, machine) + traffic + room


@dataclass(frozen=True)
class _Step:
    """What a phase of a block takes: cycles of one thread, bytes of V and M, and of what comes back from memory."""

    cycles: float
    scratch: int
    spilt: int


def _estimate_phase(
    conv: Convolution, tile: StridedWinogradTile, height: int, both: tuple[bool, bool], machine: Machine
) -> _Step:
    """``height``: rows of output in the block; ``both``: whether there are two taps, down and across."""
    lanes = machine.isa.lanes
    inner, outer = blocks(conv.channels, lanes), blocks(conv.filters, lanes)
    groups = blocks(outer, tile.vectors)
    m, w = (size if two else 1 for size, two in zip(tile.size, both, strict=True))
    n, e = (size + 1 if two else 1 for size, two in zip(tile.size, both, strict=True))
    held = -(-height // m) * -(-conv.out_width // w)
    columns = blocks(held, tile.pixels)
    pixels = blocks(held, columns)
    v = BYTES * columns * pixels * n * e * inner // tile.slices * lanes
    waiting, out = (BYTES * held * count * tile.waiting * tile.vectors * lanes for count in (n * e, m * w))
    # V is read again by every batch of waiting groups; where it does not fit L2, from memory.
    again = v * (groups // tile.waiting)
    weights = BYTES * n * e * conv.channels // tile.slices * conv.filters * tile.waiting // groups
    spilt = again + v if v + waiting + out + weights > _KEEPS * machine.l2 else 0
    # Every second row of the input passes through the cache while V is written.
    seen = BYTES * height * conv.width * inner // tile.slices * lanes
    spilt += v if v + seen > _KEEPS * machine.l2 else 0
    # Rows are copied, a tile's inputs are loaded, its numbers stored; its sums stored and loaded, its outputs added.
    way_in = 2 * n * e + 2 * m * w + _ONE_WAY_IN[n] * e + _ONE_WAY_IN[e] * n
    way_out = 2 * n * e + 3 * m * w + _ONE_WAY_OUT[n] * e + _ONE_WAY_OUT[e] * m
    transforms = held * (inner * way_in + outer * tile.slices * way_out)
    products = product_cycles((pixels, tile.vectors), held, conv.channels, conv.filters, machine) * n * e
    cycles = products + transforms / machine.multiplies + tile.slices * again / 16 / 4
    return _Step(cycles, v // machine.threads + waiting, tile.slices * spilt)
