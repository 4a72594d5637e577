"""Constants of bytes stay bytes until kernels are found, and become floats where no kernel takes them."""

from rdpass.passes.lowering.dataflow import operator_of, variables_of
from rdpass.passes.lowering.match.quantized import DEQUANTIZE, is_marked
from tests.onnx.qdq import QdqNet
from tests.passes.lowering.quantised import flow_of


def test_weights_that_a_kernel_takes_are_kept_and_others_are_numbers():
    net = QdqNet((1, 4, 5, 5))
    x = net.quantised("x0")
    flow = flow_of(net, net.layer(x, "Conv", (6, 4, 1, 1), 0), net.node("Mul", x, net.weights_of((4, 1, 1), None)[0]))
    marked = [variable for variable, value in flow.bindings if is_marked(value)]
    assert len(marked) == 2  # weights and bias of the convolution


def test_every_reader_has_a_dequantised_map_of_its_own():
    net = QdqNet((1, 4, 5, 5))
    x = net.quantised("x0")
    flow = flow_of(net, net.add(x, net.quantised(net.layer(x, "Conv", (4, 4, 1, 1), 0))), net.relu(x), x)
    read = [variable for variable, value in flow.bindings if operator_of(value) == DEQUANTIZE]
    users = [sum(v in variables_of(value) for _, value in flow.bindings) + (v in flow.results) for v in read]
    assert users == [1] * len(read)
    assert len(read) == 5


def test_a_network_of_floats_is_left_alone():
    net = QdqNet((1, 4, 5, 5))
    flow = flow_of(net, net.relu(net.conv("x0", 4, 6)))
    assert not any(is_marked(value) for _, value in flow.bindings)
