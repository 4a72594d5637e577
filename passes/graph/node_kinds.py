"""Kinds of nodes, read off their modules or functions: the only place that knows torch's many spellings.

The kind is noted in the node's metadata once, as the graph is captured, and travels with its copies. A node that calls
something else afterwards is noted anew, by whoever changes it or by the next pass: ``annotate_kinds`` passes over what
still holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from torch import nn
from torch.fx import GraphModule, Node

from rdpass.core.errors import PassError

KIND = "kind"
"""Where a node's metadata hold it."""

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.Hardtanh, nn.LeakyReLU, nn.PReLU, nn.SiLU, nn.Hardswish, nn.GELU, nn.ELU, nn.Mish,
    nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Softplus,
)  # fmt: skip
POOLS = (
    nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d,
    nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
)  # fmt: skip
PADS = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d, nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
PASSING = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
OTHER_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d, nn.RMSNorm)

MODULE_KINDS: tuple[tuple[tuple[type[nn.Module], ...], str], ...] = (
    (CONVOLUTIONS, "conv"),
    (TRANSPOSED, "conv_transpose"),
    (BATCH_NORMS, "batch_norm"),
    ((nn.Linear,), "linear"),
    (ACTIVATIONS, "activation"),
    (POOLS, "pool"),
    (PADS, "pad"),
    (PASSING, "pass"),
    (OTHER_NORMS, "other_norm"),
    ((nn.MultiheadAttention,), "attention"),
    ((nn.Flatten, nn.Unflatten), "view"),
    ((nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle), "rearrange"),
    ((nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d), "resize"),
)

FUNCTION_KINDS: dict[str, str] = {
    "add": "add",
    "sub": "sub", "subtract": "sub", "rsub": "sub", "neg": "sub",
    "mul": "mul", "multiply": "mul", "div": "div", "divide": "div", "true_divide": "div", "truediv": "div",
    "cat": "concat", "concat": "concat", "concatenate": "concat", "stack": "concat",
    "conv1d": "conv", "conv2d": "conv", "conv3d": "conv", "convolution": "conv",
    "conv_transpose1d": "conv_transpose", "conv_transpose2d": "conv_transpose", "conv_transpose3d": "conv_transpose",
    "batch_norm": "batch_norm",
    "linear": "linear",
    "avg_pool1d": "pool", "avg_pool2d": "pool", "avg_pool3d": "pool",
    "max_pool1d": "pool", "max_pool2d": "pool", "max_pool3d": "pool",
    "max_pool1d_with_indices": "pool", "max_pool2d_with_indices": "pool", "max_pool3d_with_indices": "pool",
    "_max_pool1d": "pool", "_max_pool2d": "pool", "_max_pool3d": "pool", "boolean_dispatch": "pool",
    "adaptive_avg_pool1d": "pool", "adaptive_avg_pool2d": "pool", "adaptive_avg_pool3d": "pool",
    "adaptive_max_pool1d": "pool", "adaptive_max_pool2d": "pool", "adaptive_max_pool3d": "pool",
    "mean": "pool", "amax": "pool",
    "pad": "pad", "constant_pad_nd": "pad",
    "getitem": "slice", "slice": "slice", "narrow": "slice", "select": "slice",
    "chunk": "slice", "split": "slice", "unbind": "slice", "split_with_sizes": "slice", "tensor_split": "slice",
    "dropout": "pass", "dropout1d": "pass", "dropout2d": "pass", "dropout3d": "pass", "contiguous": "pass",
    "clone": "pass", "detach": "pass", "alias": "pass", "to": "pass", "_to_copy": "pass", "float": "pass",
    "type_as": "pass", "stochastic_depth": "pass", "drop_path": "pass",
    "flatten": "view", "reshape": "view", "view": "view", "squeeze": "view", "unsqueeze": "view", "unflatten": "view",
    "permute": "view", "transpose": "view", "swapaxes": "view", "movedim": "view", "view_as": "view",
    "reshape_as": "view",
    "roll": "rearrange", "flip": "rearrange", "expand": "rearrange", "expand_as": "rearrange", "repeat": "rearrange",
    "pixel_shuffle": "rearrange", "pixel_unshuffle": "rearrange", "channel_shuffle": "rearrange",
    "interpolate": "resize", "upsample": "resize", "upsample_nearest2d": "resize", "upsample_bilinear2d": "resize",
    "upsample_bicubic2d": "resize", "_upsample_bilinear2d_aa": "resize", "_upsample_bicubic2d_aa": "resize",
    "size": "shape", "getattr": "shape", "dim": "shape", "sym_size": "shape",
    "layer_norm": "other_norm", "group_norm": "other_norm", "instance_norm": "other_norm", "rms_norm": "other_norm",
    "_native_batch_norm_legit": "other_norm",
    "scaled_dot_product_attention": "attention", "matmul": "attention", "bmm": "attention", "einsum": "attention",
    "baddbmm": "attention",
    "relu": "activation", "relu6": "activation", "hardtanh": "activation", "clamp": "activation",
    "leaky_relu": "activation", "prelu": "activation", "silu": "activation", "hardswish": "activation",
    "gelu": "activation", "elu": "activation", "mish": "activation", "sigmoid": "activation",
    "hardsigmoid": "activation", "tanh": "activation", "softplus": "activation", "selu": "activation",
    "celu": "activation",
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


def kind_of(node: Node) -> str:
    """``conv``, ``batch_norm``, ``activation``, ``add``, ``pool``, …; ``other`` for what has no name here.

    Raises:
        PassError: no kind was noted at the node, or it calls something else by now.
    """
    noted: _Noted | None = node.meta.get(KIND)
    if noted is None or noted.op != node.op or noted.target != node.target:
        raise PassError(f"{node.name}: its kind is not noted; call annotate_kinds(graph_module) first")
    return noted.kind


def annotate_kinds(graph_module: GraphModule) -> None:
    """Note the kind of every node that is new, or calls something else than when it was noted."""
    for node in graph_module.graph.nodes:
        annotate_kind(graph_module, node)


def annotate_kind(graph_module: GraphModule, node: Node) -> None:
    """The same for one node."""
    module = module_of(graph_module, node)
    called = type(module) if module is not None else _reads_a_parameter(node)
    noted: _Noted | None = node.meta.get(KIND)
    if noted is None or (noted.op, noted.target, noted.called) != (node.op, node.target, called):
        node.meta[KIND] = _Noted(classify(node, module), node.op, node.target, called)


@dataclass(frozen=True)
class _Noted:
    """A kind and what it was read off; ``called``: a module's type, or of a function whether it reads a parameter."""

    kind: str
    op: str
    target: Any
    called: type[nn.Module] | bool


def classify(node: Node, module: nn.Module | None) -> str:
    """The kind of a node that calls ``module``, or none."""
    if node.op in ("placeholder", "output", "get_attr"):
        return node.op
    if module is not None:
        custom: str | None = getattr(type(module), "rdpass_kind", None)
        kind = custom or next((kind for types, kind in MODULE_KINDS if isinstance(module, types)), "other")
        return "other_norm" if isinstance(module, BATCH_NORMS) and module.running_mean is None else kind
    kind = FUNCTION_KINDS.get(callee(node), "other")
    if kind == "batch_norm" and _normalises_by_its_input(node):
        return "other_norm"
    return "linear" if kind == "attention" and _reads_a_parameter(node) else kind  # a product with a parameter


def _normalises_by_its_input(node: Node) -> bool:
    """Tell whether a batch norm's function takes the statistics of its input; ``training`` is its sixth argument."""
    return bool(node.kwargs.get("training", node.args[5] if len(node.args) > 5 else False))


def _reads_a_parameter(node: Node) -> bool:
    return any(isinstance(arg, Node) and arg.op == "get_attr" for arg in node.args)


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
