"""Quantised networks in ONNX, written node by node, with random integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto

from rdpass.core.comparison import Array
from tests.onnx.nets import Net

WEIGHTS = 64
"""The largest weight: AVX2's 16-bit sums of two products saturate beyond, in onnxruntime's own kernels."""


class QdqNet(Net):
    """QuantizeLinear and DequantizeLinear between operators; scales of activations are chosen by what flows there."""

    def __init__(self, *shapes: tuple[int, ...], seed: int = 0, kind: str = "uint8", weights: str = "int8") -> None:
        super().__init__(*shapes, seed=seed)
        self.kind, self.weight_kind = np.dtype(kind), np.dtype(weights)
        self.scales: dict[str, tuple[str, float]] = {}

    def image_of_bytes(self, x: str, scale: float = 0.02, zero: int = 120, kind: str = "uint8") -> str:
        """The network takes its inputs as bytes; ``x`` of them as the numbers that they stand for."""
        self.input_kind = np.dtype(kind)
        names = self.constant(np.float32(scale)), self.constant(np.asarray(zero, kind))
        name = self.node("DequantizeLinear", x, *names)
        self.scales[name] = (names[0], scale)
        return name

    def quantised(self, x: str, scale: float = 0.03, zero: int | None = None) -> str:
        """``x`` rounded to integers and read as numbers again."""
        info = np.iinfo(self.kind)
        middle = (info.min + info.max + 1) // 2
        names = (
            self.constant(np.float32(scale)),
            self.constant(np.asarray(middle if zero is None else zero, self.kind)),
        )
        name = self.node("DequantizeLinear", self.node("QuantizeLinear", x, *names), *names)
        self.scales[name] = (names[0], scale)
        return name

    def weights_of(self, shape: tuple[int, ...], axis: int | None, limit: int = WEIGHTS) -> tuple[str, Array]:
        """Weights read from integers, and their scales: one each along ``axis``, or one for all."""
        low, high = (-limit, limit) if self.weight_kind.kind == "i" else (128 - limit, 128 + limit)
        integers = self.random.integers(low, high, shape, endpoint=True).astype(self.weight_kind)
        size = () if axis is None else (shape[axis],)
        scale = (self.random.uniform(0.5, 2, size) / limit / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
        zero = np.full(size, 0 if low < 0 else 128, self.weight_kind)
        names = [self.constant(integers), self.constant(scale), self.constant(zero)]
        return self.node("DequantizeLinear", *names, **({} if axis is None else {"axis": axis})), scale

    def bias_of(self, count: int, x: str, scale: Array) -> str:
        """An int32 bias on the scale of the sums."""
        product = np.float32(self.scales[x][1]) * scale
        integers = np.rint(self.random.standard_normal(count) / 3 / product).astype(np.int32)
        names = (self.constant(integers), self.constant(product.astype(np.float32)))
        return self.node("DequantizeLinear", *names, **({"axis": 0} if product.size > 1 else {}))

    def layer(self, x: str, operator: str, shape: tuple[int, ...], axis: int | None, **attributes: Any) -> str:
        """A convolution or Gemm of quantised numbers, with a bias."""
        weights, scale = self.weights_of(shape, axis)
        groups = attributes.get("group", 1) if operator == "ConvTranspose" else 1
        first = operator == "Conv" or attributes.get("transB", 0)
        count = shape[0] if first else shape[1] * groups
        return self.node(operator, x, weights, self.bias_of(count, x, scale), **attributes)

    def model(self, *outputs: str, kind: int = TensorProto.FLOAT, opset: int = 21) -> onnx.ModelProto:
        model = super().model(*outputs, kind=kind, opset=opset)
        onnx.checker.check_model(model, full_check=True)
        return model

    def integers_out(self, *outputs: str) -> onnx.ModelProto:
        """The model whose outputs are integers: the QuantizeLinear before each DequantizeLinear named."""
        before = {node.output[0]: node.input[0] for node in self.nodes if node.op_type == "DequantizeLinear"}
        kind = onnx.helper.np_dtype_to_tensor_dtype(self.kind)
        return self.model(*(before[name] for name in outputs), kind=kind)


def fused_run(model: onnx.ModelProto, inputs: list[Array]) -> list[Array]:
    """What onnxruntime computes with its integer kernels (QLinearConv and the like)."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: list[Array] = session.run(None, dict(zip((i.name for i in session.get_inputs()), inputs, strict=True)))
    return found


def steps_apart(got: Array, wanted: Array) -> tuple[int, float]:
    """The largest difference of integers, and the share of those that differ."""
    apart = np.abs(got.astype(np.int64) - wanted.astype(np.int64))
    return int(apart.max()), float((apart > 0).mean())
