"""Integers stay integers behind what bounds or moves them."""

import numpy as np
import pytest

from tests.onnx.normalise.models import normalised, numbers, operators, parsed

SCALE = {"s": np.float32(0.04), "z": np.uint8(110), "w": numbers(4, 3, 1, 1), "v": numbers(2, 4, 1, 1)}
QDQ = "q = QuantizeLinear({0}, s, z) d = DequantizeLinear(q, s, z)"


def kinds(body, outputs="float[] y", **weights):
    return operators(normalised(parsed(body, outputs=outputs, weights={**SCALE, **weights})))


def test_a_relu_goes_before_its_quantisation():
    body = f"c = Conv(x, w) {QDQ.format('c')} r = Relu(d) y = Conv(r, v)"
    assert kinds(body) == ["Conv", "Relu", "QuantizeLinear", "DequantizeLinear", "Conv"]


def test_a_relu_of_what_others_read_too_is_quantised_again():
    body = f"c = Conv(x, w) {QDQ.format('c')} r = Relu(d) a = Conv(r, v) b = Conv(d, v) y = Add(a, b)"
    found = kinds(body)
    assert found.count("QuantizeLinear") == found.count("DequantizeLinear") == 2
    assert found.index("Relu") > found.index("DequantizeLinear")


@pytest.mark.parametrize(
    "move", ["MaxPool<kernel_shape=[2, 2]>(d)", "Transpose<perm=[0, 1, 3, 2]>(d)", "Relu(d)"]
)  # fmt: skip
def test_what_moves_numbers_that_a_layer_reads_is_quantised_again(move):
    layers = "a = Conv(m, w) b = Conv(d, w) c = Flatten(a) e = Flatten(b) y = Concat<axis=1>(c, e)"
    body = f"{QDQ.format('x')} m = {move} {layers}"
    found = kinds(body)
    assert found.count("QuantizeLinear") == 2
    place = found.index(move.split("<")[0].split("(")[0])
    assert found[place + 1 : place + 3] == ["QuantizeLinear", "DequantizeLinear"]


def test_several_moves_in_a_row_are_all_between_integers():
    body = f"{QDQ.format('x')} m = MaxPool<kernel_shape=[2, 2]>(d) f = Flatten(m) y = MatMul(f, k)"
    found = kinds(body, k=numbers(147, 5))
    assert found == ["QuantizeLinear", "DequantizeLinear", "MaxPool", "QuantizeLinear", "DequantizeLinear", "Flatten",
                     "QuantizeLinear", "DequantizeLinear", "MatMul"]  # fmt: skip


def test_what_is_quantised_already_or_read_by_no_layer_stays():
    body = f"{QDQ.format('x')} y = MaxPool<kernel_shape=[2, 2]>(d)"
    assert kinds(body) == ["QuantizeLinear", "DequantizeLinear", "MaxPool"]
    body = f"{QDQ.format('x')} m = MaxPool<kernel_shape=[2, 2]>(d) y = Softmax(m)"
    assert kinds(body) == ["QuantizeLinear", "DequantizeLinear", "MaxPool", "Softmax"]
    again = "e = QuantizeLinear(m, s, z) y = DequantizeLinear(e, s, z)"
    body = f"{QDQ.format('x')} m = MaxPool<kernel_shape=[2, 2]>(d) {again}"
    assert kinds(body).count("QuantizeLinear") == 2


def test_weights_are_no_activations():
    body = "d = DequantizeLinear(i, s, o) t = Transpose<perm=[1, 0, 2, 3]>(d) y = Conv(x, t)"
    integers = np.arange(-6, 6, dtype=np.int8).reshape(3, 4, 1, 1)
    assert "QuantizeLinear" not in kinds(body, i=integers, o=np.int8(0))


def test_a_scale_for_each_channel_is_left_alone():
    several = {"s": np.array([0.1, 0.2, 0.3], np.float32), "z": np.zeros(3, np.int8)}
    body = "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) r = Relu(d) y = Conv(r, w)"
    assert kinds(body, **several) == ["QuantizeLinear", "DequantizeLinear", "Relu", "Conv"]
