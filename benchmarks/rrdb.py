"""ESRGAN's generator (Wang et al., arXiv 1809.00219): shortcuts inside shortcuts, scaled by 0.2, dense within."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCALE = 0.2


class DenseBlock(nn.Module):
    """Five convolutions, each reading all maps before it, and a scaled residual."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels + i * growth, growth if i < 4 else channels, 3, 1, 1) for i in range(5)
        )
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for convolution in self.convolutions[:-1]:
            maps.append(self.activation(convolution(torch.cat(maps, 1))))
        last: Tensor = self.convolutions[-1](torch.cat(maps, 1))
        return last * SCALE + x


class RRDB(nn.Module):
    """Three dense blocks with a scaled shortcut round them."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(DenseBlock(channels, growth) for _ in range(3)))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.blocks(x)
        return y * SCALE + x


class Trunk(nn.Module):
    """The blocks with the long shortcut round them all."""

    def __init__(self, blocks: int, channels: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(RRDB(channels, growth) for _ in range(blocks)))
        self.last = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(self.blocks(x))
        return x + y


def rrdb_net(blocks: int = 2, channels: int = 16, growth: int = 8) -> nn.Sequential:
    """(N, 3, H, W) to (N, 3, 2 H, 2 W)."""
    return nn.Sequential(
        nn.Conv2d(3, channels, 3, 1, 1), Trunk(blocks, channels, growth), nn.Upsample(scale_factor=2),
        nn.Conv2d(channels, channels, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(channels, 3, 3, 1, 1),
    )  # fmt: skip
