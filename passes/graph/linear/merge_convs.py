"""Several linear maps side by side become one convolution: each reads and writes channels of its own or shared ones.

1. The frame: kernel, padding and dilation whose taps cover those of all maps; the first map's own where that does.
2. The groups: as many as the channels' positions allow, found from where each map reads and writes.
3. The weights: every map's are written to its taps, its rows and its columns; what meets there adds up.

Carrying a channel, adding a projection inside a convolution and merging two branches are all this one step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import gcd
from typing import Any

import torch
from torch import Tensor, nn

from rdpass.passes.graph.linear.dirac import UNEVEN, Convolution, at
from rdpass.passes.graph.linear.linear_map import Axes, LinearMap, NotExact
from rdpass.passes.graph.node_kinds import CONVOLUTIONS


@dataclass(frozen=True)
class Block:
    """A map, and the channels of the joint one that it reads and that it writes to (int64 indices)."""

    map: LinearMap
    inputs: Tensor
    outputs: Tensor


@dataclass(frozen=True)
class _Frame:
    kernel: Axes
    before: Axes
    after: Axes
    dilation: Axes
    mode: str


def join(blocks: Sequence[Block], inputs: int, outputs: int, size: Axes, size_after: Axes) -> LinearMap:
    """The one map from ``inputs`` to ``outputs`` channels that does what all ``blocks`` do, their results added up.

    ``size`` and ``size_after`` are the spatial shapes that it leads from and to.

    Raises:
        NotExact: they sample or crop differently, or pad in different ways.
    """
    maps = [block.map for block in blocks]
    stride = maps[0].stride
    for one in maps:
        if one.stride != stride:
            raise NotExact(f"one side samples at stride {one.stride}, the other at {stride}")
        if one.size_after(size) != size_after:
            raise NotExact(f"maps of {size} become {one.size_after(size)} on one side, {size_after} on the other")
    frame = _frame(maps, size, size_after)
    groups = _groups(blocks, inputs, outputs)
    meta = any(one.weight.is_meta for one in maps)
    device = "meta" if meta else maps[0].weight.device
    weight = torch.zeros(outputs, inputs // groups, *frame.kernel, dtype=torch.float64, device=device)
    biased = any(one.bias is not None for one in maps)
    bias = torch.zeros(outputs, dtype=torch.float64, device=weight.device) if biased else None
    if not weight.is_meta:
        for block in blocks:
            _write(block, weight, frame)
            if bias is not None and block.map.bias is not None:
                bias[block.outputs] += block.map.bias
    return LinearMap(weight, bias, stride, frame.before, frame.after, frame.dilation, groups, frame.mode)


def convolution(linear: LinearMap, like: Tensor) -> Convolution:
    """The module that computes ``linear``, in the type of ``like``."""
    build: Any = (CONVOLUTIONS if linear.even else UNEVEN)[len(linear.kernel) - 1]
    result: Convolution = build(
        linear.inputs, linear.outputs, linear.kernel, linear.stride, linear.before if linear.even else 0,
        linear.dilation, linear.groups, bias=linear.bias is not None, padding_mode=linear.mode, device="meta",
    )  # fmt: skip
    if isinstance(result, UNEVEN):
        result.before, result.after = linear.before, linear.after
    device = "meta" if linear.weight.is_meta else like.device
    result.weight = nn.Parameter(linear.weight.to(device, like.dtype))
    if linear.bias is not None:
        result.bias = nn.Parameter(linear.bias.to(device, like.dtype))
    return result


def _frame(maps: list[LinearMap], size: Axes, size_after: Axes) -> _Frame:
    outside = [one for one in maps if _reads_outside(one, size, size_after)]
    modes = {one.mode for one in outside} or {maps[0].mode}
    if len(modes) > 1:
        raise NotExact(f"one side pads with {', the other with '.join(sorted(modes))}")
    (mode,) = modes
    for one in maps:
        if all(_covers(one, other) for other in maps) and (one in outside or not outside):
            return _Frame(one.kernel, one.before, one.after, one.dilation, mode)
    if mode != "zeros":
        raise NotExact(f"kernels of different reach with {mode} padding")
    axes = [_axis(maps, axis, size[axis], size_after[axis]) for axis in range(len(size))]
    kernel, before, after, dilation = zip(*axes, strict=True)
    return _Frame(kernel, before, after, dilation, mode)


def _reads_outside(one: LinearMap, size: Axes, size_after: Axes) -> bool:
    geometry = zip(size, size_after, one.kernel, one.stride, one.before, one.dilation, strict=True)
    return any(p > 0 or (after - 1) * s - p + (k - 1) * d >= n for n, after, k, s, p, d in geometry)


def _covers(one: LinearMap, other: LinearMap) -> bool:
    return all(
        taps is not None
        for taps in (_taps(other, axis, one.kernel, one.before, one.dilation) for axis in range(len(one.kernel)))
    )


def _taps(one: LinearMap, axis: int, kernel: Axes, before: Axes, dilation: Axes) -> list[int] | None:
    """The frame's taps on an axis at which those of ``one`` lie, in order; None where it has none there."""
    found = []
    for tap in range(one.kernel[axis]):
        distance = tap * one.dilation[axis] - one.before[axis] + before[axis]
        if distance % dilation[axis] or not 0 <= distance // dilation[axis] < kernel[axis]:
            return None
        found.append(distance // dilation[axis])
    return found


def _axis(maps: list[LinearMap], axis: int, size: int, size_after: int) -> tuple[int, int, int, int]:
    """Kernel, padding and dilation of the narrowest frame on an axis that gives maps of the right size.

    It pads alike on both sides where all maps do.
    """
    lows, even = [-one.before[axis] for one in maps], all(one.before[axis] == one.after[axis] for one in maps)
    highs = [low + (one.kernel[axis] - 1) * one.dilation[axis] for low, one in zip(lows, maps, strict=True)]
    step = 0
    for one, low in zip(maps, lows, strict=True):
        step = gcd(step, low - lows[0], one.dilation[axis] if one.kernel[axis] > 1 else 0)
    step = step or 1
    stride = maps[0].stride[axis]
    start = min(lows) if min(lows) <= 0 else min(lows) - -(-min(lows) // step) * step
    for more in range(2 * max(one.kernel[axis] for one in maps) + 2):
        for left in range(more, -1, -1):
            low, high = start - left * step, max(highs) + (more - left) * step
            after = -low if even else max(0, (size_after - 1) * stride + high - size + 1)
            if (size + after - high - 1) // stride + 1 == size_after:
                return (high - low) // step + 1, -low, after, step
    raise NotExact(f"no kernel covers both sides and gives a map of {size_after} from {size}")


def _groups(blocks: Sequence[Block], inputs: int, outputs: int) -> int:
    """The largest number of groups in which every output reads inputs of its own group alone."""
    first = torch.full((outputs,), inputs)
    last = torch.full((outputs,), -1)
    for block in blocks:
        columns = block.inputs.reshape(block.map.groups, -1)
        repeats = block.map.outputs // block.map.groups
        low, high = (c.repeat_interleave(repeats) for c in (columns.amin(1), columns.amax(1)))
        first[block.outputs] = torch.minimum(first[block.outputs], low)
        last[block.outputs] = torch.maximum(last[block.outputs], high)
    used = last >= 0
    rows, first, last = torch.arange(outputs)[used], first[used], last[used]
    common = gcd(inputs, outputs)
    for groups in sorted((g for g in range(1, common + 1) if common % g == 0), reverse=True):
        own = rows // (outputs // groups)
        if torch.equal(first // (inputs // groups), own) and torch.equal(last // (inputs // groups), own):
            return groups
    return 1


def _write(block: Block, weight: Tensor, frame: _Frame) -> None:
    one, inner = block.map, weight.shape[1]
    columns = (block.inputs % inner).reshape(one.groups, -1).repeat_interleave(one.outputs // one.groups, 0)
    rows = block.outputs[:, None].expand_as(columns)
    axes = [_taps(one, axis, frame.kernel, frame.before, frame.dilation) or [] for axis in range(len(frame.kernel))]
    for source in product(*(range(k) for k in one.kernel)):
        target = tuple(taps[index] for taps, index in zip(axes, source, strict=True))
        at(weight, target)[rows, columns] += at(one.weight, source)
