"""Fashion-MNIST images: the full set from Debian's package, or the subset that lies beside this file.

The subset (``subset.npz``: 10 000 training images, 2 000 held-out ones) was written by ``subset.py``. Its training
part comes from the full set's ``train``, its held-out part from the official test set.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FULL_SET = Path("/usr/share/datasets/fashion-mnist")  # Debian package dataset-fashion-mnist
SUBSET = Path(__file__).with_name("subset.npz")
MEAN, STD = 0.2860, 0.3530  # of the training images, scaled to [0, 1]
VALIDATION = 5000  # the last training images, never trained on

Images = NDArray[np.uint8]
Labels = NDArray[np.uint8]


def read_idx(path: Path) -> NDArray[np.uint8]:
    """An array from a gzipped IDX file: two zero bytes, dtype code, rank, big-endian sizes, then the values."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">i4", rank, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def full_set(part: str, folder: Path | None = None) -> tuple[Images, Labels]:
    """Images (N, 28, 28) and labels (N,) of ``train``, ``validation`` or ``test``, from the package or ``folder``."""
    stem, folder = "t10k" if part == "test" else "train", folder or FULL_SET
    images = read_idx(folder / f"{stem}-images-idx3-ubyte.gz")
    labels = read_idx(folder / f"{stem}-labels-idx1-ubyte.gz")
    rows = {"train": slice(None, -VALIDATION), "validation": slice(-VALIDATION, None), "test": slice(None)}[part]
    return images[rows], labels[rows]


def normalise(images: Images) -> Tensor:
    """(N, 28, 28) bytes to (N, 1, 28, 28) float32 of zero mean and unit variance."""
    return (torch.from_numpy(images.astype(np.float32)).unsqueeze(1) / 255 - MEAN) / STD


@dataclass
class Loader:
    """Batches of (images, labels), shuffled and augmented (shift by at most 2 pixels, mirror) when ``augment``.

    Shuffling draws from torch's global generator, so that whoever restores that generator repeats the batches.
    """

    images: Tensor
    labels: Tensor
    batch: int = 128
    augment: bool = False

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.images)) if self.augment else torch.arange(len(self.images))
        for rows in torch.split(order, self.batch):
            images = self.images[rows]
            yield (shift_and_mirror(images) if self.augment else images), self.labels[rows]


def shift_and_mirror(images: Tensor, reach: int = 2) -> Tensor:
    """Each image moved by up to ``reach`` pixels in both directions and mirrored with probability one half."""
    n, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, [reach] * 4, value=-MEAN / STD)
    top, left = torch.randint(0, 2 * reach + 1, (2, n))
    rows = (top[:, None] + torch.arange(height))[:, :, None]
    columns = (left[:, None] + torch.arange(width))[:, None, :]
    mirrored = (torch.rand(n) < 0.5)[:, None, None]
    columns = torch.where(mirrored, columns.flip(-1), columns)
    return padded[torch.arange(n)[:, None, None], 0, rows, columns].unsqueeze(1)


def loaders() -> tuple[Loader, Loader]:
    """Training and held-out batches of the subset, as ``rdpass convert --data`` takes them."""
    arrays = np.load(SUBSET)
    parts = [
        (normalise(arrays[f"{part}_images"]), torch.from_numpy(arrays[f"{part}_labels"].astype(np.int64)))
        for part in ("train", "held_out")
    ]
    return Loader(*parts[0], batch=64, augment=True), Loader(*parts[1], batch=500)
