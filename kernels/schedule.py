"""From a workload and a tile to a kernel: the function, and the weights packed as it reads them.

A tile's type says which template it belongs to; its integers are what tuning searches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from tvm import tirx

from rdpass.kernels.builder.packing import (
    Array,
    blocks,
    merge_groups,
    pack_dense,
    pack_depthwise,
    pack_flattened,
    pack_table,
    pad_axis,
    split_stride_phases,
)
from rdpass.kernels.builder.toom_cook import transform_weights
from rdpass.kernels.machine import Machine
from rdpass.kernels.templates.concatenation import join, split
from rdpass.kernels.templates.depthwise import DepthwiseTile, depthwise
from rdpass.kernels.templates.direct import DirectTile, direct
from rdpass.kernels.templates.elementwise import ElementwiseTile, elementwise
from rdpass.kernels.templates.head import HeadTile, head
from rdpass.kernels.templates.pair import ApartTile, PairTile, pointwise_pair
from rdpass.kernels.templates.pointwise import PointwiseTile, pointwise
from rdpass.kernels.templates.pooling import PoolingTile, pooling
from rdpass.kernels.templates.resizing import ResizingTile, resizing
from rdpass.kernels.templates.stem import StemTile, stem
from rdpass.kernels.templates.stem_winograd import OUTPUTS, StemWinogradTile, stem_winograd
from rdpass.kernels.templates.strided_winograd import StridedWinogradTile, strided_winograd, transform_strided
from rdpass.kernels.templates.winograd import WinogradTile, winograd
from rdpass.kernels.workload import Convolution, Elementwise, Head, PointwisePair, Pooling, Resizing, Stem, Workload
from rdpass.targets.isa import Isa

ConvolutionTile = PointwiseTile | DirectTile | WinogradTile | StridedWinogradTile | DepthwiseTile
MapTile = PoolingTile | ResizingTile | ElementwiseTile
KernelTile = ConvolutionTile | PairTile | StemTile | StemWinogradTile | MapTile | HeadTile
Tile = KernelTile | ApartTile


@dataclass(frozen=True)
class Kernel:
    """A function, and the constants it takes between its inputs and its output."""

    name: str
    function: tirx.PrimFunc
    constants: tuple[Array, ...]


def make_kernels(work: Workload, constants: Sequence[Any], tile: Tile, machine: Machine) -> tuple[Kernel, ...]:
    """The kernels that compute a workload one after the other: two of a pair that comes apart, else one."""
    if not isinstance(tile, ApartTile):
        return (make_kernel(work, constants, tile, machine),)
    assert isinstance(work, PointwisePair)
    weights, rows = constants
    halves = zip((work.first, work.second), weights, rows, (tile.first, tile.second), strict=True)
    return tuple(make_kernel(conv, (own, table), half, machine) for conv, own, table, half in halves)


def make_kernel(work: Workload, constants: Sequence[Any], tile: KernelTile, machine: Machine) -> Kernel:
    """The kernel of any workload; ``constants``: what its own function below takes between workload and tile."""
    match work, tile:
        case Stem(), StemTile() | StemWinogradTile():
            return stem_kernel(work, constants[0], constants[1], tile, machine)
        case PointwisePair(), PairTile():
            return pair_kernel(work, constants[0], constants[1], tile, machine)
        case Pooling(), PoolingTile():
            return pooling_kernel(work, tile, machine)
        case Resizing(), ResizingTile():
            return resizing_kernel(work, tile, machine)
        case Head(), HeadTile():
            return head_kernel(work, constants[0], tile, machine)
        case Elementwise(), ElementwiseTile():
            return elementwise_kernel(work, constants[0], tile, machine)
        case Convolution(), PointwiseTile() | DirectTile() | WinogradTile() | StridedWinogradTile() | DepthwiseTile():
            return convolution_kernel(work, constants[0], constants[1], tile, machine)
    raise TypeError(f"{tile} is no tile for {work}")


def convolution_kernel(
    conv: Convolution, weights: Array, rows: Sequence[Array], tile: ConvolutionTile, machine: Machine
) -> Kernel:
    """The kernel of a convolution.

    Args:
        conv: the workload.
        weights: (subpixels x filters, channels / groups, KH, KW).
        rows: the numbers per channel of every phase: the bias, then the activation's (``Epilogue.rows`` in all).
        tile: the template and its integers.
        machine: whose vectors and threads to write for.
    """
    isa, lanes = machine.isa, machine.isa.lanes
    match tile:
        case PointwiseTile():
            width = tile.vectors * lanes
            name = _name("pointwise", conv, (tile.pixels, tile.vectors), isa)
            function = pointwise(conv, tile, isa, machine.threads, name)
            packed = pack_dense(weights[:, :, 0, 0], lanes, width)
        case WinogradTile():
            width = tile.vectors * lanes
            name = _name(tile.template, conv, (tile.pixels, tile.vectors), isa)
            function = winograd(conv, tile, isa, machine.threads, name)
            packed = _pack_winograd(weights, tile.size, lanes, width)
        case StridedWinogradTile():
            width = tile.vectors * lanes
            name = _name(tile.template, conv, (tile.pixels, tile.vectors), isa)
            function = strided_winograd(conv, tile, isa, machine.threads, name)
            packed = _pack_numbers(transform_strided(weights, tile.size), lanes, width)
        case DepthwiseTile():
            name = _name("depthwise", conv, (tile.rows, tile.pixels), isa)
            function = depthwise(conv, tile, isa, machine.threads, name)
            return Kernel(name, function, (pack_depthwise(weights, lanes), _table(rows, 1, lanes)))
        case DirectTile():
            width = tile.vectors * lanes
            weights, groups = merge_groups(weights, conv.groups, lanes)
            conv = replace(conv, groups=groups)
            name = _name("direct", conv, (tile.pixels, tile.vectors), isa)
            function = direct(conv, tile, isa, machine.threads, name)
            packed = np.stack([pack_dense(part, lanes, width) for part in np.split(weights, groups * conv.subpixels)])
    return Kernel(name, function, (packed, _table(rows, conv.groups * conv.subpixels, width)))


def pair_kernel(
    pair: PointwisePair,
    weights: tuple[Array, Array],
    rows: tuple[Sequence[Array], Sequence[Array]],
    tile: PairTile,
    machine: Machine,
) -> Kernel:
    """The kernel of a pointwise pair; ``weights`` and ``rows`` as ``convolution_kernel`` takes them, of both."""
    lanes, width = machine.isa.lanes, tile.vectors * machine.isa.lanes
    wide = blocks(pair.first.filters, width) * width
    packed = (
        pack_dense(weights[0][:, :, 0, 0], lanes, width),
        _table(rows[0], 1, width),
        pack_dense(pad_axis(weights[1][:, :, 0, 0], 1, wide), lanes, width),
        _table(rows[1], 1, width),
    )
    first, second = pair.first, pair.second
    name = (
        f"f32_pair_{first.channels}_{first.filters}_{second.filters}_{first.height}x{first.width}"
        f"_{tile.pixels}x{tile.vectors}_{machine.isa.name}_{_digest(pair)}"
    )
    return Kernel(name, pointwise_pair(pair, tile, machine.isa, machine.threads, name), packed)


def stem_kernel(
    stem_: Stem, weights: Array, rows: Sequence[Array], tile: StemTile | StemWinogradTile, machine: Machine
) -> Kernel:
    """The kernel of a stem; ``weights`` and ``rows`` as ``convolution_kernel`` takes them."""
    width = tile.vectors * machine.isa.lanes
    conv = stem_.convolution
    pool = "" if stem_.pooling is None else f"_pool{stem_.pooling.kernel[0]}x{stem_.pooling.kernel[1]}"
    kind = "stem" if isinstance(tile, StemTile) else f"stem_winograd{OUTPUTS}"
    name = f"f32_{kind}{pool}{_shape(conv)}_{tile.pixels}x{tile.vectors}_{machine.isa.name}_{_digest(stem_)}"
    if isinstance(tile, StemWinogradTile):
        transformed = _pack_winograd(split_stride_phases(weights), (OUTPUTS, OUTPUTS), machine.isa.lanes, width)
        function = stem_winograd(stem_, tile, machine.isa, machine.threads, name)
        return Kernel(name, function, (transformed, _table(rows, 1, width)))
    packed = (pack_dense(weights, 1, width)[..., 0, :], _table(rows, 1, width))
    return Kernel(name, stem(stem_, tile, machine.isa, machine.threads, name), packed)


def pooling_kernel(pool: Pooling, tile: PoolingTile, machine: Machine) -> Kernel:
    """The kernel of a pooling."""
    shape = f"{pool.channels}_{pool.height}x{pool.width}_k{pool.kernel[0]}x{pool.kernel[1]}_s{pool.stride[0]}"
    name = f"f32_{pool.kind}_pool_{shape}_{machine.isa.name}_{_digest(pool)}"
    return Kernel(name, pooling(pool, tile, machine.isa, machine.threads, name), ())


def resizing_kernel(work: Resizing, tile: ResizingTile, machine: Machine) -> Kernel:
    """The kernel of a map at other extents."""
    shape = f"{work.channels}_{work.height}x{work.width}_{work.out_height}x{work.out_width}"
    name = f"f32_{work.kind}_resizing_{shape}_{machine.isa.name}_{_digest(work)}"
    return Kernel(name, resizing(work, tile, machine.isa, machine.threads, name), ())


def elementwise_kernel(work: Elementwise, rows: Sequence[Array], tile: ElementwiseTile, machine: Machine) -> Kernel:
    """The kernel of an epilogue alone; ``rows``: ``Elementwise.rows`` of them."""
    added = "_late_add" if work.epilogue.late else "_add"
    epilogue = work.epilogue.activation + (added if work.epilogue.add else "")
    scaled = {"none": "", "constant": "scale_", "gate": "gate_"}[work.scale]
    name = f"f32_{scaled}{epilogue}_{work.channels}x{work.pixels}_{machine.isa.name}_{_digest(work)}"
    function = elementwise(work, tile, machine.isa, machine.threads, name)
    return Kernel(name, function, (_table(rows, 1, machine.isa.lanes),))


def head_kernel(work: Head, dense: tuple[Array, Array] | None, tile: HeadTile, machine: Machine) -> Kernel:
    """The kernel of a head; ``dense``: weights (classes, channels) and bias (classes) of its dense layer, if any."""
    name = f"f32_head_{work.channels}x{work.pixels}_{work.classes}_{machine.isa.name}_{_digest(work)}"
    packed: tuple[Array, ...] = ()
    if dense is not None:
        width = tile.vectors * machine.isa.lanes
        lanes = machine.isa.lanes
        flat = None if work.averages else pack_flattened(dense[0], work.channels, lanes, width)
        packed = (pack_dense(dense[0], lanes, width) if flat is None else flat, _table([dense[1]], 1, width))
    return Kernel(name, head(work, tile, machine.isa, machine.threads, name), packed)


def parts_kernel(
    kind: Literal["join", "split"], channels: Sequence[int], size: tuple[int, int], machine: Machine
) -> Kernel:
    """The kernel that puts maps of so many ``channels``, whole blocks each, behind one another, or takes one apart.

    ``size``: pictures, and pixels of each.
    """
    isa = machine.isa
    name = f"f32_{kind}_{'_'.join(map(str, channels))}_{'x'.join(map(str, size))}_{isa.name}"
    counts = [count // isa.lanes for count in channels]
    write = join if kind == "join" else split
    return Kernel(name, write(counts, *size, isa, machine.threads, name), ())


def _table(rows: Sequence[Array], groups: int, width: int) -> Array:
    """(rows, G groups V L): each of the convolution's own groups is padded on its own."""
    size = blocks(len(rows[0]) // groups, width) * width
    return np.concatenate(
        [pack_table([np.split(row, groups)[group] for row in rows], size) for group in range(groups)], axis=1
    )


def _pack_winograd(weights: Array, outputs: tuple[int, int], lanes: int, width: int) -> Array:
    """(groups, n n', C/L, L, V L)."""
    return _pack_numbers(transform_weights(weights, outputs).reshape(-1, *weights.shape[:2]), lanes, width)


def _pack_numbers(transformed: Array, lanes: int, width: int) -> Array:
    """(numbers, O, I) to (groups, numbers, C/L, L, V L)."""
    return np.ascontiguousarray(pack_dense(np.moveaxis(transformed, 0, 2), lanes, width).transpose(0, 2, 1, 3, 4))


def _name(kind: str, conv: Convolution, register_tile: tuple[int, int], isa: Isa) -> str:
    """The kernel's specification: type, operation, shape, register tile, instruction set."""
    return f"f32_{kind}{_shape(conv)}_{register_tile[0]}x{register_tile[1]}_{isa.name}_{_digest(conv)}"


def _shape(conv: Convolution) -> str:
    kernel = "" if conv.is_pointwise else f"_k{conv.kernel[0]}x{conv.kernel[1]}"
    stride = "" if conv.stride == (1, 1) else f"_s{conv.stride[0]}"
    groups = "" if conv.groups == 1 or conv.is_depthwise else f"_g{conv.groups}"
    subpixel = "" if conv.subpixels == 1 else f"_to{conv.subpixel[0]}x{conv.subpixel[1]}"
    return f"{kernel}{stride}{groups}{subpixel}_{conv.channels}_{conv.filters}_{conv.height}x{conv.width}"


def _digest(workload: object) -> str:
    """Tells workloads apart that differ in what the name does not say (padding, epilogue)."""
    return sha256(repr(workload).encode()).hexdigest()[:6]
