"""``--data``: what it names, and the options that say how image files are read."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdpass.core.errors import ConfigError
from rdpass.core.printable import printable

if TYPE_CHECKING:
    from torch import Tensor

    from rdpass.core.image_settings import ImageSettings
    from rdpass.sources.image_loaders import ImageLoader

DATA_HELP = (
    "A folder of images (train/ and val/, or a folder for each class), a .csv of path and label, or pkg.mod:fn giving a"
    " loader, or (train, validate)."
)
_PANEL = "Images of --data"
_LONGEST_LINE = 1000


class Colour(StrEnum):
    """What a pixel is."""

    rgb = "rgb"
    grey = "grey"


def _of(*names: str, help: str) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=_PANEL)


@dataclass(frozen=True)
class ImageOptions:
    """How images of a folder or a table are read; None is for what was not said."""

    image_size: Annotated[
        str | None, _of(help="224, or HEIGHTxWIDTH: 192x256. Default: the model's, if its input is known.")
    ] = None
    colour: Annotated[Colour | None, _of(help="Default: what the model's input has channels for, else rgb.")] = None
    mean: Annotated[str | None, _of(help="Of values from 0 to 1: 0.5,0.5,0.5. Default: ImageNet's.")] = None
    std: Annotated[str | None, _of(help="Standard deviation, likewise.")] = None
    crop: Annotated[
        float | None, _of(help="Inner part of an image that is used where it is measured: 0.875. Default: 1.")
    ] = None
    labels: Annotated[
        Path | None,
        _of(help="File with a class a line, in the order of the model's outputs. Default: the names, sorted."),
    ] = None
    batch_size: Annotated[int | None, _of(help="Images of a batch. Default: 64.")] = None
    held_out: Annotated[
        float | None, _of(help="Share of each class that is held out where there is no val/. Default: 0.2.")
    ] = None
    split_seed: Annotated[int | None, _of(help="Which images these are. Default: 0.")] = None
    augment: Annotated[
        str | None,
        _of(help="none, crop, light (crop, mirror), autoaugment, randaugment, trivialaugment, augmix. Default: light."),
    ] = None

    @property
    def given(self) -> list[str]:
        """The options that were said."""
        return [f"--{field.name.replace('_', '-')}" for field in fields(self) if getattr(self, field.name) is not None]


def with_image_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of ``ImageOptions``, which its parameter ``image_options`` receives as one."""
    return _with_options(command, ())


def with_measured_images(command: Callable[..., None]) -> Callable[..., None]:
    """Likewise for a command that trains nothing: without ``--augment``."""
    return _with_options(command, ("augment",))


def _with_options(command: Callable[..., None], without: Sequence[str]) -> Callable[..., None]:
    signature = inspect.signature(command, eval_str=True)
    parameters = inspect.signature(ImageOptions, eval_str=True).parameters
    options = {name: each for name, each in parameters.items() if name not in without}
    own = [each for each in signature.parameters.values() if each.name != "image_options"]
    keyword = inspect.Parameter.KEYWORD_ONLY
    every = [*own, *options.values()]

    def wrapped(**given: Any) -> None:
        image_options = ImageOptions(**{name: given.pop(name) for name in options})
        command(**given, image_options=image_options)

    wrapped.__doc__, wrapped.__name__, wrapped.__module__ = command.__doc__, command.__name__, command.__module__
    wrapped.__annotations__ = {each.name: each.annotation for each in every}
    wrapped.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[each.replace(kind=keyword) for each in every]
    )
    return wrapped


def names_images(data: str) -> bool:
    """Tell whether ``--data`` names image files, a folder or a table, and no code."""
    return Path(data).is_dir() or data.lower().endswith(".csv")


def load_parts(
    data: str,
    options: ImageOptions,
    like: ImageSettings | None = None,
    shape: tuple[int, ...] | None = None,
    *,
    varied: bool = True,
) -> tuple[Any, Any]:
    """What ``--data`` names: batches to train with and, or None, to validate with.

    Args:
        data: a folder, a table, or ``pkg.mod:fn``.
        options: how images are read, in the place of ``like``.
        like: settings of the run that the network comes from.
        shape: (channels, height, width) of the network's input, where it is known.
        varied: images to train with are, as the options say.

    Raises:
        ConfigError: there is nothing of the kind, or options are given that go with image files alone.
    """
    from rdpass.sources.models import load_data

    if names_images(data):
        return _load_images(data, options if varied else replace(options, augment="none"), like, shape)
    if ":" not in data:
        raise ConfigError(f"--data {data!r}: there is no such folder or file; give {_first_small(DATA_HELP)}")
    if options.given:
        raise ConfigError(f"{', '.join(options.given)}: for a folder of images or a .csv; --data {data} runs code")
    return load_data(data)


def images_of(
    data: str, options: ImageOptions, like: ImageSettings | None = None, shape: tuple[int, ...] | None = None
) -> tuple[Any, Any]:
    """Likewise images to calibrate with or to measure, none of them varied; an .npy file of images too.

    Raises:
        ConfigError: there are none of that name.
    """
    import numpy as np

    from rdpass.core.files import check_regular

    if not data.endswith(".npy"):
        return load_parts(data, options, like, shape, varied=False)
    if options.given:
        raise ConfigError(f"{', '.join(options.given)}: for a folder of images or a .csv, not for {data}")
    try:
        check_regular(Path(data))
        return np.load(data, allow_pickle=False), None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{data} can't be read as an array of images: {error}") from error


def _load_images(
    data: str, options: ImageOptions, like: ImageSettings | None, shape: tuple[int, ...] | None
) -> tuple[ImageLoader, ImageLoader | None]:
    from rdpass.core.image_settings import parse_numbers, parse_size
    from rdpass.sources.image_loaders import image_loaders

    of_model = shape if shape is not None and len(shape) == 3 and shape[0] in (1, 3) else None
    known: dict[str, Any] = {} if like is None else {
        name: getattr(like, name) for name in
        ("mean", "std", "labels", "crop", "batch_size", "held_out", "split_seed", "augment")
    }  # fmt: skip
    size = (like.height, like.width) if like is not None else of_model[1:] if of_model is not None else None
    if options.image_size is not None:
        size = parse_size(options.image_size)
    if size is None:
        raise ConfigError(
            f"--data {data}: say how large the network takes its images, with --image-size 224 or --input 1x3x224x224"
        )
    channels = like.channels if like is not None else of_model[0] if of_model is not None else 3
    if options.colour is not None and (grey := options.colour is Colour.grey) != (channels == 1):
        channels = 1 if grey else 3
        known = {name: value for name, value in known.items() if name not in ("mean", "std")}
    said = {name: parse_numbers(text, f"--{name}") for name in ("mean", "std")
            if (text := getattr(options, name)) is not None}  # fmt: skip
    plain = {name: value for name in ("labels", "crop", "batch_size", "held_out", "split_seed", "augment")
             if (value := getattr(options, name)) is not None}  # fmt: skip
    train, validate = image_loaders(data, size, channels=channels, **{**known, **said, **plain})
    _tell(data, train, validate)
    return train, validate


def beside_data(data: str | None, name: str, given: str | None) -> str | None:
    """What is ``given``; else ``pkg.mod:name`` where ``--data`` is of that module, which has such a function.

    Said on stderr, for nobody has asked for it.
    """
    module, _, function = (data or "").partition(":")
    if given is not None or not function or names_images(module):
        return given
    if not callable(getattr(sys.modules.get(module), name, None)):
        return None
    print(f"rdpass: the {name} is {module}:{name}, beside the data; another with --{name}", file=sys.stderr)
    return f"{module}:{name}"


def shape_of_input(input_shape: str | None, stored: tuple[Tensor, ...] | None) -> tuple[int, ...] | None:
    """(channels, height, width) that ``--input`` says, or that the example has which came with a model."""
    from rdpass.core.input_size import parse_sizes

    if input_shape is not None:
        return parse_sizes(input_shape)[0].shape[1:]
    return tuple(stored[0].shape[1:]) if stored else None


def shape_of_files(sources: Sequence[str]) -> tuple[int, ...] | None:
    """Likewise of the first ONNX file among the sources that says it."""
    from rdpass.onnx.model_files import input_shapes

    for source in sources:
        shapes = input_shapes(Path(source)) if source.lower().endswith(".onnx") else []
        if shapes and all(shapes[0][1:]):
            return shapes[0][1:]
    return None


def _tell(data: str, train: ImageLoader, validate: ImageLoader | None) -> None:
    """Say on stderr how the images are read: a wrong mean gives no error."""
    settings = train.image_settings
    labels = ", ".join(settings.labels[:4]) + (", …" if len(settings.labels) > 4 else "")
    held_out = "" if validate is None else f" and {validate.images} held out"
    counted = f"{train.images} images{held_out} ({train.parts}), {len(settings.labels)} classes ({labels})"
    print(f"rdpass: {printable(f'{data}: {counted}; read as {settings}', _LONGEST_LINE)}", file=sys.stderr)


def _first_small(text: str) -> str:
    return text[0].lower() + text[1:].rstrip(".")
