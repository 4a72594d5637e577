"""The body of a region as a chain, which is what the recipes can work on."""

from __future__ import annotations

from torch.fx import GraphModule, Node

from rdpass.passes.fx.operators import kind_of
from rdpass.types import Region


def body_chain(graph_module: GraphModule, region: Region) -> tuple[Node, ...] | str:
    """The body's nodes, each the only reader of the one before; else the reason why it is no chain."""
    nodes = {node.name: node for node in graph_module.graph.nodes}
    before = nodes[region.fork]
    chain = tuple(nodes[name] for name in region.body)
    for node in chain:
        if node.all_input_nodes != [before]:
            return f"the body branches at {node.name}"
        if kind_of(graph_module, node) not in ("conv", "batch_norm", "activation", "pass"):
            return (
                f"{node.name} ({kind_of(graph_module, node)}) in the body, which is to be convolutions and activations"
            )
        before = node
    return chain
