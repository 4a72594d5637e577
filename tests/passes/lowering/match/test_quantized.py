"""What a network of bytes says is read as numbers: scales, zeros, weights, biases."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32, INT8, UINT8
from rdpass.passes.lowering.dataflow import operator_of
from rdpass.passes.lowering.match.quantized import Scaled, dequantized, kept_bias, kept_weights, quantized, shift_to
from tests.onnx.qdq import QdqNet
from tests.passes.lowering.quantised import flow_of


def layer_flow(**given):
    net = QdqNet((1, 4, 5, 5), **given)
    x = net.quantised("x0", 0.25, 3)
    flow = flow_of(net, net.quantised(net.layer(x, "Conv", (6, 4, 1, 1), 0), 0.5, 7))
    conv = next(variable for variable, value in flow.bindings if operator_of(value) == "relax.nn.conv2d")
    return flow, conv


def test_maps_have_scale_and_zero_on_both_ends():
    flow, conv = layer_flow()
    read = dequantized(flow, flow.value(conv).args[0])
    assert (float(read.scale), read.zero, read.byte) == (0.25, 3, UINT8)
    written = [quantized(flow, variable) for variable, _ in flow.bindings]
    assert {(float(q.scale), q.zero) for q in written if q is not None} == {(0.25, 3), (0.5, 7)}


@pytest.mark.parametrize("weights", ["int8", "uint8"])
def test_weights_are_signed_and_have_a_scale_for_each_output(weights):
    flow, conv = layer_flow(weights=weights)
    found = kept_weights(flow, flow.value(conv).args[1])
    assert found.numbers.dtype == np.int8
    assert found.numbers.shape == (6, 4, 1, 1)
    assert found.scales.shape == (6,)
    assert np.abs(found.numbers.astype(int)).max() <= 64


def test_a_bias_is_brought_to_the_scales_of_the_sums():
    from tvm import relax

    flow, _ = layer_flow()
    scales = np.full(6, 0.5, FLOAT32)
    bias, inside = kept_bias(flow, relax.const(np.arange(6, dtype=FLOAT32).reshape(1, 6, 1, 1)), scales)
    assert [*bias] == [0, 2, 4, 6, 8, 10]
    assert inside == ()
    assert kept_bias(flow, relax.const(np.full(6, 1e15, FLOAT32)), scales) is None


def test_bytes_of_the_other_sign_are_shifted():
    assert (shift_to(UINT8, INT8), shift_to(INT8, UINT8), shift_to(INT8, INT8)) == (-128, 128, 0)
    scaled = Scaled(None, np.float32(0.5), 10, UINT8)
    assert (scaled.zero_as(INT8), scaled.zero_as(UINT8)) == (-118, 10)
    assert (scaled.holds(2.0, UINT8), scaled.holds(-9.0, UINT8), scaled.holds(1e9, INT8)) == (14, 0, 127)
