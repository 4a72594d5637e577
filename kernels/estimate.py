"""What a tile would cost: a short account of instructions and memory.

In cycles: vector multiply-accumulates, the loads that come with them, the transforms, and the bytes that have to come
from memory, which threads share. Weights are read once for every block of pixels where they do not stay in L2.
"""

from __future__ import annotations

from rdpass.kernels.depthwise import DepthwiseTile, holds_weights, registers_missing
from rdpass.kernels.direct import DirectTile
from rdpass.kernels.machine import Machine
from rdpass.kernels.packing import blocks
from rdpass.kernels.pair import PairTile
from rdpass.kernels.pointwise import PointwiseTile
from rdpass.kernels.schedule import ConvolutionTile
from rdpass.kernels.winograd import WinogradTile
from rdpass.kernels.workload import Convolution, PointwisePair

_BYTES = 4
# The share of L2 that weights and the data they meet may fill and still be found there again.
_HOLDS = 0.75
# The share of L2 that what is read in between leaves alone.
_KEEPS = 0.85
# The same where that is one group's weights, which only pass through.
_KEEPS_BESIDE_WEIGHTS = 0.88
# What a load costs beside the multiplies it feeds, on a core that does both at once.
_LOAD = 0.12
# Vector operations to transform one channel block of a tile of Winograd inputs, and of outputs.
_TRANSFORM_IN = {(2, 2): 60, (4, 2): 125, (4, 4): 220}
_TRANSFORM_OUT = {(2, 2): 40, (4, 2): 90, (4, 4): 170}


def estimate(conv: Convolution, tile: ConvolutionTile, machine: Machine) -> float:
    """Cycles that ``conv`` takes on all threads of ``machine``, see above."""
    match tile:
        case PointwiseTile():
            return _estimate_pointwise(conv, tile, machine)
        case DirectTile():
            return _estimate_direct(conv, tile, machine)
        case WinogradTile():
            return _estimate_winograd(conv, tile, machine)
        case DepthwiseTile():
            return _estimate_depthwise(conv, tile, machine)


def _products(tile: tuple[int, int], pixels: int, channels: int, filters: int, machine: Machine) -> float:
    """Cycles of a matrix product in register tiles: its multiplies and their loads."""
    size, vectors = tile
    lanes = machine.isa.lanes
    inner, groups = blocks(channels, lanes), blocks(blocks(filters, lanes), vectors)
    full, rest = divmod(pixels, size)
    cycles = 0.0
    for count, width in ((full, size), (1 if rest else 0, rest)):
        if count:
            # Dependent multiplies are four cycles apart: a small tile waits for itself.
            multiplies = max(width * vectors, 4 * machine.multiplies) * lanes
            loads = width * (1 if machine.isa.by_element else lanes) / 2 + vectors * lanes / 2 + 3
            cycles += count * inner * groups * (multiplies + loads * _LOAD * 4) / machine.multiplies
            # Sums are started and stored once.
            cycles += count * groups * width * vectors
    return cycles


def _traffic(weights: int, passes: int, resident: int, maps: int, machine: Machine) -> float:
    """Cycles for bytes from memory: maps once, weights once or, where they do not stay in L2, once a pass."""
    stays = weights + resident <= _HOLDS * machine.l2
    return (maps + weights * (1 if stays else passes)) / machine.bandwidth


def _busiest(tasks: int, machine: Machine) -> float:
    """The share of a parallel loop's work that its busiest thread has, tasks being dealt out whole."""
    return -(-tasks // machine.threads) / tasks


def _maps(conv: Convolution) -> int:
    """Bytes of input and output that don't fit in L2 together count; small maps are still there from before."""
    return _BYTES * conv.batch * (conv.channels * conv.height * conv.width + conv.filters * _out_pixels(conv))


def _out_pixels(conv: Convolution) -> int:
    return conv.out_height * conv.out_width


def _estimate_pointwise(conv: Convolution, tile: PointwiseTile, machine: Machine) -> float:
    pixels = _out_pixels(conv)
    block = conv.out_width if conv.stride != (1, 1) else min(tile.block, pixels)
    passes = -(-pixels // block) * conv.batch
    last = pixels % block
    work = 0.0
    for number, size in ((pixels // block, block), (1, last)):
        if number and size:
            one = _products((tile.pixels, tile.vectors), size, conv.channels, conv.filters, machine)
            work += number * one * _busiest(number * tile.parts * conv.batch, machine)
    weights, held = _BYTES * conv.channels * conv.filters, _BYTES * block * conv.channels
    groups = blocks(blocks(conv.filters, machine.isa.lanes), tile.vectors)
    # Where a block's input is too large for L1, every group reads it from L2 again.
    again = held * groups * passes if held > machine.l1 / 2 else weights * passes
    maps = _maps(conv) + (again if held + weights // groups > _KEEPS * machine.l2 else 0)
    own = conv.batch * work + again / 16 / 4 / machine.threads
    return own + _traffic(weights, passes, held, maps, machine)


def _estimate_direct(conv: Convolution, tile: DirectTile, machine: Machine) -> float:
    kh, kw = conv.kernel
    inner, outer = conv.channels // conv.groups, conv.filters // conv.groups
    lanes = machine.isa.lanes
    inner, outer = blocks(inner, lanes) * lanes, blocks(outer, lanes) * lanes
    row = _products((tile.pixels, tile.vectors), conv.out_width, inner, outer, machine) * kh * kw
    passes = -(-conv.out_height // tile.rows) * conv.batch
    high = (tile.rows - 1) * conv.stride[0] + conv.reach[0]
    wide = (conv.out_width - 1) * conv.stride[1] + conv.reach[1]
    strip = _BYTES * high * wide * inner
    copying = 2 * strip / _BYTES / lanes * passes * conv.groups * tile.parts
    weights = _BYTES * kh * kw * inner * outer * conv.groups
    whole = _BYTES * conv.channels * conv.height * conv.width
    # Every part reads the input anew, from memory where it does not stay in L2 beside the part's weights.
    reread = (tile.parts - 1) * whole if whole + weights // tile.parts > _HOLDS * machine.l2 else 0
    stays = (weights // tile.parts) + strip <= _HOLDS * machine.l2
    groups = blocks(outer // lanes, tile.vectors)
    # Every group reads the strip again, from memory where it does not stay in L2.
    again = 0 if strip + weights // groups <= _KEEPS * machine.l2 else strip * groups * passes * conv.groups
    read = _maps(conv) + reread + weights * (1 if stays else passes) + again
    traffic = read / machine.bandwidth + _space(strip, machine)
    work = row * conv.out_height * conv.batch * conv.groups + copying
    full, last = divmod(conv.out_height, tile.rows)
    apart = conv.batch * conv.groups * tile.parts
    share = full * tile.rows * _busiest(full * apart, machine) + last * _busiest(apart, machine)
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
    multiplies = _out_pixels(conv) * kh * kw * max(1, 4 * machine.multiplies / sums) / machine.multiplies
    return conv.batch * blocks(conv.channels, machine.isa.lanes) * (multiplies + count * ((seen + weights) / 2 + aside))


def _space(scratch: int, machine: Machine) -> float:
    """A small price on scratch, of which every thread has its own: between equals the smaller one is taken."""
    return scratch * machine.threads / 64


def _spill(scratch: int, machine: Machine) -> int:
    """Bytes of scratch that do not stay in L2 and come back from memory."""
    return max(0, scratch - machine.l2 // 2) * 2


def _estimate_winograd(conv: Convolution, tile: WinogradTile, machine: Machine) -> float:
    lanes = machine.isa.lanes
    down, across = -(-conv.out_height // tile.size[0]), -(-conv.out_width // tile.size[1])
    numbers, held = tile.numbers, tile.rows * across
    inner, outer = blocks(conv.channels, lanes), blocks(conv.filters, lanes)
    columns = -(-held // tile.pixels)
    # Blocks of rows are of equal height but for the last.
    passes = -(-down // tile.rows) * conv.batch
    filled = columns * tile.pixels
    product = _products((tile.pixels, tile.vectors), filled, conv.channels, conv.filters, machine) * numbers
    transforms = held * (inner * _TRANSFORM_IN[tile.size] + outer * _TRANSFORM_OUT[tile.size])
    weights = _BYTES * numbers * conv.channels * conv.filters
    v = _BYTES * numbers * filled * inner * lanes
    waiting = _BYTES * numbers * filled * tile.waiting * tile.vectors * lanes
    groups = blocks(outer, tile.vectors)
    # V is read again by every batch of waiting groups; where it does not fit L2, from memory.
    again = v * (groups // tile.waiting)
    between = v + waiting + weights * tile.waiting // groups
    spilt = again + v if between > _KEEPS_BESIDE_WEIGHTS * machine.l2 else 0
    traffic = _traffic(weights, passes, v + waiting, _maps(conv) + passes * (spilt + _spill(waiting, machine)), machine)
    share = down / tile.rows * conv.batch * _busiest(groups // tile.waiting, machine)
    work = share * (product + transforms / machine.multiplies + again / 16 / 4)
    return work + traffic + _space(v // machine.threads + waiting, machine)


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
                work += count * _products(shape, size, channels, filters, machine) * _busiest(tasks, machine)
    passes = -(-pixels // block) * first.batch
    weights = _BYTES * first.filters * (first.channels + second.filters)
    held = _BYTES * block * (first.channels + first.filters // tile.chunks)
    maps = maps_once = _BYTES * first.batch * pixels * (first.channels + second.filters)
    waits = _BYTES * pixels * second.filters * (tile.chunks - 1) * 2
    crowded = held > machine.l1 / 2
    groups = blocks(blocks(first.filters, machine.isa.lanes), tile.vectors)
    again = held * groups * passes if crowded else weights * passes
    if held + weights // groups > _KEEPS * machine.l2:
        maps += again
    # Every chunk reads its block's input and sums again, from memory if a step of the chunk leaves neither in L2.
    if held + _BYTES * block * second.filters + weights // tile.chunks // 2 > _KEEPS * machine.l2:
        maps += (tile.chunks - 1) * maps_once
    own = first.batch * work + (again / 16 / 4 + waits / 16) / machine.threads
    hidden = _BYTES * block * first.filters // tile.chunks
    return own + _traffic(weights, passes, held, maps, machine) + _space(hidden, machine)
