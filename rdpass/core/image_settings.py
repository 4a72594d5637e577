"""How photographs become a network's inputs, and which class is which: what a run and a bundle keep of their images."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.files import check_regular
from rdpass.core.numeric_types import FLOAT32

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's colours, of values from 0 to 1."""
GREY = (0.449,), (0.226,)
"""The means of ``IMAGENET``'s over the colours."""
LARGEST = 8192
"""Pixels of a side."""


@dataclass(frozen=True)
class ImageSettings:
    """How image files are read for a network.

    Args:
        height: pixels of the network's input.
        width: likewise.
        mean: for each channel, of values from 0 to 1; three channels are red, green and blue, one is grey.
        std: standard deviation of each channel, likewise.
        labels: names of the classes, in the order of the network's outputs.
        crop: share of the largest centred rectangle of the input's proportions that is scaled to the input.
        batch_size: images of a batch.
        augment: how images are varied in training.
        held_out: share of each class that is held out, where the data have no such part of their own.
        split_seed: which images these are.

    Example:
        >>> import rdpass
        >>> settings = rdpass.ImageSettings(8, 8, (0.5,), (0.25,), ("cat", "dog"))
        >>> float(settings.normalised(np.full((1, 8, 8, 1), 255, np.uint8))[0, 0, 0, 0])
        2.0
    """

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels: tuple[str, ...]
    crop: float = 1.0
    batch_size: int = 64
    augment: str = "light"
    held_out: float = 0.2
    split_seed: int = 0

    def __post_init__(self) -> None:
        for problem, is_there in (
            (f"an image of {self.height}x{self.width} is none; sides are 1 to {LARGEST}",
             not (1 <= self.height <= LARGEST and 1 <= self.width <= LARGEST)),
            (f"{len(self.mean)} means and {len(self.std)} deviations: give one for grey, or three for colours",
             len(self.mean) not in (1, 3) or len(self.mean) != len(self.std)),
            (f"a mean is a number and a standard deviation a positive one, not {self.mean} and {self.std}",
             not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std, default=1) <= 0),
            (f"the part of an image that is used (crop) is above 0 and at most 1, not {self.crop}",
             not 0 < self.crop <= 1),
            (f"the share held out is 0 to 0.9, not {self.held_out}", not 0 <= self.held_out <= 0.9),
            (f"a batch has one image or more, not {self.batch_size}", self.batch_size < 1),
        ):  # fmt: skip
            if is_there:
                raise ConfigError(problem)
        check_label_names(self.labels)

    @property
    def channels(self) -> int:
        return len(self.mean)

    def normalised(self, pixels: Array) -> Array:
        """Bytes (N, H, W, C) as the network takes them: float32 (N, C, H, W), ``(x / 255 - mean) / std``."""
        scale, shift = scale_and_shift(self.mean, self.std, 1 / 255)
        scaled: Array = pixels.astype(FLOAT32) * scale + shift
        return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))

    def __str__(self) -> str:
        mean, std = (", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
        part = "" if self.crop == 1 else f", the inner {self.crop:g}"
        return f"{self.height}x{self.width} {'grey' if self.channels == 1 else 'RGB'}{part}, mean {mean}, std {std}"


def scale_and_shift(mean: Sequence[float], std: Sequence[float], scale: float) -> tuple[Array, Array]:
    """``a`` and ``b`` (float32, one a channel) of ``(x * scale - mean) / std = a x + b``."""
    means, deviations = np.asarray(mean, np.float64), np.asarray(std, np.float64)
    return (scale / deviations).astype(FLOAT32), (-means / deviations).astype(FLOAT32)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width of ``224`` or ``192x256``.

    Raises:
        ConfigError: not such a text.

    Example:
        >>> parse_size("192x256")
        (192, 256)
    """
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text.strip())
    if not match:
        raise ConfigError(f"--image-size {text!r} is no size; write 224, or HEIGHTxWIDTH: 192x256")
    return int(match[1]), int(match[2] or match[1])


def parse_numbers(text: str, option: str) -> tuple[float, ...]:
    """The numbers in ``0.485,0.456,0.406``.

    Raises:
        ConfigError: not such a text; the message names the ``option``.
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"{option} {text!r} is no list of numbers; write 0.485,0.456,0.406, or one for grey"
        ) from None


def centre_box(width: int, height: int, wanted: tuple[int, int], crop: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the part of an image that becomes an input of ``wanted`` (height, width).

    Of the largest centred rectangle with the input's proportions, the inner ``crop``.
    """
    scale = min(width / wanted[1], height / wanted[0]) * crop
    w, h = min(wanted[1] * scale, width), min(wanted[0] * scale, height)
    left, top = (width - w) / 2, (height - h) / 2
    return left, top, left + w, top + h


def check_label_names(labels: Sequence[str]) -> None:
    """Refuse names that would not be the same once they have been through a file with one a line.

    Raises:
        ConfigError: a name is empty, is of more than one line, has blanks at an end or letters that no text has (of a
            folder whose name is no UTF-8), or two classes have one; the message names the class.
    """
    for index, label in enumerate(labels):
        is_text = not any("\ud800" <= letter <= "\udfff" for letter in label)
        if label.splitlines() != [label] or label != label.strip() or not is_text:
            raise ConfigError(
                f"class {index} is called {label!r}: names of classes are kept one a line (labels.txt), in UTF-8; write"
                " it without line breaks, and without blanks at its ends"
            )
    if len(set(labels)) < len(labels):
        raise ConfigError("two classes have one name")


def read_labels(text: str, where: str) -> tuple[str, ...]:
    """The names in a file with one a line.

    Raises:
        ConfigError: an empty line between names, or no names.
    """
    lines = [line.strip() for line in text.rstrip("\n").split("\n")]
    empty = next((index for index, line in enumerate(lines) if not line), None)
    if empty is not None:
        raise ConfigError(f"{where}: line {empty + 1} is empty; write the name of a class on each line")
    return tuple(lines)


def labels_in(file: Path) -> tuple[str, ...]:
    """The names in a file with one a line.

    Raises:
        ConfigError: it can't be read, an empty line stands between names, or there are none.
    """
    try:
        check_regular(file)
        return read_labels(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the labels {file} can't be read: {error}") from error


def settings_of(data: object) -> ImageSettings | None:
    """The settings that a loader of images was made with; None for any other data."""
    found = getattr(data, "image_settings", None)
    return found if isinstance(found, ImageSettings) else None


def check_class_count(data: object, shapes: Sequence[Sequence[int]], network: str) -> None:
    """Refuse images whose classes are not as many as a network's: every figure, and every training, would be of others.

    Args:
        data: a loader; any but one of image files is let be.
        shapes: of the network's outputs; what is no single tensor of logits (N, classes, …) is let be.
        network: its name, for the message.

    Raises:
        ConfigError: there are more or fewer; the message names both numbers.
    """
    settings = settings_of(data)
    if settings is None or len(shapes) != 1 or len(shapes[0]) < 2 or shapes[0][1] == len(settings.labels):
        return
    raise ConfigError(
        f"{network} tells {shapes[0][1]} classes apart, and the images have {len(settings.labels)}"
        f" ({', '.join(settings.labels[:4])}{', …' if len(settings.labels) > 4 else ''}): give a file with the names of"
        " all its classes in its own order (--labels), or a network for these"
    )


def mean_and_std(
    mean: Sequence[float] | None, std: Sequence[float] | None, channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What is given for ``channels`` channels, one number standing for all; else ImageNet's."""
    usual = IMAGENET if channels == 3 else GREY

    def each(given: Sequence[float] | None, default: tuple[float, ...]) -> tuple[float, ...]:
        values = tuple(given) if given is not None else default
        return values * channels if len(values) == 1 else values

    return each(mean, usual[0]), each(std, usual[1])
