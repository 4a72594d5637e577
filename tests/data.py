"""Tiny tasks that a small net learns in seconds: which quarter of an image is bright, what colour a photograph has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
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


def photographs(folder: Path, counts: Mapping[str, int], size: tuple[int, int] = (12, 10), seed: int = 0) -> Path:
    """A folder for each class with so many PNGs of ``size`` (width, height): noise, each class of its own colour."""
    random = np.random.default_rng(seed)
    for index, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        colour = np.eye(3)[index % 3] * 120
        for number in range(count):
            pixels = random.uniform(0, 120, (size[1], size[0], 3)) + colour
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder
