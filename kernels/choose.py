"""The tile for a workload: the one that was tuned, else the cheapest by the account of ``estimate``."""

from __future__ import annotations

from collections.abc import Mapping

from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.candidates import convolution_tiles, pair_tiles
from rdpass.kernels.estimate import estimate, estimate_pair
from rdpass.kernels.machine import Machine
from rdpass.kernels.schedule import ConvolutionTile, Tile
from rdpass.kernels.templates.elementwise import ElementwiseTile
from rdpass.kernels.templates.head import HeadTile
from rdpass.kernels.templates.pair import PairTile
from rdpass.kernels.templates.pooling import PoolingTile
from rdpass.kernels.templates.resizing import ResizingTile
from rdpass.kernels.templates.stem import StemTile
from rdpass.kernels.templates.stem_winograd import StemWinogradTile, is_strided_stem
from rdpass.kernels.workload import Convolution, Elementwise, Head, PointwisePair, Pooling, Resizing, Stem, Workload


def choose(work: Workload, machine: Machine, tuned: Mapping[Workload, Tile]) -> Tile:
    """The tile that ``tuned`` has for ``work``; without one the default."""
    return tuned.get(work) or choose_default(work, machine)


def choose_default(work: Workload, machine: Machine) -> Tile:
    """The tile when nothing was tuned."""
    match work:
        case Convolution():
            return choose_convolution(work, machine)
        case PointwisePair():
            return choose_pair(work, machine)
        case Stem():
            return choose_stem(work, machine)
        case Pooling():
            return choose_pooling(work, machine)
        case Resizing():
            return ResizingTile()
        case Head():
            return choose_head(work, machine)
        case Elementwise():
            return choose_elementwise(work, machine)


def choose_convolution(conv: Convolution, machine: Machine) -> ConvolutionTile:
    """The tile with the lowest estimate; the first of equals."""
    return min(convolution_tiles(conv, machine), key=lambda tile: estimate(conv, tile, machine))


def choose_pair(pair: PointwisePair, machine: Machine) -> PairTile:
    """The tile with the lowest estimate; the first of equals."""
    return min(pair_tiles(pair, machine), key=lambda tile: estimate_pair(pair, tile, machine))


def choose_stem(stem: Stem, machine: Machine) -> StemTile | StemWinogradTile:
    """Winograd's where lanes are multiplied by element and it fits; the widest tile that the registers hold."""
    outer = blocks(stem.convolution.filters, machine.isa.lanes)
    if machine.isa.by_element and is_strided_stem(stem):
        pixels, vectors = (5, 4) if outer % 4 == 0 else (8, 2)
        return StemWinogradTile(pixels, vectors, _stem_rows(stem, machine))
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


def choose_elementwise(work: Elementwise, machine: Machine) -> ElementwiseTile:
    """Eight pixels, or as many as there are."""
    return ElementwiseTile(min(8, work.pixels))


def choose_head(work: Head, machine: Machine) -> HeadTile:
    """One image at a time for one image: more of its classes."""
    return HeadTile(min(4, work.batch), 4 if work.batch > 1 else 8 if machine.isa.registers >= 32 else 4)
