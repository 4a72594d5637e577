"""Fashion-MNIST for the grids, from Debian's package; averaged to fewer pixels where a processor is to do the work."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.accuracy_grids.pictures import Batches, Part, Pictures
from benchmarks.accuracy_grids.protocols import Protocol
from benchmarks.fashion_mnist.data import FULL_SET, MEAN, STD, Images, Labels, full_set, normalise
from rdpass.errors import ConfigError

CLASSES = 10


def fashion_pictures(protocol: Protocol, seed: int) -> Pictures:
    """``protocol.images`` of the 55 000 to train on, drawn by ``seed``; 5000 validate, 10 000 test, or fewer.

    Raises:
        ConfigError: the package is not installed.
    """
    check_installed()
    images, labels = full_set("train")
    rows = np.random.default_rng(seed).permutation(len(images))[: protocol.images]
    train = Batches(
        *_tensors(images[rows], labels[rows], protocol.pixels), protocol.batch, protocol.reach, border=(-MEAN / STD,)
    )
    return Pictures(train, _part("validation", protocol), _part("test", protocol), CLASSES)


def _part(name: str, protocol: Protocol) -> Part:
    images, labels = full_set(name)
    return Part(*_tensors(images[: protocol.held], labels[: protocol.held], protocol.pixels))


def check_installed() -> None:
    if not (FULL_SET / "train-images-idx3-ubyte.gz").exists():
        raise ConfigError(
            f"Fashion-MNIST is not at {FULL_SET}: apt-get install dataset-fashion-mnist, or unpack that package there"
        )


def _tensors(images: Images, labels: Labels, pixels: int) -> tuple[Tensor, Tensor]:
    return resized(normalise(images), pixels), torch.from_numpy(labels.astype(np.int64))


def resized(images: Tensor, pixels: int) -> Tensor:
    """28 pixels as they are; fewer are means of 2 x 2, and of these the middle."""
    if pixels == images.shape[-1]:
        return images
    halved = torch.nn.functional.avg_pool2d(images, 2)
    off = (halved.shape[-1] - pixels) // 2
    return halved[:, :, off : off + pixels, off : off + pixels].contiguous()
