"""What kernels are compared with: each operation in its plainest words, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.workload import Convolution, Epilogue, Head, Places, Pooling, Resizing


def convolution(conv: Convolution, x: Array, weights: Array) -> Array:
    """Sums alone, without bias and epilogue: (N, F, H', W')."""
    top, left, bottom, right = conv.padding
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    total = np.zeros((conv.batch, conv.filters, conv.out_height, conv.out_width))
    inner, outer = conv.channels // conv.groups, conv.filters // conv.groups
    for group in range(conv.groups):
        inputs = padded[:, group * inner : (group + 1) * inner]
        own = slice(group * outer, (group + 1) * outer)
        for (i, j), seen in windows(inputs, conv.kernel, conv.stride, conv.dilation, total.shape[2:]):
            product = weights[own, :, i, j].astype(np.float64) @ seen.reshape(*seen.shape[:2], -1)
            total[:, own] += product.reshape(total[:, own].shape)
    return total


def spread(conv: Convolution, phases: Array) -> Array:
    """(N, phases F, H', W') as the pixels of (N, F, a H', b W')."""
    batch, _, height, width = phases.shape
    down, across = conv.subpixel
    apart = phases.reshape(batch, down, across, conv.filters, height, width).transpose(0, 3, 4, 1, 5, 2)
    return apart.reshape(batch, conv.filters, height * down, width * across)


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


def resizing(work: Resizing, x: Array) -> Array:
    """(N, C, H', W'), as torch's interpolate sees it: a matrix for each axis."""
    down = _mixing(work.kind, work.down, work.height, work.out_height)
    across = _mixing(work.kind, work.across, work.width, work.out_width)
    return np.einsum("ih,nchw,jw->ncij", down, x.astype(np.float64), across)


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


def pooling(pool: Pooling, x: Array) -> Array:
    """(N, C, H', W')."""
    top, left, bottom, right = pool.padding
    border = ((0, 0), (0, 0), (top, bottom), (left, right))
    size = (pool.out_height, pool.out_width)
    shape = (pool.kernel, pool.stride, (1, 1), size)
    if pool.kind == "max":
        padded = np.pad(x.astype(np.float64), border, constant_values=-np.inf)
        return np.max([seen for _, seen in windows(padded, *shape)], axis=0)
    total = np.sum([seen for _, seen in windows(np.pad(x.astype(np.float64), border), *shape)], axis=0)
    covered = np.sum([seen for _, seen in windows(np.pad(np.ones_like(x), border), *shape)], axis=0)
    return total / (pool.divisor or covered)


def head(work: Head, x: Array, weights: Array | None, bias: Array | None) -> Array:
    """(N, classes), or the means (N, C) where there is no dense layer; what it reads is flattened or averaged."""
    means = x.astype(np.float64).mean(axis=(2, 3)) if work.averages else x.reshape(work.batch, -1).astype(np.float64)
    if weights is None or bias is None:
        return means
    return means @ weights.astype(np.float64).T + bias
