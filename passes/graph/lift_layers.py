"""Functional layers become modules, so that every later pass meets one form of each.

``F.conv2d(x, weight, bias, …)`` with parameters from the model becomes an ``nn.Conv2d`` holding those same
parameters, likewise batch norm, linear and the activations, whether they were spelled through ``torch.nn.functional``,
a tensor method or an aten operator of an exported graph. Layers whose weights are computed in the graph stay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node

from rdpass.passes.graph.editing import add_module, copy_graph, tidy, turn_into_call
from rdpass.passes.graph.node_kinds import callee

Arguments = dict[str, Any]

CONV_SIGNATURE = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
NORM_SIGNATURE = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
ATEN_NORM_SIGNATURE = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
CONV_DEFAULTS: Arguments = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
NORM_DEFAULTS: Arguments = {"weight": None, "bias": None, "training": False, "momentum": 0.1, "eps": 1e-5}
CONV_TYPES: dict[str, tuple[type[nn.Module], int]] = {
    "conv1d": (nn.Conv1d, 1), "conv2d": (nn.Conv2d, 2), "conv3d": (nn.Conv3d, 3),
}  # fmt: skip
NORM_TYPES: dict[int, type[nn.Module]] = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}

# name: (module, its constructor's arguments in the function's order after the input)
ACTIVATION_TYPES: dict[str, tuple[Callable[..., nn.Module], tuple[str, ...]]] = {
    "relu": (nn.ReLU, ()),
    "relu6": (nn.ReLU6, ()),
    "hardtanh": (nn.Hardtanh, ("min_val", "max_val")),
    "leaky_relu": (nn.LeakyReLU, ("negative_slope",)),
    "silu": (nn.SiLU, ()),
    "hardswish": (nn.Hardswish, ()),
    "sigmoid": (nn.Sigmoid, ()),
    "hardsigmoid": (nn.Hardsigmoid, ()),
    "tanh": (nn.Tanh, ()),
    "gelu": (nn.GELU, ()),
    "elu": (nn.ELU, ("alpha",)),
    "mish": (nn.Mish, ()),
}


def lift_layers(graph_module: GraphModule) -> GraphModule:
    """A graph in which the layers named above are modules, from one whose shapes are annotated."""
    result = copy_graph(graph_module)
    for node in list(result.graph.nodes):
        if node.op in ("call_function", "call_method"):
            module = _module_for(result, node)
            if module is not None:
                _replace(result, node, module)
    return copy_graph(tidy(result))  # without the tensors that layers alone hold by now


def _module_for(graph_module: GraphModule, node: Node) -> nn.Module | None:
    name = callee(node)
    if name in CONV_TYPES:
        return _convolution(graph_module, node, *CONV_TYPES[name])
    if name == "linear":
        return _linear(graph_module, node)
    if name == "batch_norm":
        return _batch_norm(graph_module, node)
    if name in ACTIVATION_TYPES:
        return _activation(node, *ACTIVATION_TYPES[name])
    return None


def _convolution(graph_module: GraphModule, node: Node, kind: type[nn.Module], dims: int) -> nn.Module | None:
    given = _arguments(node, CONV_SIGNATURE, CONV_DEFAULTS)
    weight, bias = (_stored(graph_module, given[key]) for key in ("weight", "bias"))
    if weight is None or (given["bias"] is not None and bias is None):
        return None
    options = {key: _per_axis(given[key], dims) for key in ("stride", "padding", "dilation")}
    layer = kind(
        weight.shape[1] * given["groups"], weight.shape[0], tuple(weight.shape[2:]), groups=given["groups"],
        bias=bias is not None, device="meta", **options,
    )  # fmt: skip
    return _holding(layer, weight=weight, bias=bias)


def _linear(graph_module: GraphModule, node: Node) -> nn.Module | None:
    given = _arguments(node, ("input", "weight", "bias"), {"bias": None})
    weight, bias = (_stored(graph_module, given[key]) for key in ("weight", "bias"))
    if weight is None or weight.ndim != 2 or (given["bias"] is not None and bias is None):
        return None
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    return _holding(layer, weight=weight, bias=bias)


def _batch_norm(graph_module: GraphModule, node: Node) -> nn.Module | None:
    functional = getattr(node.target, "__module__", None) == "torch.nn.functional"  # torch.batch_norm goes by aten
    given = _arguments(node, NORM_SIGNATURE if functional else ATEN_NORM_SIGNATURE, NORM_DEFAULTS)
    keys = ("weight", "bias", "running_mean", "running_var")
    stored = {key: _stored(graph_module, given[key]) for key in keys}
    mean, source = stored["running_mean"], given["input"]
    if given["training"] or mean is None or stored["running_var"] is None or not isinstance(source, Node):
        return None
    if any(given[key] is not None and stored[key] is None for key in keys):
        return None
    affine = stored["weight"] is not None
    kind = NORM_TYPES[len(source.meta["tensor_meta"].shape)]
    layer = kind(mean.shape[0], eps=given["eps"], momentum=given["momentum"], affine=affine, device="meta")
    layer.num_batches_tracked = torch.zeros((), dtype=torch.long)
    if affine and stored["bias"] is None:
        stored["bias"] = torch.zeros_like(mean)
    return _holding(layer, **stored).eval()


def _activation(node: Node, kind: Callable[..., nn.Module], parameters: tuple[str, ...]) -> nn.Module | None:
    given = _arguments(node, ("input", *parameters), {})
    options = {key: given[key] for key in parameters if key in given}
    if node.kwargs.get("approximate", "none") != "none" or len(node.args) > 1 + len(parameters):
        return None
    return kind(**options)


def _arguments(node: Node, signature: tuple[str, ...], defaults: Arguments) -> Arguments:
    return {**defaults, **dict(zip(signature, node.args, strict=False)), **node.kwargs}


def _stored(graph_module: GraphModule, value: Any) -> Tensor | None:
    """The parameter or buffer that a ``get_attr`` node reads; None for anything computed."""
    if not isinstance(value, Node) or value.op != "get_attr":
        return None
    owner, _, name = str(value.target).rpartition(".")
    tensor = getattr(graph_module.get_submodule(owner), name)
    return tensor if isinstance(tensor, Tensor) else None


def _per_axis(value: Any, dims: int) -> Any:
    if isinstance(value, str | int):
        return value
    return tuple(value) * dims if len(value) == 1 else tuple(value)


def _holding(layer: nn.Module, **tensors: Tensor | None) -> nn.Module:
    """``layer`` with these very tensors in place of its own, so that sharing with the rest of the model remains."""
    for name, tensor in tensors.items():
        if name in layer._parameters:
            shared = tensor if tensor is None or isinstance(tensor, nn.Parameter) else nn.Parameter(tensor)
            layer.register_parameter(name, shared)
        elif tensor is not None:
            layer.register_buffer(name, tensor)
    return layer


def _replace(graph_module: GraphModule, node: Node, module: nn.Module) -> None:
    source = node.args[0] if node.args else node.kwargs["input"]
    path = add_module(graph_module, node.name, module)
    turn_into_call(graph_module, node, path, source)
