"""Batch norm in eval mode folds into the convolution or linear layer right before it.

W' = W * gamma / sigma per output channel, b' = (b - mu) * gamma / sigma + beta, sigma = sqrt(var + eps).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from torch import nn
from torch.fx import GraphModule, Node
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from rdpass.passes.graph.editing import own_copy, place_module, tidy
from rdpass.passes.graph.node_kinds import kind_of, module_of


def fold_batch_norm(graph_module: GraphModule) -> GraphModule:
    """A copy of the graph with every batch norm folded whose input is a layer that nobody else reads.

    A layer called at several places is folded for each place on its own. Batch norms before a convolution stay: with
    zero padding they do not fold.
    """
    result = own_copy(graph_module)
    for node in list(result.graph.nodes):
        layer = node.args[0] if kind_of(node) == "batch_norm" else None
        if isinstance(layer, Node) and kind_of(layer) in ("conv", "linear") and len(layer.users) == 1:
            norm, module = module_of(result, node), module_of(result, layer)
            if module is not None and norm is not None:
                place_module(result, layer, folded(module, norm))
                node.replace_all_uses_with(layer)
                result.graph.erase_node(node)
    return tidy(result)


def folded(layer: nn.Module, norm: nn.Module) -> nn.Module:
    """A new layer that computes ``norm(layer(x))`` in eval mode."""
    fuse: Callable[..., nn.Module] = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
    result = fuse(deepcopy(layer).eval(), deepcopy(norm).eval())
    for parameter in result.parameters():  # a bias that was not there before does not learn by default
        parameter.requires_grad_(next(layer.parameters()).requires_grad)
    return result
