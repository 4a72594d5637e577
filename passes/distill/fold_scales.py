"""Layer-scale: a product with a parameter right behind a layer folds into that layer, or is reset to 1.

gamma * BN(x): BN's weight and bias; gamma * (W x + b): gamma W, gamma b. Folding keeps the values. Resetting is for
students that start without shortcuts: a gamma of 1e-6 beside no shortcut would leave no signal.

Stochastic depth, which does nothing in eval mode, goes with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from rdpass.core.plan import Region
from rdpass.passes.graph.editing import own_copy, place_module, tidy
from rdpass.passes.graph.node_kinds import BATCH_NORMS, CONVOLUTIONS, callee, kind_of, module_of

STOCHASTIC_DEPTH = ("stochastic_depth", "drop_path")


def fold_scales(graph_module: GraphModule) -> GraphModule:
    """A copy of the graph with every such scale folded, and stochastic depth gone; values are kept in eval mode."""
    result = own_copy(graph_module)
    _drop_stochastic_depth(result)
    for node, layer, factor in list(_scales(result)):
        place_module(result, layer, _scaled(module_of(result, layer), factor))
        _drop(result, node, layer)
    return tidy(result)


def reset_scales(graph_module: GraphModule, regions: Iterable[Region]) -> GraphModule:
    """A copy of the graph in which the scales inside the bodies of ``regions`` are gone, and stochastic depth too."""
    result = own_copy(graph_module)
    _drop_stochastic_depth(result)
    inside = {name for region in regions for name in region.body}
    for node, layer, _ in list(_scales(result)):
        if node.name in inside:
            _drop(result, node, layer)
    return tidy(result)


def _drop(graph_module: GraphModule, node: Node, source: Node) -> None:
    node.replace_all_uses_with(source)
    graph_module.graph.erase_node(node)


def _drop_stochastic_depth(graph_module: GraphModule) -> None:
    for node in list(graph_module.graph.nodes):
        name = callee(node) if node.op == "call_function" else type(module_of(graph_module, node)).__name__
        if name in STOCHASTIC_DEPTH or name in ("StochasticDepth", "DropPath"):
            _drop(graph_module, node, node.all_input_nodes[0])


def _scales(graph_module: GraphModule) -> Iterable[tuple[Node, Node, Tensor]]:
    """Each product of a layer nobody else reads with a constant per channel: the node, the layer, the constant."""
    for node in graph_module.graph.nodes:
        if kind_of(node) not in ("mul", "div") or len(node.args) != 2:
            continue
        layer, constant = node.args if _is_layer(node.args[0]) else node.args[::-1]
        if not isinstance(layer, Node) or not _is_layer(layer) or len(layer.users) != 1:
            continue
        value = _constant(graph_module, constant)
        module = module_of(graph_module, layer)
        factor = None if value is None or module is None else _per_channel(value, module)
        if factor is None:
            continue
        if kind_of(node) == "mul":
            yield node, layer, factor
        elif layer is node.args[0]:
            yield node, layer, 1 / factor


def _is_layer(argument: object) -> bool:
    return isinstance(argument, Node) and kind_of(argument) in ("conv", "batch_norm", "linear")


def _constant(graph_module: GraphModule, argument: object) -> Tensor | None:
    if isinstance(argument, int | float):
        return torch.tensor(float(argument))
    return constant_value(graph_module, argument) if isinstance(argument, Node) else None


def constant_value(graph_module: GraphModule, node: Node) -> Tensor | None:
    """The tensor that a node gives from parameters and buffers alone; None where it depends on an input."""
    if node.op == "get_attr":
        owner, _, name = str(node.target).rpartition(".")
        value = getattr(graph_module.get_submodule(owner), name)
        return value.detach() if isinstance(value, Tensor) else None
    if node.op != "call_method" or len(node.all_input_nodes) != 1 or kind_of(node) != "view":
        return None
    source = constant_value(graph_module, node.all_input_nodes[0])
    if source is None:
        return None
    viewed: Tensor = getattr(source, str(node.target))(*node.args[1:], **node.kwargs)
    return viewed


def _per_channel(value: Tensor, module: nn.Module) -> Tensor | None:
    """The constant as (C,), where it has an entry per channel of the layer (its last axis for a linear one)."""
    if isinstance(module, nn.Linear):
        fits = value.ndim == 0 or (value.shape[-1] in (1, module.out_features) and value.numel() == value.shape[-1])
        return value.flatten().expand(module.out_features) if fits else None
    channels = int(getattr(module, "out_channels", getattr(module, "num_features", 0)))
    kinds = CONVOLUTIONS if isinstance(module, CONVOLUTIONS) else BATCH_NORMS
    dims = next((d for d, kind in enumerate(kinds, start=1) if isinstance(module, kind)), 0)
    axis_right = value.numel() == 1 or (value.ndim > dims and value.shape[-1 - dims] == value.numel())
    return value.flatten().expand(channels) if axis_right and value.numel() in (1, channels) else None


def _scaled(module: nn.Module | None, factor: Tensor) -> nn.Module:
    """A layer that gives ``factor`` times what ``module`` gives, per channel."""
    assert module is not None
    result = deepcopy(module)
    if isinstance(result, BATCH_NORMS) and not result.affine:
        result.affine = True
        result.register_parameter("weight", nn.Parameter(torch.ones_like(factor)))
        result.register_parameter("bias", nn.Parameter(torch.zeros_like(factor)))
    for name in ("weight", "bias"):
        parameter = getattr(result, name)
        if parameter is not None:
            shaped = factor.reshape(-1, *[1] * (parameter.ndim - 1))
            setattr(result, name, nn.Parameter(parameter.detach() * shaped, parameter.requires_grad))
    return result
