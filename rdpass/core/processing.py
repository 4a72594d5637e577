"""What is done to a network's input and output beside it: bytes of an image in, probabilities or a class out.

``scale`` takes a byte to the values that ``mean`` and ``std`` are of: x -> (x * scale - mean) / std, in float32 and as
one product and one sum for each channel. ``bgr`` says that the bytes have blue first and the network takes red first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.image_settings import ImageSettings, check_label_names, scale_and_shift
from rdpass.core.numeric_types import FLOAT32
from rdpass.core.tensor_spec import TensorSpec

LAYOUTS = ("nhwc", "nchw")
SOFTMAX, ARGMAX = "softmax", "argmax"
POSTPROCESSES = (SOFTMAX, ARGMAX)
_TOP = 5
_OF_A_STEP = 0.02
"""How far a number may be from a byte's, in steps from byte to byte."""
FORM = "write uint8,nhwc,mean=0.485,0.456,0.406,std=0.229,0.224,0.225 (also nchw, scale=0.00392, bgr)"


@dataclass(frozen=True)
class Processing:
    """What is compiled around a network.

    Args:
        layout: of the image in bytes that is taken in the place of the network's own input: "nhwc" or "nchw"; None
            where the input stays as it is.
        mean: for each channel, of values from 0 to 1; one stands for all.
        std: standard deviation of each channel, likewise.
        scale: from a byte to such a value.
        bgr: the bytes have blue first, and the network takes red first.
        postprocess: "softmax" for probabilities, "argmax" for the index of the likeliest class; None for the output
            as it is.
        labels: names of the classes, in the order of the outputs; empty where none are known.
        crop: the inner part of an image file that is used.
        input_names: other names of the network's inputs, in order; as many as are given.
        output_names: likewise of its outputs.

    Example:
        >>> import rdpass
        >>> processing = rdpass.Processing("nhwc", mean=(0.5,), std=(0.5,))
        >>> processing.prepared(np.full((1, 2, 2, 3), 255, np.uint8))[0, :, 0, 0].tolist()
        [1.0, 1.0, 1.0]
    """

    layout: str | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1 / 255
    bgr: bool = False
    postprocess: str | None = None
    labels: tuple[str, ...] = ()
    crop: float = 1.0
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        numbers = np.array([*self.mean, *self.std, self.scale, self.crop], np.float64)
        for problem, is_there in (
            (f"there is no layout {self.layout!r}; it is nhwc or nchw", self.layout not in (None, *LAYOUTS)),
            (f"there is no postprocess {self.postprocess!r}; it is {' or '.join(POSTPROCESSES)}",
             self.postprocess not in (None, *POSTPROCESSES)),
            ("a mean is a number, a standard deviation and a scale are positive ones",
             not np.isfinite(numbers).all() or min(*self.std, self.scale) <= 0),
            (f"{len(self.mean)} means and {len(self.std)} deviations; give one for each channel, or one for all",
             not {len(self.mean), len(self.std)} <= {1, 3}),
            (f"the part of an image that is used (crop) is above 0 and at most 1, not {self.crop}",
             not 0 < self.crop <= 1),
        ):  # fmt: skip
            if is_there:
                raise ConfigError(problem)
        check_label_names(self.labels)

    def takes_image_of(self, inputs: Sequence[TensorSpec]) -> bool:
        """Tell whether one image in bytes is all that a network with these ``inputs`` takes."""
        return self.layout is not None and len(inputs) == 1 and inputs[0].shape[0] == 1

    def words(self) -> list[str]:
        """What is done, a sentence for each end."""
        said = []
        if self.layout is not None:
            mean, std = (", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
            order = "blue, green, red" if self.bgr else "red, green, blue"
            said.append(
                f"The first input is an image in bytes ({self.layout.upper()}; of three channels {order}). Each is"
                f" taken as (x * {self.scale:.6g} - mean) / std with mean {mean} and std {std}."
            )
        if self.postprocess == SOFTMAX:
            said.append("The first output is the probability of each class (softmax).")
        elif self.postprocess == ARGMAX:
            said.append("The first output is the index of the likeliest class (argmax).")
        return said

    def factors(self, channels: int) -> tuple[Array, Array]:
        """The product and the sum (float32) of each channel, in the network's order."""
        return scale_and_shift(_each(self.mean, channels), _each(self.std, channels), self.scale)

    def arranged(self, pixels: Array) -> Array:
        """Bytes (H, W, C) of an image, red first, as a batch of one in ``layout``."""
        ordered = pixels[:, :, ::-1] if self.bgr else pixels
        return np.ascontiguousarray((ordered if self.layout == "nhwc" else ordered.transpose(2, 0, 1))[None])

    def prepared(self, image: Array) -> Array:
        """Bytes (N, H, W, C) or (N, C, H, W), as ``layout`` says, as the network takes them: float32 (N, C, H, W)."""
        planes = image.transpose(0, 3, 1, 2) if self.layout == "nhwc" else image
        scale, shift = (each[:, None, None] for each in self.factors(planes.shape[1]))
        ordered: Array = planes[:, ::-1] if self.bgr else planes
        return np.ascontiguousarray(ordered.astype(FLOAT32) * scale + shift)

    def as_bytes(self, floats: Array, where: str) -> Array:
        """The bytes in ``layout`` that images (N, C, H, W) were prepared from, by whatever loader.

        Raises:
            ConfigError: they are no bytes by this mean and deviation; the message begins with ``where``.
        """
        scale, shift = (each[:, None, None] for each in self.factors(floats.shape[1]))
        planes = np.rint((floats - shift) / scale)
        off = np.abs(planes * scale + shift - floats) > _OF_A_STEP * scale
        if off.any() or planes.min() < 0 or planes.max() > 255:
            mean, std = (", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
            raise ConfigError(
                f"{where}: the network takes an image in bytes, and these are no bytes by its own mean {mean} and std"
                f" {std}; read the images with these"
            )
        ordered = planes[:, ::-1] if self.bgr else planes
        bytes_ = ordered.astype(np.uint8)
        return np.ascontiguousarray(bytes_.transpose(0, 2, 3, 1) if self.layout == "nhwc" else bytes_)

    def finished(self, outputs: Sequence[Array]) -> list[Array]:
        """A network's outputs as they are given on: the first one's probabilities or class, in float64."""
        first = np.asarray(outputs[0], np.float64)
        if self.postprocess == SOFTMAX:
            powers = np.exp(first - first.max(1, keepdims=True))
            first = powers / powers.sum(1, keepdims=True)
        elif self.postprocess == ARGMAX:
            return [first.argmax(1), *outputs[1:]]
        else:
            return list(outputs)
        return [first, *outputs[1:]]


def read_processing(
    preprocess: str | None,
    postprocess: str | None,
    labels: Sequence[str] | None = None,
    images: ImageSettings | None = None,
    input_names: Sequence[str] = (),
    output_names: Sequence[str] = (),
) -> Processing | None:
    """What the options say; None where they say nothing.

    Args:
        preprocess: as ``FORM`` shows it.
        postprocess: "softmax" or "argmax".
        labels: names of the classes.
        images: of the run that the network comes from: its mean, deviation, labels and crop, unless others are said.
        input_names: other names of inputs.
        output_names: other names of outputs.

    Raises:
        ConfigError: a word is unknown, or a number is missing.

    Example:
        >>> read_processing("uint8,nhwc,mean=0.5,std=0.25", None).std
        (0.25,)
    """
    if preprocess is None and postprocess is None and labels is None and not (input_names or output_names):
        return None
    known = Processing() if images is None else Processing(labels=images.labels, crop=images.crop)
    said: dict[str, Any] = {"input_names": tuple(input_names), "output_names": tuple(output_names)}
    if labels is not None:
        said["labels"] = tuple(labels)
    if preprocess is not None:
        own = {} if images is None else {"mean": images.mean, "std": images.std}
        said = {**own, **_words(preprocess), **said}
    return replace(known, postprocess=postprocess, **said)


def likeliest(output: Array, processing: Processing) -> list[tuple[str, float | None]]:
    """Names and scores of the five likeliest classes in a network's first output; empty where it has no such scores.

    A class without a name has its index; of an index (argmax) the score is None. Scores are as they were given:
    probabilities where the postprocess is softmax.
    """
    rows = np.atleast_1d(output)

    def name(index: int) -> str:
        return processing.labels[index] if index < len(processing.labels) else str(index)

    if processing.postprocess == ARGMAX:
        return [(name(int(index)), None) for index in rows]
    if not (processing.labels or processing.postprocess) or rows.ndim != 2 or len(rows) != 1:
        return []
    best = np.argsort(-rows[0].astype(np.float64), kind="stable")[:_TOP]
    return [(name(int(index)), float(rows[0][index])) for index in best]


def processing_of(body: Mapping[str, Any]) -> Processing:
    """What ``asdict`` made of one, once it has been through JSON.

    Raises:
        ConfigError: it is none.
    """
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in body.items()}
    try:
        return Processing(**given)
    except TypeError as error:
        raise ConfigError(f"this says no processing: {error}") from error


def _words(text: str) -> dict[str, Any]:
    """The settings in ``uint8,nhwc,mean=…``: a number behind a comma goes on with the list before it."""
    said: dict[str, Any] = {}
    numbers: dict[str, list[float]] = {}
    last = ""
    for word in text.split(","):
        name, equals, value = word.strip().partition("=")
        if equals and name in ("mean", "std", "scale"):
            last, number = name, value
            numbers[name] = []
        elif not equals and last and _is_number(name):
            number = name
        elif name in (*LAYOUTS, "bgr", "uint8") and not equals:
            said |= {"bgr": True} if name == "bgr" else {"layout": name} if name in LAYOUTS else {"bytes": True}
            last = ""
            continue
        else:
            raise ConfigError(f"--preprocess: {word.strip()!r} is not understood; {FORM}")
        if not _is_number(number):
            raise ConfigError(f"--preprocess: {number!r} is no number; {FORM}")
        numbers[last].append(float(number))
    if not said.pop("bytes", False) or "layout" not in said:
        raise ConfigError(f"--preprocess {text!r} does not say uint8 and a layout; {FORM}")
    if "scale" in numbers:
        said["scale"] = numbers.pop("scale")[0]
    return said | {name: tuple(values) for name, values in numbers.items()}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _each(values: Sequence[float], channels: int) -> tuple[float, ...]:
    if len(values) not in (1, channels):
        raise ConfigError(f"{len(values)} means or deviations, and the image has {channels} channels")
    return tuple(values) * channels if len(values) == 1 else tuple(values)
