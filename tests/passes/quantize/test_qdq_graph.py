import numpy as np
import onnx
from onnx.numpy_helper import to_array

from rdpass.passes.quantize.prepare import prepare
from rdpass.passes.quantize.qdq_graph import QdqGraph, integer_bias
from tests.passes.quantize.nets import plain_student, quantised


def test_what_lies_behind_a_value_is_found():
    model = quantised(prepare(plain_student(1)))
    graph = QdqGraph(model.graph)
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    weights = graph.integers(conv.input[1])
    assert (weights.values.dtype, weights.values.shape, weights.scale.shape) == (np.int8, (8, 3, 3, 3), (8,))
    assert graph.integers(conv.input[0]) is None
    assert graph.integers("x0") is None
    scale = graph.activation_scale(conv.input[0])
    assert (scale.shape, scale > 0) == ((), np.True_)
    assert graph.activation_scale(conv.input[1]) is None
    assert graph.activation_scale(conv.output[0]) is None


def test_unused_nodes_and_constants_go_and_the_rest_stays():
    model = quantised(prepare(plain_student(1)))
    before = len(model.graph.node), len(model.graph.initializer)
    graph = QdqGraph(model.graph)
    graph.drop_unused()
    kept = len(model.graph.initializer)
    assert len(model.graph.node) == before[0]
    new = graph.dequantised("mine", np.ones((2, 3), np.int16), np.ones(2, np.float32), np.zeros(2, np.int16))
    model.graph.node.append(new)
    assert graph.integers("mine") is None  # not among the nodes when it was read
    assert QdqGraph(model.graph).integers("mine").values.dtype == np.int16
    assert len(model.graph.initializer) == kept + 3
    graph.drop_unused()
    assert (len(model.graph.node), len(model.graph.initializer)) == (before[0], kept)
    onnx.checker.check_model(model)
    assert to_array(model.graph.initializer[0]) is not None


def test_a_bias_is_rounded_and_saturates():
    assert integer_bias(np.array([0.25, -0.26, 1e12]), np.array([0.1, 0.1, 0.1])).tolist() == [2, -3, 2**31 - 1]
