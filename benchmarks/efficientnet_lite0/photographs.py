"""Photographs that scikit-image ships, prepared as ImageNet networks want them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

EXPECTED = {"chelsea": 285, "coffee": 967, "rocket": 657}  # ImageNet class of each: Egyptian cat, espresso, missile
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def photograph(name: str, size: int = 224) -> Tensor:
    """(1, 3, size, size): the central square, resized with antialiasing and normalised per channel."""
    from skimage import data

    image = np.asarray(getattr(data, name)())
    side = min(image.shape[:2])
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    square = torch.from_numpy(image[top : top + side, left : left + side].copy()).permute(2, 0, 1)[None] / 255
    resized = nn.functional.interpolate(square, (size, size), mode="bicubic", antialias=True).clamp(0, 1)
    mean, std = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (MEAN, STD))
    return (resized - mean) / std
