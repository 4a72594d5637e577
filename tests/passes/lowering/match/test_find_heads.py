"""Means over all pixels and dense layers, however they are written."""

from __future__ import annotations

import numpy as np
import pytest

from rdpass.kernels.workload import Head
from rdpass.passes.lowering.match.find_heads import find_heads
from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import flow_of, kinds_of, lower_checked


@pytest.mark.parametrize("channels", [16, 10])
def test_dense_layers_of_a_flattened_map_and_of_a_vector_are_kernels(channels: int) -> None:
    net = Net((2, 6, 5, 4))
    flat = net.node("Flatten", net.relu(net.conv("x0", 6, channels, 3)))
    hidden = net.relu(net.node("Gemm", flat, net.numbers(channels * 20, 32), net.numbers(32)))
    lowered, called = lower_checked(net, net.node("Gemm", hidden, net.numbers(32, 7), net.numbers(7)))
    assert kinds_of(called).count("head") == 2
    assert not any("matmul" in fallback.function for fallback in find_fallbacks(lowered))


@pytest.mark.parametrize("kept", [0, 1])
def test_a_mean_over_pixels_and_its_dense_layer_are_one_kernel_however_the_mean_is_written(kept: int) -> None:
    """``x.mean((2, 3))`` drops the pixels' axes, pooling keeps them."""
    net = Net((1, 6, 8, 8))
    mean = net.node("ReduceMean", net.relu(net.conv("x0", 6, 16, 3)), net.constant(np.array([2, 3])), keepdims=kept)
    flat = net.node("Flatten", mean) if kept else mean
    lowered, called = lower_checked(net, net.node("Gemm", flat, net.numbers(16, 7), net.numbers(7)))
    assert kinds_of(called)[-1] == "head"
    assert len(called) == 3  # with a change of layout at the beginning
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def test_a_mean_without_its_axes_that_others_read_keeps_its_value() -> None:
    net = Net((1, 6, 8, 8))
    mean = net.node("ReduceMean", net.relu(net.conv("x0", 6, 16, 3)), net.constant(np.array([2, 3])), keepdims=0)
    lower_checked(net, net.node("Gemm", mean, net.numbers(16, 7), net.numbers(7)), mean)


@pytest.mark.parametrize("axes", [[1, 2, 3], [2], [1, 3]])
def test_a_mean_over_other_axes_is_no_head(axes: list[int]) -> None:
    net = Net((1, 6, 8, 8))
    mean = net.node("ReduceMean", "x0", net.constant(np.array(axes)), keepdims=1)
    assert list(find_heads(flow_of(net, mean))) == []


@pytest.mark.parametrize("bias", [True, False])
def test_a_dense_layer_has_its_weights_by_class_and_zeros_where_it_has_no_bias(bias: bool) -> None:
    net = Net((2, 6, 5, 3))
    flat = net.node("Flatten", net.node("GlobalAveragePool", "x0"))
    product = net.node("MatMul", flat, net.numbers(6, 7))
    (head,) = find_heads(flow_of(net, net.add(product, net.numbers(7)) if bias else product))
    ((weights, rows),) = head.constants
    given = [np.frombuffer(weights.raw_data, np.float32) for weights in net.weights]
    assert head.workload == Head(2, 6, 15, 7)
    assert np.array_equal(weights, given[0].reshape(6, 7).T)
    assert np.array_equal(rows, given[1] if bias else np.zeros(7))


def test_a_vector_of_no_whole_blocks_and_weights_that_are_an_input_are_left_to_tvm() -> None:
    net = Net((2, 31), (2, 32), (32, 5))
    odd = net.node("MatMul", "x0", net.numbers(31, 5))
    given = net.node("MatMul", "x1", "x2")
    assert list(find_heads(flow_of(net, odd, given))) == []
    net = Net((2, 32))
    (head,) = find_heads(flow_of(net, net.node("MatMul", "x0", net.numbers(32, 5))))
    assert (head.reads, head.writes, head.workload) == ("vector", "planar", Head(2, 32, 1, 5))


def test_a_mean_that_others_read_too_is_a_head_of_its_own() -> None:
    net = Net((1, 16, 4, 4))
    mean = net.node("GlobalAveragePool", "x0")
    product = net.node("MatMul", net.node("Flatten", mean), net.numbers(16, 3))
    works = [head.workload for head in find_heads(flow_of(net, product, mean))]
    assert works[0] == Head(1, 16, 16, 0)
    assert [work.classes for work in works[1:]] == [3]


@pytest.mark.parametrize("rows", [(40, 120), (8, 600), (2, 2400), (4800, 1)])
def test_a_reshape_that_is_no_flatten_is_read_as_tokens(rows: tuple[int, int]) -> None:
    net = Net((1, 6, 8, 15))
    tokens = net.node("Reshape", net.conv("x0", 6, 40), net.constant(np.array(rows)))
    product = net.node("Gemm", tokens, net.numbers(rows[1], 12), net.numbers(12))
    assert all(head.reads == "vector" for head in find_heads(flow_of(net, product)))
    lower_checked(net, product)
