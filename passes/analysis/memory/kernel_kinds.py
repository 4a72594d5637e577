"""Kinds of nodes for the kernels that compute them: finer than ``kind_of``, as fusion needs more than the census."""

from __future__ import annotations

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.passes.graph.node_kinds import CONVOLUTIONS, callee, kind_of, module_of
from rdpass.passes.graph.zero_padding import pad_arguments

ARITHMETIC = frozenset(
    ("abs", "pow", "sqrt", "rsqrt", "exp", "log", "erf", "minimum", "maximum", "clamp_min", "square", "floor", "where")
)
ELEMENTWISE = frozenset(("activation", "batch_norm", "mul", "sub", "div"))
WINDOWS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)


def kernel_kind(graph_module: GraphModule, node: Node) -> str:
    """``kind_of``, or more exactly ``elementwise``, ``window_pool``, ``grouped_conv`` or ``pointwise_conv``.

    The last is 1×1, stride 1, one group, no padding.
    """
    kind, module = kind_of(node), module_of(graph_module, node)
    if kind == "add":
        return "add"
    if kind in ELEMENTWISE or (node.op != "call_module" and callee(node).removesuffix("_") in ARITHMETIC):
        return "elementwise"
    if kind == "pool" and (isinstance(module, WINDOWS) or (module is None and _windowed(node))):
        return "window_pool"
    if isinstance(module, CONVOLUTIONS):
        if module.groups > 1:
            return "grouped_conv"
        plain = all(k == 1 for k in module.kernel_size) and all(s == 1 for s in module.stride)
        return "pointwise_conv" if plain and not any(_pads(module)) else "conv"
    return kind


def _pads(module: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> tuple[int, ...]:
    return () if isinstance(module.padding, str) else tuple(module.padding)


def _windowed(node: Node) -> bool:
    name = callee(node)
    return name.startswith(("max_pool", "_max_pool", "avg_pool", "boolean_dispatch"))


def is_conv_padding(graph_module: GraphModule, node: Node) -> bool:
    """Tell whether a node pads with zeros what only convolutions read."""
    if kind_of(node) != "pad" or not node.users:
        return False
    _, value, mode = pad_arguments(graph_module, node)
    filled_with_zeros = mode == "constant" and value == 0
    return filled_with_zeros and all(kind_of(user) == "conv" for user in node.users)
