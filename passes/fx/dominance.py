"""Immediate dominators of a dataflow graph (Cooper, Harvey, Kennedy, 2001: one sweep, for the graph has no cycle)."""

from __future__ import annotations

from torch.fx import Graph, Node


def immediate_dominators(graph: Graph) -> dict[Node, Node | None]:
    """For each node that depends on an input: the last node that every path from the inputs passes through.

    None stands for 'none but the inputs together', as for an add of two inputs. Parameters and constants are no
    dataflow and have no entry.
    """
    dominator: dict[Node, Node | None] = {}
    depth: dict[Node | None, int] = {None: 0}
    for node in graph.nodes:
        sources = [source for source in node.all_input_nodes if source in dominator]
        if not sources and node.op != "placeholder":
            continue
        common: Node | None = sources[0] if sources else None
        for source in sources[1:]:
            common = _meet(common, source, dominator, depth)
        dominator[node] = common
        depth[node] = depth[common] + 1
    return dominator


def _meet(
    a: Node | None, b: Node | None, dominator: dict[Node, Node | None], depth: dict[Node | None, int]
) -> Node | None:
    while a is not b:
        if depth[a] < depth[b]:
            a, b = b, a
        a = dominator[a] if a is not None else None
    return a
