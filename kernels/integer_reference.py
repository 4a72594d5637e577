"""References for kernels of integers: each workload in its plainest words, in numpy and exact sums.

Every function takes a workload, its constants and its inputs (the map, and one that is multiplied or added, if any),
maps as (N, C, H, W) of bytes, and gives the output's numbers likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.quantization import add, dequantize, limits, mean_factors, quantize, requantize, scale
from rdpass.kernels.reference import pixels_of, windows, windows_of
from rdpass.kernels.workload import (
    Convolution,
    Dequantization,
    Elementwise,
    Head,
    Places,
    PointwisePair,
    Pooling,
    Quantization,
    QuantizedStem,
    Resizing,
)
from rdpass.kernels.workload.concatenation import Concatenation


def convolution(work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, F, H', W'), or (N, F, a H', b W') where a window gives a x b pixels."""
    weights, bias, by = constants
    x, *others = inputs
    sums = exact_sums(work, x.astype(np.int64) - by.input_zero, weights) + bias.astype(np.int64).reshape(1, -1, 1, 1)
    added = windows_of(work, others[0]) if others else None
    return pixels_of(work, requantize(sums, by, added))


def exact_sums(conv: Convolution, x: Array, weights: Array) -> Array:
    """Sums alone, of whole numbers: (N, subpixels F, H', W')."""
    top, left, bottom, right = conv.padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    total = np.zeros((conv.batch, len(weights), conv.out_height, conv.out_width), np.int64)
    inner, outer = conv.channels // conv.groups, len(weights) // conv.groups
    for group in range(conv.groups):
        own = slice(group * outer, (group + 1) * outer)
        taken = padded[:, group * inner : (group + 1) * inner]
        for (i, j), seen in windows(taken, conv.kernel, conv.stride, conv.dilation, total.shape[2:]):
            # Products of bytes, and thousands of them, are whole numbers of float64.
            product = weights[own, :, i, j].astype(np.float64) @ seen.reshape(*seen.shape[:2], -1).astype(np.float64)
            total[:, own] += product.astype(np.int64).reshape(total[:, own].shape)
    return total


def pooling(work: Pooling, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, C, H', W'); taps outside the map are left out."""
    x, (top, left, bottom, right) = inputs[0].astype(np.int64), work.padding
    border = ((0, 0), (0, 0), (top, bottom), (left, right))
    shape = (work.kernel, work.stride, (1, 1), (work.out_height, work.out_width))
    if work.kind == "max":
        padded = np.pad(x, border, constant_values=np.iinfo(np.int64).min)
        return np.asarray(np.max([seen for _, seen in windows(padded, *shape)], axis=0))
    (by,) = constants
    total = np.sum([seen for _, seen in windows(np.pad(x - by.input_zero, border), *shape)], axis=0)
    covered = np.sum([seen for _, seen in windows(np.pad(np.ones_like(x), border), *shape)], axis=0)
    return scale(total, mean_factors(by, covered if work.divisor == 0 else np.full_like(covered, work.divisor)), by)


def head(work: Head, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, classes), or the means (N, C, 1, 1) where there is no dense layer."""
    layer, *mean = constants
    x = inputs[0].astype(np.int64)
    if layer is None:
        (by,) = mean
        total = (x - by.input_zero).sum(axis=(2, 3), keepdims=True)
        return scale(total, mean_factors(by, np.array(work.pixels)), by)
    weights, bias, by = layer
    read = x.reshape(work.batch, -1) - by.input_zero
    return requantize(read @ weights.astype(np.int64).T + bias, by)


def resizing(work: Resizing, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, C, H', W'): sums of bytes by whole weights, or the bytes themselves."""
    x, down, across = inputs[0].astype(np.int64), work.down.reduced, work.across.reduced
    rows = _mixing(work.kind, down, work.height, work.out_height)
    columns = _mixing(work.kind, across, work.width, work.out_width)
    if work.kind == "nearest":
        return np.asarray(x[:, :, rows.argmax(axis=1)][:, :, :, columns.argmax(axis=1)])
    (by,) = constants
    total = np.einsum("ih,nchw,jw->ncij", rows, x - by.input_zero, columns)
    return scale(total, mean_factors(by, np.array(down.d * across.d)), by)


def _mixing(kind: str, places: Places, given: int, wanted: int) -> Array:
    """(wanted, given): how many of ``places.d`` parts each output takes of each input."""
    matrix = np.zeros((wanted, given), np.int64)
    for i in range(wanted):
        low, rest = divmod(min(max(places.a * i + places.b, 0), (given - 1) * places.d), places.d)
        rest = rest if kind == "linear" else 0
        matrix[i, low] += places.d - rest
        matrix[i, min(low + 1, given - 1)] += rest
    return matrix


def concatenation(work: Concatenation, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, sum of C, ...)."""
    tables = iter(constants)
    several = [
        next(tables)[part.view(np.uint8)] if rescaled else part
        for part, rescaled in zip(inputs, work.rescaled, strict=True)
    ]
    return np.concatenate(several, axis=1)


def elementwise(work: Elementwise, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """The map's own shape."""
    (by,) = constants
    x, other = (array.astype(np.int64) for array in inputs)
    if work.epilogue.add:
        return add(x - by.bounds.zero, other, by.addition)
    return scale((x - by.input_zero) * (other - by.other_zero), by.factors, by)


def pointwise_pair(work: PointwisePair, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, F, H, W); the map between both is of bytes."""
    first, second = zip(*constants, strict=True)
    x, *others = inputs
    return convolution(work.second, second, [convolution(work.first, first, [x]), *others])


def stem(work: QuantizedStem, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """(N, F, H', W'), after the pool; the image is float32, or bytes."""
    *numbers, step = constants
    (image, *others), byte = inputs, work.types.input
    if work.source.is_float:
        read = quantize(image, step, numbers[2].input_zero, byte)
    else:
        read = image.astype(np.int64) + limits(byte)[0] - limits(work.source)[0]
    total = convolution(work.convolution, numbers, [read, *others])
    return total if work.pooling is None else pooling(work.pooling, (), [total])


def quantization(work: Quantization, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """The map's own shape, in bytes."""
    step, zero = constants
    return quantize(inputs[0], step, zero, work.types.output)


def dequantization(work: Dequantization, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
    """The map's own shape, in float32."""
    step, zero = constants
    return dequantize(inputs[0], step, zero)
