"""Handwritten digits from scikit-learn (1797 of 8 x 8 pixels, UCI), enlarged to what a network is used to."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.research.images.batches import Batches, ImageSet, Part
from rdpass.core.errors import ConfigError

TRAINED, VALIDATED = 897, 200  # of 1797, the rest tests
BATCH = 64


def digit_images(pixels: int, seed: int) -> ImageSet:
    """Split by ``seed``; one channel, zero mean and unit variance over all images. Digits are not mirrored.

    Raises:
        ConfigError: scikit-learn is missing.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ConfigError(f"the digits come with scikit-learn: pip install 'rdpass[accuracy]' ({error})") from error
    found = load_digits()
    images = torch.from_numpy(found.images.astype(np.float32))[:, None]
    images = F.interpolate((images - images.mean()) / images.std(), size=(pixels, pixels), mode="bilinear")
    labels = torch.from_numpy(found.target.astype(np.int64))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(labels)))
    train, validation, test = order.tensor_split((TRAINED, TRAINED + VALIDATED))
    return ImageSet(
        Batches(images[train], labels[train], BATCH, reach=1, mirror=False, border=(float(images.min()),)),
        Part(images[validation], labels[validation]), Part(images[test], labels[test]), classes=10,
    )  # fmt: skip
