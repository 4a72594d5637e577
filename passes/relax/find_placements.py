"""Where kernels go: every part of the network that one kernel computes, largest parts first.

1. A stem: a layer that reads the network's own input of at most four channels, and the max pool that alone reads it.
2. A pair: two pointwise layers of stride 1, the second the only reader of the first.
3. Every other layer (``find_layers``).
4. Poolings of blocked maps.
5. A head: the mean over all pixels, and the dense layer that alone reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from tvm import relax

from rdpass.kernels import choose
from rdpass.kernels.machine import Machine
from rdpass.kernels.schedule import (
    Kernel,
    convolution_kernel,
    head_kernel,
    pair_kernel,
    pooling_kernel,
    stem_kernel,
)
from rdpass.kernels.workload import Convolution, Head, PointwisePair, Pooling, Stem
from rdpass.passes.relax.dataflow import Dataflow, array_of, operator_of, shape_of
from rdpass.passes.relax.find_layers import Layer, find_layers

_STEM_CHANNELS = 4


@dataclass(frozen=True)
class Placement:
    """A kernel computes ``root`` from ``source`` and, where it adds another map, ``other``.

    ``inside``: variables that are computed on the way and need not exist. ``make`` writes the kernel for a machine; its
    second argument says whether it may write over ``other``. ``reads`` and ``writes``: the layouts of source and root;
    ``flat`` is planar with its pixels in one axis.
    """

    root: Any
    source: Any
    make: Callable[[Machine, bool], Kernel]
    inside: tuple[Any, ...] = ()
    other: Any | None = None
    reads: Literal["blocked", "flat"] = "blocked"
    writes: Literal["blocked", "planar"] = "blocked"


def find_placements(flow: Dataflow) -> tuple[Placement, ...]:
    """All placements; no variable is in two of them."""
    layers = {layer.root: layer for layer in find_layers(flow)}
    stems = dict(_stems(flow, layers))
    firsts = _pairs(flow, {root: layer for root, layer in layers.items() if root not in stems})
    joined = {*stems, *firsts, *(first.root for first in firsts.values())}
    found = [
        *stems.values(),
        *(_pair(first, layers[root]) for root, first in firsts.items()),
        *(_layer(layer) for root, layer in layers.items() if root not in joined),
    ]
    taken = {variable for placement in found for variable in (placement.root, *placement.inside)}
    found += (pool for pool in _poolings(flow) if pool.root not in taken)
    return (*found, *_heads(flow))


# 1. Stems


def _stems(flow: Dataflow, layers: dict[Any, Layer]) -> Iterator[tuple[Any, Placement]]:
    """By the root of their layer."""
    for root, layer in layers.items():
        conv = layer.convolution
        if layer.source in flow.parameters and conv.channels <= _STEM_CHANNELS and conv.groups == 1:
            yield root, _stem(flow, layer)


def _stem(flow: Dataflow, layer: Layer) -> Placement:
    reader = None if layer.other is not None else flow.only_reader(layer.root)
    pool = None if reader is None else pooling_of(flow, reader)
    pooled = pool is not None and pool.kind == "max"

    def make(machine: Machine, in_place: bool) -> Kernel:
        work = Stem(_in_place(layer.convolution, in_place), pool if pooled else None)
        return stem_kernel(work, layer.weights, layer.rows, choose.choose_stem(work, machine), machine)

    root, inside = (reader, (*layer.inside, layer.root)) if pooled else (layer.root, layer.inside)
    return Placement(root, layer.source, make, inside, layer.other, reads="flat")


# 2. Pairs


def _pairs(flow: Dataflow, layers: dict[Any, Layer]) -> dict[Any, Layer]:
    """By the root of the second layer, the first."""
    found: dict[Any, Layer] = {}
    taken: set[Any] = set()
    for root, second in layers.items():
        first = layers.get(second.source) if isinstance(second.source, relax.Var) else None
        if first is None or first.root in taken or flow.only_reader(first.root) is None:
            continue
        if _may_pair(first, second):
            found[root] = first
            taken |= {first.root, root}
    return found


def _may_pair(first: Layer, second: Layer) -> bool:
    pointwise = all(layer.convolution.is_pointwise and layer.convolution.stride == (1, 1) for layer in (first, second))
    return pointwise and first.other is None and first.convolution.height * first.convolution.width > 1


def _pair(first: Layer, second: Layer) -> Placement:
    def make(machine: Machine, in_place: bool) -> Kernel:
        work = PointwisePair(first.convolution, _in_place(second.convolution, in_place))
        weights, rows = (first.weights, second.weights), (first.rows, second.rows)
        return pair_kernel(work, weights, rows, choose.choose_pair(work, machine), machine)

    return Placement(second.root, first.source, make, (*first.inside, first.root, *second.inside), second.other)


# 3. Layers


def _layer(layer: Layer) -> Placement:
    def make(machine: Machine, in_place: bool) -> Kernel:
        conv = _in_place(layer.convolution, in_place)
        tile = choose.choose_convolution(conv, machine)
        return convolution_kernel(conv, layer.weights, layer.rows, tile, machine)

    return Placement(layer.root, layer.source, make, layer.inside, layer.other)


def _in_place(conv: Convolution, in_place: bool) -> Convolution:
    return replace(conv, epilogue=replace(conv.epilogue, in_place=in_place))


# 4. Poolings


def _poolings(flow: Dataflow) -> Iterator[Placement]:
    for variable, value in flow.bindings:
        pool = pooling_of(flow, variable)
        if pool is not None:
            yield Placement(variable, value.args[0], _pooling_maker(pool))


def _pooling_maker(pool: Pooling) -> Callable[[Machine, bool], Kernel]:
    return lambda machine, in_place: pooling_kernel(pool, choose.choose_pooling(pool, machine), machine)


def pooling_of(flow: Dataflow, variable: Any) -> Pooling | None:
    """The pooling that ``variable`` is bound to, if a kernel of ours computes such."""
    call: Any = flow.value(variable)
    kind: Literal["max", "average"] = "max" if operator_of(call) == "relax.nn.max_pool2d" else "average"
    if operator_of(call) not in ("relax.nn.max_pool2d", "relax.nn.avg_pool2d"):
        return None
    shape, out, given = shape_of(call.args[0]), shape_of(variable), call.attrs
    if shape is None or out is None or (given.layout, given.out_layout) != ("NCHW", "NCHW"):
        return None
    if [int(number) for number in given.dilation] != [1, 1]:
        return None
    (kh, kw), (sh, sw) = ([int(number) for number in pair] for pair in (given.pool_size, given.strides))
    top, left, bottom, right = (int(number) for number in given.padding)
    divisor = kh * kw if kind == "average" and given.count_include_pad else 0
    # What rounding up adds lies outside the map, and counts in no average.
    needed = (out[2] - 1) * sh + kh - shape[2] - top, (out[3] - 1) * sw + kw - shape[3] - left
    if divisor and (needed[0] > bottom or needed[1] > right):
        return None
    batch, channels, height, width = shape
    padding = top, left, max(needed[0], 0), max(needed[1], 0)
    pool = Pooling(batch, channels, height, width, kind, (kh, kw), (sh, sw), padding, divisor)
    covered = top < kh and left < kw and (out[2] - 1) * sh < shape[2] + top and (out[3] - 1) * sw < shape[3] + left
    return pool if covered and (pool.out_height, pool.out_width) == out[2:] else None


# 5. Heads


def _heads(flow: Dataflow) -> Iterator[Placement]:
    for variable, value in flow.bindings:
        shape = shape_of(value.args[0]) if operator_of(value) in _MEANS else None
        if shape is not None and len(shape) == 4 and _is_mean_over_pixels(value):
            yield _with_dense(flow, variable, value.args[0], shape) or _mean_alone(variable, value.args[0], shape)


_MEANS = {"relax.mean", "relax.nn.adaptive_avg_pool2d"}


def _is_mean_over_pixels(call: Any) -> bool:
    if operator_of(call) == "relax.nn.adaptive_avg_pool2d":
        size = call.attrs.output_size
        return size is not None and [int(number) for number in size] == [1, 1] and call.attrs.layout == "NCHW"
    axes = {int(axis) % 4 for axis in call.attrs.axis or ()}
    return axes == {2, 3} and bool(call.attrs.keepdims)


def _mean_alone(root: Any, source: Any, shape: tuple[int, ...]) -> Placement:
    work = Head(shape[0], shape[1], shape[2] * shape[3], 0)
    return Placement(
        root, source, lambda machine, _: head_kernel(work, None, choose.choose_head(work, machine), machine)
    )


def _with_dense(flow: Dataflow, mean: Any, source: Any, shape: tuple[int, ...]) -> Placement | None:
    """The mean, its reshaping to (N, C), the product with constant weights (C, classes), and the bias, if any."""
    flat = flow.only_reader(mean)
    if flat is None or operator_of(flow.value(flat)) not in _FLATTENING or shape_of(flat) != shape[:2]:
        return None
    product = flow.only_reader(flat)
    weights = None if product is None else _dense_weights(flow.value(product), flat)
    if weights is None or product is None:
        return None
    root, inside, bias = product, [mean, flat], np.zeros(weights.shape[1], np.float32)
    last = flow.only_reader(product)
    added = None if last is None else _added(flow.value(last), product, weights.shape[1])
    if added is not None:
        root, inside, bias = last, [*inside, product], added
    work = Head(shape[0], shape[1], shape[2] * shape[3], weights.shape[1])

    def make(machine: Machine, in_place: bool) -> Kernel:
        return head_kernel(work, (np.ascontiguousarray(weights.T), bias), choose.choose_head(work, machine), machine)

    return Placement(root, source, make, tuple(inside), writes="planar")


_FLATTENING = {"relax.reshape", "relax.flatten", "relax.squeeze"}


def _dense_weights(call: Any, flat: Any) -> Any | None:
    if operator_of(call) != "relax.matmul" or not call.args[0].same_as(flat):
        return None
    weights = array_of(call.args[1])
    return weights if weights is not None and weights.ndim == 2 and weights.dtype == np.float32 else None


def _added(call: Any, product: Any, classes: int) -> Any | None:
    """The constant of (classes) or (1, classes) that is added to a product."""
    if operator_of(call) != "relax.add":
        return None
    others = [argument for argument in call.args if not argument.same_as(product)]
    array = array_of(others[0]) if len(others) == 1 else None
    fits = array is not None and array.size == classes == array.shape[-1]
    return array.reshape(classes) if array is not None and fits else None
