"""Kernels in their places: which functions there are, what is stored, and where maps change their layout."""

from __future__ import annotations

from collections import Counter

from tests.onnx.nets import Net
from tests.passes.lowering.lowered import kinds_of, lower_checked


def test_an_intermediate_map_may_be_an_output_and_an_input_may_be_added() -> None:
    net = Net((1, 8, 6, 6), (1, 8, 6, 6))
    x = net.relu(net.add(net.conv("x0", 8, 8, 3), "x1"))
    lower_checked(net, x, net.conv(x, 8, 4), net.relu(net.conv(x, 8, 8)))


def test_whole_blocks_are_joined_without_a_change_of_layout() -> None:
    net = Net((1, 16, 6, 6))
    a, b = net.relu(net.conv("x0", 16, 16, 3)), net.relu(net.conv("x0", 16, 32))
    _, called = lower_checked(net, net.conv(net.node("Concat", a, b, axis=1), 48, 8))
    assert Counter(kinds_of(called))["planar"] == 1


def test_equal_layers_share_one_function_and_each_weight_is_stored_once() -> None:
    net = Net((1, 16, 12, 12))
    x = "x0"
    for _ in range(3):
        x = net.relu(net.conv(x, 16, 16, 3))
    lowered, called = lower_checked(net, x)
    assert len({name for name in called if name.startswith("f32")}) == 1
    assert len([name for name in called if name.startswith("f32")]) == 3
    assert lowered is not None
