"""Every tile that may be used for a workload: what the choice, and tuning, search through."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.machine import Machine
from rdpass.kernels.schedule import ConvolutionTile
from rdpass.kernels.templates.depthwise import DepthwiseTile
from rdpass.kernels.templates.direct import DirectTile
from rdpass.kernels.templates.elementwise import ElementwiseTile
from rdpass.kernels.templates.head import HeadTile
from rdpass.kernels.templates.pair import PairTile
from rdpass.kernels.templates.pointwise import PointwiseTile
from rdpass.kernels.templates.pooling import PoolingTile
from rdpass.kernels.templates.resizing import ResizingTile
from rdpass.kernels.templates.stem import StemTile
from rdpass.kernels.templates.stem_winograd import OUTPUTS, StemWinogradTile, is_strided_stem
from rdpass.kernels.templates.strided_winograd import StridedWinogradTile, is_strided
from rdpass.kernels.templates.winograd import WinogradTile
from rdpass.kernels.workload import Convolution, Elementwise, Head, PointwisePair, Pooling, Stem
from rdpass.targets.isa import Isa


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
    if conv.kernel == (3, 3) and conv.stride == conv.dilation == (1, 1) and conv.groups == conv.subpixels == 1:
        yield from _winograd_tiles(conv, machine)
    if is_strided(conv):
        yield from _strided_winograd_tiles(conv, machine)


def _pointwise_tiles(conv: Convolution, machine: Machine) -> Iterator[PointwiseTile]:
    pixels = conv.out_height * conv.out_width
    outer = blocks(conv.filters, machine.isa.lanes)
    for tile, vectors in _fitting(pixels if conv.stride == (1, 1) else conv.out_width, outer, machine.isa):
        for block in _pixel_blocks(pixels, tile):
            count = -(-pixels // block) if conv.stride == (1, 1) else conv.out_height
            groups = blocks(outer, vectors)
            for splits in sorted({_splits(groups, count * conv.batch, machine), _splits(groups, 1, machine)}):
                yield PointwiseTile(tile, vectors, block, splits)


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


def _splits(groups: int, tasks: int, machine: Machine) -> int:
    """Into how many splits the output groups are cut so that every thread has work."""
    wanted = min(groups, -(-machine.threads // tasks))
    return next(splits for splits in range(wanted, groups + 1) if groups % splits == 0)


def _direct_tiles(conv: Convolution, machine: Machine) -> Iterator[DirectTile]:
    outer = blocks(conv.filters // conv.groups, machine.isa.lanes)
    for tile, vectors in _fitting(conv.out_width, outer, machine.isa):
        for rows in sorted({1, 2, 4, conv.out_height}):
            if rows <= conv.out_height:
                tasks = -(-conv.out_height // rows) * conv.batch * conv.groups * conv.subpixels
                groups = blocks(outer, vectors)
                for splits in sorted({_splits(groups, tasks, machine), 2, 4, 8}):
                    if groups % splits == 0:
                        yield DirectTile(tile, vectors, rows, splits)


def _depthwise_tiles(conv: Convolution, machine: Machine) -> Iterator[DepthwiseTile]:
    for rows, pixels in ((2, 4), (2, 5), (3, 4), (3, 3), (1, 4), (1, 8), (2, 7), (1, 7), (4, 4)):
        if rows <= conv.out_height and pixels <= conv.out_width:
            yield DepthwiseTile(rows, pixels)
    yield DepthwiseTile(1, 1)


def _winograd_tiles(conv: Convolution, machine: Machine) -> Iterator[WinogradTile]:
    outer = blocks(conv.filters, machine.isa.lanes)
    for outputs, wide in ((4, 0), (2, 0), (4, 2)):
        down, across = -(-conv.out_height // outputs), -(-conv.out_width // (wide or outputs))
        for tile, vectors in _fitting(down * across, outer, machine.isa):
            if vectors == 1 < outer:  # a turn of so few products waits for its loads
                continue
            for rows, waiting in product(_rows(down), _waiting((1, 2, 4, 8), blocks(outer, vectors), machine)):
                yield WinogradTile(outputs, tile, vectors, rows, waiting, wide)


def _strided_winograd_tiles(conv: Convolution, machine: Machine) -> Iterator[StridedWinogradTile]:
    inner, outer = (blocks(channels, machine.isa.lanes) for channels in (conv.channels, conv.filters))
    for outputs in (4, 3, 2):
        down = -(-conv.out_height // outputs)
        for tile, vectors in _fitting(conv.out_height * conv.out_width, outer, machine.isa):
            if vectors == 1 < outer:  # as above
                continue
            held = _rows(down), _waiting((1, 2), blocks(outer, vectors), machine)
            for rows, waiting, slices in product(*held, (1, 2, 4)):
                if inner % slices == 0:
                    yield StridedWinogradTile(outputs, tile, vectors, rows, waiting, slices)


def _rows(down: int) -> list[int]:
    """Rows of tiles in a block, for any number of blocks of equal height."""
    return sorted({-(-down // number) for number in range(1, down + 1)})


def _waiting(numbers: tuple[int, ...], groups: int, machine: Machine) -> Iterator[int]:
    """Those of ``numbers`` of output groups whose products may wait, every thread having some."""
    for waiting in numbers:
        if groups % waiting == 0 and (waiting == 1 or groups // waiting >= machine.threads):
            yield waiting


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


def stem_tiles(stem: Stem, machine: Machine) -> Iterator[StemTile | StemWinogradTile]:
    """Every tile that may be used for ``stem``: threads share its rows evenly, in one to four blocks each."""
    isa = machine.isa
    outer = blocks(stem.convolution.filters, isa.lanes)
    height = (stem.pooling or stem.convolution).out_height
    heights = {-(-height // (machine.threads * part)) for part in (1, 2, 4)} if machine.threads > 1 else {height}
    for tile, vectors in _fitting(stem.convolution.out_width, outer, isa):
        if isa.by_element and tile % isa.lanes:
            continue
        for rows in sorted(heights, reverse=True):
            for pooled in (4, 2, 8) if stem.pooling else (4,):
                yield StemTile(tile, vectors, rows, pooled)
    if is_strided_stem(stem):
        for tile, vectors in _fitting(-(-stem.convolution.out_width // OUTPUTS), outer, isa):
            for rows in sorted(heights, reverse=True):
                yield StemWinogradTile(tile, vectors, rows)


def pooling_tiles(pool: Pooling) -> Iterator[PoolingTile]:
    """Every tile that may be used for ``pool``."""
    for pixels in (4, 1, 2, 3, 6, 8):
        if pixels <= pool.out_width:
            yield PoolingTile(pixels)


def resizing_tiles() -> Iterator[ResizingTile]:
    """Every tile that may be used for a map at other extents."""
    for periods in (4, 1, 2, 8):
        yield ResizingTile(periods)


def head_tiles(work: Head, machine: Machine) -> Iterator[HeadTile]:
    """Every tile that may be used for ``work``."""
    outer = blocks(max(work.classes, 1), machine.isa.lanes)
    for images in range(1, min(4, work.batch) + 1):
        for vectors in (1, 2, 4, 8, 12):
            inputs = images if machine.isa.by_element else 1
            fits = images * vectors + inputs + vectors <= machine.isa.registers
            for sums in (4, 2, 8):
                if fits and vectors <= outer:
                    yield HeadTile(images, vectors, sums)


def elementwise_tiles(work: Elementwise) -> Iterator[ElementwiseTile]:
    """Every tile that may be used for ``work``."""
    for pixels in (8, 4, 2, 1):
        if pixels <= work.pixels:
            yield ElementwiseTile(pixels)
