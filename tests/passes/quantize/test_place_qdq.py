from collections import Counter

import numpy as np
import onnx
import pytest
from onnx.numpy_helper import to_array

from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.oracle import run_onnx
from rdpass.passes.quantize.fidelity import fidelity
from rdpass.passes.quantize.prepare import prepare
from tests.onnx.nets import Net
from tests.passes.quantize.nets import images, quantised, residual


def producers(model):
    return {name: node for node in model.graph.node for name in node.output}


def readers(model, name):
    return [node.op_type for node in model.graph.node if name in node.input]


def computing(model):
    return [node for node in model.graph.node if node.op_type not in ("QuantizeLinear", "DequantizeLinear")]


@pytest.mark.parametrize("activations", ["u8", "s8"])
def test_all_is_integers_from_the_image_to_the_classes(activations):
    float_model = prepare(residual())
    before = float_model.SerializeToString()
    model = quantised(float_model, activations)
    assert float_model.SerializeToString() == before
    onnx.checker.check_model(model, full_check=True)
    made = producers(model)
    for node in computing(model):
        assert {made[name].op_type for name in node.input if name in made} == {"DequantizeLinear"}, node.name
        assert set(readers(model, node.output[0])) == {"QuantizeLinear"}, node.name
    assert Counter(node.op_type for node in computing(model)) == Counter(
        {"Conv": 4, "Add": 1, "MaxPool": 1, "Concat": 1, "GlobalAveragePool": 1, "Flatten": 1, "Gemm": 1}
    )
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    types = onnx.TensorProto
    steps = {kinds[node.input[2]] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    assert steps == {types.UINT8 if activations == "u8" else types.INT8}


def test_weights_are_int8_with_one_scale_a_filter_and_biases_int32_on_the_scale_of_the_sums():
    model = quantised(prepare(residual()))
    made, constants = producers(model), {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    for node in [node for node in computing(model) if node.op_type == "Conv"]:
        weights, scale, zero = (constants[name] for name in made[node.input[1]].input)
        assert (weights.dtype, scale.shape, zero.any()) == (np.int8, (len(weights),), np.False_)
        assert (np.abs(weights.astype(int)).reshape(len(weights), -1).max(1) == 127).all()
        if len(node.input) > 2:
            bias, product, _ = (constants[name] for name in made[node.input[2]].input)
            assert bias.dtype == np.int32
            np.testing.assert_allclose(product, constants[made[node.input[0]].input[1]] * scale, rtol=1e-6)


def test_the_numbers_are_near_those_of_the_float_network():
    float_model = prepare(residual())
    model = quantised(float_model)
    for feed in images((1, 3, 11, 9), 3, seed=9):
        before, after = run_onnx(float_model, feed), integer_run(model, feed)
        assert fidelity(after, before).sqnr > 30


def test_kept_nodes_read_and_write_floats():
    model = prepare(residual())
    first, last = (next(node.name for node in nodes if node.op_type in ("Conv", "Gemm"))
                   for nodes in (model.graph.node, reversed(model.graph.node)))  # fmt: skip
    kept = quantised(model, keep=[first, last])
    constants = {tensor.name for tensor in kept.graph.initializer}
    for node in [node for node in kept.graph.node if node.name in (first, last)]:
        assert {name for name in node.input[1:] if name} <= constants
    assert readers(kept, "x0") == ["Conv"]
    assert kept.graph.output[0].name == next(node.output[0] for node in kept.graph.node if node.name == last)


def test_one_layer_alone_can_be_quantised():
    model = prepare(residual())
    names = [node.name for node in model.graph.node if node.op_type == "Conv"]
    alone = quantised(model, only=[names[2]])
    weights = [node for node in alone.graph.node if node.op_type == "DequantizeLinear"
               and node.input[0].endswith("_quantized")]  # fmt: skip
    assert len([node for node in weights if readers(alone, node.output[0]) == ["Conv"]]) == 1


def silu_net():
    net = Net((1, 3, 8, 8))
    x = net.conv("x0", 3, 8, 3)
    x = net.node("Mul", x, net.node("Sigmoid", x))
    gate = net.node("Sigmoid", net.conv(net.node("GlobalAveragePool", x), 8, 8))
    return net.model(net.conv(net.node("Mul", x, gate), 8, 4))


def test_a_function_of_one_tensor_stays_one_between_integers_and_a_gate_is_quantised():
    model = quantised(prepare(silu_net()))
    made = producers(model)
    products = [node for node in computing(model) if node.op_type == "Mul"]
    inputs = [sorted(made[name].op_type for name in node.input) for node in products]
    assert inputs == [["DequantizeLinear", "Sigmoid"], ["DequantizeLinear", "DequantizeLinear"]]
    assert {op for node in products for op in readers(model, node.output[0])} == {"QuantizeLinear"}
    first = next(node for node in computing(model) if node.op_type == "Sigmoid")
    assert first.input[0] in products[0].input  # of the same integers


def test_numbers_that_are_tiny_keep_their_range():
    net = Net((1, 3, 8, 8))
    small = net.constant((net.random.standard_normal((4, 3, 1, 1)) * 1e-7).astype(np.float32))
    float_model = prepare(net.model(net.conv(net.node("Conv", "x0", small), 4, 4)))
    model, feed = quantised(float_model), images((1, 3, 8, 8), 1, 8)[0]
    assert fidelity(run_onnx(model, feed), run_onnx(float_model, feed)).sqnr > 30
