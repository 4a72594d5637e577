"""``migrate`` ends: each identity folds into the layer it goes round, and the faded shortcuts are gone.

At s = 0, r = 1: W' = W gamma / sigma + a delta, or + a P at the tap where the shortcut is a projection P; biases
likewise. What remains is convolution + bias, activations, pools and linear layers: the plain net, of its very cost.
"""

from __future__ import annotations

from copy import deepcopy

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.errors import PassError
from rdpass.layers import FadingAdd, GainedIdentity
from rdpass.passes.fx.dirac import Pointwise, add_pointwise, as_pointwise, identity_map
from rdpass.passes.fx.editing import place_module, tidy
from rdpass.passes.fx.fold_batch_norm import fold_batch_norm
from rdpass.passes.fx.operators import CONVOLUTIONS, kind_of, module_of


def settle_shortcuts(graph_module: GraphModule) -> GraphModule:
    """The plain graph that a fully faded one (``Fading``) equals in eval mode; batch norms are folded throughout."""
    result = deepcopy(graph_module)
    for node in list(result.graph.nodes):
        if isinstance(module_of(result, node), FadingAdd):
            node.replace_all_uses_with(node.all_input_nodes[0])
            result.graph.erase_node(node)
    result = fold_batch_norm(result)
    for node in list(result.graph.nodes):
        if isinstance(module_of(result, node), GainedIdentity):
            _settle(result, node)
    return tidy(result)


def _settle(graph_module: GraphModule, node: Node) -> None:
    linear, carried = node.all_input_nodes
    conv, identity = module_of(graph_module, linear), module_of(graph_module, node)
    assert isinstance(identity, GainedIdentity)
    if not isinstance(conv, CONVOLUTIONS):
        raise PassError(f"settle_shortcuts: {linear.name} before {node.name} is not a convolution")
    source = _map_to(graph_module, linear.all_input_nodes[0], carried, conv)
    gain = identity.gain.detach().flatten()
    place_module(
        graph_module,
        linear,
        add_pointwise(conv, Pointwise(gain[:, None] * source.weight, gain * source.bias, source.stride)),
    )
    node.replace_all_uses_with(linear)
    graph_module.graph.erase_node(node)


def _map_to(graph_module: GraphModule, source: Node, carried: Node, conv: nn.Module) -> Pointwise:
    """What leads from ``source`` to ``carried``: nothing (the identity), or one folded projection."""
    source, carried = _passed_on(graph_module, source), _passed_on(graph_module, carried)
    assert isinstance(conv, CONVOLUTIONS)
    if carried is source:
        return identity_map(conv.out_channels, len(conv.kernel_size), conv.weight)
    projection = as_pointwise(module_of(graph_module, carried) or nn.Identity())
    origin = _passed_on(graph_module, carried.all_input_nodes[0])
    if projection is None or origin is not source:
        raise PassError(f"settle_shortcuts: {carried.name} does not fold into the layer beside it")
    return projection


def _passed_on(graph_module: GraphModule, node: Node) -> Node:
    """The node whose value an identity or dropout hands on."""
    while kind_of(graph_module, node) == "pass":
        node = node.all_input_nodes[0]
    return node
