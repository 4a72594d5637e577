"""The activation between two 1x1 convolutions fades, f_s(x) = f(x) + (1 - s) (x - f(x)), and then the two are one.

With s from 1 to 0 the graph starts as it was and ends linear there: W = W_2 W_1, b = W_2 b_1 + b_2, computed in double
precision, with batch norms in between as the diagonal maps that they are.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor
from torch.fx import GraphModule, Node

from rdpass.core.errors import PassError
from rdpass.core.plan import MergedPair, Region
from rdpass.passes.distill.find_pairs import find_pairs, linear_before
from rdpass.passes.distill.fold_scales import fold_scales
from rdpass.passes.distill.remove_shortcuts import remove_shortcuts
from rdpass.passes.graph.absorb_padding import absorb_padding
from rdpass.passes.graph.drop_checks import drop_checks
from rdpass.passes.graph.editing import add_module, insert_call, own_copy, place_module, tidy
from rdpass.passes.graph.layers import FadingActivation
from rdpass.passes.graph.linear.linear_branch import linear_between
from rdpass.passes.graph.linear.linear_layers import data_inputs
from rdpass.passes.graph.linear.linear_map import NotExact, compose
from rdpass.passes.graph.linear.merge_convs import convolution
from rdpass.passes.graph.node_kinds import module_of


def fade_activations(graph_module: GraphModule, pairs: Iterable[MergedPair]) -> GraphModule:
    """A copy of the graph in which the activations of ``pairs`` can fade (``FadingActivation``), none faded yet."""
    result = own_copy(graph_module)
    nodes = {node.name: node for node in result.graph.nodes}
    for pair in pairs:
        activation = nodes[pair.activation]
        path = add_module(result, f"{activation.name}_fading", FadingActivation())
        call = insert_call(result, activation, path, data_inputs(activation)[0])
        activation.replace_all_uses_with(call, delete_user_cb=lambda user, call=call: user is not call)
    return tidy(result)


def merge_pairs(graph_module: GraphModule, pairs: Iterable[MergedPair]) -> GraphModule:
    """A copy of the graph (shapes annotated) without the activations of ``pairs``, each pair in one convolution, which
    has the name of the second.

    Raises:
        PassError: an activation has not faded yet, or a pair is none; the node is named.
    """
    result = own_copy(graph_module)
    nodes = {node.name: node for node in result.graph.nodes}
    for pair in pairs:
        activation, second = nodes[pair.activation], nodes[pair.second]
        _drop_faded(result, activation)
        before = linear_before(activation)
        try:
            start = data_inputs(before[0])[0]
            maps = linear_between(result, start, before[-1]), linear_between(result, activation, second)
            merged = convolution(compose(*maps), _weight_of(result, second))
        except NotExact as reason:
            raise PassError(f"merge_pairs: {pair.first} and {pair.second} are not one convolution: {reason}") from None
        place_module(result, second, merged)
        second.replace_input_with(data_inputs(second)[0], start)
    return tidy(result)


def plain_form(graph_module: GraphModule, regions: Iterable[Region]) -> GraphModule:
    """A copy of the graph (shapes annotated) without the shortcuts ``regions``, in the form that pairs are found in."""
    return remove_shortcuts(fold_scales(absorb_padding(drop_checks(graph_module))), regions)


def merged_plain(graph_module: GraphModule, regions: Iterable[Region]) -> GraphModule | None:
    """The same with its pairs merged: what a student costs, whatever its weights. None where no pair is worth it."""
    plain = plain_form(graph_module, regions)
    pairs = find_pairs(plain).pairs
    return merge_pairs(plain, pairs) if pairs else None


def _drop_faded(graph_module: GraphModule, activation: Node) -> None:
    """Take the node away by which ``activation`` has faded, if there is one: it is no activation any more."""
    for reader in list(activation.users):
        module = module_of(graph_module, reader)
        if isinstance(module, FadingActivation):
            if module.strength != 0:
                raise PassError(f"merge_pairs: {activation.name} is still an activation by {module.strength:.3g}")
            reader.replace_all_uses_with(activation)
            graph_module.graph.erase_node(reader)


def _weight_of(graph_module: GraphModule, node: Node) -> Tensor:
    weight = getattr(module_of(graph_module, node), "weight", None)
    if not isinstance(weight, Tensor):
        raise PassError(f"merge_pairs: {node.name} is no convolution")
    return weight.detach()
