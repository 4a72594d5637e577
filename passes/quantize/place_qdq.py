"""Place QuantizeLinear and DequantizeLinear in a float network, by onnxruntime's quantiser.

Convolutions, dense layers, adds, products, concatenations, pools, resizes and moves of numbers are quantised, at their
inputs and outputs. A Relu or Clip after a layer goes into its output's range. An elementwise chain of one tensor (SiLU,
hard swish, a scale) stays in float between its input's and its output's integers: a kernel makes a table of it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import TensorData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from rdpass.core.numeric_types import FLOAT32
from rdpass.passes.quantize.calibrators import Range

OPERATORS = (
    "Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "Relu", "Clip", "MaxPool", "AveragePool",
    "GlobalAveragePool", "ReduceMean", "Concat", "Split", "Resize", "Pad", "Reshape", "Transpose", "Squeeze",
    "Unsqueeze", "Flatten", "Slice", "DepthToSpace",
)  # fmt: skip
ELEMENTWISE = (
    "Add", "Sub", "Mul", "Div", "Relu", "LeakyRelu", "PRelu", "Clip", "Min", "Max", "Sigmoid", "HardSigmoid",
    "HardSwish", "Swish", "Mish", "Tanh", "Softplus", "Elu", "Selu", "Gelu", "Erf", "Exp", "Abs", "Neg", "Pow", "Sqrt",
)  # fmt: skip
PRODUCTS = ("Add", "Sub", "Mul")
"""Operators of two tensors, which are quantised where these are two."""
ACTIVATIONS = {"u8": QuantType.QUInt8, "s8": QuantType.QInt8}


def place_qdq(
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    activations: str = "u8",
    keep: Collection[str] = (),
    only: Collection[str] = (),
) -> onnx.ModelProto:
    """A quantised copy of ``model``, as ``prepare`` gives it.

    Args:
        model: the float network.
        ranges: the least and the largest number of each float tensor.
        activations: "u8" or "s8", both with a zero point.
        keep: names of nodes to leave in float.
        only: names of the nodes to quantise, where not all are.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    apart = [*keep, *_of_one_tensor(model)]
    quantizer = QDQQuantizer(
        copy, True, False, QuantType.QInt8, ACTIVATIONS[activations], _tensor_data(ranges), list(only), apart,
        list(OPERATORS), {},
    )  # fmt: skip
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    placed: onnx.ModelProto = quantizer.model.model
    return placed


def _tensor_data(ranges: Mapping[str, Range]) -> dict[str, Any]:
    return {name: TensorData(lowest=_single(low), highest=_single(high)) for name, (low, high) in ranges.items()}


def _of_one_tensor(model: onnx.ModelProto) -> list[str]:
    """Sums and products whose inputs are all computed from one tensor, number by number."""
    constants = {tensor.name for tensor in model.graph.initializer}
    roots: dict[str, str] = {}
    found = []
    for node in model.graph.node:
        sources = {roots.get(name, name) for name in node.input if name and name not in constants}
        if node.op_type in ELEMENTWISE and len(sources) == 1:
            roots |= dict.fromkeys(node.output, sources.pop())
            if node.op_type in PRODUCTS:
                found.append(node.name)
    return found


def _single(number: float) -> Any:
    return np.asarray(number, FLOAT32)[()]
