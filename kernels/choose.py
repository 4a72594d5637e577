"""The tile for a workload when nothing was tuned: the cheapest by a short account of instructions and memory.

An estimate, in cycles: vector multiply-accumulates, the loads that come with them, the transforms, and the
bytes that have to come from memory, which threads share. Weights are read once for every block of pixels where they do
not stay in L2.
"""

from __future__ import annotations

from collections.abc import Iterator

from rdpass.kernels.depthwise import DepthwiseTile
from rdpass.kernels.direct import DirectTile
from rdpass.kernels.head import HeadTile
from rdpass.kernels.isa import Isa
from rdpass.kernels.machine import Machine
from rdpass.kernels.packing import blocks
from rdpass.kernels.pair import PairTile
from rdpass.kernels.pointwise import PointwiseTile
from rdpass.kernels.pooling import PoolingTile
from rdpass.kernels.schedule import ConvolutionTile
from rdpass.kernels.stem import StemTile
from rdpass.kernels.winograd import WinogradTile
from rdpass.kernels.workload import Convolution, Head, PointwisePair, Pooling, Stem

_BYTES = 4
# The share of L2 that what is read in between leaves alone.
_KEEPS = 0.85
# What a load costs beside the multiplies it feeds, on a core that does both at once.
_LOAD = 0.12
# Vector operations to transform one channel block of a tile of Winograd inputs, and of outputs.
_TRANSFORM_IN = {2: 60, 4: 220}
_TRANSFORM_OUT = {2: 40, 4: 170}


def choose_convolution(conv: Convolution, machine: Machine) -> ConvolutionTile:
    """The tile with the lowest estimate; the first of equals."""
    return min(convolution_tiles(conv, machine), key=lambda tile: estimate(conv, tile, machine))


def choose_pair(pair: PointwisePair, machine: Machine) -> PairTile:
    """The tile with the lowest estimate; the first of equals."""
    return min(pair_tiles(pair, machine), key=lambda tile: estimate_pair(pair, tile, machine))


def choose_stem(stem: Stem, machine: Machine) -> StemTile:
    """The widest tile that the registers hold."""
    outer = blocks(stem.convolution.filters, machine.isa.lanes)
    vectors = 2 if outer % 2 == 0 else 1
    if machine.isa.by_element:
        return StemTile(8, vectors, _stem_rows(stem, machine))
    return StemTile(6 if machine.isa.registers < 32 else 12, vectors, _stem_rows(stem, machine))


def _stem_rows(stem: Stem, machine: Machine) -> int:
    """Rows of output so that every thread has one block."""
    height = (stem.pooling or stem.convolution).out_height
    return -(-height // machine.threads)


def choose_pooling(pool: Pooling, machine: Machine) -> PoolingTile:
    """Four pixels of a row, or as many as it has."""
    return PoolingTile(min(4, pool.out_width))


def choose_head(work: Head, machine: Machine) -> HeadTile:
    """One image at a time for one image: more of its classes."""
    return HeadTile(min(4, work.batch), 4 if work.batch > 1 else 8 if machine.isa.registers >= 32 else 4)


def register_tiles(isa: Isa) -> Iterator[tuple[int, int]]:
    """(pixels, vectors) whose sums, inputs and weights fit the registers.

    With inputs in registers one is left free: a core that runs in order waits for each weight that has nowhere to go.
    """
    for vectors in (2, 3, 4, 1):
        for pixels in range(14, 0, -1):
            inputs = pixels if isa.by_element else 1
            if pixels * vectors + inputs + vectors <= isa.registers - isa.by_element:
                yield pixels, vectors


def convolution_tiles(conv: Convolution, machine: Machine) -> Iterator[ConvolutionTile]:
    """Every tile that may be used for ``conv``."""
    if conv.is_pointwise:
        yield from _pointwise_tiles(conv, machine)
        return
    if conv.is_depthwise:
        yield from _depthwise_tiles(conv, machine)
        return
    yield from _direct_tiles(conv, machine)
    if conv.kernel == (3, 3) and conv.stride == conv.dilation == (1, 1) and conv.groups == 1:
        yield from _winograd_tiles(conv, machine)


def _pointwise_tiles(conv: Convolution, machine: Machine) -> Iterator[PointwiseTile]:
    pixels = conv.out_height * conv.out_width
    outer = blocks(conv.filters, machine.isa.lanes)
    for tile, vectors in _fitting(pixels if conv.stride == (1, 1) else conv.out_width, outer, machine.isa):
        for block in _pixel_blocks(pixels, tile):
            count = -(-pixels // block) if conv.stride == (1, 1) else conv.out_height
            yield PointwiseTile(tile, vectors, block, _parts(blocks(outer, vectors), count * conv.batch, machine))


def _fitting(pixels: int, outer: int, isa: Isa) -> Iterator[tuple[int, int]]:
    """Register tiles that are no larger than what there is to fill them with."""
    for tile, vectors in register_tiles(isa):
        if tile <= max(pixels, 1) and vectors <= outer:
            yield tile, vectors


def _pixel_blocks(pixels: int, tile: int) -> Iterator[int]:
    """Blocks of whole tiles: a few, or all pixels."""
    for tiles in (4, 7, 14, 28):
        if tiles * tile < pixels:
            yield tiles * tile
    yield pixels


def _parts(groups: int, tasks: int, machine: Machine) -> int:
    """Into how many parts the output groups are cut so that every thread has work."""
    wanted = min(groups, -(-machine.threads // tasks))
    return next(parts for parts in range(wanted, groups + 1) if groups % parts == 0)


def _direct_tiles(conv: Convolution, machine: Machine) -> Iterator[DirectTile]:
    outer = blocks(conv.filters // conv.groups, machine.isa.lanes)
    for tile, vectors in _fitting(conv.out_width, outer, machine.isa):
        for rows in sorted({1, 2, 4, conv.out_height}):
            if rows <= conv.out_height:
                tasks = -(-conv.out_height // rows) * conv.batch * conv.groups
                groups = blocks(outer, vectors)
                for parts in sorted({_parts(groups, tasks, machine), 2, 4, 8}):
                    if groups % parts == 0:
                        yield DirectTile(tile, vectors, rows, parts)


def _depthwise_tiles(conv: Convolution, machine: Machine) -> Iterator[DepthwiseTile]:
    for rows, pixels in ((2, 4), (1, 4), (1, 8), (2, 7), (1, 7), (4, 4)):
        if rows <= conv.out_height and pixels <= conv.out_width:
            yield DepthwiseTile(rows, pixels)
    yield DepthwiseTile(1, 1)


def _winograd_tiles(conv: Convolution, machine: Machine) -> Iterator[WinogradTile]:
    outer = blocks(conv.filters, machine.isa.lanes)
    for outputs in (4, 2):
        down, across = -(-conv.out_height // outputs), -(-conv.out_width // outputs)
        for tile, vectors in _fitting(down * across, outer, machine.isa):
            groups = blocks(outer, vectors)
            for rows in sorted({-(-down // blocks_) for blocks_ in range(1, down + 1)}):
                for waiting in (waiting for waiting in (1, 2, 4, 8) if groups % waiting == 0):
                    if waiting == 1 or groups // waiting >= machine.threads:
                        yield WinogradTile(outputs, tile, vectors, rows, waiting)


def pair_tiles(pair: PointwisePair, machine: Machine) -> Iterator[PairTile]:
    """Every tile that may be used for ``pair``."""
    lanes = machine.isa.lanes
    pixels = pair.first.height * pair.first.width
    middle, outer = blocks(pair.first.filters, lanes), blocks(pair.second.filters, lanes)
    for tile, vectors in _fitting(pixels, min(middle, outer), machine.isa):
        for block in _pixel_blocks(pixels, tile):
            for chunks in (1, 2, 4, 8):
                legal = chunks == 1 or (outer % vectors == 0 and not pair.second.epilogue.in_place)
                if legal and blocks(middle, vectors) % chunks == 0:
                    count = -(-pixels // block) * pair.first.batch
                    yield PairTile(tile, vectors, block, chunks, groups_parallel=1 < machine.threads > count)


def estimate(conv: Convolution, tile: ConvolutionTile, machine: Machine) -> float:
    """Cycles of one core for ``conv``, see above."""
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
    stays = weights + resident <= 0.75 * machine.l2
    return (maps + weights * (1 if stays else passes)) / machine.bandwidth


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
    work = (pixels // block) * _products((tile.pixels, tile.vectors), block, conv.channels, conv.filters, machine)
    if last:
        work += _products((tile.pixels, tile.vectors), last, conv.channels, conv.filters, machine)
    weights, held = _BYTES * conv.channels * conv.filters, _BYTES * block * conv.channels
    groups = blocks(blocks(conv.filters, machine.isa.lanes), tile.vectors)
    # Where a block's input is too large for L1, every group reads it from L2 again.
    again = held * groups * passes if held > machine.l1 / 2 else weights * passes
    maps = _maps(conv) + (again if held + weights // groups > _KEEPS * machine.l2 else 0)
    own = conv.batch * work + again / 16 / 4
    return own / machine.threads + _traffic(weights, passes, held, maps, machine)


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
    reread = (tile.parts - 1) * whole if whole + weights // tile.parts > 0.75 * machine.l2 else 0
    stays = (weights // tile.parts) + strip <= 0.75 * machine.l2
    groups = blocks(outer // lanes, tile.vectors)
    # Every group reads the strip again, from memory where it does not stay in L2.
    again = 0 if strip + weights // groups <= _KEEPS * machine.l2 else strip * groups * passes * conv.groups
    read = _maps(conv) + reread + weights * (1 if stays else passes) + again
    traffic = read / machine.bandwidth + _space(strip, machine)
    work = row * conv.out_height * conv.batch * conv.groups + copying
    return work / machine.threads + traffic


def _estimate_depthwise(conv: Convolution, tile: DepthwiseTile, machine: Machine) -> float:
    """Multiplies, and the loads of the rows and columns that a tile sees; weights, where they don't fit, each time."""
    (kh, kw), (sh, sw) = conv.kernel, conv.stride
    lanes = machine.isa.lanes
    seen = ((tile.rows - 1) * sh + conv.reach[0]) * ((tile.pixels - 1) * sw + conv.reach[1])
    spare = machine.isa.registers - tile.rows * tile.pixels - 4
    weights = 0 if kh * kw <= spare else kh * kw
    sums = max(tile.rows * tile.pixels, 4 * machine.multiplies)
    full = -(-conv.out_height // tile.rows) * -(-conv.out_width // tile.pixels)
    cycles = sums * kh * kw / machine.multiplies + (seen + weights) / 2 + tile.rows * tile.pixels
    return conv.batch * blocks(conv.channels, lanes) * full * cycles


def _space(scratch: int, machine: Machine) -> float:
    """A small price on scratch, of which every thread has its own: between equals the smaller one is taken."""
    return scratch * machine.threads / 64


def _spill(scratch: int, machine: Machine) -> int:
    """Bytes of scratch that do not stay in L2 and come back from memory."""
    return max(0, scratch - machine.l2 // 2) * 2


def _estimate_winograd(conv: Convolution, tile: WinogradTile, machine: Machine) -> float:
    lanes, m = machine.isa.lanes, tile.outputs
    down, across = -(-conv.out_height // m), -(-conv.out_width // m)
    numbers, held = tile.edge**2, tile.rows * across
    inner, outer = blocks(conv.channels, lanes), blocks(conv.filters, lanes)
    columns = -(-held // tile.pixels)
    # Blocks of rows are of equal height but for the last.
    passes = -(-down // tile.rows) * conv.batch
    filled = columns * tile.pixels
    product = _products((tile.pixels, tile.vectors), filled, conv.channels, conv.filters, machine) * numbers
    transforms = held * (inner * _TRANSFORM_IN[m] + outer * _TRANSFORM_OUT[m])
    weights = _BYTES * numbers * conv.channels * conv.filters
    v = _BYTES * numbers * filled * inner * lanes
    waiting = _BYTES * numbers * filled * tile.waiting * tile.vectors * lanes
    groups = blocks(outer, tile.vectors)
    # V is read again by every batch of waiting groups; where it does not fit L2, from memory.
    again = v * (groups // tile.waiting)
    between = v + waiting + weights * tile.waiting // groups
    spilt = again + v if between > _KEEPS * machine.l2 else 0
    traffic = _traffic(weights, passes, v + waiting, _maps(conv) + passes * (spilt + _spill(waiting, machine)), machine)
    share = down / tile.rows * conv.batch
    work = share * (product + transforms / machine.multiplies + again / 16 / 4)
    return work / machine.threads + traffic + _space(v // machine.threads + waiting, machine)


def estimate_pair(pair: PointwisePair, tile: PairTile, machine: Machine) -> float:
    """Cycles of one core for ``pair``, see above."""
    first, second = pair.first, pair.second
    pixels = first.height * first.width
    block = min(tile.block, pixels)
    shape = (tile.pixels, tile.vectors)
    work = 0.0
    for count, size in ((pixels // block, block), (1 if pixels % block else 0, pixels % block)):
        if count:
            work += count * _products(shape, size, first.channels, first.filters, machine)
            work += count * _products(shape, size, first.filters, second.filters, machine)
    passes = -(-pixels // block) * first.batch
    weights = _BYTES * first.filters * (first.channels + second.filters)
    held = _BYTES * block * (first.channels + first.filters // tile.chunks)
    maps = _BYTES * first.batch * pixels * (first.channels + second.filters)
    waits = _BYTES * pixels * second.filters * (tile.chunks - 1) * 2
    crowded = held > machine.l1 / 2
    groups = blocks(blocks(first.filters, machine.isa.lanes), tile.vectors)
    again = held * groups * passes if crowded else weights * passes
    if held + weights // groups > _KEEPS * machine.l2:
        maps += again
    own = first.batch * work + again / 16 / 4 + waits / 16
    hidden = _BYTES * block * first.filters // tile.chunks
    return own / machine.threads + _traffic(weights, passes, held, maps, machine) + _space(hidden, machine)
