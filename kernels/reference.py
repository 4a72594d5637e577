"""References for kernels: each workload in its plainest words, in numpy and float64.

Every function takes a workload, its constants and its inputs (the map, a gate, a map to add, as far as there are such),
maps as (N, C, H, W), and gives the output's numbers likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.workload import (
    Convolution,
    Elementwise,
    Epilogue,
    Head,
    Places,
    PointwisePair,
    Pooling,
    Resizing,
    Stem,
)


def convolution(work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, F, H', W'), or (N, F, a H', b W') where a window gives a x b pixels."""
    weights, rows = constants
    x, *others = inputs
    added = windows_of(work, others[0]) if others else None
    return pixels_of(work, epilogue(work.epilogue, sums(work, x, weights), rows, added))


def sums(conv: Convolution, x: Array, weights: Array) -> Array:
    """Sums alone, without bias and epilogue: (N, subpixels F, H', W')."""
    top, left, bottom, right = conv.padding
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    total = np.zeros((conv.batch, len(weights), conv.out_height, conv.out_width))
    inner, outer = conv.channels // conv.groups, len(weights) // conv.groups
    for group in range(conv.groups):
        inputs = padded[:, group * inner : (group + 1) * inner]
        own = slice(group * outer, (group + 1) * outer)
        for (i, j), seen in windows(inputs, conv.kernel, conv.stride, conv.dilation, total.shape[2:]):
            product = weights[own, :, i, j].astype(np.float64) @ seen.reshape(*seen.shape[:2], -1)
            total[:, own] += product.reshape(total[:, own].shape)
    return total


def pixels_of(conv: Convolution, total: Array) -> Array:
    """(N, a b F, H', W') as the pixels of (N, F, a H', b W')."""
    (down, across), (batch, _, height, width) = conv.subpixel, total.shape
    split = total.reshape(batch, down, across, conv.filters, height, width).transpose(0, 3, 4, 1, 5, 2)
    return split.reshape(batch, conv.filters, height * down, width * across)


def windows_of(conv: Convolution, pixels: Array) -> Array:
    """The way back: (N, F, a H', b W') to (N, a b F, H', W')."""
    (down, across), (batch, filters, height, width) = conv.subpixel, pixels.shape
    split = pixels.reshape(batch, filters, height // down, down, width // across, across).transpose(0, 3, 5, 1, 2, 4)
    return split.reshape(batch, down * across * filters, height // down, width // across)


def windows(
    padded: Array, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], size: Sequence[int]
) -> Iterator[tuple[tuple[int, int], Array]]:
    """For each tap of a window, what it sees of a padded map, for every output."""
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows = i * dilation[0] + np.arange(size[0]) * stride[0]
            columns = j * dilation[1] + np.arange(size[1]) * stride[1]
            yield (i, j), padded[:, :, rows[:, None], columns]


def epilogue(work: Epilogue, total: Array, table: Sequence[Array], other: Array | None = None) -> Array:
    """``table``: the bias, then the activation's own rows, one number a channel each."""
    bias, *rows = (np.asarray(row, np.float64).reshape(1, -1, 1, 1) for row in table)
    total = total + bias
    if other is None:
        return _ACTIVATIONS[work.activation](total, work, rows)
    if work.late:
        return _ACTIVATIONS[work.activation](total, work, rows) + other
    return _ACTIVATIONS[work.activation](total + other, work, rows)


_ACTIVATIONS: dict[str, Callable[[Array, Epilogue, list[Array]], Array]] = {
    "none": lambda x, work, rows: x,
    "relu": lambda x, work, rows: np.maximum(x, 0),
    "clip": lambda x, work, rows: np.clip(x, work.low, work.high),
    "channel_clip": lambda x, work, rows: np.minimum(np.maximum(x, rows[0]), rows[1]),
    "prelu": lambda x, work, rows: np.where(x > 0, x, x * rows[0]),
    "hard_swish": lambda x, work, rows: x * np.clip(x / 6 + 0.5, 0, 1),
    "hard_sigmoid": lambda x, work, rows: np.clip(x / 6 + 0.5, 0, 1),
    "sigmoid": lambda x, work, rows: 1 / (1 + np.exp(-x)),
    "silu": lambda x, work, rows: x / (1 + np.exp(-x)),
}


def pointwise_pair(work: PointwisePair, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, F, H, W)."""
    first, second = zip(*constants, strict=True)
    x, *others = inputs
    return convolution(work.second, second, [convolution(work.first, first, [x]), *others])


def stem(work: Stem, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, F, H', W'), after the pool."""
    total = convolution(work.convolution, constants, inputs)
    return total if work.pooling is None else pooling(work.pooling, (), [total])


def elementwise(work: Elementwise, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """The map's own shape."""
    rows, (x, *others) = constants[0], inputs
    scale: Any = 1.0
    if work.scale == "constant":
        *rows, scales = rows
        scale = scales.reshape(1, -1, 1, 1)
    elif work.scale == "gate":
        scale = others.pop(0)
    return epilogue(work.epilogue, x.astype(np.float64) * scale, rows, *others)


def resizing(work: Resizing, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, C, H', W'), as torch's interpolate sees it: a matrix for each axis."""
    down = _mixing(work.kind, work.down, work.height, work.out_height)
    across = _mixing(work.kind, work.across, work.width, work.out_width)
    mixed: Array = np.einsum("ih,nchw,jw->ncij", down, inputs[0].astype(np.float64), across)
    return mixed


def _mixing(kind: str, places: Places, given: int, wanted: int) -> Array:
    """(wanted, given): what each output takes of each input."""
    matrix = np.zeros((wanted, given))
    for i in range(wanted):
        place = Fraction(places.a * i + places.b, places.d)
        place = min(max(place, Fraction(0)), Fraction(given - 1))
        low = int(place)
        weight = float(place - low) if kind == "linear" else 0.0
        matrix[i, low] += 1 - weight
        matrix[i, min(low + 1, given - 1)] += weight
    return matrix


def pooling(work: Pooling, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, C, H', W')."""
    x, (top, left, bottom, right) = inputs[0].astype(np.float64), work.padding
    border = ((0, 0), (0, 0), (top, bottom), (left, right))
    shape = (work.kernel, work.stride, (1, 1), (work.out_height, work.out_width))
    if work.kind == "max":
        padded = np.pad(x, border, constant_values=-np.inf)
        return np.asarray(np.max([seen for _, seen in windows(padded, *shape)], axis=0))
    total = np.sum([seen for _, seen in windows(np.pad(x, border), *shape)], axis=0)
    covered = np.sum([seen for _, seen in windows(np.pad(np.ones_like(x), border), *shape)], axis=0)
    return np.asarray(total / (work.divisor or covered))


def head(work: Head, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, classes), or the means (N, C, 1, 1) where there is no dense layer; that one reads means or all pixels."""
    x = inputs[0].astype(np.float64)
    read = x.mean(axis=(2, 3)) if work.averages else x.reshape(work.batch, -1)
    if constants[0] is None:
        return read[:, :, None, None]
    weights, bias = constants[0]
    return np.asarray(read @ weights.astype(np.float64).T + bias)
