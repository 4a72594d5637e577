"""Steps on whole models that ONNX's own tools take."""

from __future__ import annotations

import logging

import numpy as np
import onnx
from onnx import inliner, numpy_helper, version_converter

from rdpass.onnx.normalise.infer_shapes import inferred_graph

log = logging.getLogger(__name__)

OPSET = 18
"""Earlier files are brought to this opset; what later ones add, the readers know."""

_LATE_IR = 8
_FIRST_COORDINATES = 11
"""The opset from which on a Resize says how it finds places."""


def inferred_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The known static shapes, by value."""
    graph = inferred_graph(model)
    shapes = {}
    for value in (*model.graph.input, *graph.value_info, *graph.output):
        extents = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(e.HasField("dim_value") for e in extents):
            shapes[value.name] = tuple(extent.dim_value for extent in extents)
    return shapes


def drop_weight_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` with its initialisers no inputs too, as IR version 3 had them; itself where none is."""
    weights = {tensor.name for tensor in model.graph.initializer}
    if not any(value.name in weights for value in model.graph.input):
        return model
    dropped = onnx.ModelProto()
    dropped.CopyFrom(model)
    kept = [value for value in model.graph.input if value.name not in weights]
    del dropped.graph.input[:]
    dropped.graph.input.extend(kept)
    dropped.ir_version = max(dropped.ir_version, _LATE_IR)
    return dropped


def inline_functions(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` with the bodies of its own functions where they are called."""
    return inliner.inline_local_functions(model, convert_version=True) if model.functions else model


def fill_sparse(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` with its sparse weights, in Constant nodes or as initialisers, as tensors; itself where none is."""
    constants = [node for node in model.graph.node if node.op_type == "Constant" and _sparse_value(node) is not None]
    if not constants and not model.graph.sparse_initializer:
        return model
    filled = onnx.ModelProto()
    filled.CopyFrom(model)
    for node in filled.graph.node:
        sparse = _sparse_value(node) if node.op_type == "Constant" else None
        if sparse is not None:
            node.attribute[0].CopyFrom(onnx.helper.make_attribute("value", _dense(sparse)))
    filled.graph.initializer.extend(_dense(sparse) for sparse in filled.graph.sparse_initializer)
    del filled.graph.sparse_initializer[:]
    return filled


def _sparse_value(node: onnx.NodeProto) -> onnx.SparseTensorProto | None:
    return next((a.sparse_tensor for a in node.attribute if a.name == "sparse_value"), None)


def _dense(sparse: onnx.SparseTensorProto) -> onnx.TensorProto:
    """Places are numbers in the flat tensor, or one row of axes each."""
    values, places = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    array = np.zeros(tuple(sparse.dims), values.dtype)
    if places.ndim == 1:
        array.reshape(-1)[places] = values
    else:
        array[tuple(places.T)] = values
    return numpy_helper.from_array(array, sparse.values.name)


def raise_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` in ``OPSET`` if it is in an earlier one and ONNX's converter has a form for all of it; else itself."""
    version = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OPSET)
    if version >= OPSET:
        return model
    try:
        converted: onnx.ModelProto = version_converter.convert_version(_convertible(model), OPSET)
        if version < _FIRST_COORDINATES:
            _name_coordinates(converted)
        onnx.checker.check_model(converted)
    except Exception as error:  # the converter raises whatever its adapters do
        log.debug("the model stays in opset %d: %s", version, error)
        return model
    return converted


def _name_coordinates(model: onnx.ModelProto) -> None:
    """Early Upsample and Resize as they computed; the converter leaves later defaults in their place."""
    for node in model.graph.node:
        if node.op_type == "Resize":
            kept = [a for a in node.attribute if a.name not in ("coordinate_transformation_mode", "nearest_mode")]
            del node.attribute[:]
            node.attribute.extend(kept)
            node.attribute.append(onnx.helper.make_attribute("coordinate_transformation_mode", "asymmetric"))
            node.attribute.append(onnx.helper.make_attribute("nearest_mode", "floor"))


def _convertible(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without what the converter stops at for nothing: ``spatial`` of a batch norm, and ``consumed_inputs``."""
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    for node in plain.graph.node:
        kept = [a for a in node.attribute if a.name not in ("spatial", "consumed_inputs")]
        if node.op_type == "BatchNormalization" and len(kept) < len(node.attribute):
            del node.attribute[:]
            node.attribute.extend(kept)
    return plain
