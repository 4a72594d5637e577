"""Convolutions and what follows them: every operator in one layer at most."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.kernels.workload import Convolution
from rdpass.passes.lowering.match.find_layers import find_layers
from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import flow_of, kinds_of, lower_checked


def test_an_add_of_two_convolutions_belongs_to_the_later_one() -> None:
    net = Net((2, 8, 11, 11))
    x = net.relu(net.conv("x0", 8, 16))
    body = net.conv(net.relu(net.conv(x, 16, 24, 3, stride=2)), 24, 24, 3)
    lowered, called = lower_checked(net, net.relu(net.add(body, net.conv(x, 16, 24, stride=2))))
    assert not any("add" in name for name in called)
    assert len(called) == 4 + 2  # and a change of layout at either end
    assert set(kinds_of([f.function for f in find_fallbacks(lowered)])) == {"blocked", "planar"}


def test_grouped_depthwise_dilated_and_strided_convolutions_are_kernels() -> None:
    net = Net((1, 24, 13, 11))
    x = net.relu(net.conv("x0", 24, 24, 3, groups=24))
    x = net.relu(net.conv(x, 24, 48, 3, groups=6, stride=2))
    x = net.node("Conv", x, net.numbers(16, 48, 3, 3), kernel_shape=[3, 3], dilations=[2, 2], pads=[2, 0, 2, 1])
    lowered, called = lower_checked(net, x)
    assert kinds_of(called) == ["blocked", "depthwise", "direct", "direct", "planar"]
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def test_rows_are_zero_without_a_bias_and_the_sum_of_all_that_is_added() -> None:
    net = Net((1, 6, 7, 5))
    bare = net.conv("x0", 6, 7, 3, bias=False)
    twice = net.add(net.conv(bare, 7, 5, 3), net.numbers(5, 1, 1))
    first, second = find_layers(flow_of(net, twice))
    assert [array.tolist() for array in first.rows] == [[0.0] * 7]
    given = [np.frombuffer(weights.raw_data, np.float32) for weights in net.weights[-2:]]
    assert second.rows[0] == pytest.approx(given[0] + given[1])
    assert second.weights.shape == (5, 7, 3, 3)


def test_layers_come_in_order_and_share_no_operator() -> None:
    net = Net((2, 6, 7, 5))
    x = net.relu(net.conv("x0", 6, 6, 3))
    y = net.relu(net.add(net.conv(x, 6, 6, 3), net.conv(x, 6, 6)))
    flow = flow_of(net, net.conv(y, 6, 4), y)
    layers = find_layers(flow)
    taken = [variable for layer in layers for variable in (layer.root, *layer.inside)]
    assert len(layers) == 4
    assert len(set(taken)) == len(taken)
    assert [flow.position[layer.root] for layer in layers] == sorted(flow.position[layer.root] for layer in layers)
    assert [layer.convolution.epilogue.add for layer in layers].count(True) == 1


def test_a_convolution_of_weights_that_are_an_input_is_no_layer() -> None:
    net = Net((1, 6, 7, 5), (4, 6, 3, 3))
    assert find_layers(flow_of(net, net.node("Conv", "x0", "x1", kernel_shape=[3, 3]))) == ()


def test_padding_dilation_and_groups_are_the_convolutions_own() -> None:
    net = Net((3, 6, 11, 8))
    weights = net.numbers(9, 2, 3, 2)
    x = net.node("Conv", "x0", weights, kernel_shape=[3, 2], pads=[1, 0, 2, 1], dilations=[2, 1], group=3)
    (layer,) = find_layers(flow_of(net, x))
    assert layer.convolution == Convolution(3, 6, 9, 11, 8, (3, 2), (1, 1), (1, 0, 2, 1), (2, 1), 3)
