"""Zero padding that only a convolution reads becomes the convolution's own, where it is alike on both sides."""

from __future__ import annotations

from copy import deepcopy

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.passes.graph.editing import own_copy, place_module, tidy
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, kind_of, module_of
from rdpass.passes.graph.zero_padding import zero_padding


def absorb_padding(graph_module: GraphModule) -> GraphModule:
    """A copy of the graph in which such pads, and modules that pass their input on, are gone."""
    result = own_copy(graph_module)
    for node in list(result.graph.nodes):
        if kind_of(node) == "pass" and isinstance(module_of(result, node), nn.Identity):
            node.replace_all_uses_with(node.all_input_nodes[0])
            result.graph.erase_node(node)
        elif kind_of(node) == "conv":
            _absorb(result, node)
    return tidy(result)


def _absorb(graph_module: GraphModule, node: Node) -> None:
    pad, module = node.args[0], module_of(graph_module, node)
    if not isinstance(pad, Node) or len(pad.users) != 1 or not isinstance(module, CONVOLUTIONS):
        return
    sides = zero_padding(graph_module, pad, len(module.kernel_size))
    if sides is None or sides[0] != sides[1] or isinstance(module.padding, str) or module.padding_mode != "zeros":
        return
    wider = deepcopy(module)
    wider.padding = tuple(own + more for own, more in zip(module.padding, sides[0], strict=True))  # type: ignore[assignment]
    wider._reversed_padding_repeated_twice = [p for p in reversed(wider.padding) for _ in range(2)]  # type: ignore[misc]
    place_module(graph_module, node, wider)
    node.replace_input_with(pad, pad.all_input_nodes[0])
