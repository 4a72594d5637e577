"""Sums over windows in numpy, for the oracle of quantised networks: convolution, its transpose, pooling, any rank.

All are computed in float64. Sums of products of integers are exact there, in any order, below 2^53: far more than a
network of 16-bit numbers reaches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from rdpass.core.comparison import Array

Attributes = Mapping[str, Any]


def convolve(x: Array, weights: Array, attributes: Attributes) -> Array:
    """``Conv`` without bias: x (N, C, …), weights (O, C / group, …); ONNX's attributes."""
    kernel = weights.shape[2:]
    windows = windows_of(x, kernel, attributes, 0.0)
    groups = int(attributes.get("group", 1))
    count, channels, places = x.shape[0], x.shape[1], windows.shape[2 : 2 + len(kernel)]
    columns = windows.reshape(count, groups, channels // groups, *places, *kernel)
    order = (1, 0, *range(3, 3 + len(kernel)), 2, *range(3 + len(kernel), 3 + 2 * len(kernel)))
    flat = columns.transpose(order).reshape(groups, count * int(np.prod(places)), -1)
    sums = flat @ weights.astype(np.float64).reshape(groups, len(weights) // groups, -1).transpose(0, 2, 1)
    return np.moveaxis(sums.reshape(groups, count, *places, -1), (1, 0, -1), (0, 1, 2)).reshape(count, -1, *places)


def convolve_transposed(x: Array, weights: Array, attributes: Attributes) -> Array:
    """``ConvTranspose`` without bias: x (N, C, …), weights (C, O / group, …); ONNX's attributes."""
    kernel, sizes, rank = weights.shape[2:], x.shape[2:], x.ndim - 2
    strides, dilations = _of_rank(attributes, "strides", rank, 1), _of_rank(attributes, "dilations", rank, 1)
    groups = int(attributes.get("group", 1))
    whole = [s * (n - 1) + d * (k - 1) + 1 for s, n, d, k in zip(strides, sizes, dilations, kernel, strict=True)]
    begins, ends = _transposed_pads(whole, sizes, strides, attributes)
    total = np.zeros((len(x), weights.shape[1] * groups, *(w + max(0, -e) for w, e in zip(whole, ends, strict=True))))
    by_group = x.astype(np.float64).reshape(len(x), groups, -1, int(np.prod(sizes)))
    filters = weights.astype(np.float64).reshape(groups, -1, *weights.shape[1:])
    for tap in product(*map(range, kernel)):
        part = np.einsum("ngcp,gco->ngop", by_group, _last(filters, tap)).reshape(len(x), -1, *sizes)
        reach = [slice(d * t, d * t + s * n, s) for d, t, s, n in zip(dilations, tap, strides, sizes, strict=True)]
        view = _last(total, reach)
        view += part
    return _last(total, (slice(b, w - e) for b, w, e in zip(begins, whole, ends, strict=True)))


def max_pool(x: Array, attributes: Attributes) -> Array:
    """``MaxPool`` of x (N, C, …): values alone."""
    rank = len(attributes["kernel_shape"])
    most: Array = windows_of(x, attributes["kernel_shape"], attributes, -np.inf).max(axis=tuple(range(-rank, 0)))
    return most


def sums_and_counts(x: Array, attributes: Attributes) -> tuple[Array, Array]:
    """``AveragePool`` of x (N, C, …): what its windows sum to, and how many numbers each counts, of the padding too or
    not as the attributes say.
    """
    kernel, axes = attributes["kernel_shape"], tuple(range(-len(attributes["kernel_shape"]), 0))
    padding = 1.0 if attributes.get("count_include_pad", 0) else 0.0
    counts = windows_of(np.ones((1, 1, *x.shape[2:])), kernel, attributes, padding, 0.0).sum(axes)
    totals: Array = windows_of(x, kernel, attributes, 0.0).sum(axes)
    return totals, counts


def windows_of(
    x: Array, kernel: Sequence[int], attributes: Attributes, padding: float = 0.0, overhang: float | None = None
) -> Array:
    """Views (N, C, places …, kernel …) of ``x``, padded; ``overhang`` is what stands beyond the padding."""
    rank = len(kernel)
    strides, dilations = _of_rank(attributes, "strides", rank, 1), _of_rank(attributes, "dilations", rank, 1)
    begins, ends = _pads(x.shape[2:], kernel, attributes)
    reaches = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    padded = _padded(x.astype(np.float64), begins, ends, padding)
    if attributes.get("ceil_mode", 0):
        beyond = [_overhang(n, b, e, r, s) for n, b, e, r, s in
                  zip(x.shape[2:], begins, ends, reaches, strides, strict=True)]  # fmt: skip
        padded = _padded(padded, [0] * rank, beyond, padding if overhang is None else overhang)
    views = sliding_window_view(padded, reaches, axis=tuple(range(2, 2 + rank)))
    return _last(views, (slice(None, None, step) for step in (*strides, *dilations)))


def _last(x: Array, indices: Iterable[slice | int]) -> Array:
    """A view of ``x``, its last axes indexed, all of those before kept."""
    view: Array = x[(..., *indices)]
    return view


def _padded(x: Array, begins: Sequence[int], ends: Sequence[int], fill: float) -> Array:
    return np.pad(x, [(0, 0), (0, 0), *zip(begins, ends, strict=True)], constant_values=fill)


def _overhang(size: int, begin: int, end: int, reach: int, stride: int) -> int:
    """What ``ceil_mode`` adds at the end: a last window that is not whole, unless it would start in the padding."""
    rest = (size + begin + end - reach) % stride
    last = size + begin + end - reach - rest + stride
    return stride - rest if rest and last < size + begin else 0


def _pads(sizes: Sequence[int], kernel: Sequence[int], attributes: Attributes) -> tuple[list[int], list[int]]:
    rank, rule = len(kernel), attributes.get("auto_pad", "NOTSET")
    if rule in ("NOTSET", "VALID"):
        pads = _of_rank(attributes, "pads", 2 * rank, 0) if rule == "NOTSET" else [0] * (2 * rank)
        return pads[:rank], pads[rank:]
    strides, dilations = _of_rank(attributes, "strides", rank, 1), _of_rank(attributes, "dilations", rank, 1)
    wanted = [max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
              for n, s, d, k in zip(sizes, strides, dilations, kernel, strict=True)]  # fmt: skip
    return _halves(wanted, rule)


def _transposed_pads(
    whole: Sequence[int], sizes: Sequence[int], strides: Sequence[int], attributes: Attributes
) -> tuple[list[int], list[int]]:
    """What is cut off at either end; less than nothing where the output is longer than all windows."""
    rank, rule = len(sizes), attributes.get("auto_pad", "NOTSET")
    extra = _of_rank(attributes, "output_padding", rank, 0)
    if rule in ("NOTSET", "VALID") and "output_shape" not in attributes:
        pads = _of_rank(attributes, "pads", 2 * rank, 0) if rule == "NOTSET" else [0] * (2 * rank)
        return pads[:rank], [p - e for p, e in zip(pads[rank:], extra, strict=True)]
    given = list(attributes.get("output_shape", ()))[-rank:]
    shape = given or [n * s for n, s in zip(sizes, strides, strict=True)]
    # ONNX puts the odd one at the end for SAME_UPPER alone.
    return _halves([w - o for w, o in zip(whole, shape, strict=True)], rule)


def _halves(totals: Sequence[int], rule: str) -> tuple[list[int], list[int]]:
    less, more = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return (less, more) if rule == "SAME_UPPER" else (more, less)


def _of_rank(attributes: Attributes, name: str, rank: int, default: int) -> list[int]:
    return list(attributes.get(name) or [default] * rank)
