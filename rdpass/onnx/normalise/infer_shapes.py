"""The shapes of all values, behind operators too at which ONNX's own inference stops.

For inference alone

1. a GroupNormalization or MeanVarianceNormalization, of which it knows nothing, is what gives its input's shape, and so
   is a PRelu, whose slopes may not fit before they are repaired;
2. extents that a file claims to be negative, and an input's of 0, are open.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import shape_inference

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
    standing = _standing_in(model)
    try:
        inferred = shape_inference.infer_shapes(standing, strict_mode=strict, data_prop=True)
    except shape_inference.InferenceError as error:
        if not all(_UNKNOWN in found for found in _findings(str(error))):
            raise
        inferred = shape_inference.infer_shapes(standing, data_prop=True)
    if standing is model:
        return inferred
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.value_info[:]
    result.graph.value_info.extend(inferred.graph.value_info)
    for value, found in zip(result.graph.output, inferred.graph.output, strict=True):
        value.CopyFrom(found)
    return result


def _findings(text: str) -> Iterator[str]:
    """What strict inference lists, one a line."""
    return (line for line in text.splitlines() if "(op_type:" in line)


def _standing_in(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` itself where inference takes it as it is."""
    graph = model.graph
    if not any(_is_own(node) for node in graph.node) and not any(_open_extents(graph)):
        return model
    standing = onnx.ModelProto()
    standing.CopyFrom(model)
    for node in standing.graph.node:
        if _is_own(node):
            node.op_type = "Identity"
            del node.input[1:]
            del node.attribute[:]
    for extent in list(_open_extents(standing.graph)):
        extent.Clear()
    return standing


def _is_own(node: onnx.NodeProto) -> bool:
    return node.op_type in _OF_ITS_INPUT and node.domain in ("", "ai.onnx")


def _open_extents(graph: onnx.GraphProto) -> Iterator[onnx.TensorShapeProto.Dimension]:
    for values, least in ((graph.input, 1), (graph.output, 0), (graph.value_info, 0)):
        for value in values:
            for extent in value.type.tensor_type.shape.dim:
                if extent.HasField("dim_value") and extent.dim_value < least:
                    yield extent
