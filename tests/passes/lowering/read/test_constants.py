"""Bytes of constants: each once, before kernels are placed and after."""

from rdpass.deploy.lowering import import_onnx, lower_for
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.read.constants import PackedConstants, constant_bytes, packed_constants
from rdpass.targets.lookup import find_target
from tests.onnx.nets import Net

WEIGHTS, BIAS, SINGLE = 64 * 64 * 9, 64, 4


def test_constants_are_counted_once_in_the_model_and_as_kernels_read_them():
    net = Net((1, 64, 28, 28))
    weights, bias = net.numbers(64, 64, 3, 3), net.numbers(64)
    x = "x0"
    for _ in range(2):
        x = net.relu(net.node("Conv", x, weights, bias, kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    module = import_onnx(read_onnx(net.model(x)))
    assert constant_bytes(module) == SINGLE * (WEIGHTS + BIAS)
    own = SINGLE * (WEIGHTS + BIAS)
    packed = {of: packed_constants(lower_for(module, find_target("rpi4"), optimize=of)) for of in ("speed", "size")}
    assert packed["size"] == PackedConstants(own, 0)
    assert packed["speed"] == PackedConstants(own + SINGLE * 3 * WEIGHTS, SINGLE * 3 * WEIGHTS)  # 36 numbers for 9
