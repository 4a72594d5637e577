"""What no kernel computes: listed with its calls, operations, bytes and share of the time."""

from __future__ import annotations

import pytest

from rdpass.passes.lowering.read.fallbacks import Fallback, find_fallbacks, find_kernels
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
    assert found[0].bytes == 4 * (2 * 8 * 36 + 8 * 8 * 9)
    assert [f.share for f in found] == sorted((f.share for f in found), reverse=True)
    # Of two like convolutions TVM's is the slower one by far.
    assert 0.6 <= found[0].share < sum(f.share for f in found) < 1
    kernels = find_kernels(lowered)
    assert {kernel.name.split("_")[0] for kernel in kernels} == {"f32"}
    assert 0.4 <= sum(kernel.share for kernel in kernels) <= 0.6  # of the operations


def _moved(net: Net, x: str) -> dict[str, Fallback]:
    lowered, _ = lower_checked(net, net.conv(x, 16, 16))
    return {fallback.function: fallback for fallback in find_fallbacks(lowered)}


@pytest.mark.parametrize("operator", ["Transpose", "Pad", "Slice"])
def test_copies_count_though_they_have_no_operations(operator: str) -> None:
    net = Net((1, 16, 20, 20))
    x = net.relu(net.conv("x0", 16, 16))
    match operator:
        case "Transpose":
            x = net.node("Transpose", x, perm=[0, 1, 3, 2])
        case "Pad":
            x = net.node("Pad", x, net.constant([0, 0, 3, 3, 0, 0, 3, 3]), mode="reflect")
        case "Slice":
            x = net.node("Slice", x, net.constant([1, 1]), net.constant([19, 18]), net.constant([2, 3]))
    found = _moved(net, x)
    assert all(fallback.operations == 0 for fallback in found.values())
    (copied,) = (fallback for name, fallback in found.items() if operator.lower() in name)
    assert copied.share > 0.1
    assert copied.bytes >= 2 * 4 * 16 * 18 * 17


def test_a_change_of_layout_moves_the_map_twice() -> None:
    net = Net((1, 16, 20, 20))
    found = _moved(net, net.relu(net.conv("x0", 16, 16)))
    assert found["blocked"].bytes == found["fused_planar"].bytes == 2 * 4 * 16 * 400
    assert found["blocked"].share == found["fused_planar"].share > 0.05


def test_a_network_of_kernels_alone_has_none() -> None:
    net = Net((1, 3, 20, 20))
    pooled = net.node("Flatten", net.node("GlobalAveragePool", net.relu(net.conv("x0", 3, 16, 3))))
    lowered, _ = lower_checked(net, net.node("Gemm", pooled, net.numbers(16, 5), net.numbers(5)))
    assert find_fallbacks(lowered) == ()
    assert sum(kernel.share for kernel in find_kernels(lowered)) == pytest.approx(1, abs=1e-4)
