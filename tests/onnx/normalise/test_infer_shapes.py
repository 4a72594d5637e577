"""Shapes behind what ONNX's own inference stops at."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from rdpass.onnx.normalise.infer_shapes import infer_shapes
from tests.onnx.normalise.models import numbers, parsed


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    before = model.SerializeToString()
    graph = infer_shapes(model, strict=True).graph
    assert model.SerializeToString() == before
    return {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.output)}


@pytest.mark.parametrize(
    ("node", "opset"),
    [("GroupNormalization<num_groups=2>(x, s, s)", 21), ("MeanVarianceNormalization(x)", 13), ("PRelu(x, t)", 18)],
)
def test_the_layer_behind_a_norm_or_slopes_that_do_not_fit_has_its_shape(node: str, opset: int) -> None:
    body = f"a = {node} y = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(a)"
    weights = {"s": numbers(4), "t": numbers(4)}
    model = parsed(body, "float[1, 4, 8, 6] x", "float[] y", opset, weights)
    assert _shapes(model) == {"a": [1, 4, 8, 6], "y": [1, 4, 4, 3]}
    assert next(n.op_type for n in infer_shapes(model).graph.node) == node.split("<")[0].split("(")[0]


def test_extents_below_one_are_open() -> None:
    model = parsed("a = Relu(x) y = Flatten(a)")
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = -1
    assert _shapes(model)["y"] == [1, 192]
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = -1
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = -1
    assert _shapes(model)["a"] == [1, 3, 0, 8]


def test_what_contradicts_itself_is_no_less_refused() -> None:
    model = parsed("y = Flatten(x)")
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7
    with pytest.raises(onnx.shape_inference.InferenceError, match="differ"):
        infer_shapes(model, strict=True)


def test_what_follows_a_foreign_operator_is_unknown_and_no_contradiction() -> None:
    text = """<ir_version: 8, opset_import: ["" : 18, "other" : 1]> net (float[1, 4] x) => (float[] y)
        { a = other.Twist(x) y = Relu(a) }"""
    assert _shapes(onnx.parser.parse_model(text))["y"] == []


def test_large_weights_are_kept_and_give_their_shapes() -> None:
    weights = {"w": numbers(64, 3, 3, 3), "s": np.array([1, -1], np.int64)}
    model = parsed("a = Conv(x, w) y = Reshape(a, s)", "float[1, 3, 8, 6] x", "float[] y", 18, weights)
    assert _shapes(model) == {"a": [1, 64, 6, 4], "y": [1, 1536]}
    found = infer_shapes(model)
    assert len(found.graph.initializer[0].raw_data) > 4096
    assert list(found.graph.initializer) == list(model.graph.initializer)
    assert list(found.graph.input) == list(model.graph.input)


def test_a_large_weight_that_does_not_fit_is_refused() -> None:
    model = parsed("y = MatMul(x, w)", "float[1, 5] x", "float[] y", 18, {"w": numbers(64, 64)})
    with pytest.raises(onnx.shape_inference.InferenceError):
        infer_shapes(model, strict=True)
