"""Early opsets, functions, and initialisers that are inputs."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from rdpass.onnx.normalise.protos import (
    OPSET,
    drop_weight_inputs,
    fill_sparse,
    inferred_shapes,
    inline_functions,
    raise_opset,
)
from tests.onnx.normalise.models import normalised, numbers, operators, parsed


def test_initialisers_are_no_inputs() -> None:
    model = parsed("y = Conv(x, w)", "float[1, 3, 8, 8] x, float[4, 3, 3, 3] w", weights={"w": numbers(4, 3, 3, 3)})
    model.ir_version = 3
    assert [value.name for value in drop_weight_inputs(model).graph.input] == ["x"]
    assert operators(normalised(model)) == ["Conv"]


@pytest.mark.parametrize("opset", [9, 11, 13, 16, 17])
def test_early_opsets_are_raised(opset: int) -> None:
    model = parsed("a = Softmax<axis=1>(x) y = Flatten(a)", opset=opset)
    assert raise_opset(model).opset_import[0].version == OPSET
    normalised(model)


def test_batch_norm_over_space_of_early_files() -> None:
    weights = {name: abs(numbers(3, seed=i)) for i, name in enumerate("abcd")}
    body = "f = ReduceMean<axes=[2, 3], keepdims=0>(x) y = BatchNormalization<spatial=0>(f, a, b, c, d)"
    model = parsed(body, opset=8, weights=weights)
    assert raise_opset(model).opset_import[0].version == OPSET


def test_what_the_converter_has_no_form_for_stays_as_it_was() -> None:
    model = parsed("y = Relu(x)", opset=21)
    assert raise_opset(model) is model


def test_functions_of_the_file_are_inlined() -> None:
    text = """<ir_version: 9, opset_import: ["" : 18, "local" : 1]> net (float[3] x) => (float[3] y) { y = local.f(x) }
        <domain: "local", opset_import: ["" : 18]> f (a) => (b) { c = Relu(a) b = Neg(c) }"""
    model = onnx.parser.parse_model(text)
    assert [node.op_type for node in inline_functions(model).graph.node] == ["Relu", "Neg"]
    assert operators(normalised(model)) == ["Relu", "Neg"]


def test_shapes_are_inferred() -> None:
    assert inferred_shapes(parsed("a = Relu(x) y = Flatten(a)"))["y"] == (1, 192)


@pytest.mark.parametrize("places", [[1, 11], [[0, 1], [2, 3]]])
@pytest.mark.parametrize("as_initialiser", [False, True])
def test_sparse_weights_are_filled_with_zeros(places: list[int], as_initialiser: bool) -> None:
    values = numpy_helper.from_array(np.float32([0.5, -2]), "w")
    sparse = onnx.helper.make_sparse_tensor(values, numpy_helper.from_array(np.int64(places)), [3, 4])
    model = parsed("y = MatMul(x, w)", "float[2, 3] x", weights={"w": numbers(3, 4)})
    del model.graph.initializer[:]
    if as_initialiser:
        model.graph.sparse_initializer.append(sparse)
    else:
        model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["w"], sparse_value=sparse))
    filled = fill_sparse(model)
    assert not filled.graph.sparse_initializer
    dense = filled.graph.initializer[0] if as_initialiser else filled.graph.node[0].attribute[0].t
    assert numpy_helper.to_array(dense).tolist() == [[0, 0.5, 0, 0], [0] * 4, [0, 0, 0, -2]]
    assert fill_sparse(filled) is filled
    assert operators(normalised(model)) == ["MatMul"]
