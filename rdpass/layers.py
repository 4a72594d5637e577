"""The few layers that the passes put into a graph. They are leaves: ``rdpass_kind`` tells the census what they are."""

from __future__ import annotations

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


class GainedIdentity(nn.Module):
    """``linear + strength * gain * carried``: an identity round one linear layer, into which it folds.

    ``strength`` is r of the ``migrate`` recipe, set from outside as training goes on; ``gain`` is learnt, per channel.
    """

    rdpass_kind = "migrating"

    def __init__(self, channels: int, dims: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, *[1] * dims))
        self.strength = 0.0

    def forward(self, linear: Tensor, carried: Tensor) -> Tensor:
        return linear + self.strength * self.gain * carried


class FadingAdd(nn.Module):
    """``body + strength * shortcut``: a shortcut on its way out. ``strength`` (s) goes from 1 to 0."""

    rdpass_kind = "fading"

    def __init__(self) -> None:
        super().__init__()
        self.strength = 1.0

    def forward(self, body: Tensor, shortcut: Tensor) -> Tensor:
        return body + self.strength * shortcut
