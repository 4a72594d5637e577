"""ONNX graphs drawn at random: sixty operators, odd sizes, uneven pads, broadcasts, one to three outputs.

A graph grows by nodes that read what there is, later values rather. What ONNX's own shape inference, strict, does not
take is drawn again, and so is a graph that ONNX Runtime does not run.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper, shape_inference

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.onnx.oracle import run_onnx

OPSET = 20
ACTIVATIONS = (
    "Relu", "LeakyRelu", "Elu", "Selu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Softplus", "Softsign", "Gelu",
    "Mish", "Abs", "Neg", "Erf", "Identity", "ThresholdedRelu",
)  # fmt: skip
ARITHMETIC = ("Add", "Sub", "Mul", "Min", "Max")
LARGEST = 20_000  # numbers of a map


def inputs_of(model: onnx.ModelProto, seed: int) -> list[Array]:
    """Standard-normal numbers in the shapes of a model's inputs."""
    random = np.random.default_rng(seed)
    shapes = [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in model.graph.input]
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


@dataclass
class _Graph:
    """A graph while it is drawn. ``shapes``: of every float value so far."""

    random: np.random.Generator
    inputs: dict[str, tuple[int, ...]]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def pick(self, *choices: Any) -> Any:
        return choices[self.random.integers(len(choices))]

    def constant(self, array: Any) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def numbers(self, *shape: int, scale: float = 1.0) -> str:
        return self.constant((scale * self.random.standard_normal(shape)).astype(np.float32))

    def model(self, outputs: list[str]) -> onnx.ModelProto:
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes, "random", [value(n, TensorProto.FLOAT, s) for n, s in self.inputs.items()],
            [value(n, TensorProto.FLOAT, self.shapes.get(n)) for n in outputs], self.weights,
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> bool:
        """Append a node if its outputs are maps of a size that is not too large; tell whether it was."""
        names = [f"v{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(operator, inputs, names, **attributes))
        try:
            inferred = shape_inference.infer_shapes(self.model(names), strict_mode=True, data_prop=True)
        except shape_inference.InferenceError:
            self.nodes.pop()
            return False
        found = {value.name: value.type.tensor_type.shape for value in inferred.graph.output}
        shapes = [tuple(dim.dim_value for dim in found[name].dim) for name in names]
        if any(not shape or min(shape) < 1 or np.prod(shape) > LARGEST for shape in shapes):
            self.nodes.pop()
            return False
        self.shapes |= zip(names, shapes, strict=True)
        return True


def sound_graph(seed: int) -> onnx.ModelProto:
    """The first graph of those with that seed which ONNX Runtime runs, to numbers that are finite."""
    for attempt in count():
        model = random_graph(np.random.default_rng((seed, attempt)))
        with suppress(ConfigError):
            outputs = run_onnx(model, inputs_of(model, seed))
            if all(np.isfinite(output).all() for output in outputs):
                return model
    raise AssertionError


def random_graph(random: np.random.Generator) -> onnx.ModelProto:
    """A graph of five to fourteen nodes on one or two images, with one to three outputs."""
    extents = tuple(int(size) for size in random.integers(5, 18, 2))
    channels = int(random.integers(1, 9))
    inputs = {f"x{index}": (1, channels, *extents) for index in range(int(random.integers(1, 3)))}
    graph = _Graph(random, inputs, shapes=dict(inputs))
    wanted, tries = int(random.integers(5, 15)), 0
    while len(graph.nodes) < wanted and tries < 10 * wanted:
        tries += 1
        names = list(graph.shapes)
        # The later ones rather, so that graphs are deep.
        source = names[-1 - int(min(random.geometric(0.6) - 1, len(names) - 1))]
        steps = _ON_IMAGES + _ANYWHERE if len(graph.shapes[source]) == 4 else _ANYWHERE
        steps[random.integers(len(steps))](graph, source)
    read = {name for node in graph.nodes for name in node.input}
    loose = [name for name in graph.shapes if name not in read]
    outputs = loose[-2:] or [names[-1]]
    if random.random() < 0.2:
        outputs.append(str(random.choice([name for name in graph.shapes if name not in outputs])))
    return graph.model(outputs)


def _convolution(graph: _Graph, x: str) -> None:
    channels = graph.shapes[x][1]
    groups = graph.pick(1, 1, channels)
    filters = groups * graph.pick(1, 2) if groups > 1 else graph.pick(3, 4, 8, 17)
    kernel = [graph.pick(1, 1, 2, 3, 3, 5), graph.pick(1, 1, 3, 3, 4)]
    dilation = graph.pick(1, 1, 1, 2)
    pads = [int(graph.random.integers(0, k * dilation)) for k in (*kernel, *kernel)]
    operands = [graph.numbers(filters, channels // groups, *kernel, scale=(channels * kernel[0] * kernel[1]) ** -0.5)]
    operands += [graph.numbers(filters)] if graph.pick(True, False) else []
    graph.add(
        "Conv", x, *operands, group=groups, pads=pads, dilations=[dilation] * 2,
        strides=[graph.pick(1, 1, 2, 3), graph.pick(1, 1, 2)],
    )  # fmt: skip


def _transposed(graph: _Graph, x: str) -> None:
    channels, stride, kernel = graph.shapes[x][1], graph.pick(1, 2, 3), graph.pick(2, 3, 4)
    weight = graph.numbers(channels, graph.pick(2, 5, 8), kernel, kernel, scale=(channels * kernel) ** -0.5)
    extra = graph.pick(0, min(1, stride - 1))
    graph.add("ConvTranspose", x, weight, strides=[stride] * 2, pads=[graph.pick(0, 1)] * 4, output_padding=[extra] * 2)


def _pool(graph: _Graph, x: str) -> None:
    kernel, kind = [graph.pick(2, 3, 4), graph.pick(1, 2, 3)], graph.pick("MaxPool", "AveragePool", "LpPool")
    pads = [int(graph.random.integers(0, (k + 1) // 2 + 0)) for k in (*kernel, *kernel)]
    more: dict[str, Any] = {"count_include_pad": graph.pick(0, 1)} if kind == "AveragePool" else {}
    more |= {} if kind == "LpPool" else {"ceil_mode": graph.pick(0, 1)}
    graph.add(kind, x, kernel_shape=kernel, strides=[graph.pick(1, 2, 3)] * 2, pads=pads, **more)


def _global_pool(graph: _Graph, x: str) -> None:
    graph.add(graph.pick("GlobalAveragePool", "GlobalMaxPool"), x)


def _normalisation(graph: _Graph, x: str) -> None:
    channels = graph.shapes[x][1]
    scale, shift = graph.numbers(channels), graph.numbers(channels)
    match graph.pick("BatchNormalization", "InstanceNormalization", "LayerNormalization"):
        case "BatchNormalization":
            variance = graph.constant(graph.random.uniform(0.5, 2, channels).astype(np.float32))
            graph.add("BatchNormalization", x, scale, shift, graph.numbers(channels), variance)
        case "InstanceNormalization":
            graph.add("InstanceNormalization", x, scale, shift)
        case _:
            width = graph.shapes[x][-1]
            graph.add("LayerNormalization", x, graph.numbers(width), graph.numbers(width), axis=-1)


def _resize(graph: _Graph, x: str) -> None:
    sizes = [*graph.shapes[x][:2], *(int(size * graph.pick(0.5, 1, 1.5, 2)) or 1 for size in graph.shapes[x][2:])]
    mode = graph.pick("nearest", "linear", "linear")
    places = graph.pick("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
    more = {"nearest_mode": graph.pick("floor", "round_prefer_floor")} if mode == "nearest" else {}
    target = graph.constant(np.array(sizes, np.int64))
    graph.add("Resize", x, "", "", target, mode=mode, coordinate_transformation_mode=places, **more)


def _between_depth_and_space(graph: _Graph, x: str) -> None:
    _, channels, *extents = graph.shapes[x]
    if channels % 4 == 0:
        graph.add("DepthToSpace", x, blocksize=2, mode=graph.pick("DCR", "CRD"))
    elif not any(size % 2 for size in extents):
        graph.add("SpaceToDepth", x, blocksize=2)


def _slopes(graph: _Graph, x: str) -> None:
    graph.add("PRelu", x, graph.numbers(graph.shapes[x][1], 1, 1, scale=0.3))


def _head(graph: _Graph, x: str) -> None:
    if graph.add("Flatten", x):
        _dense(graph, list(graph.shapes)[-1])


def _activation(graph: _Graph, x: str) -> None:
    graph.add(graph.pick(*ACTIVATIONS), x)


def _clip(graph: _Graph, x: str) -> None:
    graph.add("Clip", x, graph.constant(np.float32(-0.7)), graph.pick("", graph.constant(np.float32(1.3))))


def _arithmetic(graph: _Graph, x: str) -> None:
    shape = graph.shapes[x]
    others = [name for name, other in graph.shapes.items() if other == shape and name != x]
    channel = graph.numbers(shape[1], *[1] * (len(shape) - 2)) if len(shape) > 1 else graph.numbers(1)
    pair = [x, graph.pick(channel, graph.numbers(1), *others, *others)]
    graph.add(graph.pick(*ARITHMETIC), *(pair if graph.pick(True, True, False) else pair[::-1]))


def _division(graph: _Graph, x: str) -> None:
    graph.add("Div", x, graph.constant(graph.random.uniform(0.5, 2, 1).astype(np.float32)))


def _power(graph: _Graph, x: str) -> None:
    if graph.pick(True, False):
        graph.add("Pow", x, graph.constant(np.float32(2)))
    elif graph.add("Abs", x):
        graph.add(graph.pick("Sqrt", "Identity"), list(graph.shapes)[-1])


def _bounded_exponential(graph: _Graph, x: str) -> None:
    if graph.add("Tanh", x):
        graph.add("Exp", list(graph.shapes)[-1])


def _chosen(graph: _Graph, x: str) -> None:
    shape = graph.shapes[x]
    condition = graph.constant(graph.random.random(shape[-1]) < 0.5)
    graph.add("Where", condition, x, graph.numbers(1))


def _concatenation(graph: _Graph, x: str) -> None:
    rank = len(graph.shapes[x])
    axis = graph.pick(1, rank - 1) if rank > 1 else 0
    fitting = [name for name, shape in graph.shapes.items() if _without(shape, axis) == _without(graph.shapes[x], axis)]
    graph.add("Concat", x, graph.pick(*fitting), axis=axis)


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, tuple[int, ...]]:
    """The rank, and all sizes but one."""
    return len(shape), shape[:axis] + shape[axis + 1 :]


def _split(graph: _Graph, x: str) -> None:
    size = graph.shapes[x][-1]
    if size > 1:
        first = int(graph.random.integers(1, size))
        graph.add("Split", x, graph.constant(np.array([first, size - first])), outputs=2, axis=-1)


def _slice(graph: _Graph, x: str) -> None:
    axis = int(graph.random.integers(len(graph.shapes[x])))
    ends = [graph.constant(np.array([number])) for number in (graph.pick(0, 1), graph.pick(-1, 1000), axis)]
    graph.add("Slice", x, *ends, graph.constant(np.array([graph.pick(1, 1, 2)])))


def _pad(graph: _Graph, x: str) -> None:
    rank = len(graph.shapes[x])
    pads = [int(graph.random.integers(0, 3)) if axis % rank == rank - 1 else 0 for axis in range(2 * rank)]
    mode = graph.pick("constant", "edge", "reflect")
    if mode == "reflect" and graph.shapes[x][-1] < 4:
        return
    value = [graph.constant(np.float32(0.5))] if mode == "constant" else []
    graph.add("Pad", x, graph.constant(np.array(pads)), *value, mode=mode)


def _transpose(graph: _Graph, x: str) -> None:
    graph.add("Transpose", x, perm=graph.random.permutation(len(graph.shapes[x])).tolist())


def _reshape(graph: _Graph, x: str) -> None:
    shape = graph.shapes[x]
    sizes = graph.pick((0, -1), (shape[0], *shape[1:-2], -1), (-1, shape[-1]), (*shape, 1))
    graph.add("Reshape", x, graph.constant(np.array(sizes)))


def _axes(graph: _Graph, x: str) -> None:
    if 1 in graph.shapes[x][1:]:
        graph.add("Squeeze", x, graph.constant(np.array([graph.shapes[x].index(1, 1)])))
    elif len(graph.shapes[x]) < 4:
        graph.add("Unsqueeze", x, graph.constant(np.array([len(graph.shapes[x])])))


def _reduction(graph: _Graph, x: str) -> None:
    axes = graph.constant(np.array([graph.pick(-1, 1)] if len(graph.shapes[x]) > 1 else [0]))
    kind = graph.pick("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceMean")
    graph.add(kind, x, axes, keepdims=graph.pick(0, 1))


def _softmax(graph: _Graph, x: str) -> None:
    graph.add(graph.pick("Softmax", "LogSoftmax"), x, axis=graph.pick(1, -1) if len(graph.shapes[x]) > 1 else 0)


def _dense(graph: _Graph, x: str) -> None:
    depth = graph.shapes[x][-1]
    weight = graph.numbers(depth, graph.pick(1, 5, 16), scale=depth**-0.5)
    if len(graph.shapes[x]) == 2 and graph.pick(True, False):
        graph.add("Gemm", x, weight, alpha=graph.pick(1.0, 0.5))
    else:
        graph.add("MatMul", x, weight)


def _repeated(graph: _Graph, x: str) -> None:
    repeats = [1] * (len(graph.shapes[x]) - 1) + [2]
    graph.add("Tile", x, graph.constant(np.array(repeats)))


_ON_IMAGES = [
    _convolution, _convolution, _convolution, _transposed, _pool, _pool, _global_pool, _normalisation, _resize, _slopes,
    _between_depth_and_space, _head,
]  # fmt: skip
_ANYWHERE = [
    _activation, _activation, _activation, _clip, _arithmetic, _arithmetic, _division, _power, _bounded_exponential,
    _chosen, _concatenation, _split, _slice, _pad, _transpose, _reshape, _axes, _reduction, _softmax, _dense, _repeated,
]  # fmt: skip
