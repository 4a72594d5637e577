"""The range that every value of a node's output lies in, as far as the graph alone tells."""

from __future__ import annotations

from math import inf

import torch
from torch import nn
from torch.fx import GraphModule, Node

from rdpass.passes.graph.layers import ChannelClamp
from rdpass.passes.graph.node_kinds import annotate_kinds, callee, kind_of, module_of

Range = tuple[float, float]
ANY: Range = (-inf, inf)
RANGE = "value_range"
"""Where a node's metadata hold a range that was known before the graph was changed, its values being the same."""


def value_ranges(graph_module: GraphModule) -> dict[Node, Range]:
    """Lowest and highest possible value of every node; (-inf, inf) where nothing is known."""
    annotate_kinds(graph_module)
    ranges: dict[Node, Range] = {}
    for node in graph_module.graph.nodes:
        ranges[node] = _range(graph_module, node, [ranges[source] for source in node.all_input_nodes])
    return ranges


def _range(graph_module: GraphModule, node: Node, sources: list[Range]) -> Range:
    if RANGE in node.meta:
        known: Range = node.meta[RANGE]
        return known
    kind = kind_of(node)
    if kind == "activation":
        return activation_range(module_of(graph_module, node), sources[0])
    if kind == "pool" and len(sources) == 1:
        return _pool_range(graph_module, node, *sources[0])
    if kind in ("view", "pass", "slice") and len(sources) == 1:
        return sources[0]
    if kind == "add" and len(sources) == 2:
        return sources[0][0] + sources[1][0], sources[0][1] + sources[1][1]
    if kind == "concat" and sources:
        return min(low for low, _ in sources), max(high for _, high in sources)
    return ANY


def _pool_range(graph_module: GraphModule, node: Node, low: float, high: float) -> Range:
    """Padding brings zeros in. An average by a divisor of one's own (a function may have one) keeps the sign alone."""
    module = module_of(graph_module, node)
    free = callee(node).startswith("avg_pool") if module is None else getattr(module, "divisor_override", None)
    if free:
        return (0.0 if low >= 0 else -inf), (0.0 if high <= 0 else inf)
    return min(low, 0.0), max(high, 0.0)


def activation_range(module: nn.Module | None, source: Range) -> Range:
    """The range after an activation whose input lies in ``source``."""
    low, high = source
    if isinstance(module, nn.Hardtanh):  # ReLU6 is one
        bottom, top = float(module.min_val), float(module.max_val)
        return min(max(low, bottom), top), max(min(high, top), bottom)
    if isinstance(module, nn.ReLU):
        return max(low, 0.0), max(high, 0.0)
    if isinstance(module, ChannelClamp):
        return float(module.lower.min()), float(module.upper.max())
    return (0.0, 1.0) if isinstance(module, nn.Sigmoid | nn.Hardsigmoid) else ANY


def passes_unchanged(module: nn.Module | None, source: Range) -> bool:
    """Tell whether an activation leaves every value in ``source`` as it is."""
    low, high = source
    if isinstance(module, nn.Hardtanh):
        return low >= module.min_val and high <= module.max_val
    if isinstance(module, nn.PReLU):
        return low >= 0 or bool(torch.all(module.weight == 1))
    return isinstance(module, nn.ReLU | nn.LeakyReLU) and low >= 0
