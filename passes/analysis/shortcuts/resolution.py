"""Positions of the map that a node gives, whatever its layout; and how narrow a branch of a region gets."""

from __future__ import annotations

from collections.abc import Collection
from math import inf, prod
from typing import Any

from torch.fx import GraphModule, Node

from rdpass.passes.graph.dataflow import data_sources
from rdpass.passes.graph.node_kinds import callee, kind_of, shape_of

Axes = tuple[int, ...]
CHANNELS_FIRST = {"conv", "conv_transpose", "batch_norm", "resize"}
# A new shape, of which the axes can't be told.
RESHAPED = {"flatten", "reshape", "view", "unflatten", "squeeze", "unsqueeze", "reshape_as", "view_as"}


def resolutions(graph_module: GraphModule) -> dict[Node, int]:
    """The number of positions (the product of the spatial axes) of every node of which they can be told.

    Convolutions and pools say that a tensor is (N, C, positions…); permutations move the axes, and what keeps the rank
    keeps them.
    """
    axes: dict[Node, Axes] = {}
    for node in graph_module.graph.nodes:
        found = _spatial_axes(node, axes)
        if found:
            axes[node] = found
    return {node: int(prod((shape_of(node) or ())[axis] for axis in found)) for node, found in axes.items()}


def _spatial_axes(node: Node, axes: dict[Node, Axes]) -> Axes:
    shape = shape_of(node)
    rank = len(shape) if shape is not None else 0
    if rank < 3 or node.op in ("get_attr", "output"):
        return ()
    kind, channels_first = kind_of(node), tuple(range(2, rank))
    if kind in CHANNELS_FIRST or (kind == "pool" and callee(node) not in ("mean", "amax")):
        return channels_first
    if node.op == "placeholder":
        return channels_first if rank > 3 else ()
    source = next((s for s in data_sources(node) if s in axes and len(shape_of(s) or ()) == rank), None)
    if source is None or callee(node) in RESHAPED:
        return ()
    return _moved(node, axes[source], rank)


def _moved(node: Node, axes: Axes, rank: int) -> Axes:
    name, places = callee(node), _places(node.args[1:], rank)
    if name == "permute" and len(places) == rank:
        return tuple(new for new, old in enumerate(places) if old in axes)
    if name in ("transpose", "swapaxes", "swapdims") and len(places) == 2:
        swap = {places[0]: places[1], places[1]: places[0]}
        return tuple(sorted(swap.get(axis, axis) for axis in axes))
    return axes if name not in ("permute", "transpose", "movedim", "t") else ()


def _places(arguments: tuple[Any, ...], rank: int) -> tuple[int, ...]:
    flat = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], tuple | list) else arguments
    return tuple(place % rank for place in flat if isinstance(place, int))


def widest_path(
    fork: Node, output: Node, branch: Collection[Node], positions: dict[Node, int]
) -> tuple[float, Node | None]:
    """The resolution that the best path from ``fork`` to ``output`` through ``branch`` (in graph order) never goes
    below, and the node that sets it.

    The best path, for a gate (squeeze-and-excitation) goes below any resolution, and the map that it multiplies stays.
    """
    narrow: dict[Node, tuple[float, Node | None]] = {fork: (inf, None)}
    for node in branch:
        before = max((narrow[s] for s in data_sources(node) if s in narrow), key=lambda n: n[0], default=(inf, None))
        own = positions.get(node, inf)
        narrow[node] = (own, node) if own < before[0] else before
    return narrow.get(output, (inf, None))
