"""A QDQ graph read by name: who computes a value, and the integers, scales and zero points behind it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx.numpy_helper import from_array, to_array

from rdpass.core.comparison import Array


@dataclass(frozen=True)
class Integers:
    """Constant integers with their scale, as a DequantizeLinear (``node``) reads them."""

    node: onnx.NodeProto
    values: Array
    scale: Array


class QdqGraph:
    """Look-ups in a graph, which changes as constants and nodes are added to it."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.producers = {name: node for node in graph.node for name in node.output}

    def integers(self, name: str) -> Integers | None:
        """The constant integers that a value is dequantised from, if it is."""
        node = self.producers.get(name)
        if node is None or node.op_type != "DequantizeLinear" or node.input[0] not in self.constants:
            return None
        return Integers(node, to_array(self.constants[node.input[0]]), to_array(self.constants[node.input[1]]))

    def activation_scale(self, name: str) -> Array | None:
        """The scale of a dequantised activation, if the value is one."""
        node = self.producers.get(name)
        if node is None or node.op_type != "DequantizeLinear" or node.input[0] in self.constants:
            return None
        scale = self.constants.get(node.input[1])
        return None if scale is None or to_array(scale).size != 1 else to_array(scale).reshape(())

    def constant(self, name: str, values: Array) -> str:
        """Add a constant and return its name."""
        self.constants[name] = from_array(values, name)
        self.graph.initializer.append(self.constants[name])
        return name

    def store(self, name: str, values: Array) -> None:
        """Put other numbers into a constant; its type stays."""
        tensor = self.constants[name]
        tensor.CopyFrom(from_array(np.ascontiguousarray(values.astype(to_array(tensor).dtype)), name))

    def dequantised(self, name: str, values: Array, scale: Array, zero: Array | None = None) -> onnx.NodeProto:
        """A DequantizeLinear of new constants; scales of filters run along axis 0. It is not in the graph yet."""
        inputs = [self.constant(f"{name}_quantized", values), self.constant(f"{name}_scale", scale)]
        if zero is not None:
            inputs.append(self.constant(f"{name}_zero_point", zero))
        axis = 0 if scale.ndim else None
        return onnx.helper.make_node("DequantizeLinear", inputs, [name], f"{name}_DequantizeLinear", axis=axis)

    def drop_unused(self) -> None:
        """Remove what nothing reads any more."""
        read = {value.name for value in self.graph.output}
        for node in reversed(list(self.graph.node)):  # readers stand behind what they read
            if read & set(node.output):
                read.update(node.input)
            else:
                self.graph.node.remove(node)
        for tensor in [tensor for tensor in self.graph.initializer if tensor.name not in read]:
            self.graph.initializer.remove(tensor)


def integer_bias(bias: Array, scale: Array) -> Array:
    """A bias as int32 on the scale of the sums."""
    limit = np.iinfo(np.int32)
    return np.clip(np.rint(bias.astype(np.float64) / scale), limit.min, limit.max).astype(np.int32)
