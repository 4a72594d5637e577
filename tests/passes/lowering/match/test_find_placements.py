"""Places of kernels, largest parts first: stems with their pool, pairs, then everything else."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import Convolution, Pooling, Stem
from rdpass.passes.lowering.match.find_placements import find_placements
from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from rdpass.targets.lookup import host_target
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import flow_of, kinds_of, lower_checked

HERE = machine_of(host_target())


def test_a_plain_network_is_kernels_from_the_image_to_the_classes() -> None:
    net = Net((1, 3, 33, 31))
    x = net.relu(net.conv("x0", 3, 16, 7, stride=2))
    x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = net.relu(net.conv(net.relu(net.conv(x, 16, 24, 3, stride=2)), 24, 24, 3))
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    lowered, called = lower_checked(net, net.node("Gemm", x, net.numbers(24, 10), net.numbers(10)))
    stem, strided, narrow, head = kinds_of(called)
    assert (stem, strided, head) == ("stem", "direct", "head")
    assert narrow in ("direct", "winograd2", "winograd4")
    assert not find_fallbacks(lowered)


def test_two_pointwise_layers_are_one_kernel_where_nobody_else_reads_the_map_between() -> None:
    net = Net((1, 8, 9, 9))
    wide = net.relu(net.conv("x0", 8, 32))
    narrow = net.relu(net.conv(wide, 32, 12))
    _, called = lower_checked(net, net.conv(narrow, 12, 20, 3))
    assert kinds_of(called).count("pair") == 1
    net = Net((1, 8, 9, 9))
    wide = net.relu(net.conv("x0", 8, 32))
    _, called = lower_checked(net, net.conv(wide, 32, 12), net.conv(wide, 32, 5))
    assert kinds_of(called).count("pair") == 0
    assert kinds_of(called).count("pointwise") == 3


def test_no_variable_is_in_two_placements() -> None:
    net = Net((2, 3, 21, 19))
    x = net.node("MaxPool", net.relu(net.conv("x0", 3, 10, 5, stride=2)), kernel_shape=[3, 3], strides=[2, 2])
    y = net.relu(net.conv(net.relu(net.conv(x, 10, 20)), 20, 10))
    gate = net.node("Sigmoid", net.conv(net.node("GlobalAveragePool", y), 10, 10))
    z = net.node("AveragePool", net.add(net.node("Mul", y, gate), x), kernel_shape=[2, 2])
    placements = find_placements(flow_of(net, z, y), HERE)
    variables = [variable for p in placements for variable in (p.root, *p.inside)]
    assert len(set(variables)) == len(variables)
    assert [type(p.workload).__name__ for p in placements] == [
        "Stem", "PointwisePair", "Convolution", "Pooling", "Head", "Elementwise"
    ]  # fmt: skip


@pytest.mark.parametrize(("channels", "stem"), [(1, True), (4, True), (5, False)])
def test_a_layer_of_the_input_is_a_stem_where_it_reads_at_most_four_channels(channels: int, stem: bool) -> None:
    net = Net((1, channels, 9, 9))
    (placement,) = find_placements(flow_of(net, net.conv("x0", channels, 8, 3)), HERE)
    assert isinstance(placement.workload, Stem) == stem
    assert placement.reads == ("flat" if stem else "blocked")


def _turned(net: Net) -> str:
    return net.node("Transpose", "x0", perm=[0, 3, 1, 2])


def _scaled(net: Net) -> str:
    centred = net.node("Sub", _turned(net), net.constant(np.float32([[[104]], [[117]], [[124]]])))
    return net.node("Div", centred, net.constant(np.float32(58)))


def _cut(net: Net) -> str:
    return net.node("Slice", _turned(net), *map(net.constant, ([1, 2], [14, 12], [2, 3])))


@pytest.mark.parametrize("prepare", [_turned, _scaled, _cut])
def test_the_first_layer_and_its_pool_are_a_stem_where_the_image_is_prepared_before(prepare) -> None:
    net = Net((1, 15, 13, 3))
    x = net.relu(net.conv(prepare(net), 3, 8, 3))
    pooled = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    (placement,) = find_placements(flow_of(net, pooled), HERE)
    assert isinstance(placement.workload, Stem)
    assert placement.workload.pooling is not None
    _, called = lower_checked(net, pooled)
    assert kinds_of(called).count("stem") == 1
    assert not any("blocked" in name for name in called)


def test_a_layer_of_what_another_layer_gives_is_no_stem() -> None:
    net = Net((1, 3, 9, 9))
    x = net.node("Transpose", net.conv("x0", 3, 4, 3), perm=[0, 1, 3, 2])
    found = find_placements(flow_of(net, net.conv(x, 4, 8, 3)), HERE)
    assert [type(p.workload) for p in found] == [Stem, Convolution]


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("read_twice", [False, True])
def test_a_stem_takes_in_the_max_pool_that_alone_reads_it(kind: str, read_twice: bool) -> None:
    net = Net((1, 3, 15, 13))
    x = net.relu(net.conv("x0", 3, 8, 3))
    pooled = net.node(kind, x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    found = find_placements(flow_of(net, pooled, *[x] * read_twice), HERE)
    whole = kind == "MaxPool" and not read_twice
    assert [type(p.workload) for p in found] == ([Stem] if whole else [Stem, Pooling])
    assert (found[0].workload.pooling is not None) == whole


def test_pointwise_layers_of_one_pixel_or_of_a_stride_are_no_pair() -> None:
    net = Net((2, 8, 1, 1), (2, 8, 9, 9))
    squeezed = net.conv(net.relu(net.conv("x0", 8, 12)), 12, 8)
    strided = net.conv(net.relu(net.conv("x1", 8, 12)), 12, 8, stride=2)
    found = find_placements(flow_of(net, squeezed, strided), HERE)
    assert [type(p.workload) for p in found] == [Convolution] * 4
