"""Where kernels go: every part of the network that one kernel computes, largest parts first.

1. A stem: a layer that reads the network's own input of at most four channels, and the max pool that alone reads it.
2. A pair: two pointwise layers of stride 1, the second the only reader of the first.
3. Every other layer (``find_layers``).
4. Poolings (``find_poolings``).
5. Heads (``find_heads``).
6. Epilogues alone, on maps that all these write (``find_elementwise``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tvm import relax

from rdpass.kernels import choose
from rdpass.kernels.machine import Machine
from rdpass.kernels.schedule import (
    Kernel,
    convolution_kernel,
    pair_kernel,
    stem_kernel,
)
from rdpass.kernels.workload import Convolution, PointwisePair, Stem
from rdpass.passes.relax.dataflow import Dataflow
from rdpass.passes.relax.find_elementwise import find_elementwise
from rdpass.passes.relax.find_heads import find_heads
from rdpass.passes.relax.find_layers import Layer, find_layers
from rdpass.passes.relax.find_poolings import find_poolings, pooling_of
from rdpass.passes.relax.placement import Placement

_STEM_CHANNELS = 4


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
    found += (pool for pool in find_poolings(flow) if pool.root not in taken)
    found += find_heads(flow)
    taken = {variable for placement in found for variable in (placement.root, *placement.inside)}
    blocked = {placement.root for placement in found if placement.writes == "blocked"}
    return (*found, *find_elementwise(flow, blocked, taken))


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
    return replace(conv, epilogue=conv.epilogue.placed(in_place))
