"""Resize in all its modes, and GridSample.

What torch's ``interpolate`` computes is called so; the rest is a gathering of places (nearest) or a product with one
matrix an axis (``interpolation``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.interpolation import Resampling, looks_outside, matrix_of
from rdpass.onnx.normalise.resize import Axis, resampling_of, resized_axes
from rdpass.onnx.reading.call import Call, Reader, Unreadable

LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def resize(call: Call) -> Any:
    axes, how = resized_axes(call.node), resampling_of(call.node)
    if axes is None:
        raise Unreadable("its sizes are no constants")
    own = _interpolate(call, axes, how)
    if own is not None:
        return own
    value = call.value(0)
    for axis in axes:
        matrix = matrix_of(how, axis.before, axis.after, axis.scale, axis.roi)
        value = _along(call, value, axis, matrix, how)
    return _extrapolated(call, value, axes, how)


def _along(call: Call, value: Any, axis: Axis, matrix: Any, how: Resampling) -> Any:
    if how.mode == "nearest" and matrix.sum(1).all():
        places = call.buffer(f"places_{axis.index}", torch.from_numpy(matrix.argmax(1)))
        return call.call(torch.index_select, value, axis.index, places)
    weights = call.buffer(f"weights_{axis.index}", torch.from_numpy(matrix.T.astype(FLOAT32)))
    last = call.call(torch.movedim, value, axis.index, -1)
    return call.call(torch.movedim, call.call(torch.matmul, last, weights), -1, axis.index)


def _extrapolated(call: Call, value: Any, axes: tuple[Axis, ...], how: Resampling) -> Any:
    outside = np.zeros((), bool)
    rank = len(call.shape())
    for axis in axes:
        shape = [1] * rank
        shape[axis.index] = axis.after
        outside = outside | looks_outside(how, axis.before, axis.after, axis.scale, axis.roi).reshape(shape)
    if not outside.any():
        return value
    number = call.attribute("extrapolation_value", 0.0)
    return call.call(torch.masked_fill, value, call.buffer("outside", torch.from_numpy(outside)), number)


def _interpolate(call: Call, axes: tuple[Axis, ...], how: Resampling) -> Any:
    """Torch's own, where it is the same; None elsewhere."""
    rank = len(call.shape()) - 2
    spatial = tuple(range(2, rank + 2))
    if how.antialias or how.exclude_outside or tuple(axis.index for axis in axes) != spatial or not 1 <= rank <= 3:
        return None
    mode, corners = _mode(how, axes, rank)
    if mode is None:
        return None
    sizes = tuple(axis.after for axis in axes)
    if corners and any(axis.before * axis.scale != axis.after for axis in axes):
        return None
    if all(axis.scale == axis.after / axis.before for axis in axes):
        factors = tuple(axis.scale for axis in axes)
        if all(factor == round(factor) for factor in factors):
            return call.module(nn.Upsample(scale_factor=factors, mode=mode, align_corners=corners))
        return call.module(nn.Upsample(size=sizes, mode=mode, align_corners=corners))
    if corners or any(int(axis.before * axis.scale) != axis.after for axis in axes):
        return None
    keywords: dict[str, Any] = {} if corners is None else {"align_corners": corners}
    return call.call(
        F.interpolate, call.value(0), None, tuple(axis.scale for axis in axes), mode,
        recompute_scale_factor=False, **keywords,
    )  # fmt: skip


def _mode(how: Resampling, axes: tuple[Axis, ...], rank: int) -> tuple[str | None, bool | None]:
    if how.mode == "nearest":
        whole = all(axis.scale == round(axis.scale) for axis in axes)
        same = how.coordinates == "asymmetric" and how.nearest == "floor"
        # With whole factors every way of rounding repeats each place as often.
        same |= whole and how.coordinates == "half_pixel" and how.nearest in ("round_prefer_floor", "round_prefer_ceil")
        return ("nearest", None) if same else (None, None)
    if how.mode == "cubic" and (how.cubic != -0.75 or rank != 2):
        return None, None
    name = LINEAR[rank] if how.mode == "linear" else "bicubic"
    several = all(axis.after > 1 for axis in axes)
    if how.coordinates == "half_pixel" or (how.coordinates == "pytorch_half_pixel" and several):
        return name, False
    if how.coordinates == "align_corners" and several:
        return name, True
    return None, None


def grid_sample(call: Call) -> Any:
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(call.attribute("mode", "linear"), call.attribute("mode", ""))
    mode = mode or "bilinear"
    if len(call.shape()) == 5 and mode == "bicubic":
        raise Unreadable("torch has no cubic sampling of volumes")
    corners = bool(call.attribute("align_corners", 0))
    padding = call.attribute("padding_mode", "zeros")
    return call.call(F.grid_sample, call.value(0), call.value(1), mode, padding, corners)


def affine_grid(call: Call) -> Any:
    size = [int(extent) for extent in call.constant(1, "size")]
    return call.call(F.affine_grid, call.value(0), size, bool(call.attribute("align_corners", 0)))


READERS: Mapping[str, Reader] = {"Resize": resize, "GridSample": grid_sample, "AffineGrid": affine_grid}
