"""The few layers that the passes put into a graph. They are leaves: ``rdpass_kind`` tells the census what they are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class ChannelClamp(nn.Module):
    """``min(max(x, lower), upper)`` with bounds per channel, infinite ones allowed.

    ReLU and ReLU6 on a block's own channels beside nothing at all on the carried ones.
    """

    rdpass_kind = "activation"
    lower: Tensor
    upper: Tensor

    def __init__(self, lower: Tensor, upper: Tensor, dims: int) -> None:
        """``lower`` and ``upper``: shape (C,). ``dims``: spatial dimensions of the maps to be clamped."""
        super().__init__()
        self.register_buffer("lower", lower.reshape(1, -1, *[1] * dims))
        self.register_buffer("upper", upper.reshape(1, -1, *[1] * dims))

    def forward(self, x: Tensor) -> Tensor:
        return torch.minimum(torch.maximum(x, self.lower), self.upper)


class MaskedActivation(nn.Module):
    """``activation`` on a block's own channels, nothing on the carried ones.

    For what has no clamp's form (SiLU, GELU, hard-swish and their like). A selection between two values of one map, it
    is elementwise: a compiler fuses it into the convolution before it.
    """

    rdpass_kind = "activation"
    own: Tensor

    def __init__(self, activation: nn.Module, own: Tensor, dims: int) -> None:
        """``own``: bool of shape (C,), true where the activation acts. ``dims``: spatial dimensions of the maps."""
        super().__init__()
        self.activation = activation
        self.register_buffer("own", own.reshape(1, -1, *[1] * dims))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(self.own, self.activation(x), x)


class GainedIdentity(nn.Module):
    """``linear + strength * gain * carried``: an identity round one linear layer, into which it folds.

    ``carried`` is read at every ``stride``-th position, as the layer's own tap reads it. ``strength`` is r of the
    ``migrate`` recipe, set from outside as training goes on; ``gain`` is learnt, per channel.
    """

    rdpass_kind = "migrating"

    def __init__(self, gain: Tensor, stride: tuple[int, ...]) -> None:
        """``gain``: shape (C,), the initial one. ``stride``: per spatial axis."""
        super().__init__()
        self.gain = nn.Parameter(gain.reshape(-1, *[1] * len(stride)))
        self.stride = stride
        self.strength = 0.0

    def forward(self, linear: Tensor, carried: Tensor) -> Tensor:
        return linear + self.strength * self.gain * sampled(carried, self.stride, linear)


class StreamBranch(nn.Module):
    """``linear + strength * weight * carried + bias_strength * bias``: a pointwise map round one linear layer.

    It folds into that layer at the tap that reads the output's own position. ``weight`` (C_out, C_in) is kept flat:
    what has one axis is trained without weight decay.
    """

    rdpass_kind = "migrating"

    def __init__(self, weight: Tensor, bias: Tensor, stride: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = tuple(weight.shape)
        self.flat_weight = nn.Parameter(weight.flatten().contiguous())
        self.bias = nn.Parameter(bias.clone())
        self.stride = stride
        self.strength = self.bias_strength = 0.0

    @property
    def weight(self) -> Tensor:
        """The map, shape (C_out, C_in)."""
        return self.flat_weight.view(self.shape)

    def forward(self, linear: Tensor, carried: Tensor) -> Tensor:
        ones = [1] * len(self.stride)
        weight = (self.strength * self.weight).reshape(*self.shape, *ones)
        carried = sampled(carried, self.stride, linear)
        return linear + CONVOLVE[len(ones)](carried, weight, self.bias_strength * self.bias)


class ShiftedBias(nn.Module):
    """``linear + strength * bias``, bias (C,) learnt: it folds into the bias of the layer that gives ``linear``.

    The first layer of a gate reads the map that a shortcut moves into; this takes back what that adds on average.
    """

    rdpass_kind = "migrating"

    def __init__(self, like: Tensor) -> None:
        """``like``: of the shape and type of the layer's bias."""
        super().__init__()
        self.bias = nn.Parameter(torch.zeros_like(like))
        self.strength = 0.0

    def forward(self, linear: Tensor) -> Tensor:
        return linear + self.strength * self.bias.reshape(-1, *[1] * (linear.ndim - 2))


class FadingAdd(nn.Module):
    """``body + strength * shortcut``: a shortcut on its way out. ``strength`` (s) goes from 1 to 0.

    At 0 the product stays in the graph, so that every parameter has a gradient in every step (DDP asks for it).
    """

    rdpass_kind = "fading"

    def __init__(self) -> None:
        super().__init__()
        self.strength = 1.0

    def forward(self, body: Tensor, shortcut: Tensor) -> Tensor:
        return body + self.strength * shortcut


class FadingActivation(nn.Module):
    """``activated + (1 - strength) * (linear - activated)``: an activation on its way to none.

    ``linear`` is what it is applied to. ``strength`` goes from 1 to 0.
    """

    rdpass_kind = "fading"

    def __init__(self) -> None:
        super().__init__()
        self.strength = 1.0

    def forward(self, activated: Tensor, linear: Tensor) -> Tensor:
        return activated + (1.0 - self.strength) * (linear - activated)


class DiracConvolution(nn.Module):
    """A convolution with the weight ``alpha * delta + beta * W``, alpha and beta learnt per output channel.

    delta passes the input on, channel by channel as far as there are as many on both sides. JointRD's initialisation
    has alpha = 1, beta = 0.1 and W drawn anew (Kaiming, fan-out); alpha and beta are trained without weight decay.
    """

    rdpass_kind = "dirac"
    delta: Tensor

    def __init__(self, conv: nn.Conv1d | nn.Conv2d | nn.Conv3d, delta: Tensor, alpha: float, beta: float) -> None:
        super().__init__()
        self.conv = conv
        self.register_buffer("delta", delta)
        ones = [1] * (conv.weight.ndim - 1)
        self.alpha = nn.Parameter(torch.full((conv.out_channels, *ones), alpha).to(conv.weight))
        self.beta = nn.Parameter(torch.full((conv.out_channels, *ones), beta).to(conv.weight))

    @property
    def weight(self) -> Tensor:
        """The weight that the convolution runs with."""
        return self.alpha * self.delta + self.beta * self.conv.weight

    def forward(self, x: Tensor) -> Tensor:
        convolve: Any = self.conv._conv_forward
        result: Tensor = convolve(x, self.weight, self.conv.bias)
        return result


class UnevenConv1d(nn.Conv1d):
    """A convolution that pads with ``before`` zeros and ``after`` zeros per axis, where ``nn.Conv1d`` pads alike."""

    rdpass_kind = "conv"
    before: tuple[int, ...] = (0,)
    after: tuple[int, ...] = (0,)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _convolved(self, input, weight, bias)


class UnevenConv2d(nn.Conv2d):
    """As ``UnevenConv1d``."""

    rdpass_kind = "conv"
    before: tuple[int, ...] = (0, 0)
    after: tuple[int, ...] = (0, 0)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _convolved(self, input, weight, bias)


class UnevenConv3d(nn.Conv3d):
    """As ``UnevenConv1d``."""

    rdpass_kind = "conv"
    before: tuple[int, ...] = (0, 0, 0)
    after: tuple[int, ...] = (0, 0, 0)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return _convolved(self, input, weight, bias)


CONVOLVE = {1: nn.functional.conv1d, 2: nn.functional.conv2d, 3: nn.functional.conv3d}


def sampled(carried: Tensor, stride: tuple[int, ...], like: Tensor) -> Tensor:
    """Every ``stride``-th position of a map, as many as ``like`` has."""
    for axis, (step, size) in enumerate(zip(stride, like.shape[2:], strict=True), start=2):
        if step != 1:
            carried = carried[(slice(None),) * axis + (slice(None, None, step),)]
        if carried.shape[axis] != size:
            carried = carried.narrow(axis, 0, size)
    return carried


def _convolved(
    conv: UnevenConv1d | UnevenConv2d | UnevenConv3d, x: Tensor, weight: Tensor, bias: Tensor | None
) -> Tensor:
    amounts = [amount for sides in zip(conv.before[::-1], conv.after[::-1], strict=True) for amount in sides]
    padded, convolve = nn.functional.pad(x, amounts), CONVOLVE[len(conv.before)]
    return convolve(padded, weight, bias, conv.stride, 0, conv.dilation, conv.groups)
