"""ImageNet as folders of classes, with the augmentation that ResNets are trained with, for users who have it.

    IMAGENET_ROOT=/data/imagenet rdpass convert torchvision:resnet50 --epochs 120 --amp bf16 --device cuda \
        --data benchmarks.research.images.imagenet:loaders --set train.weight_decay=1e-4 -o run/

``train/`` and ``val/`` hold a folder of images for each class; classes are numbered by their folders' names. The
paper's batch of 512 and weight decay are given here; its learning rate of 0.2, divided by 10 each 30 epochs, belongs to
its own recipe: add --recipe joint --set train.lr=0.2, with rdpass's cosine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rdpass.core.errors import ConfigError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PIXELS, RESIZED, BATCH = 224, 256, 512
LEAST_AREA, RATIO = 0.08, (3 / 4, 4 / 3)  # of a training crop
ENDINGS = (".jpeg", ".jpg", ".png")


@dataclass(frozen=True)
class Folders(Dataset[tuple[Tensor, int]]):
    """Images with their classes; ``augment`` crops and mirrors at random, from torch's generator."""

    files: tuple[tuple[Path, int], ...]
    augment: bool
    pixels: int = PIXELS

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.files[index]
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        return as_tensor(random_crop(image, self.pixels) if self.augment else middle(image, self.pixels)), label


def folders(root: Path, part: str, augment: bool, pixels: int = PIXELS) -> Folders:
    """The images of ``root/part``.

    Raises:
        ConfigError: there are none.
    """
    classes = sorted(path for path in (root / part).iterdir() if path.is_dir()) if (root / part).is_dir() else []
    files = [(file, label) for label, folder in enumerate(classes) for file in sorted(folder.iterdir())
             if file.suffix.lower() in ENDINGS]  # fmt: skip
    if not files:
        raise ConfigError(f"no images in {root / part}/CLASS/; IMAGENET_ROOT names the folder with train/ and val/")
    return Folders(tuple(files), augment, pixels)


def loaders() -> tuple[DataLoader[tuple[Tensor, int]], DataLoader[tuple[Tensor, int]]]:
    """Training and validation batches of ``IMAGENET_ROOT``, as ``rdpass convert --data`` takes them."""
    if "IMAGENET_ROOT" not in os.environ:
        raise ConfigError("set IMAGENET_ROOT to the folder that holds ImageNet's train/ and val/")
    root, workers = Path(os.environ["IMAGENET_ROOT"]), min(16, os.cpu_count() or 1)
    train, held = folders(root, "train", augment=True), folders(root, "val", augment=False)
    return (
        DataLoader(train, BATCH, shuffle=True, drop_last=len(train) > BATCH, num_workers=workers),
        DataLoader(held, BATCH, num_workers=workers),
    )


def random_crop(image: Image.Image, pixels: int) -> Image.Image:
    """A part of random area and shape, resized, mirrored with probability one half."""
    width, height = image.size
    box = (0, 0, width, height)
    for _ in range(10):
        area = width * height * float(torch.empty(()).uniform_(LEAST_AREA, 1))
        ratio = float(torch.empty(()).uniform_(*map(float, np.log(RATIO))).exp())
        wide, high = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(torch.randint(width - wide + 1, ())), int(torch.randint(height - high + 1, ()))
            box = (left, top, left + wide, top + high)
            break
    cropped = image.resize((pixels, pixels), Image.Resampling.BILINEAR, box=box)
    return cropped.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if float(torch.rand(())) < 0.5 else cropped


def middle(image: Image.Image, pixels: int) -> Image.Image:
    """The middle of the image, its shorter side resized to 256 (for 224 pixels)."""
    scale = RESIZED / PIXELS * pixels / min(image.size)
    resized = image.resize((max(pixels, round(image.width * scale)), max(pixels, round(image.height * scale))),
                           Image.Resampling.BILINEAR)  # fmt: skip
    left, top = (resized.width - pixels) // 2, (resized.height - pixels) // 2
    return resized.crop((left, top, left + pixels, top + pixels))


def as_tensor(image: Image.Image) -> Tensor:
    """(3, H, W) float32, normalised."""
    values = torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    return (values - mean) / std
