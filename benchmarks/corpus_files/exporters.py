"""What exporters do otherwise than one would by hand, each a ``Writer``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.corpus_files.writer import Ints, Value, Writer
from rdpass.core.comparison import Array


def same(sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> list[int]:
    """Padding as TensorFlow has it: the larger half behind."""
    totals = [
        max((-(-size // step) - 1) * step + extent - size, 0)
        for size, extent, step in zip(sizes, kernel, strides, strict=True)
    ]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]


class AutoPad(Writer):
    """``auto_pad``, the larger half behind."""

    way: ClassVar[str] = "SAME_UPPER"

    def padded(
        self, name: str, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], kind: str
    ) -> tuple[str, dict[str, Any]]:
        return name, {"auto_pad": self.way}


class AutoPadLower(AutoPad):
    """The larger half in front, as Darknet's converters have it."""

    way = "SAME_LOWER"


class UnevenPadding(Writer):
    """TensorFlow's padding written as ``pads``."""

    opset = 13

    def padding(self, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> list[int]:
        return same(sizes, kernel, strides)


class ExplicitPad(UnevenPadding):
    """A Pad node in front of every layer that pads; ``VALID`` behind it."""

    def padded(
        self, name: str, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], kind: str
    ) -> tuple[str, dict[str, Any]]:
        pads = self.padding(sizes, kernel, strides)
        count = len(sizes)
        whole = [0, 0, *pads[:count], 0, 0, *pads[count:]]
        if not any(pads):
            return name, {}
        return self.pad(name, whole, value=float("-inf") if kind == "MaxPool" else 0.0), {"auto_pad": "VALID"}


class ExplicitPadAttribute(ExplicitPad):
    """The same before opset 11, where the amounts are an attribute."""

    opset = 9


class PadWithoutValue(ExplicitPad):
    """A Pad whose value is left out, zeros in front of pools as well."""

    def pad(self, name: str, pads: Sequence[int], mode: str = "constant", value: float = 0.0) -> str:
        return str(self.node("Pad", name, self.integers(*pads)))


class Paddle(Writer):
    """paddle2onnx: weights in Constant nodes, biases added apart, dense layers as products, hard swish in parts."""

    opset = 11

    def initializer(self, array: Array) -> str:
        name = f"Constant_{len(self.nodes)}"
        tensor = numpy_helper.from_array(np.array(array, order="C"), name)
        self.nodes.append(helper.make_node("Constant", [], [name], name=name, value=tensor))
        return name

    def conv(self, x: Value, filters: int, kernel: Ints = 3, stride: int = 1, groups: int = 1, dilation: int = 1,
             bias: bool = True) -> Value:  # fmt: skip
        y = super().conv(x, filters, kernel, stride, groups, dilation, bias=False)
        if not bias:
            return y
        shift = self.weight(self.normal(filters).reshape(1, filters, *(1,) * (x.rank - 2)))
        return Value(self.node("Add", y.name, shift), y.shape)

    def dense(self, x: Value, units: int) -> Value:
        product = self.node("MatMul", x.name, self.weight(self.normal(x.channels, units)))
        return Value(self.node("Add", product, self.weight(self.normal(units))), (units,))

    def average(self, x: Value, keep: bool = False) -> Value:
        pooled = super().average(x, keep=True)
        if keep:
            return pooled
        return Value(self.squeeze(pooled.name, *range(2, x.rank)), (x.channels,))

    def _hard_swish(self, x: Value) -> Any:
        clipped = self.clip(self.node("Add", x.name, self.constant(3.0)), 0.0, 6.0)
        return self.node("Div", self.node("Mul", x.name, clipped), self.constant(6.0))

    def _hard_sigmoid(self, x: Value) -> Any:
        return self.node("HardSigmoid", x.name, alpha=0.2, beta=0.5)


class PaddleSizes(Paddle):
    """The same with sizes that the graph computes of shapes, as its interpolation has them."""

    def resize(self, x: Value, factor: int = 2, mode: str = "nearest", **attributes: Any) -> Value:
        shape = self.node("Shape", x.name)
        front = self.slice(shape, [0], [2], [0])
        sizes = self.integers(*(size * factor for size in x.shape[1:]))
        whole = self.node("Concat", front, sizes, axis=0)
        places = "asymmetric" if mode == "nearest" else "half_pixel"
        more: dict[str, Any] = {"nearest_mode": "floor"} if mode == "nearest" else {}
        name = self.node("Resize", x.name, self.constant([]), self.constant([]), whole, mode=mode,
                         coordinate_transformation_mode=places, **more)  # fmt: skip
        return Value(name, (x.channels, *(size * factor for size in x.shape[1:])))

    def flatten(self, x: Value) -> Value:
        flat = super().flatten(x)
        self.nodes.pop()
        count = self.slice(self.node("Shape", x.name), [0], [1], [0])
        rest = self.integers(-1)
        return Value(self.node("Reshape", x.name, self.node("Concat", count, rest, axis=0)), flat.shape)


class Keras(ExplicitPad):
    """tf2onnx: channels last, every layer between two transposes, dense layers as products."""

    opset = 11
    layout_last = True

    def dense(self, x: Value, units: int) -> Value:
        product = self.node("MatMul", x.name, self.weight(self.normal(x.channels, units)))
        return Value(self.node("Add", product, self.weight(self.normal(units))), (units,))

    def flatten(self, x: Value) -> Value:
        size = int(np.prod(x.shape))
        return Value(self.node("Reshape", x.name, self.integers(-1, size)), (size,))

    def _swish(self, x: Value) -> Any:
        return self.node("Mul", self.node("Sigmoid", x.name), x.name)

    def _hard_swish(self, x: Value) -> Any:
        clipped = self.clip(self.node("Add", x.name, self.constant(3.0)), 0.0, 6.0)
        return self.node("Mul", x.name, self.node("Mul", clipped, self.constant(1 / 6)))

    def _hard_sigmoid(self, x: Value) -> Any:
        shifted = self.node("Add", self.node("Mul", x.name, self.constant(0.2)), self.constant(0.5))
        return self.clip(shifted, 0.0, 1.0)


class KerasAutoPad(Keras):
    """The same with ``auto_pad``, of a later opset."""

    opset = 15

    def padded(
        self, name: str, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], kind: str
    ) -> tuple[str, dict[str, Any]]:
        return name, {"auto_pad": "SAME_UPPER"}


class TensorFlowLite(KerasAutoPad):
    """tf2onnx of a TFLite file: weights channels-last behind a Transpose, biases added behind, clips as Min and Max."""

    opset = 13

    def conv(self, x: Value, filters: int, kernel: Ints = 3, stride: int = 1, groups: int = 1, dilation: int = 1,
             bias: bool = True) -> Value:  # fmt: skip
        y = super().conv(x, filters, kernel, stride, groups, dilation, bias=False)
        return Value(self.node("Add", y.name, self.weight(self.normal(filters))), y.shape) if bias else y

    def weight(self, array: Array) -> str:
        stored = super().weight(array if array.ndim < 3 else np.moveaxis(array, 1, -1))
        if array.ndim < 3:
            return stored
        rank = array.ndim
        return str(self.node("Transpose", stored, perm=[0, rank - 1, *range(1, rank - 1)]))

    def clip(self, name: str, low: float, high: float) -> str:
        return str(self.node("Min", self.node("Max", name, self.constant(low)), self.constant(high)))


class MXNet(Writer):
    """PRelu slopes as a vector, the image scaled in the graph, Dropout left in, opset 9 of IR 3."""

    opset = 9

    def image(self, *shape: int, name: str = "data") -> Value:
        x = super().image(*shape, name=name)
        centred = self.node("Sub", x.name, self.constant(127.5))
        return Value(self.node("Mul", centred, self.constant(0.0078125)), x.shape)

    def flatten(self, x: Value) -> Value:
        flat = super().flatten(x)
        return Value(self.node("Dropout", flat.name, ratio=0.4), flat.shape)

    def slopes(self, x: Value) -> str:
        return self.weight(self.random.uniform(0.05, 0.4, x.channels))


class Caffe(Writer):
    """Norms as two layers, pools rounded up, an axis of Softmax in the old sense, names with slashes."""

    opset = 9

    def norm(self, x: Value) -> Value:
        numbers = [self.weight(array) for array in (np.ones(x.channels), np.zeros(x.channels), self.normal(x.channels))]
        variance = self.weight(self.random.uniform(0.5, 2, x.channels))
        normal = self.node("BatchNormalization", x.name, *numbers, variance, epsilon=1e-5)
        return self.scale(Value(normal, x.shape))

    def node(self, operator: str, *inputs: str, count: int = 1, **attributes: Any) -> Any:
        found = super().node(operator, *inputs, count=count, **attributes)
        names = [f"layer/{len(self.nodes)}:{index}" for index in range(count)]
        self.nodes[-1].output[:] = names
        return names[0] if count == 1 and isinstance(found, str) else names


class LegacyTorch(Writer):
    """torch.onnx of 1.x: weights shared by Identity, flattening by computed shapes, names of digits."""

    opset = 11

    def node(self, operator: str, *inputs: str, count: int = 1, **attributes: Any) -> Any:
        super().node(operator, *inputs, count=count, **attributes)
        names = [str(1000 + 10 * len(self.nodes) + index) for index in range(count)]
        self.nodes[-1].output[:] = names
        return names[0] if count == 1 else names

    def flatten(self, x: Value) -> Value:
        shape = self.node("Shape", x.name)
        rows = self.node("Gather", shape, self.constant(0, np.int64), axis=0)
        target = self.node("Concat", self.squeeze(rows, 0, operator="Unsqueeze"), self.integers(-1), axis=0)
        return Value(self.node("Reshape", x.name, target), (int(np.prod(x.shape)),))

    def average(self, x: Value, keep: bool = False) -> Value:
        pooled = Value(self.node("GlobalAveragePool", x.name), (x.channels, *(1 for _ in x.shape[1:])))
        return pooled if keep else self.flatten(pooled)

    def norm(self, x: Value) -> Value:
        result = super().norm(x)
        norm = self.nodes[-1]
        norm.input[2] = self.node("Identity", norm.input[2])
        self.nodes[-2:] = [self.nodes[-1], norm]
        return result

    def resize(self, x: Value, factor: int = 2, mode: str = "nearest", **attributes: Any) -> Value:
        """Sizes: floor(size * factor), computed in the graph."""
        shape = self.node("Shape", x.name)
        sizes = [self.squeeze(self.node("Gather", shape, self.constant(axis, np.int64)), 0, operator="Unsqueeze")
                 for axis in range(2, x.rank)]  # fmt: skip
        numbers = self.node("Cast", self.node("Concat", *sizes, axis=0), to=TensorProto.FLOAT)
        grown = self.node("Floor", self.node("Mul", numbers, self.constant([float(factor)] * (x.rank - 2))))
        front = self.slice(shape, [0], [2], [0])
        whole = self.node("Concat", front, self.node("Cast", grown, to=TensorProto.INT64), axis=0)
        places = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"} if mode == "nearest" else {
            "coordinate_transformation_mode": "pytorch_half_pixel", "cubic_coeff_a": -0.75}  # fmt: skip
        name = self.node("Resize", x.name, self.constant([]), self.constant([]), whole, mode=mode, **places)
        return Value(name, (x.channels, *(size * factor for size in x.shape[1:])))


class Bytes(Writer):
    """Preprocessing in the graph: an image of bytes, channels last, turned, cast and scaled."""

    opset = 17

    def image(self, *shape: int, name: str = "image") -> Value:
        shape = shape or (3, 24, 24)
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.UINT8, [1, *shape[1:], shape[0]]))
        rank = len(shape) + 1
        numbers = self.node("Cast", name, to=TensorProto.FLOAT)
        turned = self.node("Transpose", numbers, perm=[0, rank - 1, *range(1, rank - 1)])
        ones = (1,) * (rank - 2)
        mean, deviation = (self.constant(np.linspace(low, high, shape[0]).reshape(1, -1, *ones))
                           for low, high in ((104, 124), (57, 59)))  # fmt: skip
        return Value(self.node("Div", self.node("Sub", turned, mean), deviation), shape)


class Conditions(LegacyTorch):
    """The ``If`` that torch writes for squeeze where it does not know a size."""

    opset = 13

    def average(self, x: Value, keep: bool = False) -> Value:
        pooled = Value(self.node("GlobalAveragePool", x.name), (x.channels, *(1 for _ in x.shape[1:])))
        if keep:
            return pooled
        name = pooled.name
        for axis in range(x.rank - 1, 1, -1):
            name = self._squeezed_if_one(name, axis)
        return Value(name, (x.channels,))

    def _squeezed_if_one(self, name: str, axis: int) -> str:
        size = self.node("Gather", self.node("Shape", name), self.constant([axis], np.int64))
        condition = self.node("Equal", size, self.constant([1], np.int64))
        count = len(self.nodes)
        branches = {}
        axes = numpy_helper.from_array(np.array([axis]), f"axes_{count}")
        for branch, nodes in {
            "then_branch": [helper.make_node("Constant", [], [f"axes_{count}"], value=axes),
                            helper.make_node("Squeeze", [name, f"axes_{count}"], [f"then_{count}"])],
            "else_branch": [helper.make_node("Identity", [name], [f"else_{count}"])],
        }.items():  # fmt: skip
            value = helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)
            branches[branch] = helper.make_graph(nodes, branch, [], [value])
        return str(self.node("If", condition, **branches))


class Functions(Writer):
    """Layers as functions of the model's own, as torch's newer exporter and PyTorch Lite's converters write them."""

    opset = 18

    def _swish(self, x: Value) -> Any:
        return self._own("Silu", x)

    def _hard_swish(self, x: Value) -> Any:
        return self._own("Silu", x)

    def _relu(self, x: Value) -> Any:
        return self._own("Rectify", x)

    def _own(self, operator: str, x: Value) -> Any:
        return self.node(operator, x.name, domain="pkg.layers")

    def model(self) -> onnx.ModelProto:
        model = super().model()
        bodies = {
            "Silu": [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["x", "s"], ["y"])],
            "Rectify": [helper.make_node("Relu", ["x"], ["y"])],
        }
        opset = [helper.make_opsetid("", self.version)]
        for name, body in bodies.items():
            model.functions.append(helper.make_function("pkg.layers", name, ["x"], ["y"], body, opset))
        model.opset_import.append(helper.make_opsetid("pkg.layers", 1))
        return model


class ManyOutputs(Writer):
    """Every activation is an output as well, read again behind it."""

    def activation(self, x: Value, kind: str = "relu") -> Value:
        y = super().activation(x, kind)
        if y.rank == len(self.inputs[0].type.tensor_type.shape.dim):
            self.outputs.append(helper.make_tensor_value_info(y.name, TensorProto.FLOAT, [1, *y.shape]))
        return y


class WeightsComputed(Writer):
    """Weights that the graph computes: cast from float16, turned, dequantised, or standardised."""

    opset = 19

    def weight(self, array: Array) -> str:
        match len(self.nodes) % 4:
            case 0:
                return str(self.node("Cast", self.initializer(array.astype(np.float16)), to=TensorProto.FLOAT))
            case 1:
                perm = [*range(array.ndim)][::-1]
                return str(self.node("Transpose", self.initializer(array.T.astype(np.float32)), perm=perm))
            case 2:
                scale = float(np.abs(array).max()) / 127 or 1.0
                rounded = self.initializer(np.round(array / scale).astype(np.int8))
                return str(self.node("DequantizeLinear", rounded, self.constant(scale), self.constant(0, np.int8)))
            case _:
                return str(self.node("Mul", self.initializer(array.astype(np.float32)), self.constant(0.9)))


class Untidy(Writer):
    """What is left over: copies, dropouts, casts and reshapes that do nothing, weights that nobody reads, no names."""

    opset = 12

    def activation(self, x: Value, kind: str = "relu") -> Value:
        y = super().activation(Value(self.node("Identity", x.name), x.shape), kind)
        name = self.node("Cast", self.node("Dropout", y.name), to=TensorProto.FLOAT)
        self.node("Exp", name)
        whole = self.node("Reshape", name, self.integers(*(0,) * y.rank))
        there = self.squeeze(self.squeeze(whole, 0, operator="Unsqueeze"), 0)
        return Value(self.node("Add", there, self.constant(0.0)), y.shape)

    def model(self) -> onnx.ModelProto:
        model = super().model()
        for node in model.graph.node:
            node.name = ""
            node.doc_string = "torch/nn/functional.py(1471): relu"
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(9, np.float32), "nobody_reads_it"))
        return model
