"""Narrow three-stage residual networks and small images, for comparisons that fit a processor.

The images are Fashion-MNIST's (the 12 000 of this repository), averaged to 14 x 14 pixels; bottleneck networks, gated
ones too, see the 12 x 12 in the middle. 6400 are trained on, mirrored at random. What is trained on is drawn by the
seed; the rest of the training part and all of the held-out part, 5600 images, measure accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.fashion_mnist.data import SUBSET, normalise

Block = Literal["basic", "bottleneck", "inverted", "preactivation", "gated", "unnormalised"]
CONVOLUTIONS: dict[Block, int] = {
    "basic": 2, "bottleneck": 3, "inverted": 3, "preactivation": 2, "gated": 3, "unnormalised": 2
}  # fmt: skip
WIDE: tuple[Block, ...] = ("bottleneck", "gated")  # outside their blocks; on the smaller images
EXPANSION = 4  # of a bottleneck's output over its inside, of an inverted residual's inside over its output
TRAINED, BATCH = 6400, 64


def depth(block: Block, n: int) -> int:
    """Layers of ``small_resnet(block, n)``: the blocks' convolutions, the stem and the classifier."""
    return 3 * n * CONVOLUTIONS[block] + 2


class Residual(nn.Module):
    """``relu(body(x) + shortcut(x))``."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class InvertedResidual(nn.Module):
    """As in MobileNetV2: wide and depthwise inside, linear at both ends, a shortcut where the shape stays."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        wide = EXPANSION * before
        self.body = nn.Sequential(
            *conv_bn(before, wide, 1), nn.ReLU6(), *conv_bn(wide, wide, 3, stride, groups=wide), nn.ReLU6(),
            *conv_bn(wide, after, 1),
        )  # fmt: skip
        self.has_shortcut = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        return x + y if self.has_shortcut else y


class PreActivation(nn.Module):
    """As in ResNet v2: norm and ReLU come first, and a projection reads what they give."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU())
        self.body = nn.Sequential(
            *conv_bn(before, after, 3, stride), nn.ReLU(), nn.Conv2d(after, after, 3, 1, 1, bias=False)
        )
        self.projection = nn.Conv2d(before, after, 1, stride, bias=False) if stride != 1 or before != after else None

    def forward(self, x: Tensor) -> Tensor:
        ready = self.first(x)
        shortcut = x if self.projection is None else self.projection(ready)
        y: Tensor = self.body(ready) + shortcut
        return y


class Unnormalised(nn.Module):
    """A basic block without batch norms; a learnt gain on its body starts small (SkipInit, arXiv 2002.10444)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, stride, 1), nn.ReLU(), nn.Conv2d(after, after, 3, 1, 1)
        )  # fmt: skip
        self.gain = nn.Parameter(torch.tensor(0.1))
        projected = stride != 1 or before != after
        self.shortcut = nn.Conv2d(before, after, 1, stride) if projected else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) * self.gain + self.shortcut(x))


class Squeeze(nn.Module):
    """Squeeze-and-excitation: every channel times a sigmoid of the map's means, through a quarter of the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inside = channels // 4
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, inside, 1), nn.ReLU(), nn.Conv2d(inside, channels, 1),
            nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x * self.gate(x)
        return y


def conv_bn(channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
    ]


def residual(block: Block, before: int, width: int, stride: int) -> nn.Module:
    """One block: 3x3, 3x3 at ``width``, or 1x1, 3x3, 1x1 at ``width`` and four times that; gated: then a squeeze."""
    if block == "inverted":
        return InvertedResidual(before, width, stride)
    if block == "preactivation":
        return PreActivation(before, width, stride)
    if block == "unnormalised":
        return Unnormalised(before, width, stride)
    if block == "basic":
        after = width
        body = [*conv_bn(before, width, 3, stride), nn.ReLU(), *conv_bn(width, width, 3)]
    else:
        after = EXPANSION * width
        body = [
            *conv_bn(before, width, 1), nn.ReLU(), *conv_bn(width, width, 3, stride), nn.ReLU(),
            *conv_bn(width, after, 1), *([Squeeze(after)] if block == "gated" else []),
        ]  # fmt: skip
    projected = stride != 1 or before != after
    shortcut = nn.Sequential(*conv_bn(before, after, 1, stride)) if projected else nn.Identity()
    return Residual(nn.Sequential(*body), shortcut)


def small_resnet(block: Block, n: int, width: int = 8, classes: int = 10, channels: int = 1) -> nn.Sequential:
    """Three stages of ``n`` blocks, widths doubling; ``depth`` says how deep that is."""
    outer = EXPANSION if block in WIDE else 1
    before = width * outer
    stem = conv_bn(channels, before, 3)
    layers: list[nn.Module] = [*(stem[:1] if block == "unnormalised" else stem), nn.ReLU()]
    for stage in range(3):
        for index in range(n):
            layers.append(residual(block, before, width << stage, 2 if stage and not index else 1))
            before = (width << stage) * outer
    layers += [nn.BatchNorm2d(before), nn.ReLU()] if block == "preactivation" else []
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
    return model


@dataclass
class Mirrored:
    """Shuffled batches, each image mirrored with probability one half; draws from torch's global generator."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images) // BATCH

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.images))
        for start in range(0, BATCH * len(self), BATCH):
            rows = order[start : start + BATCH]
            images = self.images[rows]
            mirrored = (torch.rand(len(rows)) < 0.5)[:, None, None, None]
            yield torch.where(mirrored, images.flip(3), images), self.labels[rows]


def small_images(block: Block, seed: int) -> tuple[Mirrored, list[tuple[Tensor, Tensor]]]:
    """Batches to train on and batches to measure with."""
    arrays = np.load(SUBSET)
    images, labels = (np.concatenate([arrays[f"{part}_{kind}"] for part in ("train", "held_out")])
                      for kind in ("images", "labels"))  # fmt: skip
    trained = len(arrays["train_images"])
    order = np.concatenate([np.random.default_rng(seed).permutation(trained), np.arange(trained, len(images))])
    image_set = nn.functional.avg_pool2d(normalise(images[order]), 2)
    if block in WIDE:
        image_set = image_set[:, :, 1:13, 1:13].contiguous()
    known = torch.from_numpy(labels[order].astype(np.int64))
    held = [(image_set[i : i + 500], known[i : i + 500]) for i in range(TRAINED, len(known), 500)]
    return Mirrored(image_set[:TRAINED], known[:TRAINED]), held
