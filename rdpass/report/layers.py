"""The layers of a network by what they cost."""

from __future__ import annotations

from dataclasses import dataclass

from torch.fx import GraphModule

from rdpass.passes.analysis.macs import macs_of_node, weight_bytes_of_node
from rdpass.passes.graph.node_kinds import bytes_of, module_of, shape_of
from rdpass.report.drawing.labels import chip_label, times


@dataclass(frozen=True)
class Layer:
    """One layer: its path, what it computes, the shape it gives (without the batch), and its cost on the example."""

    path: str
    what: str
    shape: str
    macs: int
    weight_bytes: int
    written_bytes: int


def layers_by_cost(graph_module: GraphModule) -> list[Layer]:
    """Every layer that multiplies, the dearest first; those that cost as much in the order of the graph."""
    found = []
    for node in graph_module.graph.nodes:
        macs = macs_of_node(graph_module, node)[0]
        if macs:
            path = str(node.target) if module_of(graph_module, node) is not None else node.name
            found.append(
                Layer(
                    path, chip_label(graph_module, node), times((shape_of(node) or ())[1:]), macs,
                    weight_bytes_of_node(graph_module, node), bytes_of(node),
                )
            )  # fmt: skip
    return sorted(found, key=lambda layer: -layer.macs)
