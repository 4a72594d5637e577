"""A layer's weight that is computed from parameters alone (standardised, normalised, scaled) becomes a parameter.

``F.conv2d(x, standardised(weight))`` is then a convolution like any other (``lift_layers``). A weight that depends on
the input stays computed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.fx.node import map_arg

from rdpass.passes.graph.editing import copy_graph, tidy
from rdpass.passes.graph.node_kinds import callee

LAYERS = ("conv1d", "conv2d", "conv3d", "linear", "batch_norm")


def bake_weights(graph_module: GraphModule) -> GraphModule:
    """A graph on the layers of the one given, in which such weights and biases are read instead of computed."""
    result = copy_graph(graph_module)
    values = _values(result)
    read: dict[Node, Node] = {}
    for layer in list(result.graph.nodes):
        if layer in values or layer.op != "call_function" or callee(layer) not in LAYERS:
            continue  # a norm of weights is none of the network's layers
        for weight in layer.all_input_nodes:
            if weight.op != "get_attr" and isinstance(values.get(weight), Tensor):
                read[weight] = read.get(weight) or _stored(result, weight, values[weight])
                layer.replace_input_with(weight, read[weight])
    return tidy(result)


def _values(graph_module: GraphModule) -> dict[Node, Any]:
    """The values of all nodes that depend on no input."""
    values: dict[Node, Any] = {}
    for node in graph_module.graph.nodes:
        sources = node.all_input_nodes
        if node.op == "get_attr":
            owner, _, name = str(node.target).rpartition(".")
            values[node] = getattr(graph_module.get_submodule(owner), name)
        elif node.op in ("call_function", "call_method") and sources and all(source in values for source in sources):
            values[node] = _computed(node, values)
    return values


def _computed(node: Node, values: dict[Node, Any]) -> Any:
    args: Any = map_arg(node.args, values.__getitem__)
    kwargs: Any = map_arg(node.kwargs, values.__getitem__)
    with torch.no_grad():
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        assert callable(node.target)
        return node.target(*args, **kwargs)


def _stored(graph_module: GraphModule, node: Node, value: Tensor) -> Node:
    name = f"{node.name}_baked"
    graph_module.register_parameter(name, nn.Parameter(value.detach().clone(memory_format=torch.contiguous_format)))
    with graph_module.graph.inserting_before(node):
        return graph_module.graph.get_attr(name)
