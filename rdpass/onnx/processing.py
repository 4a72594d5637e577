"""An ONNX network with what is done to its input and output inside it.

1. The input becomes bytes of an image (N, H, W, C) or (N, C, H, W): Transpose, Gather where blue is first, Cast to
   float32, Mul, Add.
2. The first output becomes probabilities (Softmax) or an index (ArgMax, int64).
3. Inputs and outputs get other names.

The new network on an image is compared with numpy's own processing round the old one; these are its golden numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rdpass.core.comparison import Array, NumericGate, check_close
from rdpass.core.errors import ConfigError
from rdpass.core.numeric_types import FLOAT32
from rdpass.core.processing import ARGMAX, SOFTMAX, Processing
from rdpass.core.tensor_spec import TensorSpec
from rdpass.onnx.golden import RUNTIME, Golden, find_golden, in_integers, save_with_golden
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import GATES_KEY, PROCESSING_KEY, OnnxSource, read_onnx
from rdpass.onnx.tensor_specs import random_input

TOLERANCE = 1e-5
_PREFIX = "rdpass_processing_"


def processed(source: OnnxSource, processing: Processing, golden: Golden) -> tuple[OnnxSource, Golden]:
    """The network with its processing inside, and golden numbers: an image of random bytes, and what it should give.

    Args:
        source: of one or more inputs; the first is the image.
        processing: what is done before and after.
        golden: the network's own numbers, which stay where nothing is computed before or after.

    Raises:
        ConfigError: the network's input is no float32 image, or its output no scores of classes, as the processing
            takes them, or there are more or fewer labels than classes.
        ParityError: the new network gives something else.
    """
    _check(source, processing)
    model = onnx.ModelProto()
    model.CopyFrom(source.reference)
    if processing.layout is not None:
        _take_bytes(model.graph, source.inputs[0], processing)
    if processing.postprocess is not None:
        _finish(model.graph, source.outputs[0], processing.postprocess)
    new = read_onnx(renamed(model, processing.input_names, processing.output_names))
    record = processing if source.processing is None else _joined(source.processing, processing)
    new = replace(new, path=source.path, digest=source.digest, gates=source.gates, processing=record)
    if processing.layout is None and processing.postprocess is None:
        return new, golden
    inputs = tuple(random_input(spec, index) for index, spec in enumerate(new.inputs))
    plain = inputs if processing.layout is None else (processing.prepared(inputs[0]), *inputs[1:])
    wanted = processing.finished(run_onnx(source.reference, plain))
    gate = check_close("processing", run_onnx(new.reference, inputs), wanted, TOLERANCE)
    typed = tuple(np.asarray(y, spec.dtype) for y, spec in zip(wanted, new.outputs, strict=True))
    numbers = Golden(inputs, typed, RUNTIME)
    return replace(new, gates=(*source.gates, gate)), in_integers(new, numbers) if new.is_quantised else numbers


def _joined(recorded: Processing, added: Processing) -> Processing:
    """What a file has already, with what is said anew."""
    usual = Processing()
    names = (field.name for field in fields(Processing))
    return replace(
        recorded, **{name: value for name in names if (value := getattr(added, name)) != getattr(usual, name)}
    )


def save_processed(path: Path, processing: Processing, out: Path | None = None, force: bool = False) -> None:
    """Put processing into an ONNX file, with golden numbers beside it and a record in its metadata.

    Args:
        path: the file.
        processing: what is done before and after the network.
        out: where the new file goes; None for the place of the old one.
        force: replace what lies at ``out``.

    Raises:
        ConfigError: as ``processed``; or ``out`` is taken or can't be written.
        ParityError: as ``processed``.
    """
    source = read_onnx(path)
    new, golden = processed(source, processing, find_golden(source))
    record = new.processing or processing
    save_with_golden(with_record(new.reference, record, new.gates), golden, out or path, force or out is None)


def with_record(model: onnx.ModelProto, processing: Processing, gates: Sequence[NumericGate]) -> onnx.ModelProto:
    """The model with its processing, and the gates that it has passed, in its metadata."""
    recorded = onnx.ModelProto()
    recorded.CopyFrom(model)
    del recorded.metadata_props[:]
    recorded.metadata_props.add(key=GATES_KEY, value=json.dumps([asdict(gate) for gate in gates]))
    recorded.metadata_props.add(key=PROCESSING_KEY, value=json.dumps(asdict(processing)))
    return recorded


def check_labels(source: OnnxSource, labels: Sequence[str]) -> None:
    """
    Raises:
        ConfigError: the first output has not a score for each label.
    """
    shape = source.outputs[0].shape
    if labels and (len(shape) != 2 or shape[1] != len(labels)):
        raise ConfigError(
            f"{len(labels)} labels, and the output {source.outputs[0].name!r} is {'x'.join(map(str, shape))}: give a"
            " line for each class that the network tells apart"
        )


def renamed(model: onnx.ModelProto, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.ModelProto:
    """A model whose inputs and outputs have other names, in order; as many as are given.

    Raises:
        ConfigError: there are more names than tensors, or a name is used twice.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = changed.graph
    weights = {tensor.name for tensor in graph.initializer}
    own = [value.name for value in graph.input if value.name not in weights]
    new = _pairs("input", own, inputs) | _pairs("output", [value.name for value in graph.output], outputs)
    taken = {name for node in graph.node for name in (*node.input, *node.output)} | weights
    twice = [name for name in new.values() if name in taken - new.keys() or list(new.values()).count(name) > 1]
    if twice:
        raise ConfigError(f"the name {twice[0]!r} is taken in the network; give another")
    for value in (*graph.input, *graph.output, *graph.value_info):
        value.name = new.get(value.name, value.name)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [new.get(name, name) for name in names]
    return changed


def _pairs(kind: str, own: Sequence[str], given: Sequence[str]) -> dict[str, str]:
    if len(given) > len(own):
        raise ConfigError(f"{len(given)} names of {kind}s, and the network has {len(own)}: {', '.join(own)}")
    return dict(zip(own, given, strict=False))


def _check(source: OnnxSource, processing: Processing) -> None:
    image, scores = source.inputs[0], source.outputs[0]
    is_image = image.dtype == FLOAT32 and len(image.shape) == 4 and image.shape[1] in (1, 3)
    if processing.layout is not None and not is_image:
        raise ConfigError(
            f"--preprocess is for an image (N, 1 or 3, H, W) in {FLOAT32}, and the input {image.name!r} is"
            f" {image.dtype} {image.shape}"
        )
    if processing.bgr and image.shape[1] != 3:
        raise ConfigError(f"bgr is for images of three channels, and {image.name!r} has {image.shape[1]}")
    if processing.postprocess is not None and (len(scores.shape) != 2 or np.dtype(scores.dtype).kind != "f"):
        raise ConfigError(
            f"--postprocess {processing.postprocess} is for scores (N, classes), and the output {scores.name!r} is"
            f" {scores.dtype} {scores.shape}"
        )
    check_labels(source, processing.labels)


def _take_bytes(graph: onnx.GraphProto, spec: TensorSpec, processing: Processing) -> None:
    """Put nodes before whatever reads the image; its name goes to the bytes.

    Mean and deviation are not folded into the first convolution. Its padding is the network's zero, which as bytes is
    another value for each channel, seldom a whole number, and no kernel pads with that: behind padding the fold would
    be wrong at the edges. Without padding it would be right but for rounding, and gain nothing: cast, product and sum
    are one kernel, which has to turn the bytes into floats all the same.
    """
    batch, channels, height, width = spec.shape
    inner = f"{_PREFIX}network_input"
    for node in graph.node:
        node.input[:] = [inner if name == spec.name else name for name in node.input]
    factors = [each.reshape(1, channels, 1, 1) for each in processing.factors(channels)]
    nodes, last = [], spec.name
    steps: list[tuple[str, Array | None, dict[str, Any]]] = [
        ("Cast", None, {"to": TensorProto.FLOAT}),
        ("Mul", factors[0], {}),
        ("Add", factors[1], {}),
    ]
    if processing.bgr:
        steps.insert(0, ("Gather", np.array([2, 1, 0], np.int64), {"axis": 1}))
    if processing.layout == "nhwc":
        steps.insert(0, ("Transpose", None, {"perm": [0, 3, 1, 2]}))
    for index, (operator, constant, attributes) in enumerate(steps):
        name = inner if index == len(steps) - 1 else f"{_PREFIX}{index}"
        operands = [last]
        if constant is not None:
            operands.append(f"{name}_constant")
            graph.initializer.append(numpy_helper.from_array(constant, operands[-1]))
        nodes.append(helper.make_node(operator, operands, [name], f"{_PREFIX}{operator}", **attributes))
        last = name
    old = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(old)
    shape = (batch, height, width, channels) if processing.layout == "nhwc" else spec.shape
    value = next(each for each in graph.input if each.name == spec.name)
    value.CopyFrom(helper.make_tensor_value_info(spec.name, TensorProto.UINT8, shape))


def _finish(graph: onnx.GraphProto, spec: TensorSpec, postprocess: str) -> None:
    """Put a node behind the first output, which keeps its name."""
    inner = f"{_PREFIX}scores"
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [inner if name == spec.name else name for name in names]
    value = next(each for each in graph.output if each.name == spec.name)
    if postprocess == SOFTMAX:
        graph.node.append(helper.make_node("Softmax", [inner], [spec.name], f"{_PREFIX}Softmax", axis=1))
    elif postprocess == ARGMAX:
        node = helper.make_node("ArgMax", [inner], [spec.name], f"{_PREFIX}ArgMax", axis=1, keepdims=0)
        graph.node.append(node)
        value.CopyFrom(helper.make_tensor_value_info(spec.name, TensorProto.INT64, spec.shape[:1]))
