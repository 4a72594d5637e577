"""The shapes of all values, behind operators too at which ONNX's own inference stops.

For inference alone

1. a GroupNormalization or MeanVarianceNormalization, of which it knows nothing, is what gives its input's shape, and so
   is a PRelu, whose slopes may not fit before they are repaired;
2. extents that a file claims to be negative, and an input's of 0, are open;
3. large weights are their types: ONNX's library would write, read and copy their numbers several times;
4. a pool that rounds up has no window that would start in the padding behind its map (``whole_windows``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
from onnx import shape_inference
from onnx.helper import make_tensor_value_info

from rdpass.onnx.normalise.whole_windows import OPERATORS as POOLS
from rdpass.onnx.normalise.whole_windows import ends_of

_LARGE = 4096
"""Bytes of a tensor from which on no shape is made of its numbers."""
_OF_ITS_INPUT = ("GroupNormalization", "MeanVarianceNormalization", "PRelu")
_UNKNOWN = "expected to have type but instead is null"


def infer_shapes(model: onnx.ModelProto, strict: bool = False) -> onnx.ModelProto:
    """A copy of ``model`` with the types and shapes that follow from its inputs'.

    Args:
        model: left as it was.
        strict: stop at what contradicts itself. What follows an operator of another domain is unknown, and no
            contradiction.

    Raises:
        onnx.shape_inference.InferenceError: ``strict``, and there is a contradiction.
    """
    return _put_back(_inferred(model, strict), model)


def inferred_graph(model: onnx.ModelProto, strict: bool = False) -> onnx.GraphProto:
    """What ``infer_shapes`` finds of values alone: nodes and large weights are what stood in for them."""
    return _inferred(model, strict).graph


def _inferred(model: onnx.ModelProto, strict: bool) -> onnx.ModelProto:
    standing = _standing_in(model)
    if any(_rounds_up(node) for node in standing.graph.node):
        standing = _with_whole_windows(standing)
    try:
        return shape_inference.infer_shapes(standing, strict_mode=strict, data_prop=True)
    except shape_inference.InferenceError as error:
        if not all(_UNKNOWN in found for found in _findings(str(error))):
            raise
        return shape_inference.infer_shapes(standing, data_prop=True)


def _put_back(inferred: onnx.ModelProto, model: onnx.ModelProto) -> onnx.ModelProto:
    """``inferred`` with what only stood in for the inputs, weights and nodes of ``model``."""
    graph, own = inferred.graph, {value.name for value in model.graph.value_info}
    weights = {tensor.name for tensor in model.graph.initializer} - own
    values = [value for value in graph.value_info if value.name not in weights]
    for field, kept in (("value_info", values), ("input", model.graph.input), ("initializer", model.graph.initializer)):
        graph.ClearField(field)
        getattr(graph, field).extend(kept)
    for node, meant in zip(graph.node, model.graph.node, strict=True):
        if _is_own(meant) or _rounds_up(meant):
            node.CopyFrom(meant)
    return inferred


def _findings(text: str) -> Iterator[str]:
    """What strict inference lists, one a line."""
    return (line for line in text.splitlines() if "(op_type:" in line)


def _standing_in(model: onnx.ModelProto) -> onnx.ModelProto:
    standing = _without_large_weights(model)
    for node in standing.graph.node:
        if _is_own(node):
            node.op_type = "Identity"
            del node.input[1:]
            del node.attribute[:]
    for extent in list(_open_extents(standing.graph)):
        extent.Clear()
    return standing


def _without_large_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that knows of each large weight its type and shape alone."""
    bare: onnx.ModelProto = _copied(model, "graph")
    bare.graph.CopyFrom(_copied(model.graph, "initializer"))
    known = {value.name for value in (*model.graph.input, *model.graph.value_info)}
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) < _LARGE:
            bare.graph.initializer.append(tensor)
        elif tensor.name not in known:
            bare.graph.value_info.append(make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    return bare


def _copied(message: Any, but: str) -> Any:
    """A copy of a message without the field ``but``."""
    copy = type(message)()
    for field, value in message.ListFields():
        if field.name == but:
            continue
        if isinstance(value, int | str | bytes):
            setattr(copy, field.name, value)
        else:
            getattr(copy, field.name).MergeFrom(value)
    return copy


def _rounds_up(node: onnx.NodeProto) -> bool:
    return node.op_type in POOLS and any(each.name == "ceil_mode" and each.i for each in node.attribute)


def _with_whole_windows(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy without windows too many, and without the shapes that follow; ``model`` itself where there are none."""
    counted, changed = _without_shapes(model), False
    while _drop_windows(inferred := shape_inference.infer_shapes(counted, data_prop=True)):
        counted, changed = _without_shapes(inferred), True
    if not changed:
        return model
    known = {value.name for value in (*inferred.graph.value_info, *inferred.graph.output) if _extents(value)}
    result = onnx.ModelProto()
    result.CopyFrom(counted)
    there = known | {value.name for value in counted.graph.value_info}
    result.graph.value_info.extend(value for value in model.graph.value_info if value.name not in there)
    return result


def _drop_windows(inferred: onnx.ModelProto) -> bool:
    """In place: pools with windows too many round down, padded to as many as they have; False where there are none."""
    graph, found = inferred.graph, False
    shapes = {value.name: _extents(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    for node in filter(_rounds_up, graph.node):
        sizes = shapes.get(node.input[0], [])[2:]
        ends = _ends(node, sizes) if sizes and all(sizes) else None
        if ends is not None:
            kept = [each for each in node.attribute if each.name not in ("ceil_mode", "pads")]
            begins = _integers(node, "pads", [0] * (2 * len(sizes)))[: len(sizes)]
            del node.attribute[:]
            node.attribute.extend([*kept, onnx.helper.make_attribute("pads", [*begins, *ends])])
            found = True
    return found


def _extents(value: onnx.ValueInfoProto) -> list[int]:
    """Of every axis; 0 for an open one."""
    return [extent.dim_value for extent in value.type.tensor_type.shape.dim]


def _ends(node: onnx.NodeProto, sizes: list[int]) -> list[int] | None:
    ones, none = [1] * len(sizes), [0] * (2 * len(sizes))
    kernel, strides, dilations = (_integers(node, name, ones) for name in ("kernel_shape", "strides", "dilations"))
    return ends_of(sizes, kernel, strides, dilations, _integers(node, "pads", none))


def _integers(node: onnx.NodeProto, name: str, default: list[int]) -> list[int]:
    return next((list(each.ints) for each in node.attribute if each.name == name), default)


def _without_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that claims the shapes of its inputs and weights alone."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    computed = {name for node in model.graph.node for name in node.output}
    del bare.graph.value_info[:]
    bare.graph.value_info.extend(value for value in model.graph.value_info if value.name not in computed)
    for value in bare.graph.output:
        value.type.tensor_type.ClearField("shape")
    return bare


def _is_own(node: onnx.NodeProto) -> bool:
    return node.op_type in _OF_ITS_INPUT and node.domain in ("", "ai.onnx")


def _open_extents(graph: onnx.GraphProto) -> Iterator[onnx.TensorShapeProto.Dimension]:
    for values, least in ((graph.input, 1), (graph.output, 0), (graph.value_info, 0)):
        for value in values:
            for extent in value.type.tensor_type.shape.dim:
                if extent.HasField("dim_value") and extent.dim_value < least:
                    yield extent
