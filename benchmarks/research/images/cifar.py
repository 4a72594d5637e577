"""CIFAR-10 and CIFAR-100 as their authors give them, python or binary version, for users who have them.

    CIFAR_ROOT=/data/cifar-10-batches-py rdpass convert MODEL --data benchmarks.research.images.cifar:loaders -o run/

Crops of images padded by 4 pixels, mirrored at random; the last 5000 training images validate.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.research.images.batches import Batches, ImageSet, Part
from benchmarks.research.protocols import Protocol
from rdpass.core.errors import ConfigError

VALIDATED, CHANNELS, PIXELS, BATCH, REACH = 5000, 3, 32, 128, 4
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's training images in [0, 1]
ALLOWED = {("numpy", "_reconstruct"), ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
Raw = tuple[NDArray[np.uint8], NDArray[np.int64]]


@dataclass(frozen=True)
class Version:
    """``labels`` before each image in the binary files, the last one counting; ``key`` of the pickled ones."""

    classes: int
    train: tuple[str, ...]
    test: str
    labels: int
    key: bytes


VERSIONS = {
    "cifar10": Version(10, tuple(f"data_batch_{i}" for i in range(1, 6)), "test_batch", 1, b"labels"),
    "cifar100": Version(100, ("train",), "test", 2, b"fine_labels"),
}


class _Arrays(pickle.Unpickler):
    """Reads arrays and plain containers; anything else in a file is refused, for unpickling it would run it."""

    def find_class(self, module: str, name: str) -> Any:
        if (module.split(".")[0], name) in ALLOWED:
            return super().find_class(module.replace("numpy.core", "numpy._core"), name)
        raise ConfigError(f"a CIFAR file holds {module}.{name}, which is no array: not read")


def cifar_images(protocol: Protocol, seed: int, root: Path | None) -> ImageSet:
    """``protocol.images`` of the 45 000 to train on, drawn by ``seed``.

    Raises:
        ConfigError: ``root`` does not hold the files; the message says which.
    """
    version = VERSIONS[protocol.data]
    images, labels = _read(version, version.train, protocol.data, root)
    order = np.random.default_rng(seed).permutation(len(images) - _validated(len(images)))[: protocol.images]
    border = tuple(-mean / std for mean, std in zip(MEAN, STD, strict=True))
    rest = slice(len(images) - _validated(len(images)), None)
    train = Batches(*_tensors(images[order], labels[order]), protocol.batch, protocol.reach, border=border)
    validation = Part(*_tensors(images[rest][: protocol.held], labels[rest][: protocol.held]))
    images, labels = _read(version, (version.test,), protocol.data, root)
    test = Part(*_tensors(images[: protocol.held], labels[: protocol.held]))
    return ImageSet(train, validation, test, version.classes)


def loaders() -> tuple[Batches, list[tuple[Tensor, Tensor]]]:
    """Training and validation batches of what ``CIFAR_ROOT`` holds, as ``rdpass convert --data`` takes them."""
    if "CIFAR_ROOT" not in os.environ:
        raise ConfigError("set CIFAR_ROOT to the folder that holds CIFAR's batches")
    root = Path(os.environ["CIFAR_ROOT"])
    data = "cifar100" if any((root / f"train{end}").exists() for end in ("", ".bin")) else "cifar10"
    image_set = cifar_images(Protocol(45_000, PIXELS, REACH, 10_000, BATCH, 200, 200, data=data), 0, root)
    return image_set.train, image_set.validation.batches()


def _tensors(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """Images normalised to float32 (N, 3, 32, 32), and their labels."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return (torch.from_numpy(images.astype(np.float32)) / 255 - mean) / std, torch.from_numpy(labels)


def _validated(count: int) -> int:
    """A tenth, which is 5000 of the whole set."""
    return min(VALIDATED, count // 10)


def _read(version: Version, names: tuple[str, ...], data: str, root: Path | None) -> Raw:
    parts = [_read_file(version, name, data, root) for name in names]
    return np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])


def _read_file(version: Version, name: str, data: str, root: Path | None) -> Raw:
    forms: tuple[tuple[str, Callable[[Version, bytes], Raw]], ...] = (("", _pickled), (".bin", _binary))
    for ending, read in forms:
        if root is not None and (path := root / f"{name}{ending}").exists():
            try:
                return read(version, path.read_bytes())
            except (ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
                raise ConfigError(f"{path} is not a file of {data}: {error}") from error
    raise ConfigError(f"{data}: no {name} or {name}.bin in {root}; say --data-root, the folder that holds its batches")


def _pickled(version: Version, raw: bytes) -> Raw:
    told = _Arrays(io.BytesIO(raw), encoding="bytes").load()
    images = np.asarray(told[b"data"], np.uint8).reshape(-1, CHANNELS, PIXELS, PIXELS)
    return images, np.asarray(told[version.key], np.int64)


def _binary(version: Version, raw: bytes) -> Raw:
    rows = np.frombuffer(raw, np.uint8).reshape(-1, version.labels + CHANNELS * PIXELS**2)
    images = rows[:, version.labels :].reshape(-1, CHANNELS, PIXELS, PIXELS)
    return images, rows[:, version.labels - 1].astype(np.int64)
