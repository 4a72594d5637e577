"""Slices that take everything: exporting writes ``x[:, a:b]`` as a slice of ``x[:]``, each with a node of its own."""

from __future__ import annotations

import sys
from typing import Any

from torch.fx import GraphModule, Node

from rdpass.passes.graph.editing import copy_graph, tidy
from rdpass.passes.graph.node_kinds import callee

NAMES = ("input", "dim", "start", "end", "step")
DEFAULTS: dict[str, Any] = {"dim": 0, "start": None, "end": None, "step": 1}


def drop_whole_slices(graph_module: GraphModule) -> GraphModule:
    """A graph without them, on the layers of the one given."""
    result = copy_graph(graph_module)
    for node in list(result.graph.nodes):
        source = node.args[0] if node.args else None
        if isinstance(source, Node) and _takes_all(node):
            node.replace_all_uses_with(source)
            result.graph.erase_node(node)
    return tidy(result)


def slice_arguments(node: Node) -> dict[str, Any]:
    """The arguments of ``aten.slice``, by name."""
    return {**DEFAULTS, **dict(zip(NAMES, node.args, strict=False)), **node.kwargs}


def _takes_all(node: Node) -> bool:
    """Whatever the size is: an end that happens to be the example's does not count."""
    if node.op != "call_function" or callee(node) != "slice":
        return False
    given = slice_arguments(node)
    return given["start"] in (0, None) and given["end"] in (sys.maxsize, None) and given["step"] == 1
