"""Read a node as a linear map of its input, where it is one.

Convolutions, batch norm in eval mode, average pools, products with a constant, strided slices and zero channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.nn import functional

from rdpass.passes.graph.dataflow import data_sources
from rdpass.passes.graph.linear.dirac import zeros_around
from rdpass.passes.graph.linear.linear_map import Axes, LinearMap, NotExact, diagonal, identity, pointwise_map
from rdpass.passes.graph.linear.linear_slice import slice_map
from rdpass.passes.graph.node_kinds import BATCH_NORMS, CONVOLUTIONS, callee, kind_of, module_of, shape_of
from rdpass.passes.graph.zero_padding import pad_arguments

AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
MAXIMA = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
NUMBER = (int, float)


def linear_map(graph_module: GraphModule, node: Node, source: Node) -> LinearMap:
    """``node`` as a linear map of ``source``, its one input that is no constant; shapes annotated.

    Raises:
        NotExact: it is none, or none that a convolution can express.
    """
    kind, module = kind_of(node), module_of(graph_module, node)
    shape = shape_of(source) or ()
    if len(shape) < 3:
        raise NotExact(f"{source.name} is no feature map")
    channels, dims = shape[1], len(shape) - 2
    if kind == "pass":
        return identity(channels, dims)
    if kind == "conv":
        return _convolution(node, module)
    if kind == "batch_norm":
        return _batch_norm(node, module, dims)
    if kind == "mul" and (factor := constant_factor(graph_module, node, source)) is not None:
        return diagonal(factor, None, dims)
    if kind == "pool":
        return _pool(node, module, shape)
    if kind == "slice":
        return slice_map(node, channels, dims)
    if kind == "pad":
        return _channel_pad(graph_module, node, shape)
    raise NotExact(f"{node.name} ({_what(kind, module)}) is not linear")


def _what(kind: str, module: nn.Module | None) -> str:
    return type(module).__name__ if module is not None else kind


def _convolution(node: Node, conv: nn.Module | None) -> LinearMap:
    if not isinstance(conv, CONVOLUTIONS):
        raise NotExact(f"{node.name} computes its weights in the graph")
    before, after = zeros_around(conv)
    if before != after and conv.padding_mode != "zeros":
        raise NotExact(f"{node.name} pads more on one side than on the other, and not with zeros")
    bias = None if conv.bias is None else conv.bias.detach().double()
    weight = conv.weight.detach().double()
    return LinearMap(weight, bias, conv.stride, before, after, conv.dilation, conv.groups, conv.padding_mode)


def _batch_norm(node: Node, norm: nn.Module | None, dims: int) -> LinearMap:
    if not isinstance(norm, BATCH_NORMS) or norm.running_mean is None or norm.running_var is None:
        raise NotExact(f"{node.name} has no running statistics: it is not linear")
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.detach().double()
    shift = -norm.running_mean.double() * scale
    return diagonal(scale, shift if norm.bias is None else shift + norm.bias.detach().double(), dims)


def constant_factor(graph_module: GraphModule, node: Node, source: Node) -> Tensor | None:
    """The factor of each channel of ``source`` in a product, shape (C,); None where it is no constant."""
    others = [arg for arg in node.args if arg is not source]
    if len(node.args) != 2 or len(others) != 1:
        return None
    channels, dims = (shape_of(source) or (0, 0))[1], len(shape_of(source) or ()) - 2
    if isinstance(others[0], NUMBER):
        return torch.full((channels,), float(others[0]), dtype=torch.float64)
    stored = _stored(graph_module, others[0])
    if stored is None or stored.is_meta or tuple(stored.shape)[-dims:] not in ((), (1,) * dims):
        return None
    rest = tuple(stored.shape)[:-dims] if stored.ndim >= dims else ()
    if rest and tuple(size for size in rest if size > 1) not in ((), (channels,)):
        return None
    return stored.detach().double().flatten().expand(channels).clone()


def data_inputs(node: Node) -> list[Node]:
    """The operands whose values the node depends on, parameters and constants left out."""
    return [source for source in data_sources(node) if source.op != "get_attr"]


def _stored(graph_module: GraphModule, value: Any) -> Tensor | None:
    if not isinstance(value, Node) or value.op != "get_attr":
        return None
    owner, _, name = str(value.target).rpartition(".")
    tensor = getattr(graph_module.get_submodule(owner), name)
    return tensor if isinstance(tensor, Tensor) else None


def _pool(node: Node, pool: nn.Module | None, shape: tuple[int, ...]) -> LinearMap:
    if isinstance(pool, MAXIMA) and set(_axes(pool.kernel_size, len(shape) - 2)) == {1}:
        return _sampled(shape[1], _axes(pool.stride, len(shape) - 2))
    if isinstance(pool, AVERAGES):
        options = {key: getattr(pool, key, None) for key in ("kernel_size", "stride", "padding", "ceil_mode")}
        whole, divisor = pool.count_include_pad, getattr(pool, "divisor_override", None)
    elif pool is None and callee(node).startswith("avg_pool"):
        names = ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override")
        given: dict[str, Any] = {**dict(zip(names, node.args, strict=False)), **node.kwargs}
        options = {key: given.get(key) for key in names[1:5]}
        whole, divisor = given.get("count_include_pad", True), given.get("divisor_override")
    else:
        raise NotExact(f"{node.name} ({_what('pool', pool)}) is not linear")
    return _average(node, options, bool(whole), divisor, shape)


def _average(
    node: Node, options: dict[str, Any], whole: bool, divisor: int | None, shape: tuple[int, ...]
) -> LinearMap:
    dims = len(shape) - 2
    kernel = _axes(options["kernel_size"], dims)
    stride = _axes(options["stride"] or kernel, dims)
    padding = _axes(options["padding"] or 0, dims)
    if any(padding) and not whole and not divisor:
        raise NotExact(f"{node.name} divides by fewer values at the borders (count_include_pad=False)")
    area = int(torch.tensor(kernel).prod())
    weight = torch.full((shape[1], 1, *kernel), 1.0 / (divisor or area), dtype=torch.float64)
    result = LinearMap(weight, None, stride, padding, padding, (1,) * dims, shape[1])
    if options["ceil_mode"] and result.size_after(shape[2:]) != (shape_of(node) or ())[2:]:
        raise NotExact(f"{node.name} has windows that are cut off at the border (ceil_mode)")
    return result


def _channel_pad(graph_module: GraphModule, node: Node, shape: tuple[int, ...]) -> LinearMap:
    """Zero channels before and after (option A of He et al., arXiv 1512.03385)."""
    amounts, value, mode = pad_arguments(graph_module, node)
    channels, dims = shape[1], len(shape) - 2
    after = shape_of(node) or ()
    before = amounts[2 * dims] if len(amounts) > 2 * dims else 0
    if isinstance(before, Node):  # the graph computes it; the shapes tell it from the amount on the other side
        last = amounts[2 * dims + 1]
        before = -1 if isinstance(last, Node) else after[1] - channels - last
    added = after[1] - channels - before
    if mode != "constant" or value != 0 or after[2:] != shape[2:] or after[0] != shape[0] or min(before, added) < 0:
        raise NotExact(f"{node.name} pads otherwise than with zero channels")
    weight = functional.pad(torch.eye(channels, dtype=torch.float64), (0, 0, before, added))
    return pointwise_map(weight.reshape(-1, channels, *[1] * dims), None, (1,) * dims)


def _sampled(channels: int, stride: Axes) -> LinearMap:
    return pointwise_map(identity(channels, len(stride)).weight, None, stride, channels)


def _axes(value: Any, dims: int) -> Axes:
    given = (int(value),) if isinstance(value, int) else tuple(map(int, value))
    return given * dims if len(given) == 1 else given
