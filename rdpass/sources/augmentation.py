"""Images varied at random, for training: a crop, a mirror image, and the policies that torchvision has.

``none``: the centre, as it is measured. ``crop``: a part of half the area or more, of proportions up to 4 : 3 away from
the input's. ``light``: that, and half of them mirrored. The others are torchvision's policies after ``light``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rdpass.capture.torchvision_import import prepare_torchvision
from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.image_settings import centre_box
from rdpass.core.images import Box, scaled

POLICIES = {"autoaugment": "AutoAugment", "randaugment": "RandAugment", "trivialaugment": "TrivialAugmentWide",
            "augmix": "AugMix"}  # fmt: skip
"""Classes of ``torchvision.transforms``."""
AUGMENTATIONS = ("none", "crop", "light", *POLICIES)
_LEAST_AREA, _STRETCH = 0.5, 4 / 3


def check_augmentation(name: str) -> None:
    """
    Raises:
        ConfigError: there is none of that name, or it is torchvision's, which is missing.
    """
    if name not in AUGMENTATIONS:
        raise ConfigError(f"there is no augmentation {name!r}; it is one of {', '.join(AUGMENTATIONS)}")
    policy_of(name)


def varied(image: Image.Image, size: tuple[int, int], augment: str, crop: float, seed: tuple[int, int]) -> Array:
    """Bytes (H, W, C) of an image for training, drawn by ``seed`` alone; a policy is not yet applied."""
    if augment == "none":
        return scaled(image, size, centre_box(*image.size, size, crop))
    random = np.random.default_rng(seed)
    pixels = scaled(image, size, _random_box(image.size, size, random))
    return np.ascontiguousarray(pixels[:, ::-1]) if augment != "crop" and random.random() < 0.5 else pixels


def policy_of(augment: str) -> Callable[[Tensor], Tensor] | None:
    """torchvision's policy of that name, for bytes (C, H, W); None where the augmentation is no such policy.

    Raises:
        ConfigError: torchvision is missing.
    """
    if augment not in POLICIES:
        return None
    prepare_torchvision()
    try:
        from torchvision import transforms
    except (ImportError, RuntimeError) as error:
        raise ConfigError(
            f"augmentation {augment} is torchvision's, which can't be imported ({error}): pip install 'rdpass[zoo]', or"
            " take light"
        ) from error
    made: Callable[[Tensor], Tensor] = getattr(transforms, POLICIES[augment])()
    return made


def by_policy(policy: Callable[[Tensor], Tensor], pixels: Array, seed: int) -> Array:
    """Bytes (H, W, C) after a policy, drawn by ``seed`` alone."""
    grey = pixels.shape[2] == 1
    image = torch.from_numpy(np.repeat(pixels, 3 if grey else 1, 2)).permute(2, 0, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        changed = policy(image).permute(1, 2, 0).numpy()
    return np.ascontiguousarray(changed[:, :, :1] if grey else changed)


def _random_box(image: tuple[int, int], size: tuple[int, int], random: np.random.Generator) -> Box:
    """A part of the image by chance: its area, how far its proportions are off, and its place."""
    width, height = image
    area, stretch = random.uniform(_LEAST_AREA, 1), math.exp(random.uniform(-1, 1) * math.log(_STRETCH) / 2)
    wanted = size[1] * stretch, size[0] / stretch
    largest = min(width / wanted[0], height / wanted[1])
    scale = min(math.sqrt(area * width * height / (wanted[0] * wanted[1])), largest)
    w, h = min(wanted[0] * scale, width), min(wanted[1] * scale, height)
    left, top = random.uniform(0, width - w), random.uniform(0, height - h)
    return left, top, left + w, top + h
