"""What kernels are compared with: each operation in its plainest words, in float64."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from rdpass.comparison import Array
from rdpass.kernels.workload import Convolution, Epilogue, Head, Pooling


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
    if other is not None:
        total = total + other
    match work.activation:
        case "none":
            return total
        case "relu":
            return np.maximum(total, 0)
        case "clip":
            return np.clip(total, work.low, work.high)
        case "channel_clip":
            return np.minimum(np.maximum(total, rows[0]), rows[1])
        case "prelu":
            return np.where(total > 0, total, total * rows[0])
        case "hard_swish":
            return total * np.clip(total / 6 + 0.5, 0, 1)
        case "hard_sigmoid":
            return np.clip(total / 6 + 0.5, 0, 1)
        case "sigmoid":
            return 1 / (1 + np.exp(-total))
        case "silu":
            return total / (1 + np.exp(-total))


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
    """(N, classes), or the means (N, C) where there is no dense layer."""
    means = x.astype(np.float64).mean(axis=(2, 3))
    if weights is None or bias is None:
        return means
    return means @ weights.astype(np.float64).T + bias
