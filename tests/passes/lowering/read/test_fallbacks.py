"""What no kernel computes: listed with its calls, operations and share."""

from __future__ import annotations

from rdpass.passes.lowering.read.fallbacks import find_fallbacks, find_kernels
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import lower_checked


def test_what_no_kernel_computes_is_lowered_by_tvm_and_listed() -> None:
    net = Net((1, 8, 6, 6), (8, 8, 3, 3))
    x = net.relu(net.conv("x0", 8, 8, 3))
    x = net.node("Conv", x, "x1", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    x = net.conv(net.node("Softmax", x, axis=1), 8, 4)
    lowered, _ = lower_checked(net, x)
    found = find_fallbacks(lowered)
    assert "conv2d" in found[0].function
    assert found[0].operations >= 2 * 8 * 8 * 9 * 36
    assert [f.operations for f in found] == sorted((f.operations for f in found), reverse=True)
    # One of two like convolutions is TVM's; the rest is small.
    assert 0.4 <= found[0].share <= 0.6
    kernels = find_kernels(lowered)
    assert {kernel.name.split("_")[0] for kernel in kernels} == {"f32"}
    assert abs(sum(kernel.share for kernel in kernels) + sum(f.share for f in found) - 1) < 1e-4
