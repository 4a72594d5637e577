"""A network in ONNX, written node by node, with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from rdpass.core.comparison import Array


class Net:
    """Nodes in the order in which they are asked for; every method returns the name of what it computes.

    ``input_kind``: numpy's type of all inputs.
    """

    input_kind = np.dtype(np.float32)

    def __init__(self, *shapes: tuple[int, ...], seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        self.inputs = {f"x{index}": shape for index, shape in enumerate(shapes)}
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, array: Any) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def numbers(self, *shape: int) -> str:
        """Of such a size that a convolution's sums are as large as its inputs."""
        scale = np.sqrt(np.prod(shape[1:]) or 1.0)
        return self.constant((self.random.standard_normal(shape) / scale).astype(np.float32))

    def conv(
        self,
        x: str,
        channels: int,
        filters: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> str:
        pads = [kernel // 2] * 4
        given = [self.numbers(filters, channels // groups, kernel, kernel)] + [self.numbers(filters)] * bias
        return self.node(
            "Conv", x, *given, kernel_shape=[kernel] * 2, pads=pads, strides=[stride] * 2, group=groups
        )  # fmt: skip

    def transposed(self, x: str, channels: int, filters: int, kernel: tuple[int, int], **attributes: Any) -> str:
        """A transposed convolution with a bias."""
        weights = self.numbers(channels, filters // attributes.get("group", 1), *kernel)
        return self.node("ConvTranspose", x, weights, self.numbers(filters), kernel_shape=list(kernel), **attributes)

    def norm(self, x: str, channels: int, **attributes: Any) -> str:
        """A batch norm by running statistics."""
        scale, shift, mean = (self.numbers(channels) for _ in range(3))
        variance = self.constant(self.random.uniform(0.5, 2, channels).astype(np.float32))
        return self.node("BatchNormalization", x, scale, shift, mean, variance, **attributes)

    def split(self, x: str, *channels: int) -> list[str]:
        """The parts of so many ``channels`` each."""
        names = [f"v{len(self.nodes)}_{index}" for index in range(len(channels))]
        sizes = self.constant(np.array(channels, np.int64))
        self.nodes.append(helper.make_node("Split", [x, sizes], names, axis=1))
        return names

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def add(self, left: str, right: str) -> str:
        return self.node("Add", left, right)

    def model(self, *outputs: str, kind: int = TensorProto.FLOAT, opset: int = 18) -> onnx.ModelProto:
        given = helper.np_dtype_to_tensor_dtype(self.input_kind)
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info(name, given, shape) for name, shape in self.inputs.items()],
            [helper.make_tensor_value_info(name, kind, None) for name in outputs],
            self.weights,
        )  # fmt: skip
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9 if opset < 21 else 10
        )
        return shape_inference.infer_shapes(model, strict_mode=True)

    def example(self) -> list[Array]:
        if self.input_kind.kind != "f":
            info = np.iinfo(self.input_kind)
            return [
                self.random.integers(info.min, info.max, shape, self.input_kind, endpoint=True)
                for shape in self.inputs.values()
            ]
        return [self.random.standard_normal(shape).astype(np.float32) for shape in self.inputs.values()]
