"""A ResNet-50 in small: bottlenecks behind a stem of stride 2, 20 layers for one channel and 28 x 28 pixels.

As there (He et al., 2015, table 1, with the stride on the 3x3), a block is four times as wide outside as inside. Two
stages of blocks, at 14 x 14 and 7 x 7 pixels, as wide as each other: it is to be trained in minutes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("bottleneck20.safetensors")
EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside an identity, or beside a 1x1 projection where the shape changes."""

    def __init__(self, channels_in: int, inside: int, stride: int) -> None:
        super().__init__()
        outside = EXPANSION * inside
        self.conv1 = nn.Conv2d(channels_in, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, outside, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != outside:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return torch.relu(out + self.shortcut(x))


class BottleneckResNet(nn.Module):
    """``3 sum(blocks) + 2`` layers, with ``width`` channels inside all blocks."""

    def __init__(self, blocks: tuple[int, ...] = (2, 4), width: int = 32, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        layers: list[nn.Module] = []
        before = width
        for stage, count in enumerate(blocks):
            for block in range(count):
                layers.append(Bottleneck(before, width, stride=2 if stage and not block else 1))
                before = EXPANSION * width
        self.blocks = nn.Sequential(*layers)
        self.fc = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        logits: Tensor = self.fc(self.blocks(x).mean((2, 3)))
        return logits


def trained() -> BottleneckResNet:
    """The network with the weights beside this file, as ``train.py`` left them."""
    model = BottleneckResNet()
    model.load_state_dict(load_file(WEIGHTS))
    return model.eval()
