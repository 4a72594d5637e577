"""Find the places of integer kernels: what lies between maps of bytes, with the floats in between left out.

A kernel takes in the dequantisation of what it reads, and the quantisation of what it gives:

1. functions of one byte (``find_lookups``);
2. layers with kept weights (``integer_layers``);
3. maps alone: sums, products, pools, means, other extents (``integer_maps``).

Then the sum of two maps goes into the convolution that gives one of them, if nothing else reads that; two pointwise
layers in a row are one kernel; and where the network begins and ends in floats, kernels quantise and dequantise
(``integer_ends``). Everything that is not found is left to kernels of floats, as the network says it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rdpass.kernels.choice import computes
from rdpass.kernels.machine import Machine
from rdpass.kernels.quantization import Addition
from rdpass.kernels.workload import Convolution, PointwisePair
from rdpass.passes.lowering.dataflow import Dataflow
from rdpass.passes.lowering.match.find_lookups import find_lookups
from rdpass.passes.lowering.match.integer_ends import dequantizations, quantizations, stem_of
from rdpass.passes.lowering.match.integer_layers import convolution_layer, dense_layer
from rdpass.passes.lowering.match.integer_maps import (
    joined_maps,
    mean_of_map,
    pool_of_map,
    product_of_maps,
    resized_map,
    sum_of_maps,
)
from rdpass.passes.lowering.match.integer_parts import Found
from rdpass.passes.lowering.match.placement import Placement

_Finder = Callable[[Dataflow, Any, Machine], Found | None]
_FINDERS: tuple[_Finder, ...] = (
    convolution_layer, dense_layer, sum_of_maps, product_of_maps, pool_of_map, mean_of_map, resized_map,
    joined_maps,
)  # fmt: skip
"""Each finds what a variable bound to a float becomes."""


def find_integers(flow: Dataflow, machine: Machine) -> tuple[Placement, ...]:
    """All placements of integer kernels; no variable is in two of them."""
    found = {part.root: part for part in find_lookups(flow, machine) if computes(part.work, machine)}
    taken = _taken(found)
    for variable, _ in flow.bindings:
        parts = (finder(flow, variable, machine) for finder in _FINDERS)
        part = next((part for part in parts if part is not None), None)
        own = () if part is None else (part.root, *part.inside)
        if part is not None and taken.isdisjoint(own) and computes(part.work, machine):
            found[part.root] = part
            taken.update(own)
    for root in [root for root, part in found.items() if part.addition is not None]:
        _join(flow, found, root)
    for layer in list(found.values()):
        _begin(flow, found, layer, machine)
    _end(flow, found, machine)
    for second in list(found.values()):
        _pair(flow, found, second, machine)
    return tuple(part.placement() for part in found.values())


def _taken(found: dict[Any, Found]) -> set[Any]:
    return {variable for part in found.values() for variable in (part.root, *part.inside)}


def _join(flow: Dataflow, found: dict[Any, Found], root: Any) -> None:
    """Let the convolution that gives the later of two addends add the other one, if nothing else reads it."""
    total = found[root]
    assert total.addition is not None
    assert total.by is not None
    assert total.by.bounds is not None
    own, other = total.addends
    given, zero = total.addition, total.by.bounds.zero
    swapped = Addition(given.other, given.own, zero, given.bounds)
    ways = (own, other, zero, given), (other, own, given.other_zero, swapped)
    for value, added, value_zero, addition in sorted(ways, key=lambda way: -flow.position.get(way[0], -1)):
        layer = found.get(value)
        if layer is None or not isinstance(layer.work, Convolution) or layer.addition is not None:
            continue
        alone = flow.only_reader(value) is not None
        if not alone or layer.by is None or layer.by.bounds is None or layer.by.bounds.zero != value_zero:
            continue
        del found[value]
        found[root] = replace(
            layer, root=root, work=replace(layer.work, epilogue=total.work.epilogue), addition=addition,
            inside=tuple(dict.fromkeys((*layer.inside, value, *total.inside))), addends=(value, added),
            by=replace(layer.by, addition=addition),
        )  # fmt: skip
        return


def _begin(flow: Dataflow, found: dict[Any, Found], layer: Found, machine: Machine) -> None:
    """Let a layer of the image quantise it, and pool what it gives."""
    changed = stem_of(flow, layer, found)
    if changed is None or not computes(changed[0].work, machine):
        return
    stem, pool = changed
    for part in (layer, pool):
        if part is not None:
            del found[part.root]
    found[stem.root] = stem


def _end(flow: Dataflow, found: dict[Any, Found], machine: Machine) -> None:
    """Add what quantises and dequantises by itself, beside integer kernels."""
    for part in quantizations(flow, _taken(found), machine):
        if computes(part.work, machine) and any(_reads(other, part.root) for other in found.values()):
            found[part.root] = part
    blocked = {part.root for part in found.values() if part.writes == "blocked"}
    for part in list(dequantizations(flow, _taken(found), blocked, machine)):
        if computes(part.work, machine):
            found[part.root] = part


def _reads(part: Found, variable: Any) -> bool:
    maps = (part.source, part.gate, *part.addends[1:], *part.others)
    return any(each is not None and each.same_as(variable) for each in maps)


def _pair(flow: Dataflow, found: dict[Any, Found], second: Found, machine: Machine) -> None:
    """Let two pointwise layers of stride 1 be one kernel, if nobody else reads the map between."""
    first = found.get(second.source)
    if first is None or first.parts or not _is_of_pair(first) or not _is_of_pair(second) or first.addends:
        return
    work = PointwisePair(first.work, second.work)
    if flow.only_reader(first.root) is None or not computes(work, machine):
        return
    numbers = zip((*first.constants, first.by), (*second.constants, second.by), strict=True)
    del found[first.root]
    found[second.root] = replace(
        second, source=first.source, work=work, inside=(*first.inside, first.root, *second.inside), by=None,
        constants=tuple(numbers), parts=(first, second),
    )  # fmt: skip


def _is_of_pair(part: Found) -> bool:
    conv = part.work
    pointwise = isinstance(conv, Convolution) and conv.is_pointwise and conv.stride == (1, 1)
    return pointwise and conv.height * conv.width > 1
