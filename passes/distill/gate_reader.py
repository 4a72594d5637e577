"""The layer by which a gate (squeeze-and-excitation) reads its map: the first one behind the pooling."""

from __future__ import annotations

from math import prod

from torch.fx import GraphModule, Node

from rdpass.passes.graph.dataflow import data_sources
from rdpass.passes.graph.node_kinds import kind_of, module_of, shape_of

BEFORE = ("pool", "view", "pass")


def gate_reader(graph_module: GraphModule, gate: Node, source: Node) -> str | None:
    """The name of that layer on the way from ``source`` to ``gate``; None where the way branches, or where no linear
    layer with a number per channel (C,) comes first behind pools."""
    path: list[Node] = []
    while gate is not source:
        sources = data_sources(gate)
        if len(sources) != 1:
            return None
        path.append(gate)
        gate = sources[0]
    for node in reversed(path):
        kind = kind_of(node)
        if kind in ("conv", "linear"):
            return node.name if _gives_a_number_per_channel(graph_module, node) else None
        if kind not in BEFORE:
            return None
    return None


def _gives_a_number_per_channel(graph_module: GraphModule, node: Node) -> bool:
    module, shape = module_of(graph_module, node), shape_of(node) or ()
    channels = int(getattr(module, "out_channels", getattr(module, "out_features", 0)))
    return len(shape) > 1 and shape[1] == channels == prod(shape[1:])
