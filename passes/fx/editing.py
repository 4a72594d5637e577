"""The few moves that changers share: placing a module, reading a region's two operands, tidying up afterwards."""

from __future__ import annotations

from copy import deepcopy

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.types import Region


def copy_graph(graph_module: GraphModule) -> GraphModule:
    """A graph of one's own on the very layers of ``graph_module``, to place layers in and change none."""
    return GraphModule(graph_module, deepcopy(graph_module.graph), type(graph_module).__name__)


def body_output(add: Node, region: Region) -> Node:
    """The operand of ``add`` that the body computes."""
    return next(operand for operand in add.all_input_nodes if operand.name in region.body)


def shortcut_output(add: Node, region: Region) -> Node:
    """The operand of ``add`` that the shortcut gives."""
    return next(operand for operand in add.all_input_nodes if operand.name not in region.body)


def place_module(graph_module: GraphModule, node: Node, module: nn.Module) -> None:
    """Let ``node`` call ``module``, at its old path unless another node calls what is there."""
    if any(n is not node and n.op == "call_module" and n.target == node.target for n in graph_module.graph.nodes):
        node.target = add_module(graph_module, node.name, module)
    else:
        graph_module.set_submodule(str(node.target), module)


def add_module(graph_module: GraphModule, name: str, module: nn.Module) -> str:
    """Add ``module`` under ``name``, or that with underscores after it where it is taken, and return the path."""
    while hasattr(graph_module, name):
        name += "_"
    graph_module.add_submodule(name, module)
    return name


def tidy(graph_module: GraphModule) -> GraphModule:
    """Drop what nobody reads, check the graph and regenerate its code."""
    graph_module.graph.eliminate_dead_code()
    graph_module.delete_all_unused_submodules()
    graph_module.graph.lint()
    graph_module.recompile()
    return graph_module
