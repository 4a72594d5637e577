"""A stretch of a graph as one linear map, however it branches: sums and differences of linear maps are linear."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.fx import GraphModule, Node

from rdpass.passes.graph.linear.linear_layers import data_inputs, linear_map
from rdpass.passes.graph.linear.linear_map import LinearMap, NotExact, compose, identity
from rdpass.passes.graph.linear.merge_convs import Block, join
from rdpass.passes.graph.node_kinds import callee, kind_of, shape_of


def linear_between(graph_module: GraphModule, fork: Node, end: Node) -> LinearMap:
    """The map from ``fork`` to ``end``; the identity where they are one node.

    Raises:
        NotExact: something on the way is not linear, or not one convolution; the message names the node.
    """
    shape = shape_of(fork) or ()
    if len(shape) < 3:
        raise NotExact(f"{fork.name} is no feature map")
    known = {fork: identity(shape[1], len(shape) - 2)}
    for node in _on_the_way(fork, end):
        known[node] = _map_of(graph_module, node, known, fork)
    return known[end]


def _on_the_way(fork: Node, end: Node) -> list[Node]:
    """The nodes from ``fork`` (exclusive) to ``end``, in graph order."""
    found: set[Node] = set()
    pending = [end]
    while pending:
        node = pending.pop()
        if node is not fork and node not in found:
            found.add(node)
            pending.extend(data_inputs(node))
    return sorted(found)


def _map_of(graph_module: GraphModule, node: Node, known: dict[Node, LinearMap], fork: Node) -> LinearMap:
    sources = [source for source in data_inputs(node) if source in known]
    sign = {"add": 1.0, "sub": -1.0}.get(callee(node)) if node.op != "call_module" else None
    operands = [arg for arg in node.args if isinstance(arg, Node) and arg in known]
    if sign is not None and len(operands) == len(node.args) == 2:
        first, second = (known[operand] for operand in operands)
        return _sum(first, _times(second, sign), shape_of(fork) or (), shape_of(node) or ())
    if len(sources) != 1:
        raise NotExact(f"{node.name} ({kind_of(node)}) is not linear")
    return compose(known[sources[0]], linear_map(graph_module, node, sources[0]))


def _sum(first: LinearMap, second: LinearMap, before: tuple[int, ...], after: tuple[int, ...]) -> LinearMap:
    reads, writes = torch.arange(before[1]), torch.arange(after[1])
    blocks = [Block(first, reads, writes), Block(second, reads, writes)]
    return join(blocks, before[1], after[1], before[2:], after[2:])


def _times(linear: LinearMap, sign: float) -> LinearMap:
    if sign == 1.0:
        return linear
    return replace(linear, weight=-linear.weight, bias=None if linear.bias is None else -linear.bias)
