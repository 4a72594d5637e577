"""Sizes of the map that a node gives, whatever its layout; and how narrow a branch of a region gets.

What makes a branch narrow is sampling. A convolution without padding comes out a little smaller than its input, a crop
too: neither changes the scale. Along a branch, a map therefore counts as at least as large as it would be if every
window were padded:

1. A convolution, or a pool's window, of stride s: ceil(size / s); a transposed convolution: size * s.
2. A pad, or a slice without a step: the size stays.
3. What gives a map of one size from maps of that size (an add, a product, an activation): the largest of theirs.
4. Else (a resize, an adaptive pool, a slice with a step): the size times the ratio of the true sizes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import ceil, inf, prod
from typing import Any

from torch.fx import GraphModule, Node

from rdpass.passes.graph.dataflow import data_sources
from rdpass.passes.graph.drop_whole_slices import slice_arguments
from rdpass.passes.graph.node_kinds import callee, kind_of, module_of

Sizes = dict[int, int]
"""The size of each spatial axis, by its place in the shape."""
CHANNELS_FIRST = {"conv", "conv_transpose", "batch_norm", "resize"}
# A new shape, of which the axes can't be told.
RESHAPED = {"flatten", "reshape", "view", "unflatten", "squeeze", "unsqueeze", "reshape_as", "view_as"}
MOVED = {"permute", "transpose", "swapaxes", "swapdims", "movedim", "t"}
# The place of the stride among the arguments of a function.
STRIDES = {"conv": 3, "conv_transpose": 3, "pool": 2}


def resolutions(graph_module: GraphModule) -> dict[Node, Sizes]:
    """The true sizes of the spatial axes of every node of which they can be told.

    Convolutions and pools say that a tensor is (N, C, positions…), and so is what they read; permutations move the
    axes, and what keeps the rank keeps them.
    """
    found: dict[Node, Sizes] = {}
    for node in graph_module.graph.nodes:
        axes = _spatial_axes(node, found)
        read = data_sources(node)[:1] if _is_channels_first(node) else []
        for each in (*read, node):
            shape = _shape(each)
            if axes and each not in found and len(shape) == len(_shape(node)):
                found[each] = {axis: shape[axis] for axis in axes}
    return found


def positions(sizes: Sizes) -> int:
    """The number of positions of a map."""
    return prod(sizes.values())


def _function(node: Node) -> str:
    """The name of the function or method that a node calls; empty for a module, whose path could be any name."""
    return "" if node.op == "call_module" else callee(node)


def _shape(node: Node) -> tuple[int, ...]:
    """The shape of what a node gives; of several tensors, that of the first."""
    meta = node.meta.get("tensor_meta")
    first = meta[0] if isinstance(meta, tuple | list) and meta else meta
    return tuple(getattr(first, "shape", ()))


def _is_channels_first(node: Node) -> bool:
    kind = kind_of(node)
    return kind in CHANNELS_FIRST or (kind == "pool" and _function(node) not in ("mean", "amax"))


def _spatial_axes(node: Node, known: Mapping[Node, Sizes]) -> Collection[int]:
    rank = len(_shape(node))
    if rank < 3 or node.op in ("get_attr", "output"):
        return ()
    channels_first = range(2, rank)
    if _is_channels_first(node):
        return channels_first
    if node.op == "placeholder":
        return channels_first if rank > 3 else ()
    source = next((s for s in data_sources(node) if s in known and len(_shape(s)) == rank), None)
    if source is None or _function(node) in RESHAPED:
        return ()
    return _moved(node, known[source], rank)


def _moved(node: Node, sizes: Sizes, rank: int) -> Sizes:
    name, places = _function(node), _places(node.args[1:], rank)
    if name == "permute" and len(places) == rank:
        return {new: sizes[old] for new, old in enumerate(places) if old in sizes}
    if name in ("transpose", "swapaxes", "swapdims") and len(places) == 2:
        swap = {places[0]: places[1], places[1]: places[0]}
        return {swap.get(axis, axis): size for axis, size in sizes.items()}
    return sizes if name not in MOVED else {}


def _places(arguments: tuple[Any, ...], rank: int) -> tuple[int, ...]:
    flat = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple | list) else arguments
    return tuple(place % rank for place in flat if isinstance(place, int))


def widest_path(
    graph_module: GraphModule, fork: Node, output: Node, branch: Collection[Node], sizes: Mapping[Node, Sizes]
) -> tuple[float, Node | None]:
    """The number of positions that the best path from ``fork`` to ``output`` through ``branch`` (in graph order) never
    goes below, by scale, and the node that sets it.

    The best path, for a gate (squeeze-and-excitation) goes below any resolution, and the map that it multiplies stays.
    """
    scales = {fork: sizes[fork]} if fork in sizes else {}
    narrow: dict[Node, tuple[float, Node | None]] = {fork: (inf, None)}
    for node in branch:
        before = max((narrow[s] for s in data_sources(node) if s in narrow), key=lambda n: n[0], default=(inf, None))
        if node in sizes:
            scales[node] = _scale(graph_module, node, scales, sizes)
        own = positions(scales[node]) if node in sizes else inf
        narrow[node] = (own, node) if own < before[0] else before
    return narrow.get(output, (inf, None))


def _scale(graph_module: GraphModule, node: Node, scales: Mapping[Node, Sizes], sizes: Mapping[Node, Sizes]) -> Sizes:
    """The node's sizes, or those of its scale where they are larger."""
    own, rank = sizes[node], len(_shape(node))
    sources = [s for s in data_sources(node) if s in scales and len(_shape(s)) == rank]
    found = _by_its_sources(graph_module, node, sources, scales, sizes) if sources else {}
    return {axis: max(size, found.get(axis, 0)) for axis, size in own.items()}


def _by_its_sources(
    graph_module: GraphModule,
    node: Node,
    sources: list[Node],
    scales: Mapping[Node, Sizes],
    sizes: Mapping[Node, Sizes],
) -> Sizes:
    """The cases 1 to 4, in their order."""
    first, own, stride = scales[sources[0]], sizes[node], _stride(graph_module, node)
    if stride:
        steps = dict(zip(own, stride if len(stride) > 1 else stride * len(own), strict=True))
        if kind_of(node) == "conv_transpose":
            return {axis: size * steps.get(axis, 1) for axis, size in first.items()}
        return {axis: ceil(size / steps.get(axis, 1)) for axis, size in first.items()}
    if _function(node) in MOVED:
        return _moved(node, first, len(_shape(node)))
    if kind_of(node) == "pad" or (kind_of(node) == "slice" and not _has_step(node)):
        return first
    alike = [scales[s] for s in sources if sizes[s] == own]
    if alike:
        return max(alike, key=positions)
    before = sizes[sources[0]]
    return {axis: round(size * own.get(axis, 0) / before[axis]) for axis, size in first.items()}


def _stride(graph_module: GraphModule, node: Node) -> tuple[int, ...]:
    """The stride of a convolution or of a pool's window, one for all axes or one an axis; empty for everything else."""
    place, module = STRIDES.get(kind_of(node)), module_of(graph_module, node)
    if place is None:
        return ()
    if module is not None:
        stride = getattr(module, "stride", ())  # an adaptive pool has none
    elif _function(node) in ("mean", "amax") or _function(node).startswith("adaptive"):
        return ()
    else:
        stride = node.kwargs.get("stride", node.args[place] if len(node.args) > place else None)
        if not stride:  # then a pool's is its window, a convolution's 1
            stride = node.kwargs.get("kernel_size", node.args[1]) if kind_of(node) == "pool" else 1
    return (stride,) if isinstance(stride, int) else tuple(stride)  # type: ignore[arg-type]


def _has_step(node: Node) -> bool:
    """Tell whether a slice leaves positions out between others: ``x[..., ::2]``."""
    if _function(node) == "slice":
        return bool(slice_arguments(node)["step"] != 1)
    index = node.args[1] if len(node.args) > 1 else ()
    parts = index if isinstance(index, tuple) else (index,)
    return any(isinstance(part, slice) and part.step not in (None, 1) for part in parts)
