"""Takes shortcuts out of a graph: each add gives what its body gave. The values change; the caller mends that."""

from __future__ import annotations

from collections.abc import Iterable

from torch.fx import GraphModule

from rdpass.core.plan import Region
from rdpass.passes.graph.editing import body_output, own_copy, tidy


def remove_shortcuts(graph_module: GraphModule, regions: Iterable[Region]) -> GraphModule:
    """A copy of the graph without the adds of ``regions`` and without what only their shortcuts computed."""
    result = own_copy(graph_module)
    nodes = {node.name: node for node in result.graph.nodes}
    for region in regions:
        add = nodes[region.add]
        add.replace_all_uses_with(body_output(add, region))
    return tidy(result)
