"""Rounding that can be learnt through: forwards exactly what a QDQ file computes, backwards as if it were not there.

    y = scale · clip(round(x / scale), low, high)        dy/dx = 1 where nothing was clipped, else 0

The gradient goes straight through the rounding (Bengio et al., arXiv 1308.3432) and not through the clipping. Rounding
is half to even, as in ONNX.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Rounded(torch.autograd.Function):
    """The nearest integers within bounds."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
        rounded = torch.round(x)
        ctx.save_for_backward((rounded >= low) & (rounded <= high))
        return torch.clamp(rounded, low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (within,) = ctx.saved_tensors
        return gradients[0] * within, None, None


class FakeQuantize(nn.Module):
    """The numbers of an activation that its 8 bits can hold, as QuantizeLinear and DequantizeLinear give them.

    Args:
        scale: of one tensor.
        zero: the integer that means zero.
        low: the least integer of the type.
        high: the largest.

    Example:
        >>> FakeQuantize(torch.tensor(0.5), 2, 0, 255)(torch.tensor([-9.0, 0.2, 0.3, 999.0])).tolist()
        [-1.0, 0.0, 0.5, 126.5]
    """

    scale: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, scale: Tensor, zero: int, low: int, high: int) -> None:
        super().__init__()
        self.register_buffer("scale", scale.clone())
        self.register_buffer("low", torch.tensor(float(low - zero)))
        self.register_buffer("high", torch.tensor(float(high - zero)))

    def forward(self, x: Tensor) -> Tensor:
        # Under autocast x has 8 significant bits, of which the division would leave fewer.
        integers: Tensor = _Rounded.apply(x.to(self.scale.dtype) / self.scale, self.low, self.high)  # type: ignore[no-untyped-call]
        return integers * self.scale


class IntegerWeights(nn.Module):
    """Parametrization of weights, or of a bias, by shares of ``unit`` integers: what is learnt are the shares.

    A share of 1 is as large as the weights of a filter become, whatever the scale of the filter: one learning rate
    suits all layers, also where batch norms are folded into them and their weights differ by orders of magnitude.

    Args:
        scale: of each filter, shaped to go with the weights.
        unit: integers that a share of 1 is.
        limit: how large each integer may become; one for all, or one each.
    """

    scale: Tensor
    limit: Tensor

    def __init__(self, scale: Tensor, unit: float, limit: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", scale.clone())
        self.register_buffer("limit", limit.to(scale.dtype))
        self.unit = unit

    def forward(self, shares: Tensor) -> Tensor:
        """The weights that the integers mean."""
        return self.integers(shares) * self.scale

    def integers(self, shares: Tensor) -> Tensor:
        """What the file is to hold, as whole numbers in floating point."""
        found: Tensor = _Rounded.apply(shares * self.unit, -self.limit, self.limit)  # type: ignore[no-untyped-call]
        return found

    def right_inverse(self, weights: Tensor) -> Tensor:
        """The shares of weights that integers mean."""
        return torch.round(weights / self.scale) / self.unit
