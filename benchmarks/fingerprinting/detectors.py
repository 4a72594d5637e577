"""A detector's neck and a U-Net, compact: concatenations, splits, resizings and transposed convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def layer(channels_in: int, channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, SiLU, as YOLO has them."""
    convolution = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.SiLU())


class CrossStage(nn.Module):
    """Half of the channels pass a bottleneck with a shortcut, and all come together again (C2f of YOLOv8)."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.first, self.last = layer(channels_in, channels, 1), layer(3 * half, channels, 1)
        self.body = nn.Sequential(layer(half, half), layer(half, half))

    def forward(self, x: Tensor) -> Tensor:
        left, right = self.first(x).chunk(2, 1)
        out: Tensor = self.last(torch.cat([left, right, right + self.body(right)], 1))
        return out


class PyramidPooling(nn.Module):
    """Three poolings, one after another, joined (SPPF of YOLOv8)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.last = layer(channels, channels // 2, 1), layer(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = [self.first(x)]
        for _ in range(3):
            maps.append(F.max_pool2d(maps[-1], 5, 1, 2))
        out: Tensor = self.last(torch.cat(maps, 1))
        return out


class DetectorNeck(nn.Module):
    """A trunk of strides 8, 16 and 32, then down the pyramid and up again, with an output at each of the three."""

    def __init__(self, width: int = 32, outputs: int = 32) -> None:
        super().__init__()
        w2, w4, w8 = 2 * width, 4 * width, 8 * width
        self.stride8 = nn.Sequential(layer(3, width // 2, 3, 2), layer(width // 2, width, 3, 2), layer(width, w2, 3, 2))
        self.stride16 = nn.Sequential(CrossStage(w2, w2), layer(w2, w4, 3, 2))
        self.stride32 = nn.Sequential(CrossStage(w4, w4), layer(w4, w8, 3, 2), PyramidPooling(w8))
        self.down16, self.down8 = CrossStage(w8 + w4, w4), CrossStage(w4 + w2, w2)
        self.to16, self.up16 = layer(w2, w2, 3, 2), CrossStage(w2 + w4, w4)
        self.to32, self.up32 = layer(w4, w4, 3, 2), CrossStage(w4 + w8, w8)
        self.heads = nn.ModuleList(nn.Conv2d(channels, outputs, 1) for channels in (w2, w4, w8))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        p8 = self.stride8(x)
        p16 = self.stride16(p8)
        p32 = self.stride32(p16)
        n16 = self.down16(torch.cat([F.interpolate(p32, scale_factor=2.0), p16], 1))
        n8 = self.down8(torch.cat([F.interpolate(n16, scale_factor=2.0), p8], 1))
        o16 = self.up16(torch.cat([self.to16(n8), n16], 1))
        o32 = self.up32(torch.cat([self.to32(o16), p32], 1))
        return tuple(head(x) for head, x in zip(self.heads, (n8, o16, o32), strict=True))


def twice(channels_in: int, channels: int) -> nn.Sequential:
    """Convolution, batch norm, ReLU, two times."""
    layers: list[nn.Module] = []
    for before in (channels_in, channels):
        layers += [nn.Conv2d(before, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Three scales (Ronneberger et al., 2015), one way up by transposed convolutions, the other by resizing."""

    def __init__(self, width: int = 16, classes: int = 2) -> None:
        super().__init__()
        w2, w4 = 2 * width, 4 * width
        self.outer, self.middle, self.inner = twice(3, width), twice(width, w2), twice(w2, w4)
        self.up = nn.ConvTranspose2d(w4, w2, 2, 2)
        self.join_middle, self.join_outer = twice(2 * w2, w2), twice(w2 + width, width)
        self.classes = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        outer = self.outer(x)
        middle = self.middle(F.max_pool2d(outer, 2))
        inner = self.inner(F.max_pool2d(middle, 2))
        y = self.join_middle(torch.cat([self.up(inner), middle], 1))
        y = F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False)
        out: Tensor = self.classes(self.join_outer(torch.cat([y, outer], 1)))
        return out
