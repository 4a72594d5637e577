"""Conv and ConvTranspose as torch's modules; uneven padding is a ZeroPad before the convolution.

A Conv whose weights or bias are computed, as trackers and hypernetworks have it, is a call of torch's function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from rdpass.onnx.reading.call import Call, Reader, Unreadable

CONVOLUTIONS: tuple[Any, ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED: tuple[Any, ...] = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
FUNCTIONS: tuple[Any, ...] = (functional.conv1d, functional.conv2d, functional.conv3d)
PADS: tuple[Any, ...] = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d)


def convolution(call: Call) -> Any:
    padded, padding = _padded(call)
    if call.array(1) is None or (call.has(2) and call.array(2) is None):
        rank = _rank(len(call.shape(1)) - 2)
        bias = call.value(2) if call.has(2) else None
        strides, dilations = (tuple(call.attribute(name, (1,) * rank)) for name in ("strides", "dilations"))
        function = FUNCTIONS[rank - 1]
        return call.call(function, padded, call.value(1), bias, strides, padding, dilations, call.attribute("group", 1))
    return call.module(_convolution(call, padding, _bias(call)), padded)


def with_bias_added(call: Call, added: Any) -> Any:
    """The convolution that ``call`` is, with a bias (filters) more."""
    padded, padding = _padded(call)
    own = _bias(call)
    return call.module(_convolution(call, padding, added if own is None else own + added), padded)


def _bias(call: Call) -> Any:
    return call.tensor(2, "bias") if call.has(2) else None


def _convolution(call: Call, padding: tuple[int, ...], bias: Any) -> nn.Module:
    weights, groups = call.tensor(1, "weight"), call.attribute("group", 1)
    rank = _rank(weights.ndim - 2)
    module = CONVOLUTIONS[rank - 1](
        weights.shape[1] * groups, weights.shape[0], tuple(weights.shape[2:]), call.attribute("strides", (1,) * rank),
        padding, call.attribute("dilations", (1,) * rank), groups, bias is not None, device="meta",
    )  # fmt: skip
    return _filled(module, weights, bias)


def _filled(module: Any, weights: torch.Tensor, bias: Any) -> nn.Module:
    module.weight = nn.Parameter(weights)
    if bias is not None:
        module.bias = nn.Parameter(bias)
    filled: nn.Module = module
    return filled


def _rank(rank: int) -> int:
    if not 1 <= rank <= 3:
        raise Unreadable(f"it has {rank} axes of space; torch has 1 to 3")
    return rank


def _padded(call: Call) -> tuple[Any, tuple[int, ...]]:
    """The input, padded by a module of its own where the padding is uneven, and what the convolution pads itself."""
    rank = _rank(len(call.shape()) - 2)
    before, after = even_padding(call, rank)
    if before == after:
        return call.value(0), before
    return call.module(PADS[rank - 1](torch_padding(before, after))), (0,) * rank


def even_padding(call: Call, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The padding before and behind each axis of space.

    Raises:
        Unreadable: it is not explicit.
    """
    if call.attribute("auto_pad", "NOTSET") != "NOTSET":
        raise Unreadable("its auto_pad needs the sizes of its input")
    pads = tuple(call.attribute("pads", (0,) * (2 * rank)))
    return pads[:rank], pads[rank:]


def torch_padding(before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """In torch's order: the last axis first, both its sides together."""
    return tuple(amount for pair in zip(before[::-1], after[::-1], strict=True) for amount in pair)


def transposed(call: Call) -> Any:
    weights, groups = call.tensor(1, "weight"), call.attribute("group", 1)
    rank = _rank(weights.ndim - 2)
    strides = tuple(call.attribute("strides", (1,) * rank))
    dilations = tuple(call.attribute("dilations", (1,) * rank))
    extra = tuple(call.attribute("output_padding", (0,) * rank))
    before, after = even_padding(call, rank)
    # What is more at the end than at the beginning: a smaller output padding, or a cut.
    grown = tuple(e - a + b for e, a, b in zip(extra, after, before, strict=True))
    fits = all(0 <= g < max(s, d) for g, s, d in zip(grown, strides, dilations, strict=True))
    padding, output_padding = (before, grown) if fits else ((0,) * rank, (0,) * rank)
    bias = _bias(call)
    module = TRANSPOSED[rank - 1](
        weights.shape[0], weights.shape[1] * groups, tuple(weights.shape[2:]), strides, padding, output_padding, groups,
        bias is not None, dilations, device="meta",
    )  # fmt: skip
    result = call.module(_filled(module, weights, bias))
    if fits:
        return result
    return _cropped(call, result, before, tuple(a - e for a, e in zip(after, extra, strict=True)), bias)


def _cropped(call: Call, whole: Any, before: tuple[int, ...], after: tuple[int, ...], bias: Any) -> Any:
    """``whole`` without its edges; where the output padding is more than what is cut off, with the bias there."""
    if bias is not None and any(amount < 0 for amount in after):
        raise Unreadable("its output_padding reaches behind all of its windows, where there is its bias alone")
    return call.call(functional.pad, whole, torch_padding(tuple(-b for b in before), tuple(-a for a in after)))


READERS: Mapping[str, Reader] = {"Conv": convolution, "ConvTranspose": transposed}
