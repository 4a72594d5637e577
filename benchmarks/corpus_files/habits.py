"""Habits of exporters: which networks each writes, and what is done to the file behind."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quant_pre_process,
    quantize_dynamic,
    quantize_static,
)

from benchmarks.corpus_files import exporters
from benchmarks.corpus_files.file import HALF_TOLERANCE, QUANTISED_TOLERANCE, TOLERANCE, File, Made, numbers_for
from benchmarks.corpus_files.networks import NETWORKS
from benchmarks.corpus_files.writer import Writer
from rdpass.core.comparison import Array

Change = Callable[[Made], Made]

_IMAGES = ("residual", "bottleneck", "mobile", "gated", "densely", "unet", "segmenter", "super_resolution", "detector",
           "face", "inception", "shuffling")  # fmt: skip
_UNDILATED = tuple(name for name in NETWORKS if name != "segmenter")  # with auto_pad ONNX Runtime dilates nothing
_CONVOLUTIONAL = ("residual", "bottleneck", "mobile", "gated", "densely", "detector", "inception", "shuffling")


@dataclass(frozen=True)
class Habit:
    """``networks``: those that its exporters have; ``opset``: another than the writer's own."""

    writer: type[Writer]
    networks: Sequence[str] = tuple(NETWORKS)
    change: Change | None = None
    opset: int | None = None


# --- sizes -----------------------------------------------------------------------------------------------------------


def _open_sizes(made: Made, *places: int, by: str | int, given: bool) -> Made:
    """The extents at ``places`` of inputs left open; ``given``: the user says them."""
    model = _copy(made.model)
    sizes = []
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        sizes.append(f"{value.name}=" + "x".join(str(dim.dim_value) for dim in dims))
        for place in (place for place in places if place < len(dims)):
            _open(dims[place], by if isinstance(by, int) else f"{by}{place}")
    for value in model.graph.output:
        for place, dim in enumerate(value.type.tensor_type.shape.dim):
            _open(dim, by if isinstance(by, int) else f"out_{place}")
    return replace(made, model=model, twin=made.model, sizes=",".join(sizes) if given else None)


def _open(dim: Any, by: str | int) -> None:
    dim.Clear()
    if isinstance(by, int):
        dim.dim_value = by
    elif by:
        dim.dim_param = by


def _batch_open(made: Made) -> Made:
    return _open_sizes(made, 0, by="unk__", given=False)


def _all_open(made: Made) -> Made:
    return _open_sizes(made, 0, 2, 3, by="s", given=True)


def _minus_one(made: Made) -> Made:
    return _open_sizes(made, 0, 2, 3, by=-1, given=True)


def _nameless(made: Made) -> Made:
    return _open_sizes(made, 0, 2, 3, by="", given=True)


def _ten_rows(made: Made) -> Made:
    """Frozen at a batch of 10."""
    model = _copy(made.model)
    sizes = []
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 10
    for value in model.graph.input:
        shape = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        sizes.append("x".join(map(str, (1, *shape[1:]))))
    return replace(made, model=model, feed=numbers_for(model, rows=10), batch=10, sizes=",".join(sizes))


# --- weights and numeric types ---------------------------------------------------------------------------------------


def _weights_as_inputs(made: Made) -> Made:
    """IR 3, where every initialiser is an input too."""
    model = _copy(made.model)
    model.ir_version = 3
    for tensor in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return replace(made, model=model)


def _external(made: Made) -> Made:
    return replace(made, external=True)


def _half(made: Made) -> Made:
    """All of it in float16, inputs and outputs with it."""
    model = _copy(made.model)
    _halve(model.graph)
    for value in (*model.graph.input, *model.graph.output):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return replace(made, model=model, feed=numbers_for(model), tolerance=HALF_TOLERANCE)


def _half_inside(made: Made) -> Made:
    """float16 between casts at the ends."""
    model = _copy(made.model)
    _halve(model.graph)
    ends = []
    for value in model.graph.input:
        inner = f"{value.name}_half"
        for node in model.graph.node:
            node.input[:] = [inner if name == value.name else name for name in node.input]
        ends.append(helper.make_node("Cast", [value.name], [inner], to=TensorProto.FLOAT16))
    behind = []
    for value in model.graph.output:
        inner = f"{value.name}_half"
        for node in model.graph.node:
            node.output[:] = [inner if name == value.name else name for name in node.output]
            node.input[:] = [inner if name == value.name else name for name in node.input]
        behind.append(helper.make_node("Cast", [inner], [value.name], to=TensorProto.FLOAT))
    nodes = [*ends, *model.graph.node, *behind]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return replace(made, model=model, tolerance=HALF_TOLERANCE)


def _halve(graph: onnx.GraphProto) -> None:
    resized = {node.input[2] for node in graph.node if node.op_type == "Resize" and len(node.input) > 2}
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in resized:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))


class _Rows(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, feed: dict[str, Array]) -> None:
        random = np.random.default_rng(1)
        rows = [feed, *({k: random.standard_normal(a.shape).astype(a.dtype) for k, a in feed.items()} for _ in "ab")]
        self.rows = iter(rows)

    def get_next(self) -> dict[str, Array] | None:
        return next(self.rows, None)


def _quantised(made: Made, **how: Any) -> Made:
    def run(source: Path, out: Path) -> None:
        prepared = source.with_suffix(".pre.onnx")
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(str(prepared), str(out), _Rows(dict(made.feed)), **how)

    return _through_files(made, run)


def _through_files(made: Made, run: Callable[[Path, Path], None]) -> Made:
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "in.onnx"), Path(folder, "out.onnx")
        onnx.save(made.model, source)
        logging.disable()  # it advises to do what is done
        run(source, out)
        logging.disable(logging.NOTSET)
        return replace(made, model=onnx.load(out), tolerance=QUANTISED_TOLERANCE)


def _qdq(made: Made) -> Made:
    return _quantised(made, quant_format=QuantFormat.QDQ, activation_type=QuantType.QInt8)


def _qdq_per_channel(made: Made) -> Made:
    symmetric = {"ActivationSymmetric": True, "WeightSymmetric": True}
    return _quantised(
        made, quant_format=QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QInt8, extra_options=symmetric
    )


def _qoperator(made: Made) -> Made:
    return _quantised(made, quant_format=QuantFormat.QOperator, activation_type=QuantType.QUInt8)


def _dynamic(made: Made) -> Made:
    return _through_files(made, lambda source, out: quantize_dynamic(str(source), str(out)))


# --- forms of the file -----------------------------------------------------------------------------------------------


def _no_sizes_behind(made: Made) -> Made:
    """Outputs whose sizes have names alone, as some converters leave them."""
    model = _copy(made.model)
    for value in model.graph.output:
        for place, dim in enumerate(value.type.tensor_type.shape.dim):
            _open(dim, f"{value.name}_dim_{place}")
    return replace(made, model=model)


def _repeated_weights(made: Made) -> Made:
    """Equal weights twice under other names, and one of them read by all."""
    model = _copy(made.model)
    for tensor in list(model.graph.initializer):
        double = onnx.TensorProto.FromString(tensor.SerializeToString())
        double.name = f"{tensor.name}_again"
        model.graph.initializer.append(double)
    for node in model.graph.node[::2]:
        weights = {tensor.name for tensor in model.graph.initializer}
        node.input[:] = [f"{name}_again" if name in weights and "again" not in name else name for name in node.input]
    return replace(made, model=model)


def _odd_names(made: Made) -> Made:
    """Names with spaces, slashes and letters of other scripts; of Python's own words."""
    model = _copy(made.model)
    number = count()
    words = ("class", "für x", "层/输出:0", "a.b.c", "forward", "training", "x-y", "0", "self", "graph")
    names: dict[str, str] = {"": ""}

    def other(name: str) -> str:
        return names.setdefault(name, f"{words[len(names) % len(words)]}{next(number) if len(names) > 10 else ''}")

    for node in model.graph.node:
        node.input[:], node.output[:] = [other(name) for name in node.input], [other(name) for name in node.output]
        node.name = other(node.name)
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.name = other(value.name)
    feed = {names[name]: array for name, array in made.feed.items()}
    return replace(made, model=model, feed=feed)


def _slopes_by_channel(made: Made) -> Made:
    """What MXNet's slopes mean: ONNX Runtime would take a vector as one number a column."""
    twin = _copy(made.model)
    slopes = {node.input[1] for node in twin.graph.node if node.op_type == "PRelu"}
    for tensor in twin.graph.initializer:
        if tensor.name in slopes:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).reshape(-1, 1, 1), tensor.name))
    return replace(_weights_as_inputs(made), twin=twin)


def _nothing_removable(made: Made) -> Made:
    """A map inside of a block that is an output as well keeps the block's shortcut."""
    return replace(made, shortcuts=0)


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied


HABITS = {
    "plain": Habit(Writer),
    "auto_pad": Habit(exporters.AutoPad, _UNDILATED),
    "auto_pad, lower": Habit(exporters.AutoPadLower, _CONVOLUTIONAL, opset=11),
    "uneven pads": Habit(exporters.UnevenPadding, _CONVOLUTIONAL),
    "Pad nodes": Habit(exporters.ExplicitPad, _CONVOLUTIONAL),
    "Pad nodes, opset 9": Habit(exporters.ExplicitPadAttribute, _CONVOLUTIONAL),
    "Pad without value": Habit(exporters.PadWithoutValue, _CONVOLUTIONAL),
    "paddle": Habit(exporters.Paddle, _IMAGES, _minus_one),
    "paddle, sizes computed": Habit(exporters.PaddleSizes, ("face", "segmenter", "detector", "reader"), _minus_one),
    "keras": Habit(exporters.Keras, change=_batch_open),
    "keras, auto_pad": Habit(exporters.KerasAutoPad, _UNDILATED),
    "tflite": Habit(exporters.TensorFlowLite, _UNDILATED),
    "mxnet": Habit(exporters.MXNet, ("face", "super_resolution", "residual", "detector"), _slopes_by_channel),
    "caffe": Habit(exporters.Caffe, _IMAGES),
    "torch, old": Habit(exporters.LegacyTorch, change=_batch_open),
    "bytes": Habit(exporters.Bytes, _CONVOLUTIONAL),
    "If on sizes": Habit(exporters.Conditions, ("residual", "mobile", "gated", "speech"), _all_open),
    "functions": Habit(exporters.Functions, ("residual", "gated", "unet", "shuffling")),
    "many outputs": Habit(exporters.ManyOutputs, _IMAGES, _nothing_removable),
    "weights computed": Habit(exporters.WeightsComputed, _IMAGES),
    "untidy": Habit(exporters.Untidy, _IMAGES),
    "weights as inputs": Habit(Writer, change=_weights_as_inputs, opset=9),
    "external data": Habit(Writer, ("residual", "transformer", "unet"), _external),
    "batch open": Habit(Writer, change=_batch_open, opset=13),
    "all sizes open": Habit(Writer, change=_all_open, opset=16),
    "sizes without names": Habit(Writer, _CONVOLUTIONAL, _nameless, 12),
    "frozen at ten rows": Habit(Writer, _CONVOLUTIONAL, _ten_rows, 13),
    "outputs without sizes": Habit(Writer, _CONVOLUTIONAL, _no_sizes_behind),
    "repeated weights": Habit(Writer, _CONVOLUTIONAL, _repeated_weights),
    "odd names": Habit(Writer, ("residual", "gated", "detector", "transformer"), _odd_names),
    "float16": Habit(Writer, _IMAGES, _half, 17),
    "float16 inside": Habit(Writer, _CONVOLUTIONAL, _half_inside, 13),
    "QDQ": Habit(Writer, _IMAGES, _qdq, 17),
    "QDQ by channel": Habit(Writer, _IMAGES, _qdq_per_channel, 13),
    "QOperator": Habit(Writer, _CONVOLUTIONAL, _qoperator, 17),
    "quantised as it runs": Habit(Writer, _CONVOLUTIONAL, _dynamic, 17),
    **{f"opset {opset}": Habit(Writer, opset=opset) for opset in (9, 10, 11, 12, 14, 15, 20, 21)},
}
"""By name."""

_FEWER = 3


def files() -> Iterator[File]:
    """Every habit on its networks; an opset on every third."""
    for name, habit in HABITS.items():
        few = habit.networks if not name.startswith("opset") else habit.networks[int(name[6:]) % _FEWER :: _FEWER]
        for network in few:
            yield File(f"{name}/{network}", name, partial(_written, habit, network))


def _written(habit: Habit, network: str) -> Made:
    writer = habit.writer(opset=habit.opset)
    found = NETWORKS[network]
    found.write(writer)
    model = writer.model()
    made = Made(model, numbers_for(model), tolerance=TOLERANCE, shortcuts=found.shortcuts)
    return habit.change(made) if habit.change else made
