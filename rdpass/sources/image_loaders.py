"""Loaders of batches from image files: the same seed gives the same batches, whatever the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rdpass.core.agreement import run_quietly
from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.image_settings import ImageSettings, check_class_count, labels_in, mean_and_std, settings_of
from rdpass.core.images import open_image
from rdpass.core.plan import Traced
from rdpass.core.tensors import tensors_in
from rdpass.sources.augmentation import by_policy, check_augmentation, policy_of, varied
from rdpass.sources.image_files import find_images

_MOST_THREADS = 8


class ImageLoader:
    """Batches of float images (N, C, H, W) with class indices (N).

    In training the order is drawn anew for each epoch from torch's global generator, and so is how images are varied; a
    last batch that is not full is left out. Else all images come in one order that mixes the classes, so that the first
    ones stand for all. Decoding is one batch ahead, on threads.
    """

    def __init__(
        self, files: Sequence[tuple[Path, int]], settings: ImageSettings, training: bool, parts: str = ""
    ) -> None:
        """``parts``: in words, what is held out."""
        self.image_settings = settings
        self.training = training
        self.parts = parts
        self._files = tuple(files)
        self._policy = policy_of(settings.augment) if training else None

    def __len__(self) -> int:
        full, rest = divmod(len(self._files), self.image_settings.batch_size)
        return full if self.training and full else full + bool(rest)

    @property
    def images(self) -> int:
        """How many there are."""
        return len(self._files)

    def measuring(self) -> ImageLoader:
        """The same images as they are: in one order, none varied, none left out."""
        return ImageLoader(self._files, self.image_settings, training=False, parts=self.parts)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        fixed = None if self.training else torch.Generator().manual_seed(0)
        order = torch.randperm(len(self._files), generator=fixed).tolist()
        seed = int(torch.randint(2**31, (), generator=fixed))
        size = self.image_settings.batch_size
        batches = [order[at * size : (at + 1) * size] for at in range(len(self))]
        with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
            try:
                ahead = self._submit(pool, batches[0], seed)
                for at, batch in enumerate(batches):
                    pixels = [decoded.result() for decoded in ahead]
                    ahead = self._submit(pool, batches[at + 1], seed) if at + 1 < len(batches) else []
                    labels = torch.tensor([self._files[index][1] for index in batch])
                    yield self._inputs(pixels, batch, seed), labels
            finally:
                pool.shutdown(cancel_futures=True)

    def _submit(self, pool: ThreadPoolExecutor, batch: Sequence[int], seed: int) -> list[Future[Array]]:
        return [pool.submit(self._decode, index, seed) for index in batch]

    def _decode(self, index: int, seed: int) -> Array:
        settings = self.image_settings
        image = open_image(self._files[index][0], settings.channels)
        augment = settings.augment if self.training else "none"
        return varied(image, (settings.height, settings.width), augment, settings.crop, (seed, index))

    def _inputs(self, pixels: list[Array], batch: Sequence[int], seed: int) -> Tensor:
        if self._policy is not None:
            pixels = [by_policy(self._policy, each, seed ^ index) for each, index in zip(pixels, batch, strict=True)]
        return torch.from_numpy(self.image_settings.normalised(np.stack(pixels)))


def image_loaders(
    place: str | Path,
    size: int | tuple[int, int],
    *,
    channels: int = 3,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    labels: str | Path | Sequence[str] | None = None,
    crop: float = 1.0,
    batch_size: int = 64,
    augment: str = "light",
    held_out: float = 0.2,
    split_seed: int = 0,
) -> tuple[ImageLoader, ImageLoader | None]:
    """Loaders of the images in a folder or a table: to train with, and held out.

    Args:
        place: a folder with ``train/`` and ``val/`` (or ``valid/``, ``validation/``, ``test/``), or with a folder for
            each class; or a ``.csv`` file with the columns ``path`` and ``label``, and ``split`` where there are parts.
        size: of the network's input: a side, or (height, width).
        channels: 3 for colours (RGB), 1 for grey.
        mean: one for each channel, of values from 0 to 1; None for ImageNet's.
        std: standard deviations, likewise.
        labels: names of the classes in the order of the network's outputs, or a file with one a line; None for the
            names that are there, sorted as text.
        crop: the inner part of an image that is used where it is measured.
        batch_size: images of a batch.
        augment: how images are varied in training: "none", "crop", "light" (crop and mirror), or torchvision's
            "autoaugment", "randaugment", "trivialaugment" or "augmix".
        held_out: share of each class that is held out where the place has no such part; 0 for none.
        split_seed: which images these are.

    Returns:
        The loader to train with, and the one of what is held out, None where nothing is. ``image_settings`` of either
        is what ``convert`` keeps in the run folder.

    Raises:
        ConfigError: the place holds nothing of the kind, an image can't be read, or an argument is out of range.

    Example:
        >>> import rdpass
        >>> train, validate = rdpass.image_loaders("photos", 8, batch_size=4)
        >>> train.image_settings.labels, train.images, validate.images
        (('cat', 'dog'), 8, 2)
        >>> next(iter(validate))[0].shape
        torch.Size([2, 3, 8, 8])
    """
    check_augmentation(augment)
    if channels not in (1, 3):
        raise ConfigError(f"images have 1 channel (grey) or 3 (RGB), not {channels}")
    means, deviations = mean_and_std(mean, std, channels)
    height, width = (size, size) if isinstance(size, int) else size
    named = _labels(labels)
    settings = ImageSettings(
        height, width, means, deviations, named or (), crop, batch_size, augment, held_out, split_seed
    )
    files = find_images(Path(place), named, held_out, split_seed)
    settings = replace(settings, labels=files.classes)
    train = ImageLoader(files.train, settings, True, files.parts)
    return train, None if files.held_out is None else ImageLoader(files.held_out, settings, False, files.parts)


def check_labels(model: Traced, *data: object) -> None:
    """Refuse images of another number of classes than a model gives logits for.

    Args:
        model: is run on its example if there are image files among ``data``.
        data: loaders of any kind, or None.

    Raises:
        ConfigError: the message names both numbers.
    """
    given = [each for each in data if settings_of(each) is not None]
    if given:
        shapes = [tuple(x.shape) for x in tensors_in(run_quietly(model.module, model.example))]
        for each in given:
            check_class_count(each, shapes, "the model")


def _labels(given: str | Path | Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(given, str | Path):
        return labels_in(Path(given))
    return None if given is None else tuple(given)
