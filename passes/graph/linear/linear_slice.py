"""A slice as a linear map: ``x[:, a:b, ::s, ::s]``, some of the channels at every s-th position from the first."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.fx import Node

from rdpass.passes.graph.drop_whole_slices import slice_arguments
from rdpass.passes.graph.linear.linear_map import LinearMap, NotExact, pointwise_map
from rdpass.passes.graph.node_kinds import callee


def slice_map(node: Node, channels: int, dims: int) -> LinearMap:
    """The map of a slice of maps with ``channels`` channels and ``dims`` spatial axes.

    Raises:
        NotExact: it takes a part of the batch, crops the map, or is spelled otherwise.
    """
    parts = _exported_parts(node) if callee(node) == "slice" else _indexed_parts(node)
    if parts is None or len(parts) > dims + 2:
        raise NotExact(f"{node.name} is a slice of another kind than x[:, a:b, ::s, ::s]")
    parts = (*parts, *[slice(None)] * (dims + 2 - len(parts)))
    batch, chosen, *spatial = parts
    if batch != slice(None) or any(p.start not in (None, 0) or p.stop is not None for p in spatial):
        raise NotExact(f"{node.name} is a slice that crops")
    rows = torch.arange(channels)[chosen]
    weight = torch.eye(channels, dtype=torch.float64)[rows].reshape(-1, channels, *[1] * dims)
    return pointwise_map(weight, None, tuple(p.step or 1 for p in spatial))


def _indexed_parts(node: Node) -> tuple[slice, ...] | None:
    """The slice that ``x[...]`` takes of each axis, if all of these are slices."""
    index: Any = node.args[1] if len(node.args) == 2 else None
    parts = index if isinstance(index, tuple) else (index,)
    return parts if callee(node) == "getitem" and all(isinstance(part, slice) for part in parts) else None


def _exported_parts(node: Node) -> tuple[slice, ...] | None:
    """The same for ``aten.slice(x, axis, start, end, step)``, whose end lies far off where all is taken."""
    given = slice_arguments(node)
    axis, start, end, step = (given[name] for name in ("dim", "start", "end", "step"))
    if not isinstance(axis, int) or axis < 0 or any(isinstance(at, Node) for at in (start, end, step)):
        return None
    return (*[slice(None)] * axis, slice(start, None if end == sys.maxsize else end, step))
