"""Cases with random numbers for each kind of kernel, packed as a build packs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.builder.packing import (
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
from rdpass.kernels.templates.depthwise import DepthwiseTile, depthwise
from rdpass.kernels.templates.direct import DirectTile, direct
from rdpass.kernels.templates.elementwise import ElementwiseTile, elementwise
from rdpass.kernels.templates.head import HeadTile, head
from rdpass.kernels.templates.pair import PairTile, pointwise_pair
from rdpass.kernels.templates.pointwise import PointwiseTile, pointwise
from rdpass.kernels.templates.pooling import PoolingTile, pooling
from rdpass.kernels.templates.resizing import ResizingTile, resizing
from rdpass.kernels.templates.stem import StemTile, stem
from rdpass.kernels.templates.stem_winograd import OUTPUTS, StemWinogradTile, stem_winograd
from rdpass.kernels.templates.strided_winograd import StridedWinogradTile, strided_winograd, transform_strided
from rdpass.kernels.templates.winograd import WinogradTile, winograd
from rdpass.kernels.workload import Convolution, Elementwise, Epilogue, Head, PointwisePair, Pooling, Resizing, Stem
from rdpass.targets.isa import Isa
from tests.kernels import oracle
from tests.kernels.case import Case
from tests.kernels.layout import from_blocked, to_blocked

_GARBAGE = 3.0
"""What padded channels of inputs hold: packed weights have zeros for them, so it must not matter."""


def numbers(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def weights_of(conv: Convolution, seed: int) -> Array:
    """Of such a size that sums of many channels are as large as their inputs."""
    inner = conv.channels // conv.groups
    return numbers(seed, conv.filters, inner, *conv.kernel) / np.float32(np.sqrt(inner * np.prod(conv.kernel)))


def table_of(epilogue: Epilogue, channels: int, seed: int) -> list[Array]:
    """The bias, then bounds (some of them infinite) or slopes."""
    bias = numbers(seed, channels)
    match epilogue.activation:
        case "channel_clip":
            low, width = numbers(seed + 1, channels) - 1, np.abs(numbers(seed + 2, channels))
            high = np.where(np.arange(channels) % 3, low + width, np.inf).astype(np.float32)
            return [bias, np.where(np.arange(channels) % 4, low, -np.inf).astype(np.float32), high]
        case "prelu":
            return [bias, numbers(seed + 1, channels)]
        case _:
            return [bias]


def pack_grouped_table(rows: Sequence[Array], groups: int, size: int) -> Array:
    """Each group's channels padded to ``size``, one group after the other."""
    split = [np.split(row, groups) for row in rows]
    return np.concatenate([pack_table([row[group] for row in split], size) for group in range(groups)], axis=1)


def pointwise_case(conv: Convolution, tile: PointwiseTile, isa: Isa, threads: int = 1, seed: int = 0) -> Case:
    function = pointwise(conv, tile, isa, threads, "kernel")
    weights = weights_of(conv, seed + 1)
    packed = pack_dense(weights[:, :, 0, 0], isa.lanes, tile.vectors * isa.lanes)
    return _convolution_case("pointwise", conv, conv, tile.vectors, function, weights, packed, isa, seed)


def direct_case(conv: Convolution, tile: DirectTile, isa: Isa, threads: int = 1, seed: int = 0) -> Case:
    weights = weights_of(_all_phases(conv), seed + 1)
    merged, groups = merge_groups(weights, conv.groups, isa.lanes)
    wider = replace(conv, groups=groups)
    parts = np.split(merged, groups * conv.subpixels)
    packed = np.stack([pack_dense(own, isa.lanes, tile.vectors * isa.lanes) for own in parts])
    function = direct(wider, tile, isa, threads, "kernel")
    return _convolution_case("direct", conv, wider, tile.vectors, function, weights, packed, isa, seed)


def winograd_case(conv: Convolution, tile: WinogradTile, isa: Isa, threads: int = 1, seed: int = 0) -> Case:
    function = winograd(conv, tile, isa, threads, "kernel")
    weights = weights_of(conv, seed + 1)
    packed = pack_transformed(weights, tile.size, isa.lanes, tile.vectors * isa.lanes)
    return _convolution_case("winograd", conv, conv, tile.vectors, function, weights, packed, isa, seed)


def strided_winograd_case(
    conv: Convolution, tile: StridedWinogradTile, isa: Isa, threads: int = 1, seed: int = 0
) -> Case:
    function = strided_winograd(conv, tile, isa, threads, "kernel")
    weights = weights_of(conv, seed + 1)
    packed = pack_numbers(transform_strided(weights, tile.size), isa.lanes, tile.vectors * isa.lanes)
    return _convolution_case("strided winograd", conv, conv, tile.vectors, function, weights, packed, isa, seed)


def pack_transformed(weights: Array, outputs: tuple[int, int], lanes: int, group: int) -> Array:
    """Weights of Winograd's kernels: (groups, n n', C/L, L, group)."""
    return pack_numbers(transform_weights(weights, outputs).reshape(-1, *weights.shape[:2]), lanes, group)


def pack_numbers(transformed: Array, lanes: int, group: int) -> Array:
    """(numbers, O, I) to (groups, numbers, I/L, L, group)."""
    return np.ascontiguousarray(pack_dense(np.moveaxis(transformed, 0, 2), lanes, group).transpose(0, 2, 1, 3, 4))


def pair_case(pair: PointwisePair, tile: PairTile, isa: Isa, threads: int = 1, seed: int = 0) -> Case:
    first, second = pair.first, pair.second
    group = tile.vectors * isa.lanes
    x = numbers(seed, first.batch, first.channels, first.height, first.width)
    inputs, value = [to_blocked(x, isa.lanes, _GARBAGE)], x
    other = numbers(seed + 9, *_shape(second)) if second.epilogue.add else None
    for conv, added, salt in ((first, None, 10), (second, other, 20)):
        weights, rows = weights_of(conv, seed + salt), table_of(conv.epilogue, conv.filters, seed + salt + 1)
        inputs.append(pack_dense(weights[:, :, 0, 0], isa.lanes, group))
        inputs.append(pack_table(rows, blocks(conv.filters, group) * group))
        value = oracle.epilogue(conv.epilogue, oracle.convolution(conv, value, weights), rows, added)
    # The wide map is padded to whole groups.
    wide = blocks(first.filters, group) * tile.vectors
    inputs[3] = pad_axis(inputs[3], 1, wide)
    return _blocked_case(
        f"pair {pair}", pointwise_pair(pair, tile, isa, threads, "kernel"), isa, inputs, value,
        other, second.epilogue.in_place,
    )  # fmt: skip


def elementwise_case(work: Elementwise, tile: ElementwiseTile, isa: Isa, threads: int = 1, seed: int = 0) -> Case:
    x = numbers(seed, work.batch, work.channels, work.pixels, 1)
    rows, scales = table_of(work.epilogue, work.channels, seed + 2), []
    gate = numbers(seed + 5, work.batch if work.scale == "gate" else 1, work.channels, 1, 1)
    if work.scale == "constant":
        scales = [gate.reshape(-1)]
    other = numbers(seed + 9, *x.shape) if work.epilogue.add else None
    inputs = [to_blocked(x, isa.lanes), pack_table([*rows, *scales], blocks(work.channels, isa.lanes) * isa.lanes)]
    if work.scale == "gate":
        inputs.insert(1, to_blocked(gate, isa.lanes))
    scaled = x.astype(np.float64) * (1 if work.scale == "none" else gate)
    expected = oracle.epilogue(work.epilogue, scaled, rows, other)
    return _blocked_case(
        f"elementwise {work}", elementwise(work, tile, isa, threads, "kernel"), isa, inputs, expected,
        other, work.epilogue.in_place,
    )  # fmt: skip


def depthwise_case(conv: Convolution, tile: DepthwiseTile, isa: Isa, threads: int = 1, seed: int = 0) -> Case:
    function = depthwise(conv, tile, isa, threads, "kernel")
    weights = weights_of(conv, seed + 1)
    packed = pack_depthwise(weights, isa.lanes)
    # Its table has the channels of all groups in a row, as if they were one group's.
    layout = replace(conv, groups=1)
    return _convolution_case("depthwise", conv, layout, 1, function, weights, packed, isa, seed)


def _shape(conv: Convolution) -> tuple[int, int, int, int]:
    return conv.batch, conv.filters, conv.out_height, conv.out_width


def _all_phases(conv: Convolution) -> Convolution:
    """The convolution that gives the phases of ``conv`` as channels."""
    return replace(conv, filters=conv.filters * conv.subpixels, subpixel=(1, 1))


def _convolution_case(
    kind: str, conv: Convolution, layout: Convolution, vectors: int, function: Any, weights: Array, packed: Array,
    isa: Isa, seed: int,
) -> Case:  # fmt: skip
    """``layout``: the convolution with the groups that the table is packed for."""
    x, whole = numbers(seed, conv.batch, conv.channels, conv.height, conv.width), _all_phases(conv)
    rows = table_of(conv.epilogue, whole.filters, seed + 2)
    padded = blocks(blocks(conv.filters // layout.groups, isa.lanes), vectors) * vectors * isa.lanes
    table = pack_grouped_table(rows, layout.groups * conv.subpixels, padded)
    inputs = [to_blocked(x, isa.lanes, _GARBAGE), packed, table]
    other = numbers(seed + 9, *_shape(whole)) if conv.epilogue.add else None
    phases = oracle.epilogue(conv.epilogue, oracle.convolution(whole, x, weights), rows, other)
    expected, added = (None if each is None else oracle.spread(conv, each) for each in (phases, other))
    return _blocked_case(f"{kind} {conv}", function, isa, inputs, expected, added, conv.epilogue.in_place)


def _blocked_case(
    name: str, function: Any, isa: Isa, inputs: list[Array], expected: Array, other: Array | None = None,
    in_place: bool = False,
) -> Case:  # fmt: skip
    """A case whose output is the map ``expected``, blocked. ``other`` is added to it, from its own map or in place."""
    batch, channels, height, width = expected.shape
    added = [] if other is None else [to_blocked(other, isa.lanes)]
    return Case(
        f"{name} {isa.name}", function, isa, (*inputs, *([] if in_place else added)),
        (batch, blocks(channels, isa.lanes), height * width, isa.lanes), expected,
        lambda y: from_blocked(y, channels, height, width), added[0] if added and in_place else None,
    )  # fmt: skip


def stem_case(work: Stem, tile: StemTile | StemWinogradTile, isa: Isa, threads: int = 1, seed: int = 0) -> Case:
    conv, pool = work.convolution, work.pooling
    group = tile.vectors * isa.lanes
    x, weights = numbers(seed, conv.batch, conv.channels, conv.height, conv.width), weights_of(conv, seed + 1)
    rows = table_of(conv.epilogue, conv.filters, seed + 2)
    if isinstance(tile, StemTile):
        packed, function = pack_dense(weights, 1, group)[..., 0, :], stem(work, tile, isa, threads, "kernel")
    else:
        packed = pack_transformed(split_stride_phases(weights), (OUTPUTS, OUTPUTS), isa.lanes, group)
        function = stem_winograd(work, tile, isa, threads, "kernel")
    total = oracle.epilogue(conv.epilogue, oracle.convolution(conv, x, weights), rows)
    expected = total if pool is None else oracle.pooling(pool, total)
    inputs = [x.reshape(conv.batch, conv.channels, -1), packed, pack_table(rows, blocks(conv.filters, group) * group)]
    return _blocked_case(f"stem {work}", function, isa, inputs, expected)


def pooling_case(pool: Pooling, tile: PoolingTile, isa: Isa, threads: int = 1, seed: int = 0) -> Case:
    x = numbers(seed, pool.batch, pool.channels, pool.height, pool.width)
    function = pooling(pool, tile, isa, threads, "kernel")
    inputs = [to_blocked(x, isa.lanes, _GARBAGE)]
    return _blocked_case(f"pooling {pool}", function, isa, inputs, oracle.pooling(pool, x))


def resizing_case(work: Resizing, tile: ResizingTile, isa: Isa, threads: int = 1, seed: int = 0) -> Case:
    x = numbers(seed, work.batch, work.channels, work.height, work.width)
    function = resizing(work, tile, isa, threads, "kernel")
    inputs = [to_blocked(x, isa.lanes, _GARBAGE)]
    return _blocked_case(f"resizing {work}", function, isa, inputs, oracle.resizing(work, x))


def head_case(work: Head, tile: HeadTile, isa: Isa, threads: int = 1, seed: int = 0) -> Case:
    """``classes`` 0: the mean alone. ``pixels`` 1: the dense layer alone."""
    x = numbers(seed, work.batch, work.channels, work.pixels, 1)
    inputs = [to_blocked(x, isa.lanes, _GARBAGE)]
    function = head(work, tile, isa, threads, "kernel")
    if not work.classes:
        means = oracle.head(work, x, None, None)[:, :, None, None]
        return _blocked_case(f"mean {work}", function, isa, inputs, means)
    group = tile.vectors * isa.lanes
    depth = work.channels * (1 if work.averages else work.pixels)
    weights = numbers(seed + 1, work.classes, depth) / np.float32(np.sqrt(depth))
    bias = numbers(seed + 2, work.classes)
    flat = None if work.averages else pack_flattened(weights, work.channels, isa.lanes, group)
    inputs.append(pack_dense(weights, isa.lanes, group) if flat is None else flat)
    inputs.append(pack_table([bias], blocks(work.classes, group) * group))
    return Case(
        f"head {work} {isa.name}", function, isa, tuple(inputs), (work.batch, work.classes),
        oracle.head(work, x, weights, bias), lambda y: y,
    )  # fmt: skip
