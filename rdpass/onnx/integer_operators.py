"""Operators of the oracle of quantised networks: a node's exact integer result, or None where it has no such form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.interpolation import linear_mixtures
from rdpass.onnx.quantised_values import (
    Bound,
    Joined,
    Quantised,
    Sums,
    Unrounded,
    Value,
    bias_integers,
    growth,
    is_on_scale,
    quantise,
    real_of,
    requantise,
)
from rdpass.onnx.window_sums import convolve, convolve_transposed, max_pool, sums_and_counts

QUANTISED_TYPES = ("int8", "uint8", "int16", "uint16", "int32")


@dataclass(frozen=True)
class Call:
    """A node with its attributes and the values of its inputs, None for those left out."""

    node: onnx.NodeProto
    attributes: Mapping[str, Any]
    inputs: tuple[Value | None, ...]

    def operand(self, index: int) -> Value | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def array(self, index: int) -> Array | None:
        value = self.operand(index)
        return None if value is None else real_of(value)


def _dequantize(call: Call) -> Value | None:
    integers, scale, zero = call.inputs[0], call.array(1), call.operand(2)
    if not isinstance(integers, np.ndarray) or integers.dtype.name not in QUANTISED_TYPES or scale is None:
        return None
    if call.attributes.get("block_size", 0):
        return None
    kept = np.zeros(scale.shape, integers.dtype) if zero is None else np.asarray(zero)
    return Quantised(integers, scale.astype(FLOAT32), kept, int(call.attributes.get("axis", 1)))


def _quantize(call: Call) -> Value | None:
    value, scale, zero = call.inputs[0], call.array(1), call.operand(2)
    assert value is not None
    assert scale is not None
    if call.attributes.get("block_size", 0):
        return None
    kept = _default_zero(call, scale) if zero is None else np.asarray(zero)
    if kept.dtype.name not in QUANTISED_TYPES:
        return None
    if isinstance(value, Unrounded) and scale.size == 1:
        return requantise(value, scale.reshape(()), kept.reshape(()))
    return quantise(real_of(value), scale, kept, int(call.attributes.get("axis", 1)))


def _default_zero(call: Call, scale: Array) -> Array:
    kind = call.attributes.get("output_dtype", 0) or onnx.TensorProto.UINT8
    return np.zeros(scale.shape, onnx.helper.tensor_dtype_to_np_dtype(kind))


def _layer(sums_of: Callable[[Array, Array, Mapping[str, Any]], Array], weight_axis: int) -> Callable[[Call], Value]:
    """A convolution: exact where both inputs are integers, else in float64. ``weight_axis``: the filters'."""

    def compute(call: Call) -> Value:
        x, weights, bias = call.inputs[0], call.inputs[1], call.operand(2)
        grouped = weight_axis == 1 and call.attributes.get("group", 1) > 1
        if _are_exact(x, weights, weight_axis) and not (grouped and not weights.is_per_tensor):  # type: ignore[union-attr]
            assert isinstance(x, Quantised)
            assert isinstance(weights, Quantised)
            return _with_bias(sums_of(x.centred, weights.centred, call.attributes), x, weights, bias, 1)
        assert x is not None
        assert weights is not None
        total = sums_of(real_of(x), real_of(weights), call.attributes)
        return total if bias is None else total + real_of(bias).reshape(-1, *[1] * (total.ndim - 2))

    return compute


def _gemm(call: Call) -> Value | None:
    left, right, bias = call.inputs[0], call.inputs[1], call.operand(2)
    flips = [bool(call.attributes.get(name, 0)) for name in ("transA", "transB")]
    scaled = call.attributes.get("alpha", 1.0) != 1 or (bias is not None and call.attributes.get("beta", 1.0) != 1)
    if scaled or not _are_exact(left, right, 0 if flips[1] else 1):
        return None
    assert isinstance(left, Quantised)
    assert isinstance(right, Quantised)
    a, b = (value.centred.T if flip else value.centred for value, flip in zip((left, right), flips, strict=True))
    return _with_bias(a @ b, left, right, bias, 1)


def _matmul(call: Call) -> Value | None:
    left, right = call.inputs[0], call.inputs[1]
    if not isinstance(right, Quantised) or not _are_exact(left, right, right.integers.ndim - 1):
        return None
    assert isinstance(left, Quantised)
    total = left.centred @ right.centred
    return _with_bias(total, left, right, None, total.ndim - 1)


def _are_exact(left: Value | None, right: Value | None, right_axis: int) -> bool:
    """Tell whether products of both have one scale for each output channel, which runs along the right one's axis."""
    if not isinstance(left, Quantised) or not isinstance(right, Quantised) or not left.is_per_tensor:
        return False
    on_axis = right.is_per_tensor or right.axis % right.integers.ndim == right_axis
    return on_axis and bool((left.scale * right.scale > 0).all())


def _with_bias(total: Array, left: Quantised, right: Quantised, bias: Value | None, axis: int) -> Sums:
    scales = left.scale.reshape(()), right.scale.reshape(()) if right.is_per_tensor else right.scale
    if bias is None:
        return Sums(total, *scales, axis)
    times = 1.0 if is_on_scale(bias, *scales) else growth(right)
    total, scales = total * times, (scales[0], (scales[1] / times).astype(FLOAT32))
    whole = bias_integers(bias, *scales)
    return Sums(total + (whole.reshape(-1, *[1] * (total.ndim - 2)) if whole.ndim == 1 else whole), *scales, axis)


def _add(call: Call) -> Value | None:
    """Sums of the same scale, such as those of a layer and of its diagonal, are added exactly; maps wait for one."""
    left, right = call.inputs
    if isinstance(left, Quantised) and isinstance(right, Quantised) and left.is_map and right.is_map:
        return Joined(left, right)
    if not isinstance(left, Sums) or not isinstance(right, Sums) or left.bounds or right.bounds:
        return None
    same = left.input_scale == right.input_scale and np.array_equal(left.weight_scale, right.weight_scale)
    if not same or left.total.shape != right.total.shape or left.axis != right.axis or left.count is not right.count:
        return None
    return replace(left, total=left.total + right.total)


def _multiply(call: Call) -> Value | None:
    left, right = call.inputs
    if not isinstance(left, Quantised) or not isinstance(right, Quantised) or not (left.is_map and right.is_map):
        return None
    return Sums(left.centred * right.centred, left.scale.reshape(()), right.scale.reshape(()), 1)


def _relu(call: Call) -> Value | None:
    return _bounded(call, (np.float64(0), None))  # type: ignore[arg-type]


def _clip(call: Call) -> Value | None:
    low, high = (
        np.asarray(call.attributes[name]) if name in call.attributes else call.array(index)
        for index, name in ((1, "min"), (2, "max"))
    )
    return _bounded(call, (low, high))


def _max(call: Call) -> Value | None:
    return _bounded(call, (call.array(1), None)) if len(call.inputs) == 2 else None


def _min(call: Call) -> Value | None:
    return _bounded(call, (None, call.array(1))) if len(call.inputs) == 2 else None


def _bounded(call: Call, bound: Bound) -> Value | None:
    value = call.inputs[0]
    return replace(value, bounds=(*value.bounds, bound)) if isinstance(value, Unrounded) else None


def _max_pool(call: Call) -> Value | None:
    x = call.array(0)
    assert x is not None
    return max_pool(x, call.attributes) if len(call.node.output) == 1 else None


def _average_pool(call: Call) -> Value | None:
    return _mean(call, lambda x: sums_and_counts(x, call.attributes))


def _global_average_pool(call: Call) -> Value | None:
    return _mean(call, lambda x: _over(x, tuple(range(2, x.ndim)), keep=True))


def _reduce_mean(call: Call) -> Value | None:
    axes, keep = call.array(1), bool(call.attributes.get("keepdims", 1))
    chosen = call.attributes.get("axes") if axes is None else axes.astype(int).tolist()
    return _mean(call, lambda x: _over(x, tuple(chosen), keep)) if chosen else None


def _over(x: Array, axes: tuple[int, ...], keep: bool) -> tuple[Array, Array]:
    return x.sum(axis=axes, keepdims=keep), np.array(np.prod([x.shape[axis] for axis in axes]))


def _mean_of_integers(x: Quantised, total: Array, count: Array) -> Sums:
    return Sums(total, x.scale.reshape(()), np.ones((), FLOAT32), 1, count=count)


def _mean(call: Call, sums_of: Callable[[Array], tuple[Array, Array]]) -> Value | None:
    """Means by sums and how many numbers each is of; those of integers on one scale wait for another to be divided."""
    x = call.inputs[0]
    if isinstance(x, Quantised) and x.is_map:
        return _mean_of_integers(x, *sums_of(x.centred))
    assert x is not None
    total, count = sums_of(real_of(x))
    return total / count


_NEUTRAL = {"antialias": 0, "exclude_outside": 0, "axes": [2, 3], "keep_aspect_ratio_policy": "stretch"}
"""Attributes of Resize that change nothing with these values."""


def _resize(call: Call) -> Value | None:
    """A linear one of a map of integers, whose places follow from its sizes."""
    x = call.inputs[0]
    changed = any(call.attributes.get(name, value) != value for name, value in _NEUTRAL.items())
    if call.attributes.get("mode") != "linear" or changed or not isinstance(x, Quantised) or not x.is_map:
        return None
    sizes = _sizes_wanted(call, x.integers.shape)
    mode = call.attributes.get("coordinate_transformation_mode", "half_pixel")
    mixed = None if sizes is None else linear_mixtures(x.centred, sizes, mode)
    return None if mixed is None else _mean_of_integers(x, *mixed)


def _sizes_wanted(call: Call, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """The extents that a Resize asks for, where it is of (N, C, H, W) and gives (N, C, H', W')."""
    scales, sizes = call.array(2), call.array(3)
    if len(shape) != 4 or (scales is None and sizes is None):
        return None
    wanted = np.array(shape)[-len(scales) :] * scales if sizes is None and scales is not None else sizes
    assert wanted is not None
    if (wanted % 1).any() or (len(wanted) == 4 and tuple(wanted[:2]) != shape[:2]):
        return None
    return int(wanted[-2]), int(wanted[-1])


OPERATORS: Mapping[str, Callable[[Call], Value | None]] = {
    "DequantizeLinear": _dequantize,
    "QuantizeLinear": _quantize,
    "Conv": _layer(convolve, 0),
    "ConvTranspose": _layer(convolve_transposed, 1),
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Add": _add,
    "Relu": _relu,
    "Clip": _clip,
    "Max": _max,
    "Min": _min,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average_pool,
    "ReduceMean": _reduce_mean,
    "Mul": _multiply,
    "Resize": _resize,
}
