"""Slices that take everything: exporting writes ``x[:, a:b]`` as a slice of ``x[:]``, each with a node of its own."""

from __future__ import annotations

import sys

from torch.fx import GraphModule, Node

from rdpass.passes.fx.editing import copy_graph, tidy
from rdpass.passes.fx.operators import callee

DEFAULTS = (None, 0, None, None, 1)  # of slice(input, dim, start, end, step)


def drop_whole_slices(graph_module: GraphModule) -> GraphModule:
    """A graph without them, on the layers of the one given."""
    result = copy_graph(graph_module)
    for node in list(result.graph.nodes):
        source = node.args[0] if node.args else None
        if isinstance(source, Node) and _takes_all(node):
            node.replace_all_uses_with(source)
            result.graph.erase_node(node)
    return tidy(result)


def _takes_all(node: Node) -> bool:
    """Whatever the size is: an end that happens to be the example's does not count."""
    if node.op != "call_function" or callee(node) != "slice" or node.kwargs:
        return False
    _, _, start, end, step = (*node.args, *DEFAULTS[len(node.args) :])
    return start in (0, None) and end in (sys.maxsize, None) and step == 1
