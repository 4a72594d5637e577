"""The CIFAR-style ResNet-20 (He et al., 2015, section 4.2) for one channel and 28 x 28 pixels."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

WEIGHTS = Path(__file__).with_name("resnet20.safetensors")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside an identity, or beside a 1x1 projection where the shape changes."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return torch.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    """``6 n + 2`` layers in three stages of ``n`` blocks; ``width`` channels in the first, doubled in each next."""

    def __init__(self, n: int = 3, width: int = 16, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        blocks: list[nn.Module] = []
        before = width
        for stage in range(3):
            for block in range(n):
                after = width << stage
                blocks.append(BasicBlock(before, after, stride=2 if stage and not block else 1))
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        logits: Tensor = self.fc(self.blocks(x).mean((2, 3)))
        return logits


def trained() -> ResNet:
    """The network with the weights beside this file, as ``train.py`` left them."""
    model = ResNet()
    model.load_state_dict(load_file(WEIGHTS))
    return model.eval()
