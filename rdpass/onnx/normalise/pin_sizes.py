"""Sizes of the inputs, pinned: those given, and where a file leaves sizes open (symbolic, -1, 0, none at all) others.

1. An input has the size given for it, whatever the file says: a file frozen at a batch of 10 takes one of 1, too.
2. An open batch is 1.
3. Other open sizes are taken only where ``guess`` says so: an image has 224 rows and columns, and as many channels as
   the first convolution reads.

What the file claims of sizes behind the inputs is dropped: shape inference finds them anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx
from onnx import numpy_helper

from rdpass.core.errors import ConfigError, first_line
from rdpass.core.input_size import InputSize
from rdpass.onnx.normalise.infer_shapes import inferred_graph

IMAGE = 224
Extents = tuple[int | None, ...]


def pin_sizes(
    model: onnx.ModelProto, sizes: Sequence[InputSize], label: str, guess: bool = False
) -> tuple[onnx.ModelProto, tuple[str, ...]]:
    """A copy of ``model`` whose inputs have sizes, and a sentence on each that neither file nor ``sizes`` gave.

    Args:
        model: of any sizes.
        sizes: by name, or by their order.
        label: what to call the model in messages.
        guess: take a usual size for what is left open beside the batch.

    Raises:
        ConfigError: a size is for no input, does not fit its input, or is missing.
    """
    pinned = onnx.ModelProto()
    pinned.CopyFrom(model)
    notes = []
    given = _by_name(inputs_of(pinned.graph), sizes, label)
    changed = False
    for value in inputs_of(pinned.graph):
        extents = _extents(value)
        size = given.get(value.name)
        if size is not None:
            _check(value, extents, size, label)
            shape = size.shape
        else:
            shape = _completed(pinned.graph, value, extents, label, guess)
            if shape != extents:
                notes.append(f"{label}: {value.name!r} is taken as {_text(shape)}; set it with --input")
        if shape != extents:
            changed = True
            _set(value, shape)
            if extents and extents[0] and extents[0] > 1 and extents[0] != shape[0]:
                _rebatch(pinned.graph, extents[0], shape[0])
    if changed:
        _infer_sizes(pinned, label)
    return pinned, tuple(notes)


def inputs_of(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs that are no initialisers."""
    weights = {tensor.name for tensor in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    return [value for value in graph.input if value.name not in weights]


def _by_name(inputs: Sequence[onnx.ValueInfoProto], sizes: Sequence[InputSize], label: str) -> dict[str, InputSize]:
    names = [value.name for value in inputs]
    listed = ", ".join(f"{value.name}={_text(_extents(value))}" for value in inputs)
    unnamed = [size for size in sizes if size.name is None]
    named = {size.name: size for size in sizes if size.name is not None}
    free = [name for name in names if name not in named]
    if named.keys() - set(names) or len(unnamed) > len(free):
        raise ConfigError(f"--input {','.join(map(str, sizes))}: {label} has the inputs {listed}")
    return named | {name: replace(size, name=name) for name, size in zip(free, unnamed, strict=False)}


def _extents(value: onnx.ValueInfoProto) -> Extents | None:
    """None for what is open; None for all where not even their number is known."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return tuple(d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in kind.shape.dim)


def _text(extents: Extents | None) -> str:
    return "(open)" if extents is None else "x".join("?" if extent is None else str(extent) for extent in extents)


def _check(value: onnx.ValueInfoProto, extents: Extents | None, size: InputSize, label: str) -> None:
    own = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type).name
    if size.dtype not in (None, own):
        raise ConfigError(f"--input {size}:{size.dtype}: {label} takes {value.name!r} as {own}")
    if extents is not None and len(extents) != len(size.shape):
        raise ConfigError(f"--input {size}: {label} takes {value.name!r} as {_text(extents)}")


def _completed(
    graph: onnx.GraphProto, value: onnx.ValueInfoProto, extents: Extents | None, label: str, guess: bool
) -> tuple[int, ...]:
    known = [extent for extent in extents or () if extent is not None]
    if extents is not None and len(known) == len(extents):
        return tuple(known)
    if extents is not None and len(known) == len(extents) - 1 and extents[0] is None:
        return (1, *known)
    usual = _usual(graph, value.name, extents)
    if usual is not None and guess:
        return usual
    example = _text(usual) if usual is not None else "1x3x224x224"
    raise ConfigError(
        f"{label}: {value.name!r} has no static shape, but {_text(extents)}: give its size with"
        f" --input {value.name}={example}"
    )


def _usual(graph: onnx.GraphProto, name: str, extents: Extents | None) -> tuple[int, ...] | None:
    """An image's size; None for what is no image."""
    channels = _channels(graph, name)
    if extents is None and channels is not None:
        return (1, channels, IMAGE, IMAGE)
    if extents is None or len(extents) != 4:
        return None
    axis = 3 if extents[1] is None and extents[3] in (1, 3, 4) else 1
    count = extents[axis] or channels
    if count is None:
        return None
    usual = [1, IMAGE, IMAGE, IMAGE]
    usual[axis] = count
    return tuple(extent or usual[i] for i, extent in enumerate(extents))


def _channels(graph: onnx.GraphProto, name: str) -> int | None:
    """The channels that a convolution reads of the value."""
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv" and node.input[0] == name and len(shapes.get(node.input[1], ())) == 4:
            groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
            return int(shapes[node.input[1]][1]) * groups
    return None


def _set(value: onnx.ValueInfoProto, shape: Sequence[int]) -> None:
    del value.type.tensor_type.shape.dim[:]
    for extent in shape:
        value.type.tensor_type.shape.dim.add(dim_value=extent)


def _rebatch(graph: onnx.GraphProto, before: int, after: int) -> None:
    """Reshapes to a constant target that begins with the batch the file was frozen at begin with the new one."""
    constants = {t.name: t for t in graph.initializer} | {
        node.output[0]: node.attribute[0].t for node in graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }  # fmt: skip
    for index, node in enumerate(graph.node):
        if node.op_type == "Reshape" and node.input[1] in constants:
            target = numpy_helper.to_array(constants[node.input[1]])
            if target.ndim == 1 and target.size > 1 and target[0] == before:
                name = f"{node.input[1]}_batch_{index}"
                graph.initializer.append(numpy_helper.from_array(np.array([after, *target[1:]], np.int64), name))
                node.input[1] = name


def _infer_sizes(model: onnx.ModelProto, label: str) -> None:
    """The outputs' sizes anew, those in between left to whoever asks."""
    graph = model.graph
    del graph.value_info[:]
    for value in graph.output:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")
    try:
        inferred = inferred_graph(model, strict=True)
    except onnx.shape_inference.InferenceError as error:
        raise ConfigError(misfit(graph, label, first_line(error))) from error
    for value, found in zip(graph.output, inferred.output, strict=True):
        value.CopyFrom(found)


def misfit(graph: onnx.GraphProto, label: str, reason: str) -> str:
    """What to say where a network can't have the sizes that its inputs have now."""
    sizes = ", ".join(f"{value.name}={_text(_extents(value))}" for value in inputs_of(graph))
    return f"{label} does not take inputs of the size {sizes} ({reason}); give another with --input"
