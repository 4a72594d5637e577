"""Poolings as kernels: what they cover, and what an average is divided by."""

from __future__ import annotations

from typing import Any

import pytest

from rdpass.kernels.workload import Pooling
from rdpass.passes.lowering.match.find_poolings import find_poolings
from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import flow_of, lower_checked


@pytest.mark.parametrize("ceil", [0, 1])
def test_poolings_that_round_up_and_count_or_leave_out_the_border(ceil: int) -> None:
    net = Net((1, 8, 10, 9))
    x = net.relu(net.conv("x0", 8, 8, 3))
    a = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0], ceil_mode=ceil)
    b = net.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0], ceil_mode=ceil)
    lowered, _ = lower_checked(net, net.conv(net.add(a, b), 8, 4))
    assert not any("max_pool" in f.function for f in find_fallbacks(lowered))


def pool_of(shape: tuple[int, ...], kind: str, **attributes: Any) -> Pooling | None:
    net = Net(shape)
    flow = flow_of(net, net.node(kind, "x0", **attributes))
    return next((placement.workload for placement in find_poolings(flow)), None)


def test_extents_windows_strides_and_padding_are_the_operators_own() -> None:
    found = pool_of((2, 5, 11, 8), "MaxPool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1])
    assert found == Pooling(2, 5, 11, 8, "max", (3, 2), (2, 1), (1, 0, 1, 1))


@pytest.mark.parametrize(("counted", "divisor"), [(0, 0), (1, 9)])
def test_an_average_divides_by_its_window_or_by_what_that_covers(counted: int, divisor: int) -> None:
    found = pool_of((1, 5, 8, 8), "AveragePool", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=counted)
    assert found is not None
    assert (found.kind, found.divisor) == ("average", divisor)


def test_what_rounding_up_adds_is_padding_and_padding_that_no_window_reaches_is_none() -> None:
    up = pool_of((1, 4, 8, 8), "MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1)
    assert up is not None
    assert (up.padding, up.out_height) == ((0, 0, 1, 1), 4)
    down = pool_of((1, 4, 8, 8), "MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    assert down is not None
    assert (down.padding, down.out_height) == ((1, 1, 0, 0), 4)


def test_a_dilated_window_is_left_to_tvm() -> None:
    assert pool_of((1, 4, 9, 9), "MaxPool", kernel_shape=[3, 3], dilations=[2, 2]) is None
    assert pool_of((1, 4, 9, 9), "Relu") is None
