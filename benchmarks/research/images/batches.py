"""Images as tensors where the training runs, and batches drawn from them there.

What is drawn (order, shift, mirror) comes from torch's global generator on the CPU, so a seed gives the same batches on
every device, and the training engine can read an epoch again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

HELD = 1000  # images in a batch that measures


@dataclass
class Batches:
    """Shuffled batches of one size, an epoch's rest left out. ``images`` (N, C, H, W) float32, ``labels`` (N,) int64.

    Each image is moved by up to ``reach`` pixels, what comes in from outside being ``border`` (C,), and mirrored with
    probability one half where ``mirror`` says so.
    """

    images: Tensor
    labels: Tensor
    batch: int
    reach: int = 0
    mirror: bool = True
    border: tuple[float, ...] = (0.0,)

    def __len__(self) -> int:
        return len(self.images) // self.batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.images))
        for start in range(0, self.batch * len(self), self.batch):
            rows = order[start : start + self.batch].to(self.images.device)
            yield self._augmented(self.images[rows]), self.labels[rows]

    def _augmented(self, images: Tensor) -> Tensor:
        if self.reach:
            images = shifted(images, self.reach, self.border)
        if self.mirror:
            mirrored = (torch.rand(len(images)) < 0.5).to(images.device)[:, None, None, None]
            images = torch.where(mirrored, images.flip(3), images)
        return images


def shifted(images: Tensor, reach: int, border: tuple[float, ...]) -> Tensor:
    """Each image moved by up to ``reach`` pixels in both directions: a crop of the padded one."""
    count, _, height, width = images.shape
    outside = torch.tensor(border, device=images.device)[None, :, None, None]
    padded = torch.nn.functional.pad(images - outside, [reach] * 4) + outside
    top, left = torch.randint(0, 2 * reach + 1, (2, count)).to(images.device)
    rows = (top[:, None] + torch.arange(height, device=images.device))[:, None, :, None]
    columns = (left[:, None] + torch.arange(width, device=images.device))[:, None, None, :]
    each = torch.arange(count, device=images.device)[:, None, None, None]
    channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
    return padded[each, channels, rows, columns]


@dataclass(frozen=True)
class Part:
    """Images nothing is trained on."""

    images: Tensor
    labels: Tensor

    def batches(self, size: int = HELD) -> list[tuple[Tensor, Tensor]]:
        starts = range(0, len(self.images), size)
        return [(self.images[start : start + size], self.labels[start : start + size]) for start in starts]

    def on(self, device: str) -> Part:
        return Part(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class ImageSet:
    """What is trained on, what is looked at on the way, and what is measured on once, at the end."""

    train: Batches
    validation: Part
    test: Part
    classes: int

    @property
    def example(self) -> Tensor:
        """One image, on the CPU."""
        return self.test.images[:1].cpu()

    def on(self, device: str) -> ImageSet:
        """The same, resident on ``device``."""
        train = replace(self.train, images=self.train.images.to(device), labels=self.train.labels.to(device))
        return ImageSet(train, self.validation.on(device), self.test.on(device), self.classes)
