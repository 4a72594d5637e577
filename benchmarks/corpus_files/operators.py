"""One operator between two convolutions, in every form that it has had and in the opsets where it had it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from benchmarks.corpus_files.file import File, Made, numbers_for
from benchmarks.corpus_files.writer import Value, Writer

Form = Callable[[Writer, Value], Value]
ALL = (9, 10, 11, 13, 15, 17, 18, 20, 21)
CHANNELS = 6
SIZE = 9


def _unary(operator: str, **attributes: Any) -> Form:
    return lambda w, x: Value(w.node(operator, x.name, **attributes), x.shape)


def _by(operator: str, numbers: Any, swapped: bool = False) -> Form:
    def write(w: Writer, x: Value) -> Value:
        given = [x.name, w.constant(numbers)]
        return Value(w.node(operator, *(given[::-1] if swapped else given)), x.shape)

    return write


def _resize(mode: str, factor: float, **attributes: Any) -> Form:
    def write(w: Writer, x: Value) -> Value:
        sizes = tuple(int(size * factor) for size in x.shape[1:])
        empty = w.constant([]) if w.version < 13 else ""
        given = [empty, w.constant([1, 1, factor, factor])]
        return Value(w.node("Resize", x.name, *given, mode=mode, **attributes), (x.channels, *sizes))

    return write


def _resize_to(mode: str, height: int, width: int, **attributes: Any) -> Form:
    def write(w: Writer, x: Value) -> Value:
        empty = w.constant([]) if w.version < 13 else ""
        shape = (x.channels, height, width)
        return Value(w.node("Resize", x.name, empty, empty, w.integers(1, *shape), mode=mode, **attributes), shape)

    return write


def _upsample(mode: str) -> Form:
    def write(w: Writer, x: Value) -> Value:
        return w.resize(x, 2, mode)

    return write


def _reduce(operator: str, axes: tuple[int, ...], keep: bool) -> Form:
    """The reduced numbers multiply the map, where they keep their axes; else they are the result."""

    def write(w: Writer, x: Value) -> Value:
        name = w.reduce(operator, x.name, axes, keep)
        if not keep:
            return Value(name, tuple(size for axis, size in enumerate(x.shape, 1) if axis not in axes))
        return Value(w.node("Mul", x.name, name), x.shape)

    return write


def _pad(mode: str, *pads: int, value: float = 0.0) -> Form:
    def write(w: Writer, x: Value) -> Value:
        top, left, bottom, right = pads
        name = w.pad(x.name, [0, 0, top, left, 0, 0, bottom, right], mode, value)
        return Value(name, (x.channels, x.shape[1] + top + bottom, x.shape[2] + left + right))

    return write


def _slice(starts: tuple[int, ...], ends: tuple[int, ...], axes: tuple[int, ...], steps: tuple[int, ...] = ()) -> Form:
    def write(w: Writer, x: Value) -> Value:
        shape = [1, *x.shape]
        for start, end, axis, step in zip(starts, ends, axes, steps or (1,) * len(axes), strict=True):
            shape[axis] = len(range(shape[axis])[start:end:step])
        return Value(w.slice(x.name, starts, ends, axes, steps or None), tuple(shape[1:]))

    return write


def _pool(operator: str, kernel: tuple[int, int], **attributes: Any) -> Form:
    def write(w: Writer, x: Value) -> Value:
        strides, pads = attributes.get("strides", [1, 1]), attributes.get("pads", [0] * 4)
        dilations = attributes.get("dilations", [1, 1])
        sizes = []
        for at, size in enumerate(x.shape[1:]):
            free = size + pads[at] + pads[at + 2] - (kernel[at] - 1) * dilations[at] - 1
            count = -(-free // strides[at]) if attributes.get("ceil_mode") else free // strides[at]
            sizes.append(count + 1)
        return Value(w.node(operator, x.name, kernel_shape=list(kernel), **attributes), (x.channels, *sizes))

    return write


def _transposed(**attributes: Any) -> Form:
    """A 3x3 kernel."""

    def write(w: Writer, x: Value) -> Value:
        groups = attributes.get("group", 1)
        weights = [w.weight(w.normal(x.channels, CHANNELS // groups, 3, 3)), w.weight(w.normal(CHANNELS))]
        name = w.node("ConvTranspose", x.name, *weights, kernel_shape=[3, 3], **attributes)
        strides, pads = attributes.get("strides", [1, 1]), attributes.get("pads", [0] * 4)
        more = attributes.get("output_padding", [0, 0])
        sizes = [
            strides[at] * (size - 1) + more[at] + 3 - pads[at] - pads[at + 2] for at, size in enumerate(x.shape[1:])
        ]
        if "auto_pad" in attributes:
            sizes = [size * stride for size, stride in zip(x.shape[1:], strides, strict=True)]
        return Value(name, (CHANNELS, *attributes.get("output_shape", sizes)))

    return write


def _slopes(*shape: int) -> Form:
    return lambda w, x: Value(w.node("PRelu", x.name, w.weight(w.random.uniform(0.1, 0.5, shape))), x.shape)


def _clip(low: float | None, high: float | None) -> Form:
    def write(w: Writer, x: Value) -> Value:
        if w.version < 11:
            bounds: dict[str, Any] = {key: bound for key, bound in (("min", low), ("max", high)) if bound is not None}
            return Value(w.node("Clip", x.name, **bounds), x.shape)
        given = ["" if bound is None else w.constant(bound) for bound in (low, high)]
        return Value(w.node("Clip", x.name, *given[: 1 if high is None else 2]), x.shape)

    return write


def _depth_to_space(mode: str | None) -> Form:
    def write(w: Writer, x: Value) -> Value:
        y = w.conv(x, 12, 1)
        more: dict[str, Any] = {"mode": mode} if mode else {}
        name = w.node("DepthToSpace", y.name, blocksize=2, **more)
        return Value(name, (3, 2 * x.shape[1], 2 * x.shape[2]))

    return write


def _space_to_depth(w: Writer, x: Value) -> Value:
    y = _slice((0, 0), (8, 8), (2, 3))(w, x)
    return Value(w.node("SpaceToDepth", y.name, blocksize=2), (4 * x.channels, 4, 4))


def _softmax(axis: int | None, operator: str = "Softmax") -> Form:
    return _unary(operator, **({} if axis is None else {"axis": axis}))


def _where(w: Writer, x: Value) -> Value:
    positive = w.node("Greater", x.name, w.constant(0.1))
    return Value(w.node("Where", positive, x.name, w.constant(-0.5)), x.shape)


def _compared(operator: str) -> Form:
    def write(w: Writer, x: Value) -> Value:
        flags = w.node(operator, x.name, w.constant(0.1))
        return Value(w.node("Mul", x.name, w.node("Cast", flags, to=TensorProto.FLOAT)), x.shape)

    return write


def _gathered(places: Any, axis: int) -> Form:
    """Channels or rows by number; one number alone drops the axis, which is put back."""

    def write(w: Writer, x: Value) -> Value:
        name = w.node("Gather", x.name, w.constant(places, np.int64), axis=axis)
        if np.ndim(places) == 0:
            name = w.squeeze(name, axis, operator="Unsqueeze")
        shape = [1, *x.shape]
        shape[axis] = np.size(places)
        return Value(name, tuple(shape[1:]))

    return write


def _split(sizes: tuple[int, ...] | None, how: str) -> Form:
    """Parts of the channels, swapped."""

    def write(w: Writer, x: Value) -> Value:
        count = 2 if sizes is None else len(sizes)
        if sizes is None:
            more: dict[str, Any] = {"num_outputs": 2} if w.version >= 18 else {}
            names = w.node("Split", x.name, count=2, axis=1, **more)
        elif w.version < 13:
            names = w.node("Split", x.name, count=count, axis=1, split=list(sizes))
        else:
            names = w.node("Split", x.name, w.integers(*sizes), count=count, axis=1)
        return Value(w.node("Concat", *names[::-1], axis=1 if how == "positive" else -3), x.shape)

    return write


def _matrix(w: Writer, x: Value) -> Value:
    """Rows times a matrix, of a map."""
    name = w.node("MatMul", x.name, w.weight(w.normal(x.shape[2], 7)))
    return Value(name, (*x.shape[:2], 7))


def _gemm(turned: bool, alpha: float, beta: float, bias: str) -> Form:
    def write(w: Writer, x: Value) -> Value:
        flat, units = w.flatten(x), 5
        matrix = w.weight(w.normal(units, flat.channels) if turned else w.normal(units, flat.channels).T)
        given = {"vector": [w.weight(w.normal(units))], "row": [w.weight(w.normal(1, units))],
                 "number": [w.constant(0.5)], "none": []}[bias]  # fmt: skip
        name = w.node("Gemm", flat.name, matrix, *given, transB=int(turned), alpha=alpha, beta=beta)
        return Value(name, (units,))

    return write


def _tokens_head(w: Writer, x: Value) -> Value:
    """A Reshape to places that is no flatten, then a dense layer of every place's features."""
    places, features = x.channels * x.shape[1], x.shape[2]
    name = w.node("Reshape", x.name, w.integers(places, features))
    name = w.node("Gemm", name, w.weight(w.normal(4, features)), w.weight(w.normal(4)), transB=1)
    return Value(w.node("Reshape", name, w.integers(1, x.channels, x.shape[1], 4)), (*x.shape[:2], 4))


def _expanded(w: Writer, x: Value) -> Value:
    pooled = w.node("GlobalAveragePool", x.name)
    return Value(w.node("Sub", x.name, w.node("Expand", pooled, w.integers(1, *x.shape))), x.shape)


def _tiled(w: Writer, x: Value) -> Value:
    return Value(w.node("Tile", x.name, w.integers(1, 2, 1, 1)), (2 * x.channels, *x.shape[1:]))


def _layer_norm(axis: int, bias: bool) -> Form:
    def write(w: Writer, x: Value) -> Value:
        shape = x.shape[axis:]
        given = [w.weight(w.normal(*shape) + 1), *([w.weight(w.normal(*shape))] if bias else [])]
        return Value(w.node("LayerNormalization", x.name, *given, axis=axis), x.shape)

    return write


def _group_norm(groups: int) -> Form:
    return lambda w, x: w.group_norm(x, groups)


def _instance_norm(w: Writer, x: Value) -> Value:
    return w.instance_norm(x)


def _layer_norm_in_parts(w: Writer, x: Value) -> Value:
    return Value(w.layer_norm(x.name, x.shape[-1]), x.shape)


def _normalised(norm: int, axis: int) -> Form:
    return _unary("LpNormalization", p=norm, axis=axis)


def _grid(mode: str, padding: str, aligned: int) -> Form:
    def write(w: Writer, x: Value) -> Value:
        axis = np.linspace(-1.1, 1.1, 7)
        grid = w.constant(np.stack(np.meshgrid(axis, axis), -1)[None])
        name = w.node("GridSample", x.name, grid, mode=mode, padding_mode=padding, align_corners=aligned)
        return Value(name, (x.channels, 7, 7))

    return write


def _recurrent(operator: str, direction: str, **attributes: Any) -> Form:
    """Over the width, of the map's mean over its height."""

    def write(w: Writer, x: Value) -> Value:
        gates, hidden = {"LSTM": 4, "GRU": 3, "RNN": 1}[operator], 5
        ways = 2 if direction == "bidirectional" else 1
        rows = w.node("Transpose", w.reduce("ReduceMean", x.name, (2,), False), perm=[2, 0, 1])
        given = [w.weight(w.normal(ways, gates * hidden, x.channels)), w.weight(w.normal(ways, gates * hidden, hidden)),
                 w.weight(w.normal(ways, 2 * gates * hidden))]  # fmt: skip
        steps = w.node(operator, rows, *given, hidden_size=hidden, direction=direction, **attributes)
        turned = w.node("Transpose", steps, perm=[2, 1, 3, 0])
        return Value(w.node("Reshape", turned, w.integers(1, ways * hidden, x.shape[2], 1)),
                     (ways * hidden, x.shape[2], 1))  # fmt: skip

    return write


def _cumulative(w: Writer, x: Value) -> Value:
    return Value(w.node("CumSum", x.name, w.constant(2, np.int64)), x.shape)


def _best(w: Writer, x: Value) -> Value:
    """The largest numbers of every row."""
    name, _ = w.node("TopK", x.name, w.integers(3), count=2, axis=3)
    return Value(name, (*x.shape[:2], 3))


def _classes(w: Writer, x: Value) -> Value:
    found = w.node("ArgMax", x.name, axis=1, keepdims=1)
    return Value(w.node("Cast", found, to=TensorProto.FLOAT), (1, *x.shape[1:]))


def _einsum(w: Writer, x: Value) -> Value:
    name = w.node("Einsum", x.name, w.weight(w.normal(5, x.channels)), equation="bchw,dc->bdhw")
    return Value(name, (5, *x.shape[1:]))


def _sizes_to_floats(w: Writer, x: Value) -> Value:
    """Divided by its number of columns, as attention has it."""
    columns = w.node("Gather", w.node("Shape", x.name), w.constant(3, np.int64))
    return Value(w.node("Div", x.name, w.node("Sqrt", w.node("Cast", columns, to=TensorProto.FLOAT))), x.shape)


def _range_added(w: Writer, x: Value) -> Value:
    columns = w.node("Gather", w.node("Shape", x.name), w.constant(3, np.int64))
    places = w.node("Range", w.constant(0, np.int64), columns, w.constant(1, np.int64))
    return Value(w.node("Add", x.name, w.node("Cast", places, to=TensorProto.FLOAT)), x.shape)


def _filled(w: Writer, x: Value) -> Value:
    value = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.25])
    return Value(w.node("Add", x.name, w.node("ConstantOfShape", w.node("Shape", x.name), value=value)), x.shape)


def _scattered(w: Writer, x: Value) -> Value:
    places = w.constant(np.array([[0, 0, 1], [0, 3, 2]]), np.int64)
    rows = w.constant(np.ones((2, x.shape[2])))
    return Value(w.node("ScatterND", x.name, places, rows), x.shape)


def _several(operator: str) -> Form:
    def write(w: Writer, x: Value) -> Value:
        return Value(w.node(operator, x.name, w.node("Neg", x.name), w.constant(0.1)), x.shape)

    return write


FORMS: dict[str, tuple[Form, tuple[int, ...]]] = {
    **{operator: (_unary(operator), (9, 13, 18)) for operator in (
        "Abs", "Ceil", "Exp", "Floor", "Neg", "Relu", "Sigmoid", "Softplus", "Softsign", "Tanh", "Erf", "Elu", "Selu",
        "HardSigmoid", "LeakyRelu", "Sin", "Identity")},
    "GlobalMaxPool": (lambda w, x: Value(w.node("GlobalMaxPool", x.name), (x.channels, 1, 1)), (9, 18)),
    "Sqrt": (lambda w, x: Value(w.node("Sqrt", w.node("Abs", x.name)), x.shape), (9, 13)),
    "Log": (lambda w, x: Value(w.node("Log", w.node("Exp", x.name)), x.shape), (9, 13)),
    "Celu": (_unary("Celu", alpha=0.5), (12, 18)),
    "Round": (_unary("Round"), (11, 18)),
    "HardSwish": (_unary("HardSwish"), (14, 18, 21)),
    "Gelu": (_unary("Gelu"), (20, 21)),
    "Gelu, tanh": (_unary("Gelu", approximate="tanh"), (20, 21)),
    "Mish": (_unary("Mish"), (18, 21)),
    "ThresholdedRelu": (_unary("ThresholdedRelu", alpha=0.3), (10, 18)),
    "Shrink": (_unary("Shrink", bias=0.1, lambd=0.2), (9, 18)),
    "LpPool": (_pool("LpPool", (2, 2), p=2, strides=[2, 2]), (11, 18)),
    "LRN": (_unary("LRN", size=3), (9, 13)),
    "Dropout": (_unary("Dropout"), (9, 12, 13)),
    "Clip, both": (_clip(-0.2, 0.7), (9, 11, 13, 18)),
    "Clip, low": (_clip(0.0, None), (9, 11, 13)),
    "Clip, high": (_clip(None, 0.5), (9, 11, 13)),
    "Pow": (_by("Pow", 2.0), (9, 13, 17)),
    "Pow, cube": (lambda w, x: Value(w.node("Pow", x.name, w.constant(3, np.int64)), x.shape), (13, 17)),
    "Div by number": (_by("Div", 3.0), (9, 13)),
    "number Sub": (_by("Sub", [1.0], swapped=True), (9, 13)),
    "number Div": (lambda w, x: Value(w.node("Div", w.constant(1.0), w.node("Exp", x.name)), x.shape), (9, 13)),
    "Add by column": (_by("Add", np.linspace(-1, 1, SIZE)), (9, 13)),
    "Mul by channel": (_by("Mul", np.linspace(0.5, 2, CHANNELS).reshape(-1, 1, 1)), (9, 13)),
    "Mul by row": (_by("Mul", np.linspace(0.5, 2, SIZE).reshape(1, 1, -1, 1)), (9, 17)),
    "Max of number": (_by("Max", 0.1), (9, 13)),
    "Min of number": (_by("Min", 0.1), (9, 13)),
    **{f"{operator} of several": (_several(operator), (9, 13)) for operator in ("Sum", "Max", "Min", "Mean")},
    "Mod": (lambda w, x: Value(w.node("Mod", x.name, w.constant(0.4), fmod=1), x.shape), (10, 13)),
    "Where": (_where, (9, 13, 18)),
    **{operator: (_compared(operator), (9, 13) if operator in ("Greater", "Less") else (12, 17)) for operator in (
        "Greater", "Less", "GreaterOrEqual", "LessOrEqual")},
    "PRelu (C, 1, 1)": (_slopes(CHANNELS, 1, 1), (9, 13, 18)),
    "PRelu (1, C, 1, 1)": (_slopes(1, CHANNELS, 1, 1), (9, 13)),
    "PRelu (1)": (_slopes(1), (9, 18)),
    "Softmax": (_softmax(None), (9, 11, 13)),
    "Softmax, channels": (_softmax(1), (9, 11, 13, 18)),
    "Softmax, columns": (_softmax(-1), (11, 13)),
    "LogSoftmax": (_softmax(1, "LogSoftmax"), (9, 13)),
    "Hardmax": (_softmax(3, "Hardmax"), (13,)),
    **{f"{operator}": (_reduce(operator, (2, 3), True), (9, 13, 18)) for operator in (
        "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2")},
    **{f"{operator}, channels": (_reduce(operator, (1,), True), (11, 18)) for operator in (
        "ReduceMean", "ReduceMax", "ReduceL1", "ReduceSumSquare", "ReduceLogSumExp", "ReduceProd")},
    "ReduceMean, dropped": (_reduce("ReduceMean", (3,), False), (9, 13, 18)),
    "ReduceSum, dropped": (_reduce("ReduceSum", (2,), False), (9, 13, 18)),
    "LpNormalization": (_normalised(2, 1), (9, 13)),
    "LpNormalization, L1": (_normalised(1, 3), (13,)),
    "Pad": (_pad("constant", 1, 2, 0, 1), ALL),
    "Pad with ones": (_pad("constant", 1, 1, 1, 1, value=1.0), (9, 11, 18)),
    "Pad, cut": (_pad("constant", -1, 0, 0, -2), (11, 13)),
    "Pad, reflected": (_pad("reflect", 1, 2, 2, 1), (9, 11, 18)),
    "Pad, edge": (_pad("edge", 1, 2, 2, 1), (9, 11, 18)),
    "Pad, wrapped": (_pad("wrap", 1, 2, 2, 1), (19, 21)),
    "Slice": (_slice((1, 2), (8, 7), (2, 3)), ALL),
    "Slice to the end": (_slice((1,), (2**31 - 1,), (2,)), (9, 10, 13)),
    "Slice by two": (_slice((0, 1), (9, 9), (2, 3), (2, 2)), (10, 13, 18)),
    "Slice of channels": (_slice((1,), (4,), (1,)), (9, 10, 13)),
    "Slice backwards": (_slice((-1,), (-100,), (3,), (-1,)), (10, 13)),
    "Slice from behind": (_slice((-5,), (-1,), (2,)), (9, 13)),
    "Gather of channels": (_gathered([2, 0, -1], 1), (9, 11, 13)),
    "Gather of one": (_gathered(2, 1), (9, 13)),
    "Gather of rows": (_gathered([0, 3, 3], 2), (9, 13)),
    "Split": (_split((2, 4), "positive"), (9, 11, 13, 18)),
    "Split in two": (_split(None, "negative"), (11, 13, 18)),
    "Expand": (_expanded, (9, 13)),
    "Tile": (_tiled, (9, 13)),
    "MatMul": (_matrix, (9, 13)),
    "Gemm": (_gemm(True, 1.0, 1.0, "vector"), (9, 11, 13)),
    "Gemm, plain": (_gemm(False, 1.0, 1.0, "none"), (11, 13)),
    "Gemm, scaled": (_gemm(False, 0.5, 2.0, "row"), (9, 13)),
    "Gemm, number": (_gemm(True, 1.0, 0.5, "number"), (9, 13)),
    "Reshape to tokens": (_tokens_head, (9, 13, 18)),
    "Einsum": (_einsum, (12, 17)),
    "DepthToSpace": (_depth_to_space(None), (9, 11)),
    "DepthToSpace, DCR": (_depth_to_space("DCR"), (11, 13)),
    "DepthToSpace, CRD": (_depth_to_space("CRD"), (11, 13, 18)),
    "SpaceToDepth": (_space_to_depth, (9, 13)),
    "ConvTranspose": (_transposed(), (9, 13)),
    "ConvTranspose, stride": (_transposed(strides=[2, 2]), (9, 11)),
    "ConvTranspose, padded": (_transposed(strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]), (9, 13)),
    "ConvTranspose, uneven": (_transposed(strides=[2, 2], pads=[0, 1, 1, 0]), (9, 13)),
    "ConvTranspose, auto_pad": (_transposed(strides=[2, 2], auto_pad="SAME_UPPER"), (11, 13)),
    "ConvTranspose, output_shape": (_transposed(strides=[2, 2], output_shape=[18, 18]), (11,)),
    "ConvTranspose, groups": (_transposed(strides=[2, 2], group=3), (9, 13)),
    "ConvTranspose, dilated": (_transposed(dilations=[1, 1], group=2), (11,)),
    "MaxPool": (_pool("MaxPool", (2, 2), strides=[2, 2]), (9, 11, 12)),
    "MaxPool, up": (_pool("MaxPool", (2, 2), strides=[2, 2], ceil_mode=1), (10, 12)),
    "MaxPool, padded up": (_pool("MaxPool", (3, 3), strides=[2, 2], pads=[0, 0, 1, 1], ceil_mode=1), (10, 12)),
    "MaxPool, dilated": (_pool("MaxPool", (3, 2), dilations=[2, 1]), (10, 12)),
    "AveragePool": (_pool("AveragePool", (2, 3), strides=[2, 1]), (9, 11)),
    "AveragePool, up": (_pool("AveragePool", (2, 2), strides=[2, 2], ceil_mode=1), (10, 19)),
    "AveragePool, counted": (_pool("AveragePool", (3, 3), pads=[1, 1, 1, 1], count_include_pad=1), (9, 11, 19)),
    "AveragePool, uneven": (_pool("AveragePool", (3, 3), strides=[2, 2], pads=[0, 0, 1, 1]), (9, 13)),
    "Upsample, nearest": (_upsample("nearest"), (9, 10)),
    "Upsample, linear": (_upsample("linear"), (9, 10)),
    **{f"Resize {mode}, {way}": (_resize(mode, 2, coordinate_transformation_mode=way), (11, 13, 18))
       for mode in ("nearest", "linear", "cubic")
       for way in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel")},
    **{f"Resize nearest by {rounding}": (_resize("nearest", 1.5, nearest_mode=rounding,
                                         coordinate_transformation_mode="asymmetric"), (11, 19))
       for rounding in ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")},
    "Resize to 13x7": (_resize_to("linear", 13, 7, coordinate_transformation_mode="half_pixel"), (11, 13, 19)),
    "Resize to 1x1": (_resize_to("linear", 1, 1, coordinate_transformation_mode="align_corners"), (11, 13)),
    "Resize down": (_resize("linear", 0.5, coordinate_transformation_mode="pytorch_half_pixel"), (11, 13)),
    "Resize cubic, torch's": (_resize("cubic", 2, cubic_coeff_a=-0.75, coordinate_transformation_mode="half_pixel"),
                              (11, 13)),
    "Resize antialiased": (_resize("linear", 0.5, antialias=1, coordinate_transformation_mode="half_pixel"), (18, 19)),
    "InstanceNormalization": (_instance_norm, (9, 13, 18)),
    "GroupNormalization": (_group_norm(2), (9, 13, 18, 21)),
    "LayerNormalization": (_layer_norm(-1, True), (17, 18, 21)),
    "LayerNormalization, maps": (_layer_norm(-2, False), (17, 18)),
    "LayerNormalization in parts": (_layer_norm_in_parts, (9, 13, 16)),
    "MeanVarianceNormalization": (_unary("MeanVarianceNormalization"), (9, 13)),
    "GridSample": (_grid("bilinear", "zeros", 0), (16, 18)),
    "GridSample, aligned": (_grid("bilinear", "border", 1), (16,)),
    "GridSample, nearest": (_grid("nearest", "zeros", 0), (16,)),
    "CumSum": (_cumulative, (11, 14)),
    "TopK": (_best, (11, 13)),
    "ArgMax": (_classes, (9, 11, 13)),
    "Sqrt of a size": (_sizes_to_floats, (9, 13, 18)),
    "Range of a size": (_range_added, (11, 13)),
    "ConstantOfShape": (_filled, (9, 13)),
    "ScatterND": (_scattered, (11, 16)),
    "LSTM": (_recurrent("LSTM", "forward"), (9, 14)),
    "LSTM, both ways": (_recurrent("LSTM", "bidirectional"), (9, 14)),
    "LSTM, reverse": (_recurrent("LSTM", "reverse"), (11,)),
    "GRU": (_recurrent("GRU", "forward", linear_before_reset=1), (9, 14)),
    "GRU, both ways": (_recurrent("GRU", "bidirectional", linear_before_reset=0), (14,)),
    "RNN": (_recurrent("RNN", "forward"), (14,)),
}  # fmt: skip
"""By name: how it is written, and in which opsets."""


RECURRENT = ("LSTM", "GRU", "RNN")


def files() -> Iterator[File]:
    for name, (form, opsets) in FORMS.items():
        for opset in opsets:
            refused = name.startswith(RECURRENT)
            habit = "recurrent layers" if refused else "one operator"
            yield File(f"operator/{name}/{opset}", habit, partial(_written, form, opset), refused)


def _written(form: Form, opset: int) -> Made:
    """The operator between convolutions, the second of them only where a map is left."""
    w = Writer(opset=opset)
    x = form(w, w.conv(w.image(3, SIZE, SIZE), CHANNELS, 3))
    w.output(w.conv(x, 4, 1) if x.rank == 4 else x)
    model = w.model()
    return Made(model, numbers_for(model))
