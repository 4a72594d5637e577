"""``migrate`` and ``anneal`` end: each branch folds into the layer it goes round, and the faded shortcuts are gone.

At u = 1: W' = W gamma / sigma + a delta at the tap that reads the output's own position (P, Q or, where the shortcut is
one, the projection in the place of a delta); biases likewise. What remains is convolution + bias, activations, pools,
linear layers and what else the body had: the plain net, of its very cost.
"""

from __future__ import annotations

from copy import deepcopy

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.core.errors import PassError
from rdpass.passes.graph.editing import own_copy, place_module, tidy
from rdpass.passes.graph.fold_batch_norm import fold_batch_norm
from rdpass.passes.graph.layers import FadingAdd, GainedIdentity, ShiftedBias, StreamBranch
from rdpass.passes.graph.linear.dirac import Pointwise, add_pointwise, as_pointwise, identity_map
from rdpass.passes.graph.node_kinds import CONVOLUTIONS, kind_of, module_of


def fold_branches(graph_module: GraphModule) -> GraphModule:
    """The plain graph that a fully faded one (``Fading``) equals in eval mode; batch norms are folded throughout.

    Raises:
        PassError: a shortcut has not faded yet, or a branch does not go round a single convolution.
    """
    result = own_copy(graph_module)
    for node in list(result.graph.nodes):
        module = module_of(result, node)
        if isinstance(module, FadingAdd):
            if module.strength != 0:
                raise PassError(f"fold_branches: {node.name} still has {module.strength:.3g} of its shortcut")
            node.replace_all_uses_with(node.all_input_nodes[0])
            result.graph.erase_node(node)
    result = fold_batch_norm(result)
    for node in list(result.graph.nodes):
        module = module_of(result, node)
        if isinstance(module, GainedIdentity | StreamBranch):
            _fold(result, node)
        elif isinstance(module, ShiftedBias):
            _fold_shift(result, node, module)
    # Once the branches are gone, batch norms that followed them (pre-activation) lie behind their convolution.
    return fold_batch_norm(tidy(result))


def _fold(graph_module: GraphModule, node: Node) -> None:
    linear, carried = node.all_input_nodes if len(node.all_input_nodes) == 2 else node.all_input_nodes * 2
    conv, branch = module_of(graph_module, linear), module_of(graph_module, node)
    if not isinstance(conv, CONVOLUTIONS):
        raise PassError(f"fold_branches: {linear.name} before {node.name} is not a convolution")
    source = linear.all_input_nodes[0]
    if isinstance(branch, StreamBranch):
        if _passed_on(source) is not _passed_on(carried):
            raise PassError(f"fold_branches: {node.name} reads {carried.name}, {linear.name} another node")
        added = Pointwise(
            branch.strength * branch.weight.detach(), branch.bias_strength * branch.bias.detach(), branch.stride
        )
    else:
        assert isinstance(branch, GainedIdentity)
        mapped = _map_to(graph_module, source, carried, conv)
        gain = branch.strength * branch.gain.detach().flatten()
        added = Pointwise(gain[:, None] * mapped.weight, gain * mapped.bias, mapped.stride)
    place_module(graph_module, linear, add_pointwise(conv, added))
    node.replace_all_uses_with(linear)
    graph_module.graph.erase_node(node)


def _fold_shift(graph_module: GraphModule, node: Node, shift: ShiftedBias) -> None:
    layer = node.all_input_nodes[0]
    moved = deepcopy(module_of(graph_module, layer))
    added = shift.strength * shift.bias.detach()
    assert isinstance(moved, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d)
    moved.bias = nn.Parameter(added if moved.bias is None else moved.bias.detach() + added)
    place_module(graph_module, layer, moved)
    node.replace_all_uses_with(layer)
    graph_module.graph.erase_node(node)


def _map_to(graph_module: GraphModule, source: Node, carried: Node, conv: nn.Module) -> Pointwise:
    """The map from ``source`` to ``carried``: nothing (the identity), or one folded projection."""
    source, carried = _passed_on(source), _passed_on(carried)
    assert isinstance(conv, CONVOLUTIONS)
    if carried is source:
        return identity_map(conv.out_channels, len(conv.kernel_size), conv.weight)
    projection = as_pointwise(module_of(graph_module, carried) or nn.Identity())
    origin = _passed_on(carried.all_input_nodes[0])
    if projection is None or origin is not source:
        raise PassError(f"fold_branches: {carried.name} does not fold into the layer beside it")
    return projection


def _passed_on(node: Node) -> Node:
    """The node whose value an identity or dropout hands on."""
    while kind_of(node) == "pass":
        node = node.all_input_nodes[0]
    return node
