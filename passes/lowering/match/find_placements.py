"""Find the places of kernels: every part of the network that one kernel computes, largest parts first.

1. A stem: a layer that reads the network's own input of at most four channels, be it turned, cut or scaled before, and
   the max pool that alone reads it.
2. A pair: two pointwise layers of stride 1, the second the only reader of the first.
3. Every other layer (``find_layers``).
4. Poolings (``find_poolings``), and maps at other extents (``find_resizings``).
5. Heads (``find_heads``).
6. Epilogues alone, on maps that all these write (``find_elementwise``).

Before all that, integer kernels, on maps of bytes (``find_integers``).
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from tvm import relax

from rdpass.kernels.machine import Machine
from rdpass.kernels.workload import PointwisePair, Stem
from rdpass.passes.lowering.dataflow import Dataflow, is_float_map, operator_of, variables_of
from rdpass.passes.lowering.match.find_elementwise import find_elementwise
from rdpass.passes.lowering.match.find_heads import find_heads
from rdpass.passes.lowering.match.find_integers import find_integers
from rdpass.passes.lowering.match.find_layers import Layer, find_layers
from rdpass.passes.lowering.match.find_poolings import find_poolings, pooling_of
from rdpass.passes.lowering.match.find_resizings import find_resizings
from rdpass.passes.lowering.match.placement import Placement

_STEM_CHANNELS = 4


def find_placements(flow: Dataflow, machine: Machine) -> tuple[Placement, ...]:
    """All placements; no variable is in two of them."""
    integers = find_integers(flow, machine)
    theirs = {variable for placement in integers for variable in (placement.root, *placement.inside)}
    return (*integers, *_find_floats(flow, machine, theirs))


def _find_floats(flow: Dataflow, machine: Machine, theirs: Set[Any]) -> tuple[Placement, ...]:
    """Placements of kernels of floats that ``machine`` computes with, without variables of ``theirs``."""
    layers = {layer.root: layer for layer in find_layers(flow)}
    stems = dict(_stems(flow, layers))
    firsts = _pairs(flow, {root: layer for root, layer in layers.items() if root not in stems})
    joined = {*stems, *firsts, *(first.root for first in firsts.values())}
    found = [
        *stems.values(),
        *(_pair(first, layers[root]) for root, first in firsts.items()),
        *(_layer(layer) for root, layer in layers.items() if root not in joined),
    ]
    taken = theirs | {variable for placement in found for variable in (placement.root, *placement.inside)}
    found += (pool for pool in find_poolings(flow) if pool.root not in taken)
    others = (*find_resizings(flow), *find_heads(flow))
    found += (place for place in others if theirs.isdisjoint((place.root, *place.inside)))
    found = [place for place in found if _suits(place, machine)]
    taken = theirs | {variable for placement in found for variable in (placement.root, *placement.inside)}
    blocked = {placement.root for placement in found if placement.writes == "blocked"}
    return (*found, *find_elementwise(flow, blocked, taken, machine.isa))


def _suits(placement: Placement, machine: Machine) -> bool:
    """Tell whether a kernel of floats reads and writes such maps, on a core that computes in them."""
    kernel = placement.workload
    return is_float_map(placement.source) and is_float_map(placement.root) and machine.isa.computes(kernel.types)


# 1. Stems

_PREPARATIONS = {
    f"relax.{name}"
    for name in (
        "astype", "reshape", "permute_dims", "strided_slice", "concat", "add", "subtract", "multiply", "divide", "clip",
    )
}  # fmt: skip
"""What networks do to an image first. TVM does it in one pass, and leaves the image planar, as a stem reads it."""


def _stems(flow: Dataflow, layers: dict[Any, Layer]) -> Iterator[tuple[Any, Placement]]:
    """By the root of their layer."""
    for root, layer in layers.items():
        conv = layer.convolution
        fits = conv.channels <= _STEM_CHANNELS and conv.groups == conv.subpixels == 1
        if fits and _is_image(flow, layer.source):
            yield root, _stem(flow, layer)


def _is_image(flow: Dataflow, source: Any) -> bool:
    """Tell whether it is the network's own input, as it comes or prepared: turned, cut, of another type, scaled."""
    if source in flow.parameters:
        return True
    call: Any = flow.value(source)
    read = variables_of(call) if operator_of(call) in _PREPARATIONS else ()
    return bool(read) and all(_is_image(flow, variable) for variable in read)


def _stem(flow: Dataflow, layer: Layer) -> Placement:
    reader = None if layer.other is not None else flow.only_reader(layer.root)
    pool = None if reader is None else pooling_of(flow, reader)
    pooled = pool is not None and pool.kind == "max"
    work = Stem(layer.convolution, pool if pooled else None)
    root, inside = (reader, (*layer.inside, layer.root)) if pooled else (layer.root, layer.inside)
    return Placement(root, layer.source, work, (layer.weights, layer.rows), inside, layer.other, reads="flat")


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
    work = PointwisePair(first.convolution, second.convolution)
    numbers = (first.weights, second.weights), (first.rows, second.rows)
    inside = *first.inside, first.root, *second.inside
    parts = _layer(first), _layer(second)
    return Placement(second.root, first.source, work, numbers, inside, second.other, parts)


# 3. Layers


def _layer(layer: Layer) -> Placement:
    numbers = layer.weights, layer.rows
    return Placement(layer.root, layer.source, layer.convolution, numbers, layer.inside, layer.other)
