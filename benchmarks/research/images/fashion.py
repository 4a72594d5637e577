"""Fashion-MNIST for the grids, from Debian's package; averaged to fewer pixels where a processor is to do the work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.fashion_mnist.data import FULL_SET, MEAN, STD, Images, Labels, full_set, normalise
from benchmarks.research.images.batches import Batches, ImageSet, Part
from benchmarks.research.protocols import Protocol
from rdpass.core.errors import ConfigError

CLASSES = 10


def fashion_images(protocol: Protocol, seed: int, root: Path | None = None) -> ImageSet:
    """``protocol.images`` of the 55 000 to train on, drawn by ``seed``; 5000 validate, 10 000 test, or fewer.

    ``root``: a folder with the package's files, where it is not installed.

    Raises:
        ConfigError: the files are not there.
    """
    folder = found_folder(root)
    images, labels = full_set("train", folder)
    rows = np.random.default_rng(seed).permutation(len(images))[: protocol.images]
    train = Batches(
        *_tensors(images[rows], labels[rows], protocol.pixels), protocol.batch, protocol.reach, border=(-MEAN / STD,)
    )
    return ImageSet(train, _part("validation", protocol, folder), _part("test", protocol, folder), CLASSES)


def _part(name: str, protocol: Protocol, folder: Path) -> Part:
    images, labels = full_set(name, folder)
    return Part(*_tensors(images[: protocol.held], labels[: protocol.held], protocol.pixels))


def found_folder(root: Path | None) -> Path:
    folder = root or FULL_SET
    if not (folder / "train-images-idx3-ubyte.gz").exists():
        raise ConfigError(
            f"Fashion-MNIST is not at {folder}: apt-get install dataset-fashion-mnist, or name a folder that holds its"
            " *-ubyte.gz files with --data-root"
        )
    return folder


def _tensors(images: Images, labels: Labels, pixels: int) -> tuple[Tensor, Tensor]:
    return resized(normalise(images), pixels), torch.from_numpy(labels.astype(np.int64))


def resized(images: Tensor, pixels: int) -> Tensor:
    """28 pixels as they are; fewer are means of 2 x 2, and of these the middle."""
    if pixels == images.shape[-1]:
        return images
    halved = torch.nn.functional.avg_pool2d(images, 2)
    off = (halved.shape[-1] - pixels) // 2
    return halved[:, :, off : off + pixels, off : off + pixels].contiguous()
