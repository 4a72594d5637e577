"""A tiny task that a small net learns in seconds: which quarter of the image is bright."""

from __future__ import annotations

import torch
from torch import Tensor


def batches(count: int = 8, size: int = 16, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """``count`` batches of (size, 3, 8, 8) images and their labels 0 to 3."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        labels = torch.randint(0, 4, (size,), generator=generator)
        images = torch.randn(size, 3, 8, 8, generator=generator)
        for image, label in zip(images, labels.tolist(), strict=True):
            image[:, 4 * (label // 2) :, 4 * (label % 2) :][:, :4, :4] += 1.5
        made.append((images, labels))
    return made
