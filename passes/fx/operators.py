"""What a node computes, read off its module or function: the only place that knows torch's many spellings."""

from __future__ import annotations

from math import prod
from typing import Any

from torch import nn
from torch.fx import GraphModule, Node

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.PReLU, nn.SiLU, nn.Hardswish, nn.GELU, nn.ELU, nn.Mish,
    nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Softplus,
)  # fmt: skip
POOLS = (
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool2d,
)  # fmt: skip
PADS = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
PASSING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
OTHER_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)

MODULE_KINDS: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    (CONVOLUTIONS, "conv"),
    (BATCH_NORMS, "batch_norm"),
    ((nn.Linear,), "linear"),
    (ACTIVATIONS, "activation"),
    (POOLS, "pool"),
    (PADS, "pad"),
    (PASSING, "pass"),
    (OTHER_NORMS, "other_norm"),
    ((nn.MultiheadAttention,), "attention"),
    ((nn.Flatten, nn.Unflatten), "view"),
)

FUNCTION_KINDS: dict[str, str] = {
    "add": "add",
    "mul": "mul",
    "cat": "concat", "concat": "concat",
    "conv1d": "conv", "conv2d": "conv", "conv3d": "conv",
    "batch_norm": "batch_norm",
    "linear": "linear",
    "avg_pool1d": "pool", "avg_pool2d": "pool", "avg_pool3d": "pool",
    "max_pool1d": "pool", "max_pool2d": "pool", "max_pool3d": "pool",
    "_max_pool1d": "pool", "_max_pool2d": "pool", "_max_pool3d": "pool", "boolean_dispatch": "pool",
    "adaptive_avg_pool1d": "pool", "adaptive_avg_pool2d": "pool", "adaptive_avg_pool3d": "pool",
    "mean": "pool",
    "pad": "pad", "constant_pad_nd": "pad",
    "getitem": "slice", "slice": "slice", "narrow": "slice",
    "dropout": "pass", "dropout2d": "pass", "contiguous": "pass", "clone": "pass",
    "flatten": "view", "reshape": "view", "view": "view", "squeeze": "view", "unsqueeze": "view",
    "permute": "view", "transpose": "view",
    "size": "shape", "getattr": "shape", "dim": "shape", "sym_size": "shape",
    "layer_norm": "other_norm", "group_norm": "other_norm", "instance_norm": "other_norm",
    "scaled_dot_product_attention": "attention", "matmul": "attention", "bmm": "attention",
    "relu": "activation", "relu6": "activation", "hardtanh": "activation", "clamp": "activation",
    "leaky_relu": "activation", "prelu": "activation", "silu": "activation", "hardswish": "activation",
    "gelu": "activation", "elu": "activation", "mish": "activation", "sigmoid": "activation",
    "hardsigmoid": "activation", "tanh": "activation", "softplus": "activation",
}  # fmt: skip


def callee(node: Node) -> str:
    """The plain name of what a function or method node calls: ``conv2d`` for every spelling of it."""
    if node.op == "call_method":
        return str(node.target)
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet))


def module_of(graph_module: GraphModule, node: Node) -> nn.Module | None:
    """The module a ``call_module`` node calls, else None."""
    return graph_module.get_submodule(str(node.target)) if node.op == "call_module" else None


def kind_of(graph_module: GraphModule, node: Node) -> str:
    """``conv``, ``batch_norm``, ``activation``, ``add``, ``pool``, …; ``other`` for what has no name here."""
    if node.op in ("placeholder", "output", "get_attr"):
        return node.op
    module = module_of(graph_module, node)
    if module is not None:
        custom = getattr(module, "rdpass_kind", None)
        return custom or next((kind for types, kind in MODULE_KINDS if isinstance(module, types)), "other")
    return FUNCTION_KINDS.get(callee(node), "other")


def shape_of(node: Node) -> tuple[int, ...] | None:
    """The shape of the tensor a node gives on the example; None for what is not one tensor."""
    meta = node.meta.get("tensor_meta")
    return tuple(meta.shape) if meta is not None and hasattr(meta, "shape") else None


def bytes_of(node: Node) -> int:
    """Bytes of the tensor or tensors that a node gives on the example."""
    return _bytes(node.meta.get("tensor_meta"))


def _bytes(meta: Any) -> int:
    if hasattr(meta, "shape"):
        return int(prod(meta.shape)) * int(meta.dtype.itemsize)
    if isinstance(meta, dict):
        return sum(_bytes(value) for value in meta.values())
    return sum(_bytes(value) for value in meta) if isinstance(meta, tuple | list) else 0
