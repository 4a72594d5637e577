"""Models in ONNX's text form, and what normalising makes of them, compared with ONNX Runtime's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from rdpass.core.comparison import relative_error
from rdpass.onnx.normalise.pin_sizes import inputs_of
from rdpass.onnx.normalise.pipeline import Normalised, normalise
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.tensor_specs import random_input, spec_of


def parsed(body: str, inputs: str = "float[1, 3, 8, 8] x", outputs: str = "float[] y", opset: int = 18,
           weights: dict[str, Any] | None = None) -> onnx.ModelProto:  # fmt: skip
    """A model whose outputs' shapes are left to inference; float numbers in ``weights`` become float32."""
    text = f'<ir_version: 8, opset_import: ["" : {opset}]> net ({inputs}) => ({outputs}) {{ {body} }}'
    model = onnx.parser.parse_model(text)
    for name, array in (weights or {}).items():
        array = np.asarray(array)
        array = array.astype(np.float32) if array.dtype == np.float64 else array
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    given = {value.name: onnx.ValueInfoProto.FromString(value.SerializeToString()) for value in model.graph.output}
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    inferred = onnx.shape_inference.infer_shapes(model)
    for value, found in zip(model.graph.output, inferred.graph.output, strict=True):
        value.CopyFrom(found if found.type.tensor_type.HasField("shape") else given[value.name])
    return model


def numbers(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def normalised(model: onnx.ModelProto, **options: Any) -> Normalised:
    """The normal form; its numbers are ONNX Runtime's of the file, and the model given is as it was."""
    before = model.SerializeToString()
    result = normalise(model, **options)
    assert model.SerializeToString() == before
    onnx.checker.check_model(result.model)
    given = [random_input(spec_of(value, ""), i + 5) for i, value in enumerate(inputs_of(result.reference.graph))]
    expected = run_onnx(result.reference, given)
    for got, wanted in zip(run_onnx(result.model, given), expected, strict=True):
        assert got.shape == wanted.shape
        assert relative_error(got, wanted) <= 1e-6
    return result


def operators(result: Normalised) -> list[str]:
    return [node.op_type for node in result.model.graph.node]


def attributes(result: Normalised, operator: str) -> dict[str, Any]:
    """Those of the one node of ``operator``."""
    (node,) = (node for node in result.model.graph.node if node.op_type == operator)
    return {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
