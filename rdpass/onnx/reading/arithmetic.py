"""Arithmetic, comparisons, logic, bits and casts, element by element."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
import torch

from rdpass.onnx.normalise.graph import made_by, only_reader
from rdpass.onnx.reading.activations import self_gated
from rdpass.onnx.reading.call import Call, Reader, Unreadable, tensor_of
from rdpass.onnx.reading.convolutions import with_bias_added
from rdpass.onnx.reading.dense import linear

UNARY: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs, "Neg": torch.neg, "Sqrt": torch.sqrt, "Exp": torch.exp, "Log": torch.log, "Erf": torch.erf,
    "Floor": torch.floor, "Ceil": torch.ceil, "Round": torch.round, "Reciprocal": torch.reciprocal, "Sign": torch.sign,
    "Sin": torch.sin, "Cos": torch.cos, "Tan": torch.tan, "Asin": torch.asin, "Acos": torch.acos, "Atan": torch.atan,
    "Sinh": torch.sinh, "Cosh": torch.cosh, "Asinh": torch.asinh, "Acosh": torch.acosh, "Atanh": torch.atanh,
    "Not": torch.logical_not, "IsNaN": torch.isnan, "BitwiseNot": torch.bitwise_not, "Det": torch.linalg.det,
}  # fmt: skip
BINARY: dict[str, Callable[..., Any]] = {
    "Sub": operator.sub, "Equal": torch.eq, "Less": torch.lt, "LessOrEqual": torch.le, "Greater": torch.gt,
    "GreaterOrEqual": torch.ge, "And": torch.logical_and, "Or": torch.logical_or, "Xor": torch.logical_xor,
    "BitwiseAnd": torch.bitwise_and, "BitwiseOr": torch.bitwise_or, "BitwiseXor": torch.bitwise_xor,
}  # fmt: skip
_TYPES: dict[int, torch.dtype] = {
    onnx.TensorProto.FLOAT: torch.float32, onnx.TensorProto.DOUBLE: torch.float64,
    onnx.TensorProto.FLOAT16: torch.float16, onnx.TensorProto.BFLOAT16: torch.bfloat16,
    onnx.TensorProto.INT64: torch.int64, onnx.TensorProto.INT32: torch.int32, onnx.TensorProto.INT16: torch.int16,
    onnx.TensorProto.INT8: torch.int8, onnx.TensorProto.UINT8: torch.uint8, onnx.TensorProto.BOOL: torch.bool,
}  # fmt: skip


def dtype_of(code: int) -> torch.dtype:
    """Torch's type of a number in ONNX's list.

    Raises:
        Unreadable: it has none.
    """
    if code not in _TYPES:
        raise Unreadable(f"torch does not compute in {onnx.TensorProto.DataType.Name(code).lower()}")
    return _TYPES[code]


def _unary(function: Callable[..., Any]) -> Reader:
    return lambda call: call.call(function, call.value(0))


def _binary(function: Callable[..., Any]) -> Reader:
    def read(call: Call) -> Any:
        left, right = call.values()
        if not isinstance(left, torch.fx.Node):  # torch's functions take a number on the right alone
            left = call.value(0)
        return call.call(function, left, right)

    return read


def add(call: Call) -> Any:
    """A bias added to a convolution or a product with constant weights is theirs."""
    for index in (0, 1):
        node, added = made_by(call.node.inputs[index], "Conv", "MatMul"), call.array(1 - index)
        if node is None or added is None or only_reader(node.outputs[0]) is not call.node:
            continue
        before = Call(node, call.network)
        channels = before.array(1)
        if channels is None or (before.has(2) and before.array(2) is None):
            continue
        if node.op_type == "Conv" and _is_bias(added, channels.shape[0], channels.ndim - 2):
            return with_bias_added(before, tensor_of(added.reshape(-1)))
        if node.op_type == "MatMul" and channels.ndim == 2 and _is_bias(added, channels.shape[1], 0):
            return linear(before, tensor_of(channels).T.contiguous(), tensor_of(added.reshape(-1)))
    return call.call(operator.add, *call.values())


def _is_bias(array: Any, channels: int, behind: int) -> bool:
    """Tell whether an array is (channels, 1, ...), with as many ones before it as you like."""
    return bool(array.size == channels and array.ndim > behind and array.shape[array.ndim - behind - 1] == channels)


def mul(call: Call) -> Any:
    gated = self_gated(call)
    return call.call(operator.mul, *call.values()) if gated is None else gated


def div(call: Call) -> Any:
    """Integers are divided towards zero."""
    left, right = call.values()
    kind = call.node.inputs[0].dtype if call.node.inputs[0] is not None else None
    if kind is not None and np.dtype(kind.numpy()).kind in "iu":
        return call.call(torch.div, call.value(0), call.value(1), rounding_mode="trunc")
    return call.call(operator.truediv, left, right)


def power(call: Call) -> Any:
    """The result has the base's type, whatever the exponent's."""
    base = call.node.inputs[0]
    base_type = None if base is None or base.dtype is None else dtype_of(int(base.dtype))
    array = call.array(1)
    exponent: Any = call.value(1)
    if array is not None and array.size == 1 and len(call.shape()) >= array.ndim:
        exponent = array.reshape(-1)[0].item()
    result = call.call(torch.pow, call.value(0), exponent)
    same = call.node.inputs[1] is not None and call.node.inputs[1].dtype == (None if base is None else base.dtype)
    return result if same or base_type is None else call.call(torch.Tensor.to, result, base_type)


def modulo(call: Call) -> Any:
    """``fmod`` 1 has C's sign, else Python's."""
    return call.call(torch.fmod if call.attribute("fmod", 0) else torch.remainder, call.value(0), call.value(1))


def _many(function: Callable[..., Any], average: bool = False) -> Reader:
    def read(call: Call) -> Any:
        result = call.value(0)
        for index in range(1, len(call.node.inputs)):
            result = call.call(function, result, call.value(index))
        return call.call(torch.div, result, len(call.node.inputs)) if average else result

    return read


def where(call: Call) -> Any:
    return call.call(torch.where, call.value(0), call.value(1), call.value(2))


def is_infinite(call: Call) -> Any:
    positive, negative = call.attribute("detect_positive", 1), call.attribute("detect_negative", 1)
    if positive and negative:
        return call.call(torch.isinf, call.value(0))
    if not positive and not negative:
        return call.call(torch.zeros_like, call.value(0), dtype=torch.bool)
    return call.call(torch.isposinf if positive else torch.isneginf, call.value(0))


def cast(call: Call) -> Any:
    return call.call(torch.Tensor.to, call.value(0), dtype_of(call.attribute("to")))


def cast_like(call: Call) -> Any:
    like = call.node.inputs[1]
    if like is None or like.dtype is None:
        raise Unreadable("the type that it casts to is not known")
    return call.call(torch.Tensor.to, call.value(0), dtype_of(int(like.dtype)))


def shift(call: Call) -> Any:
    left = call.attribute("direction") == "LEFT"
    return call.call(torch.bitwise_left_shift if left else torch.bitwise_right_shift, call.value(0), call.value(1))


READERS: Mapping[str, Reader] = {
    **{name: _unary(function) for name, function in UNARY.items()},
    **{name: _binary(function) for name, function in BINARY.items()},
    "Add": add,
    "Mul": mul,
    "Div": div,
    "Pow": power,
    "Mod": modulo,
    "Min": _many(torch.minimum),
    "Max": _many(torch.maximum),
    "Sum": _many(operator.add),
    "Mean": _many(operator.add, average=True),
    "Where": where,
    "IsInf": is_infinite,
    "Cast": cast,
    "CastLike": cast_like,
    "BitShift": shift,
}
