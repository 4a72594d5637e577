"""Image files as bytes of the size that a network takes, by Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.files import check_regular
from rdpass.core.image_settings import centre_box

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".pgm", ".tif", ".tiff", ".gif")
Box = tuple[float, float, float, float]

_READ_ON_BOARDS = ("JPEG", "MPO", "PNG")
_ORIENTATION = 0x0112
_TURNS: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""By EXIF's number."""
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")


def check_header(path: Path) -> None:
    """Read a file as far as the size of its image.

    Raises:
        ConfigError: it is no image, or none that can be read; the message names it.
    """
    with _failures_told(path), Image.open(path) as image:
        _check_kind(image, path)


def open_image(path: Path, channels: int) -> Image.Image:
    """The upright image in a file, grey (``channels`` 1) or in colours (3), all of it decoded.

    Pixels of 16 bits keep their upper eight; what a transparent pixel hides is shown.

    Raises:
        ConfigError: it can't be decoded; the message names the file.
    """
    with _failures_told(path), Image.open(path) as opened:
        _check_kind(opened, path)
        upright = _upright(opened)
        if upright.mode in _SIXTEEN_BITS or upright.mode == "I":  # Pillow's own conversion clips them at 255
            upright = Image.fromarray((np.asarray(upright).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
        return upright.convert("L" if channels == 1 else "RGB")


def read_image(path: Path, channels: int, size: tuple[int, int], crop: float = 1.0) -> Array:
    """Bytes (H, W, C) of the image in a file: its centre, scaled to ``size`` (height, width).

    Raises:
        ConfigError: it can't be decoded; the message names the file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "red.png"
        ...     Image.new("RGB", (20, 10), "red").save(path)
        ...     read_image(path, 3, (4, 4))[0, 0].tolist()
        [255, 0, 0]
    """
    image = open_image(path, channels)
    return scaled(image, size, centre_box(*image.size, size, crop))


def scaled(image: Image.Image, size: tuple[int, int], box: Box) -> Array:
    """Bytes (H, W, C) of the part ``box`` of an image in ``size`` (height, width): bilinear, antialiased.

    Rows first, then columns: Pillow alone would choose the order, and so the rounding, by what is less work. The runner
    on a board computes the same bytes.
    """
    left, top, right, bottom = box
    (height, width), how = size, Image.Resampling.BILINEAR
    rows = image.resize((width, image.height), how, box=(left, 0, right, image.height))
    pixels: Array = np.asarray(rows.resize((width, height), how, box=(0, top, width, bottom)))
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _upright(image: Image.Image) -> Image.Image:
    """An image as it is to be seen. Of JPEG and PNG, which a board reads too, EXIF alone says how, no other metadata
    that Pillow knows; and where it is damaged it says nothing.
    """
    image.load()
    if image.format not in _READ_ON_BOARDS:
        return ImageOps.exif_transpose(image)
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif", b""))
        turn = _TURNS.get(exif.get(_ORIENTATION))
    except Exception:  # of a parser of TIFF: whatever it meets
        return image
    return image if turn is None else image.transpose(turn)


def _check_kind(image: Image.Image, path: Path) -> None:
    if image.mode == "F":
        raise ConfigError(f"{path} holds floating-point pixels, whose range nothing tells; save it with 8 or 16 bits")


@contextmanager
def _failures_told(path: Path) -> Iterator[None]:
    """Whatever a decoder raises as one error with the file's name."""
    try:
        check_regular(path)
        yield
    except (ConfigError, MemoryError):
        raise
    except Exception as error:  # each format has failures of its own
        raise ConfigError(f"{path} can't be read as an image: {first_line(error)}; replace or remove it") from error
