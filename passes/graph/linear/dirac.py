"""Locate an identity in a convolution's weight, and write a projection shortcut as a pointwise map.

A convolution with stride s, padding p and dilation d reads, at output o and tap t, the input at o s - p + t d. The tap
t = p / d per axis therefore reads o s: a one there passes the input on, sampled at the stride.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from rdpass.passes.graph.layers import UnevenConv1d, UnevenConv2d, UnevenConv3d
from rdpass.passes.graph.node_kinds import CONVOLUTIONS

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
UNEVEN = (UnevenConv1d, UnevenConv2d, UnevenConv3d)


def identity_tap(conv: nn.Module) -> tuple[int, ...] | None:
    """The kernel index, per axis, that reads the input at the output's own position; None where there is none."""
    if not isinstance(conv, CONVOLUTIONS):
        return None
    tap = []
    for kernel, padding, dilation in zip(conv.kernel_size, zeros_around(conv)[0], conv.dilation, strict=True):
        if padding % dilation or padding // dilation >= kernel:
            return None
        tap.append(padding // dilation)
    return tuple(tap)


def zeros_around(conv: Convolution) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Padding before and after, per axis; 'same' has one more after where the kernel's reach is odd."""
    if isinstance(conv, UNEVEN):
        return conv.before, conv.after
    before = numeric_padding(conv)
    if conv.padding != "same":
        return before, before
    reach = [dilation * (kernel - 1) for dilation, kernel in zip(conv.dilation, conv.kernel_size, strict=True)]
    return before, tuple(whole - first for whole, first in zip(reach, before, strict=True))


def with_padding(conv: Convolution, before: tuple[int, ...], after: tuple[int, ...]) -> Convolution:
    """The same layer, its very parameters, with so many zeros before and after per axis."""
    even = before == after
    build: Any = (CONVOLUTIONS if even else UNEVEN)[len(before) - 1]
    result: Convolution = build(
        conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, before if even else 0, conv.dilation,
        conv.groups, bias=conv.bias is not None, device="meta",
    )  # fmt: skip
    if isinstance(result, UNEVEN):
        result.before, result.after = before, after
    result.weight, result.bias = conv.weight, conv.bias
    return result.train(conv.training)


def numeric_padding(conv: Convolution) -> tuple[int, ...]:
    """Padding per axis, also where it was given as 'same' (odd kernels) or 'valid'."""
    if conv.padding == "valid":
        return (0,) * len(conv.kernel_size)
    if conv.padding == "same":
        return tuple(d * (k - 1) // 2 for k, d in zip(conv.kernel_size, conv.dilation, strict=True))
    return tuple(int(p) for p in conv.padding)


@dataclass(frozen=True)
class Pointwise:
    """A linear map per position, ``weight`` (C_out, C_in) and ``bias`` (C_out,), read at every ``stride``-th one."""

    weight: Tensor
    bias: Tensor
    stride: tuple[int, ...]


def as_pointwise(conv: nn.Module) -> Pointwise | None:
    """A dense 1x1 convolution without padding as what it computes; None for any other module."""
    if not isinstance(conv, CONVOLUTIONS) or conv.groups != 1 or set(conv.kernel_size) != {1}:
        return None
    if isinstance(conv, UNEVEN) or any(numeric_padding(conv)):
        return None
    bias = torch.zeros(conv.out_channels).to(conv.weight) if conv.bias is None else conv.bias.detach()
    return Pointwise(conv.weight.detach().flatten(1), bias, tuple(conv.stride))


def identity_map(channels: int, dims: int, like: Tensor) -> Pointwise:
    """The pointwise map that an identity shortcut is."""
    return Pointwise(torch.eye(channels).to(like), torch.zeros(channels).to(like), (1,) * dims)


def resized(conv: Convolution, weight: Tensor, bias: Tensor | None, groups: int) -> Convolution:
    """A convolution like ``conv`` (stride, padding, dilation, type) with another weight, bias and grouping."""
    build: Any = type(conv)
    result: Convolution = build(
        weight.shape[1] * groups, weight.shape[0], conv.kernel_size, conv.stride, conv.padding, conv.dilation, groups,
        bias=bias is not None, padding_mode=conv.padding_mode, device="meta",
    )  # fmt: skip
    result.weight = nn.Parameter(weight)
    if bias is not None:
        result.bias = nn.Parameter(bias)
    if isinstance(conv, UNEVEN) and isinstance(result, UNEVEN):
        result.before, result.after = conv.before, conv.after
    return result


def at(weight: Tensor, tap: tuple[int, ...]) -> Tensor:
    """The slice (C_out, C_in) of ``weight`` at one kernel index, as a view."""
    for index in reversed(tap):
        weight = weight[..., index]
    return weight


def bias_of(conv: Convolution) -> Tensor:
    """The bias, zeros where there is none."""
    return conv.weight.new_zeros(conv.out_channels) if conv.bias is None else conv.bias.detach().clone()


def add_pointwise(conv: Convolution, added: Pointwise) -> Convolution:
    """``conv(x) + added(x)`` as one convolution. ``added`` must have ``conv``'s stride and shape, and ``conv`` a tap.

    A grouped convolution takes the identity only: ``added.weight`` is then diagonal.
    """
    tap = identity_tap(conv)
    assert tap is not None
    weight = conv.weight.detach().clone()
    at_tap = at(weight, tap)
    if conv.groups == 1:
        at_tap += added.weight
    else:
        rows = torch.arange(conv.out_channels)
        at_tap[rows, rows % (conv.in_channels // conv.groups)] += added.weight.diagonal()
    return resized(conv, weight, bias_of(conv) + added.bias, conv.groups)
