"""The size of an input as it is written on the command line: ``1x3x224x224``, ``image=1x3x224x224:float32``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rdpass.core.errors import ConfigError

_FORM = re.compile(r"(?:(?P<name>.+)=)?(?P<shape>\d+(?:x\d+)*)(?::(?P<dtype>[a-z]+\d*))?", re.ASCII)

LARGEST = 2**31
"""Numbers of an input, at most: places in maps are 32-bit integers."""

InputSizes = str | Any | Sequence[Any] | None
"""A text as ``--input`` takes it, an array, arrays, or None where a file says all."""


@dataclass(frozen=True)
class InputSize:
    """A shape; ``name`` of the input (None: by its place in the order) and ``dtype`` (None: whatever it has)."""

    shape: tuple[int, ...]
    name: str | None = None
    dtype: str | None = None

    def __str__(self) -> str:
        return (f"{self.name}=" if self.name else "") + "x".join(map(str, self.shape))


def parse_sizes(text: str) -> tuple[InputSize, ...]:
    """The sizes in ``text``, with commas between.

    Raises:
        ConfigError: not such a text.

    Example:
        >>> parse_sizes("1x3x32x32,mask=1x32:int64")[1]
        InputSize(shape=(1, 32), name='mask', dtype='int64')
    """
    found = [_FORM.fullmatch(part.strip()) for part in text.split(",")]
    sizes = [InputSize(_extents(match["shape"]), match["name"], match["dtype"]) for match in found if match]
    if len(sizes) != len(found) or any(extent < 1 for size in sizes for extent in size.shape):
        raise ConfigError(
            f"--input {text!r} is no shape; write it as 1x3x224x224 or name=1x3x224x224:uint8, several with commas"
            " between"
        )
    if any(math.prod(size.shape) > LARGEST for size in sizes):
        raise ConfigError(f"--input {text!r} holds more than 2^31 numbers, which no kernel takes; give a smaller size")
    return tuple(sizes)


def in_order(sizes: Sequence[InputSize], names: Sequence[str]) -> tuple[InputSize, ...]:
    """``sizes`` as a model takes its inputs, which are ``names``: those without a name stand where no other does.

    Raises:
        ConfigError: there is no input of a name, or two sizes are of one.

    Example:
        >>> [str(size) for size in in_order(parse_sizes("mask=1x4,1x3x8x8"), ("image", "mask"))]
        ['1x3x8x8', 'mask=1x4']
    """
    named = {size.name: size for size in sizes if size.name is not None}
    unknown = [name for name in named if name not in names]
    if unknown or len(named) < sum(size.name is not None for size in sizes):
        wrong = f"there is no input {unknown[0]!r}" if unknown else "an input has two sizes"
        raise ConfigError(f"--input: {wrong}; the model takes {', '.join(names) or 'no inputs'}")
    others = iter([size for size in sizes if size.name is None])
    placed = [named[name] if name in named else next(others, None) for name in names]
    left_out = [name for index, name in enumerate(names) if placed[index] is None and any(placed[index:])]
    if left_out:
        raise ConfigError(f"--input: give the size of {left_out[0]!r} too, which stands before others")
    return (*(size for size in placed if size is not None), *others)


def as_sizes(given: InputSizes) -> tuple[InputSize, ...]:
    """The sizes that a text says, or that arrays (numpy's or torch's) have.

    Raises:
        ConfigError: it is neither.
    """
    if given is None or isinstance(given, str):
        return parse_sizes(given) if given else ()
    arrays: list[Any] = [given] if hasattr(given, "shape") else list(given)
    if not all(hasattr(array, "shape") and hasattr(array, "dtype") for array in arrays):
        raise ConfigError("an example is an array, a sequence of arrays, or a text such as 1x3x224x224")
    return tuple(InputSize(tuple(array.shape), None, str(array.dtype).removeprefix("torch.")) for array in arrays)


def _extents(text: str) -> tuple[int, ...]:
    return tuple(int(extent) for extent in text.split("x"))
