"""A network written as an ONNX file, layer by layer, in the habits that the methods stand for.

``Writer`` writes as one would by hand: initialisers, channels first, explicit padding. Others override what their
exporter does otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rdpass.core.comparison import Array

IR_VERSIONS = {9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}
"""Of the files of each opset."""

Ints = int | tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """A value's name, and its extents without the batch's: channels first, whatever the file's layout."""

    name: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def rank(self) -> int:
        return len(self.shape) + 1


class Writer:
    """Nodes in the order in which they are asked for.

    ``layout_last``: maps lie with their channels behind, as Keras has them.
    """

    opset: ClassVar[int] = 18
    layout_last: ClassVar[bool] = False

    def __init__(self, seed: int = 0, opset: int | None = None) -> None:
        self.random = np.random.default_rng(seed)
        self.version = opset or self.opset
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    # --- nodes and constants -----------------------------------------------------------------------------------------

    def node(self, operator: str, *inputs: str, count: int = 1, **attributes: Any) -> Any:
        """One node; the name of its result, or of its ``count`` results."""
        names = [f"{operator.lower()}_{len(self.nodes)}" + (f"_{index}" if count > 1 else "") for index in range(count)]
        self.nodes.append(helper.make_node(operator, inputs, names, name=f"{operator}_{len(self.nodes)}", **attributes))
        return names[0] if count == 1 else names

    def constant(self, numbers: Any, dtype: Any = np.float32) -> str:
        """Numbers that are no weights: sizes, axes, bounds."""
        return self.initializer(np.asarray(numbers, dtype))

    def weight(self, array: Array) -> str:
        """A layer's weights."""
        return self.initializer(array.astype(np.float32))

    def initializer(self, array: Array) -> str:
        name = f"w_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def normal(self, *shape: int) -> Array:
        """Numbers of such a size that a layer's sums are as large as its inputs."""
        scaled: Array = self.random.standard_normal(shape) / np.sqrt(prod(shape[1:]) or 1)
        return scaled.astype(np.float32)

    def integers(self, *numbers: int) -> str:
        return self.constant(numbers, np.int64)

    # --- ends --------------------------------------------------------------------------------------------------------

    def image(self, *shape: int, name: str = "input") -> Value:
        shape = shape or (3, 24, 24)
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, *self.ordered(shape)]))
        return Value(name, shape)

    def output(self, value: Value, name: str | None = None) -> None:
        """``value`` is an output, of a name of its own."""
        wanted = name or f"output_{len(self.outputs)}"
        self.nodes.append(helper.make_node("Identity", [value.name], [wanted], name=wanted))
        self.outputs.append(helper.make_tensor_value_info(wanted, TensorProto.FLOAT, [1, *self.ordered(value.shape)]))

    def output_tokens(self, name: str, *shape: int) -> None:
        """The same of (1, places, features)."""
        self.outputs.append(
            helper.make_tensor_value_info(f"output_{len(self.outputs)}", TensorProto.FLOAT, [1, *shape])
        )
        self.nodes.append(helper.make_node("Identity", [name], [self.outputs[-1].name], name="last"))

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "network", self.inputs, self.outputs, self.weights)
        opset = helper.make_opsetid("", self.version)
        return helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSIONS[self.version])

    # --- layouts -----------------------------------------------------------------------------------------------------

    def ordered(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The extents of a map in the file's layout."""
        return (*shape[1:], shape[0]) if self.layout_last and len(shape) > 1 else tuple(shape)

    def channel_axis(self, x: Value) -> int:
        return x.rank - 1 if self.layout_last else 1

    def space_axes(self, x: Value) -> list[int]:
        return list(range(1, x.rank - 1)) if self.layout_last else list(range(2, x.rank))

    def by_channel(self, x: Value, array: Array) -> Array:
        """One number a channel, in the shape that it is multiplied in."""
        return array if self.layout_last or x.rank == 2 else array.reshape(-1, *(1,) * (x.rank - 2))

    def first(self, x: Value) -> str:
        """A map with its channels first, as ONNX's layers read it."""
        if not self.layout_last or x.rank < 3:
            return x.name
        return str(self.node("Transpose", x.name, perm=[0, x.rank - 1, *range(1, x.rank - 1)]))

    def last(self, name: str, shape: tuple[int, ...]) -> Value:
        """What such a layer gives, in the file's layout."""
        if self.layout_last and len(shape) > 1:
            rank = len(shape) + 1
            name = self.node("Transpose", name, perm=[0, *range(2, rank), 1])
        return Value(name, shape)

    # --- layers ------------------------------------------------------------------------------------------------------

    def padding(self, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> list[int]:
        """Before and behind every axis: half the kernel."""
        return [extent // 2 for extent in kernel] * 2

    def padded(
        self, name: str, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], kind: str
    ) -> tuple[str, dict[str, Any]]:
        """What a layer reads, and how it says its padding. ``kind``: "Conv", "MaxPool" or "AveragePool"."""
        return name, {"pads": self.padding(sizes, kernel, strides)}

    def conv(
        self, x: Value, filters: int, kernel: Ints = 3, stride: int = 1, groups: int = 1, dilation: int = 1,
        bias: bool = True,
    ) -> Value:  # fmt: skip
        """A convolution that keeps sizes but for its stride."""
        space = x.shape[1:]
        extents = kernel if isinstance(kernel, tuple) else (kernel,) * len(space)
        reach = [(extent - 1) * dilation + 1 for extent in extents]
        strides = [stride] * len(space)
        name, padding = self.padded(self.first(x), space, reach, strides, "Conv")
        weights = [self.weight(self.normal(filters, x.channels // groups, *extents))]
        weights += [self.weight(self.normal(filters))] if bias else []
        result = self.node(
            "Conv", name, *weights, kernel_shape=list(extents), strides=strides, group=groups,
            dilations=[dilation] * len(space), **padding,
        )  # fmt: skip
        return self.last(result, (filters, *(-(-size // stride) for size in space)))

    def transposed(self, x: Value, filters: int) -> Value:
        """A transposed convolution that doubles the sizes."""
        weights = [self.weight(self.normal(x.channels, filters, 2, 2)), self.weight(self.normal(filters))]
        result = self.node("ConvTranspose", self.first(x), *weights, kernel_shape=[2, 2], strides=[2, 2])
        return self.last(result, (filters, *(2 * size for size in x.shape[1:])))

    def norm(self, x: Value) -> Value:
        """A batch norm by running statistics."""
        numbers = [self.weight(self.normal(x.channels) + shift) for shift in (1, 0, 0)]
        variance = self.weight(self.random.uniform(0.5, 2, x.channels))
        result = self.node("BatchNormalization", self.first(x), *numbers, variance, epsilon=1e-3)
        return self.last(result, x.shape)

    def activation(self, x: Value, kind: str = "relu") -> Value:
        """relu, relu6, leaky, prelu, sigmoid, tanh, swish, hard_swish, hard_sigmoid, gelu, mish, elu, softmax."""
        return Value(getattr(self, f"_{kind}")(x), x.shape)

    def pool(self, x: Value, kind: str, kernel: int, stride: int, **attributes: Any) -> Value:
        """A "MaxPool" or "AveragePool" that keeps sizes but for its stride."""
        space = x.shape[1:]
        extents, strides = [kernel] * len(space), [stride] * len(space)
        name, padding = self.padded(self.first(x), space, extents, strides, kind)
        result = self.node(kind, name, kernel_shape=extents, strides=strides, **padding, **attributes)
        return self.last(result, (x.channels, *(-(-size // stride) for size in space)))

    def average(self, x: Value, keep: bool = False) -> Value:
        """The mean of each map; its sizes stay as 1 with ``keep``."""
        if not self.layout_last and keep:
            return Value(self.node("GlobalAveragePool", x.name), (x.channels, *(1 for _ in x.shape[1:])))
        if not self.layout_last:
            pooled = self.node("GlobalAveragePool", x.name)
            return Value(self.node("Flatten", pooled), (x.channels,))
        name = self.reduce("ReduceMean", x.name, self.space_axes(x), keep)
        return Value(name, (x.channels, *(1 for _ in x.shape[1:] if keep)))

    def dense(self, x: Value, units: int) -> Value:
        weights = self.weight(self.normal(units, x.channels))
        return Value(self.node("Gemm", x.name, weights, self.weight(self.normal(units)), transB=1), (units,))

    def flatten(self, x: Value) -> Value:
        return Value(self.node("Flatten", x.name), (prod(x.shape),))

    def add(self, left: Value, right: Value) -> Value:
        return Value(self.node("Add", left.name, right.name), left.shape)

    def multiply(self, left: Value, right: Value) -> Value:
        return Value(self.node("Mul", left.name, right.name), left.shape)

    def scale(self, x: Value, shift: bool = True) -> Value:
        """Multiplied and shifted by a number a channel."""
        name = self.node("Mul", x.name, self.weight(self.by_channel(x, self.normal(x.channels) + 1)))
        if shift:
            name = self.node("Add", name, self.weight(self.by_channel(x, self.normal(x.channels))))
        return Value(name, x.shape)

    def concat(self, *values: Value) -> Value:
        name = self.node("Concat", *(value.name for value in values), axis=self.channel_axis(values[0]))
        return Value(name, (sum(value.channels for value in values), *values[0].shape[1:]))

    def split(self, x: Value, count: int) -> list[Value]:
        """As many parts of equal channels."""
        sizes = [x.channels // count] * count
        axis = self.channel_axis(x)
        if self.version < 13:
            names = self.node("Split", x.name, count=count, axis=axis, split=sizes)
        else:
            names = self.node("Split", x.name, self.integers(*sizes), count=count, axis=axis)
        return [Value(name, (size, *x.shape[1:])) for name, size in zip(names, sizes, strict=True)]

    def resize(self, x: Value, factor: int = 2, mode: str = "nearest", **attributes: Any) -> Value:
        """A map ``factor`` times as large: by scales."""
        shape = (x.channels, *(size * factor for size in x.shape[1:]))
        scales = self.constant([1.0, *self.ordered((1, *(factor for _ in x.shape[1:])))])
        if self.version < 11:
            return Value(self.node("Upsample" if self.version < 10 else "Resize", x.name, scales, mode=mode), shape)
        places = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"} if mode == "nearest" else {
            "coordinate_transformation_mode": "half_pixel"}  # fmt: skip
        regions = "" if self.version > 12 else self.constant([])
        return Value(self.node("Resize", x.name, regions, scales, mode=mode, **{**places, **attributes}), shape)

    def shuffle(self, x: Value, groups: int) -> Value:
        """Channels of groups dealt out among all."""
        count = x.rank - 2
        parts, space = [groups, x.channels // groups], list(x.shape[1:])
        split = [-1, *space, *parts] if self.layout_last else [-1, *parts, *space]
        perm = [*range(count + 1), count + 2, count + 1] if self.layout_last else [0, 2, 1, *range(3, count + 3)]
        name = self.node("Reshape", x.name, self.integers(*split))
        name = self.node("Transpose", name, perm=perm)
        return Value(self.node("Reshape", name, self.integers(-1, *self.ordered(x.shape))), x.shape)

    def pixel_shuffle(self, x: Value, block: int = 2) -> Value:
        more: dict[str, Any] = {"mode": "CRD"} if self.version > 10 else {}
        result = self.node("DepthToSpace", self.first(x), blocksize=block, **more)
        return self.last(result, (x.channels // block**2, *(size * block for size in x.shape[1:])))

    def tokens(self, x: Value) -> str:
        """A map as (1, places, channels)."""
        last = x.name if self.layout_last else self.node("Transpose", x.name, perm=[0, *range(2, x.rank), 1])
        return str(self.node("Reshape", last, self.integers(1, -1, x.channels)))

    def layer_norm(self, name: str, features: int) -> str:
        """Over the last axis."""
        scale, shift = self.weight(self.normal(features) + 1), self.weight(self.normal(features))
        if self.version >= 17:
            return str(self.node("LayerNormalization", name, scale, shift, axis=-1, epsilon=1e-5))
        mean = self.reduce("ReduceMean", name, [-1], True)
        centred = self.node("Sub", name, mean)
        variance = self.reduce("ReduceMean", self.node("Pow", centred, self.constant(2.0)), [-1], True)
        deviation = self.node("Sqrt", self.node("Add", variance, self.constant(1e-5)))
        normal = self.node("Div", centred, deviation)
        return str(self.node("Add", self.node("Mul", normal, scale), shift))

    def group_norm(self, x: Value, groups: int) -> Value:
        """As torch's exporter writes it before opset 21: an instance norm of groups, then scale and shift."""
        scale, shift = self.normal(x.channels) + 1, self.normal(x.channels)
        name = self.first(x)
        if self.version >= 21:
            given = [self.weight(scale), self.weight(shift)]
            return self.last(self.node("GroupNormalization", name, *given, num_groups=groups), x.shape)
        flat = self.node("Reshape", name, self.integers(0, groups, -1))
        ones = [self.weight(np.ones(groups)), self.weight(np.zeros(groups))]
        normal = self.node("InstanceNormalization", flat, *ones, epsilon=1e-5)
        back = self.node("Reshape", normal, self.integers(-1, *x.shape))
        axes = (1,) * (x.rank - 2)
        scaled = self.node("Mul", back, self.weight(scale.reshape(-1, *axes)))
        return self.last(self.node("Add", scaled, self.weight(shift.reshape(-1, *axes))), x.shape)

    def instance_norm(self, x: Value) -> Value:
        given = [self.weight(self.normal(x.channels) + 1), self.weight(self.normal(x.channels))]
        return self.last(self.node("InstanceNormalization", self.first(x), *given), x.shape)

    # --- forms that changed from one opset to another ----------------------------------------------------------------

    def reduce(self, operator: str, name: str, axes: Sequence[int], keep: bool) -> str:
        if self.version >= (13 if operator == "ReduceSum" else 18):
            return str(self.node(operator, name, self.integers(*axes), keepdims=int(keep)))
        return str(self.node(operator, name, axes=list(axes), keepdims=int(keep)))

    def squeeze(self, name: str, *axes: int, operator: str = "Squeeze") -> str:
        """A Squeeze, or an Unsqueeze."""
        if self.version >= 13:
            return str(self.node(operator, name, self.integers(*axes)))
        return str(self.node(operator, name, axes=list(axes)))

    def clip(self, name: str, low: float, high: float) -> str:
        if self.version < 11:
            return str(self.node("Clip", name, min=low, max=high))
        return str(self.node("Clip", name, self.constant(low), self.constant(high)))

    def pad(self, name: str, pads: Sequence[int], mode: str = "constant", value: float = 0.0) -> str:
        """``pads``: before every axis, then behind every axis, the batch's and the channels' with them."""
        if self.version < 11:
            more: dict[str, Any] = {"value": value} if value else {}
            return str(self.node("Pad", name, pads=list(pads), mode=mode, **more))
        given = [self.constant(value)] if mode == "constant" else []
        return str(self.node("Pad", name, self.integers(*pads), *given, mode=mode))

    def slice(self, name: str, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int],
              steps: Sequence[int] | None = None) -> str:  # fmt: skip
        if self.version < 10:
            return str(self.node("Slice", name, starts=list(starts), ends=list(ends), axes=list(axes)))
        more = [self.integers(*steps)] if steps else []
        return str(self.node("Slice", name, self.integers(*starts), self.integers(*ends), self.integers(*axes), *more))

    # --- activations -------------------------------------------------------------------------------------------------

    def _relu(self, x: Value) -> Any:
        return self.node("Relu", x.name)

    def _relu6(self, x: Value) -> Any:
        return self.clip(x.name, 0.0, 6.0)

    def _leaky(self, x: Value) -> Any:
        return self.node("LeakyRelu", x.name, alpha=0.1)

    def _prelu(self, x: Value) -> Any:
        return self.node("PRelu", x.name, self.slopes(x))

    def slopes(self, x: Value) -> str:
        return self.weight(self.by_channel(x, self.random.uniform(0.05, 0.4, x.channels)))

    def _sigmoid(self, x: Value) -> Any:
        return self.node("Sigmoid", x.name)

    def _tanh(self, x: Value) -> Any:
        return self.node("Tanh", x.name)

    def _elu(self, x: Value) -> Any:
        return self.node("Elu", x.name, alpha=0.7)

    def _swish(self, x: Value) -> Any:
        return self.node("Mul", x.name, self.node("Sigmoid", x.name))

    def _hard_sigmoid(self, x: Value) -> Any:
        return self.node("HardSigmoid", x.name, alpha=1 / 6, beta=0.5)

    def _hard_swish(self, x: Value) -> Any:
        return self.node("HardSwish", x.name) if self.version >= 14 else self.node("Mul", x.name, self._hard_sigmoid(x))

    def _gelu(self, x: Value) -> Any:
        if self.version >= 20:
            return self.node("Gelu", x.name)
        half = self.node("Mul", x.name, self.constant(0.5))
        erf = self.node("Erf", self.node("Div", x.name, self.constant(2**0.5)))
        return self.node("Mul", half, self.node("Add", erf, self.constant(1.0)))

    def _mish(self, x: Value) -> Any:
        if self.version >= 18:
            return self.node("Mish", x.name)
        return self.node("Mul", x.name, self.node("Tanh", self.node("Softplus", x.name)))

    def _softmax(self, x: Value) -> Any:
        return self.node("Softmax", x.name, axis=self.channel_axis(x))
