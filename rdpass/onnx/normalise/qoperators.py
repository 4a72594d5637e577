"""Operators of integers (QLinearConv, QLinearAdd, …) as float ones between DequantizeLinear and QuantizeLinear.

With DQ and Q for those two, and each input with its scale and zero point:

1. ``QLinearX(x, y, …)`` becomes Q(X(DQ(x), DQ(y), …)): convolution, MatMul, Gemm, Add, Mul, Concat, pools, mean,
   Sigmoid, LeakyRelu, Softmax, Where. A bias of integers is DQ of them at the scale of the sums.
2. ``ConvInteger`` and ``MatMulInteger`` become the float operator of DQ at scale 1, cast to int32.
3. What only moves integers (MaxPool, Reshape, Transpose, Split, …) becomes Q(move(DQ(x))) at one scale.
4. QuantizeLinear and DequantizeLinear of onnxruntime's domain become ONNX's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array, to_array

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import FLOAT32

MICROSOFT = "com.microsoft"
UNARY = {
    "QLinearSigmoid": "Sigmoid",
    "QLinearLeakyRelu": "LeakyRelu",
    "QLinearSoftmax": "Softmax",
    "QLinearGlobalAveragePool": "GlobalAveragePool",
    "QLinearAveragePool": "AveragePool",
    "QLinearReduceMean": "ReduceMean",
}
BINARY = {"QLinearAdd": "Add", "QLinearMul": "Mul"}
MOVING = (
    "MaxPool", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Resize", "Identity",
    "DepthToSpace", "SpaceToDepth", "Gather", "Expand",
)  # fmt: skip
OWN_ATTRIBUTES = ("channels_last", "opset")
"""What onnxruntime's operators have beside the attributes of ONNX's."""


def has_qoperators(model: onnx.ModelProto) -> bool:
    """Tell whether ``rewrite_qoperators`` has anything to do."""
    return any(_is_integer(node) for node in model.graph.node)


def rewrite_qoperators(model: onnx.ModelProto, label: str) -> onnx.ModelProto:
    """A copy of ``model`` in QDQ form; itself where it has no operator of integers.

    Raises:
        ConfigError: an operator in a form that has no like in QDQ; the message names the node and a remedy.
    """
    if not has_qoperators(model):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    rewriter = _Rewriter(copy, label)
    for node in model.graph.node:
        rewriter.take(node)
    del copy.graph.node[:]
    copy.graph.node.extend(rewriter.nodes)
    del copy.graph.value_info[:]
    kept = [entry for entry in copy.opset_import if entry.domain != MICROSOFT or _uses(copy, MICROSOFT)]
    del copy.opset_import[:]
    copy.opset_import.extend(kept)
    return copy


def _is_integer(node: onnx.NodeProto) -> bool:
    return node.op_type in _REWRITES or (node.domain == MICROSOFT and node.op_type in _LINEAR)


def _uses(model: onnx.ModelProto, domain: str) -> bool:
    return any(node.domain == domain for node in model.graph.node)


class _Rewriter:
    """Writes nodes one after the other; knows the scale of every tensor of integers that was written."""

    def __init__(self, model: onnx.ModelProto, label: str) -> None:
        self.graph, self.label, self.nodes = model.graph, label, list[onnx.NodeProto]()
        self.opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
        self.constants = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
        self.constants |= {
            node.output[0]: to_array(node.attribute[0].t)
            for node in model.graph.node
            if node.op_type == "Constant" and node.attribute[0].name == "value"
        }
        self.scales: dict[str, tuple[str, str]] = {}
        self.read: dict[tuple[str, ...], str] = {}

    def take(self, node: onnx.NodeProto) -> None:
        """Write ``node``, or what is computed in its place."""
        rewrite = _REWRITES.get(node.op_type)
        if rewrite is not None:
            rewrite(self, node)
        elif node.op_type in MOVING and node.input[0] in self.scales:
            self._move(node)
        else:
            self._keep(node)

    def real(self, name: str, scale: str, zero: str = "", axis: int | None = None) -> str:
        """The float numbers that integers mean, dequantised once for all readers."""
        key = (name, scale, zero)
        if key not in self.read:
            self.read[key] = self._fresh(f"{name}_real")
            inputs = [name, self._flat(scale), *([self._flat(zero)] if zero else [])]
            several = self._array(scale).size > 1 if scale in self.constants else False
            self.add("DequantizeLinear", inputs, self.read[key], **({"axis": axis or 0} if several else {}))
        return self.read[key]

    def write(self, value: str, name: str, scale: str, zero: str) -> None:
        """Quantise ``value`` into the integers ``name``."""
        self.add("QuantizeLinear", [value, self._flat(scale), self._flat(zero)], name)
        self.scales[name] = scale, zero

    def compute(self, node: onnx.NodeProto, operator: str, inputs: list[str], **more: Any) -> str:
        """Write the float operator with the attributes of ``node``, and return its result."""
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute if a.name not in OWN_ATTRIBUTES}
        if any(a.name == "channels_last" and a.i for a in node.attribute):
            raise self.refusal(node, "with channels last; write the model with channels first")
        return self.add(operator, inputs, self._fresh(f"{node.output[0]}_real"), **{**attributes, **more})

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(
            helper.make_node(operator, inputs, [output], self._fresh(f"{output}_{operator}"), **attributes)
        )
        return output

    def constant(self, name: str, values: Array) -> str:
        name = self._fresh(name)
        self.graph.initializer.append(from_array(values, name))
        self.constants[name] = values
        return name

    def bias(self, node: onnx.NodeProto, name: str, left: str, right: str, factor: float = 1.0) -> str:
        """Integers on the scale of the sums, as float numbers."""
        if left not in self.constants or right not in self.constants:
            raise self.refusal(node, "with a bias and scales that are computed; make the scales constants")
        product = np.asarray(factor, FLOAT32) * self._array(left).reshape(-1)[0] * self._array(right)
        product = product.reshape(()) if product.size == 1 else product.reshape(-1)
        return self.real(name, self.constant(f"{name}_scale", product.astype(FLOAT32)), axis=0)

    def zero(self, name: str, like: str) -> str:
        """A zero point that was left out: 0 of the type of another."""
        kind = self._array(like).dtype if like in self.constants else np.dtype(np.uint8)
        return name or self.constant("zero_point", np.zeros((), kind))

    def refusal(self, node: onnx.NodeProto, why: str) -> ConfigError:
        return ConfigError(f"{self.label}: node {node.name or node.output[0]!r} is a {node.op_type} {why}")

    def _move(self, node: onnx.NodeProto) -> None:
        """Move the numbers meant instead of the integers."""
        scale, zero = self.scales[node.input[0]]
        moved = onnx.NodeProto()
        moved.CopyFrom(node)
        moved.input[0] = self.real(node.input[0], scale, zero)
        if node.op_type == "MaxPool" and len(node.output) > 1:
            raise self.refusal(node, "of integers with indices; leave the indices out")
        moved.output[:] = [self._fresh(f"{name}_real") for name in node.output]
        self.nodes.append(moved)
        for value, name in zip(moved.output, node.output, strict=True):
            self.write(value, name, scale, zero)

    def _keep(self, node: onnx.NodeProto) -> None:
        kept = onnx.NodeProto()
        kept.CopyFrom(node)
        if node.op_type in _LINEAR:
            kept.domain = ""
        if node.op_type == "QuantizeLinear" and len(node.input) == 3:
            self.scales[node.output[0]] = node.input[1], node.input[2]
        self.nodes.append(kept)

    def _array(self, name: str) -> Array:
        return self.constants[name]

    def _flat(self, name: str) -> str:
        """A scale or zero point as a scalar where it is a vector of one number."""
        values = self.constants.get(name)
        if values is None or values.ndim == 0 or values.size != 1:
            return name
        return self.constant(f"{name}_scalar", values.reshape(()))

    def _fresh(self, name: str) -> str:
        taken = {*self.constants, *(output for node in self.nodes for output in node.output)}
        taken |= {node.name for node in self.nodes}
        while name in taken:
            name += "_"
        return name


def _padded(node: onnx.NodeProto, count: int) -> list[str]:
    """The inputs, "" for those left out at the end."""
    return [*node.input, *("" for _ in range(count - len(node.input)))]


def _conv(rewriter: _Rewriter, node: onnx.NodeProto) -> None:
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, *bias = node.input
    inputs = [rewriter.real(x, x_scale, x_zero), rewriter.real(w, w_scale, w_zero, 0)]
    if bias and bias[0]:
        inputs.append(rewriter.bias(node, bias[0], x_scale, w_scale))
    rewriter.write(rewriter.compute(node, "Conv", inputs), node.output[0], y_scale, y_zero)


def _matmul(rewriter: _Rewriter, node: onnx.NodeProto) -> None:
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = node.input
    for scale in (a_scale, b_scale):
        if scale not in rewriter.constants:
            raise rewriter.refusal(node, "with a scale that is computed; make it a constant")
    if rewriter.constants[a_scale].size > 1:
        raise rewriter.refusal(node, "with a scale for each row; use one for all")
    axis = rewriter.constants[b].ndim - 1 if b in rewriter.constants else None
    if axis is None and rewriter.constants[b_scale].size > 1:
        raise rewriter.refusal(node, "of two activations with a scale for each column; use one for all")
    inputs = [rewriter.real(a, a_scale, a_zero), rewriter.real(b, b_scale, b_zero, axis)]
    rewriter.write(rewriter.compute(node, "MatMul", inputs), node.output[0], y_scale, y_zero)


def _gemm(rewriter: _Rewriter, node: onnx.NodeProto) -> None:
    a, a_scale, a_zero, b, b_scale, b_zero, c, y_scale, y_zero = _padded(node, 9)
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    inputs = [
        rewriter.real(a, a_scale, a_zero),
        rewriter.real(b, b_scale, b_zero, 0 if attributes.get("transB") else 1),
    ]
    if c:
        inputs.append(rewriter.bias(node, c, a_scale, b_scale, attributes.get("alpha", 1.0)))
    value = rewriter.compute(node, "Gemm", inputs)
    if y_scale:
        rewriter.write(value, node.output[0], y_scale, rewriter.zero(y_zero, a_zero))
    else:
        rewriter.add("Identity", [value], node.output[0])


def _unary(rewriter: _Rewriter, node: onnx.NodeProto) -> None:
    x, x_scale, x_zero, y_scale, y_zero = _padded(node, 5)
    inputs = [rewriter.real(x, x_scale, x_zero)]
    more: dict[str, Any] = {}
    if node.op_type == "QLinearReduceMean" and rewriter.opset >= 18:
        axes = next((list(a.ints) for a in node.attribute if a.name == "axes"), None)
        inputs += [] if axes is None else [rewriter.constant("axes", np.array(axes, np.int64))]
        more["axes"] = None
    value = rewriter.compute(node, UNARY[node.op_type], inputs, **more)
    rewriter.write(value, node.output[0], y_scale, rewriter.zero(y_zero, x_zero))


def _binary(rewriter: _Rewriter, node: onnx.NodeProto) -> None:
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = _padded(node, 8)
    inputs = [rewriter.real(a, a_scale, a_zero), rewriter.real(b, b_scale, b_zero)]
    value = rewriter.compute(node, BINARY[node.op_type], inputs)
    rewriter.write(value, node.output[0], y_scale, rewriter.zero(y_zero, a_zero))


def _concat(rewriter: _Rewriter, node: onnx.NodeProto) -> None:
    y_scale, y_zero, *rest = node.input
    inputs = [rewriter.real(*rest[index : index + 3]) for index in range(0, len(rest), 3)]
    rewriter.write(rewriter.compute(node, "Concat", inputs), node.output[0], y_scale, y_zero)


def _where(rewriter: _Rewriter, node: onnx.NodeProto) -> None:
    condition, *rest, y_scale, y_zero = node.input
    inputs = [condition, rewriter.real(*rest[:3]), rewriter.real(*rest[3:])]
    rewriter.write(rewriter.compute(node, "Where", inputs), node.output[0], y_scale, y_zero)


def _of_integers(operator: str) -> Callable[[_Rewriter, onnx.NodeProto], None]:
    """An operator whose result are the sums themselves, int32."""

    def rewrite(rewriter: _Rewriter, node: onnx.NodeProto) -> None:
        one = rewriter.constant("one", np.asarray(1, FLOAT32))
        zeros = [*node.input[2:], "", ""][:2]
        inputs = [rewriter.real(name, one, zero) for name, zero in zip(node.input[:2], zeros, strict=True)]
        rewriter.add("Cast", [rewriter.compute(node, operator, inputs)], node.output[0], to=TensorProto.INT32)

    return rewrite


_LINEAR = ("QuantizeLinear", "DequantizeLinear")
_REWRITES: Mapping[str, Callable[[_Rewriter, onnx.NodeProto], None]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    "QGemm": _gemm,
    "QLinearConcat": _concat,
    "QLinearWhere": _where,
    "ConvInteger": _of_integers("Conv"),
    "MatMulInteger": _of_integers("MatMul"),
    **dict.fromkeys(UNARY, _unary),
    **dict.fromkeys(BINARY, _binary),
}
