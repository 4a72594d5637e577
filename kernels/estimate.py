"""What a tile would cost: a short account of instructions and memory.

In cycles: vector multiply-accumulates, the loads that come with them, the transforms, and the bytes that have to come
from memory, which threads share. Weights are read once for every block of pixels where they do not stay in L2.
"""

from __future__ import annotations

from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.cost_model import (
    BYTES,
    HOLDS,
    busiest_share,
    map_bytes,
    out_pixels,
    product_cycles,
    space_price,
    traffic_cycles,
)
from rdpass.kernels.estimate_winograd import estimate_strided, estimate_winograd
from rdpass.kernels.machine import Machine
from rdpass.kernels.schedule import ConvolutionTile
from rdpass.kernels.templates.depthwise import DepthwiseTile, holds_weights, registers_missing
from rdpass.kernels.templates.direct import DirectTile
from rdpass.kernels.templates.pair import PairTile
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.templates.strided_winograd import StridedWinogradTile
from rdpass.kernels.templates.winograd import WinogradTile
from rdpass.kernels.workload import Convolution, PointwisePair

# The share of L2 that what is read in between leaves alone.
_KEEPS = 0.85


def estimate(conv: Convolution, tile: ConvolutionTile, machine: Machine) -> float:
    """Cycles that ``conv`` takes on all threads of ``machine``, see above."""
    match tile:
        case PointwiseTile():
            return _estimate_pointwise(conv, tile, machine)
        case DirectTile():
            return _estimate_direct(conv, tile, machine)
        case WinogradTile():
            return estimate_winograd(conv, tile, machine)
        case StridedWinogradTile():
            return estimate_strided(conv, tile, machine)
        case DepthwiseTile():
            return _estimate_depthwise(conv, tile, machine)


def _estimate_pointwise(conv: Convolution, tile: PointwiseTile, machine: Machine) -> float:
    pixels = out_pixels(conv)
    block = conv.out_width if conv.stride != (1, 1) else min(tile.block, pixels)
    passes = -(-pixels // block) * conv.batch
    last = pixels % block
    work = 0.0
    for number, size in ((pixels // block, block), (1, last)):
        if number and size:
            one = product_cycles((tile.pixels, tile.vectors), size, conv.channels, conv.filters, machine)
            work += number * one * busiest_share(number * tile.splits * conv.batch, machine)
    weights, held = BYTES * conv.channels * conv.filters, BYTES * block * conv.channels
    groups = blocks(blocks(conv.filters, machine.isa.lanes), tile.vectors)
    # Where a block's input is too large for L1, every group reads it from L2 again.
    again = held * groups * passes if held > machine.l1 / 2 else weights * passes
    maps = map_bytes(conv) + (again if held + weights // groups > _KEEPS * machine.l2 else 0)
    own = conv.batch * work + again / 16 / 4 / machine.threads
    return own + traffic_cycles(weights, passes, held, maps, machine)


def _estimate_direct(conv: Convolution, tile: DirectTile, machine: Machine) -> float:
    (kh, kw) = conv.kernel
    own = conv.groups * conv.subpixels  # each with weights, and a pass over the input, of its own
    inner, outer = conv.channels // conv.groups, conv.filters // conv.groups
    lanes = machine.isa.lanes
    inner, outer = blocks(inner, lanes) * lanes, blocks(outer, lanes) * lanes
    row = product_cycles((tile.pixels, tile.vectors), conv.out_width, inner, outer, machine) * kh * kw
    passes = -(-conv.out_height // tile.rows) * conv.batch
    high = (tile.rows - 1) * conv.stride[0] + conv.reach[0]
    wide = (conv.out_width - 1) * conv.stride[1] + conv.reach[1]
    rows = BYTES * high * wide * inner
    copying = 2 * rows / BYTES / lanes * passes * own * tile.splits
    weights = BYTES * kh * kw * inner * outer * own
    whole = BYTES * conv.channels * conv.height * conv.width
    # Every split reads the input anew, from memory where it does not stay in L2 beside the split's weights.
    reread = (tile.splits - 1) * whole if whole + weights // tile.splits > HOLDS * machine.l2 else 0
    stays = (weights // tile.splits) + rows <= HOLDS * machine.l2
    groups = blocks(outer // lanes, tile.vectors)
    # Every group reads the copied rows again, from memory where it does not stay in L2.
    again = 0 if rows + weights // groups <= _KEEPS * machine.l2 else rows * groups * passes * own
    read = map_bytes(conv) + reread + weights * (1 if stays else passes) + again
    traffic = read / machine.bandwidth + space_price(rows, machine)
    work = row * conv.out_height * conv.batch * own + copying
    full, last = divmod(conv.out_height, tile.rows)
    apart = conv.batch * own * tile.splits
    share = full * tile.rows * busiest_share(full * apart, machine) + last * busiest_share(apart, machine)
    return work * share / conv.out_height + traffic


def _estimate_depthwise(conv: Convolution, tile: DepthwiseTile, machine: Machine) -> float:
    """Multiplies, and of every tile the loads: the rows and columns that it sees, weights where registers don't hold
    them, and sums that are put aside, row by row, where there are not registers enough for those.
    """
    (kh, kw), (sh, sw) = conv.kernel, conv.stride
    sums, rows = tile.rows * tile.pixels, (tile.rows - 1) * sh + conv.reach[0]
    seen = rows * ((tile.pixels - 1) * sw + conv.reach[1])
    weights = 0 if holds_weights(conv, tile, machine.isa) else tile.rows * kh * kw
    aside = 2 * rows * registers_missing(conv, tile, machine.isa)
    count = -(-conv.out_height // tile.rows) * -(-conv.out_width // tile.pixels)
    multiplies = out_pixels(conv) * kh * kw * max(1, 4 * machine.multiplies / sums) / machine.multiplies
    return conv.batch * blocks(conv.channels, machine.isa.lanes) * (multiplies + count * ((seen + weights) / 2 + aside))


def estimate_pair(pair: PointwisePair, tile: PairTile, machine: Machine) -> float:
    """Cycles that ``pair`` takes on all threads of ``machine``, see above."""
    first, second = pair.first, pair.second
    pixels = first.height * first.width
    block = min(tile.block, pixels)
    shape = (tile.pixels, tile.vectors)
    work = 0.0
    inner, outer = (blocks(blocks(conv.filters, machine.isa.lanes), tile.vectors) for conv in (first, second))
    for count, size in ((pixels // block, block), (1 if pixels % block else 0, pixels % block)):
        if count:
            halves = (first.channels, first.filters, inner // tile.chunks), (first.filters, second.filters, outer)
            for channels, filters, groups in halves:
                tasks = groups if tile.groups_parallel else count * first.batch
                work += count * product_cycles(shape, size, channels, filters, machine) * busiest_share(tasks, machine)
    passes = -(-pixels // block) * first.batch
    weights = BYTES * first.filters * (first.channels + second.filters)
    held = BYTES * block * (first.channels + first.filters // tile.chunks)
    maps = maps_once = BYTES * first.batch * pixels * (first.channels + second.filters)
    waits = BYTES * pixels * second.filters * (tile.chunks - 1) * 2
    crowded = held > machine.l1 / 2
    groups = blocks(blocks(first.filters, machine.isa.lanes), tile.vectors)
    again = held * groups * passes if crowded else weights * passes
    if held + weights // groups > _KEEPS * machine.l2:
        maps += again
    # Every chunk reads its block's input and sums again, from memory if a step of the chunk leaves neither in L2.
    if held + BYTES * block * second.filters + weights // tile.chunks // 2 > _KEEPS * machine.l2:
        maps += (tile.chunks - 1) * maps_once
    own = first.batch * work + (again / 16 / 4 + waits / 16) / machine.threads
    hidden = BYTES * block * first.filters // tile.chunks
    return own + traffic_cycles(weights, passes, held, maps, machine) + space_price(hidden, machine)
