"""The passes between ONNX and machine code: extrema, where kernels go, layouts, fallbacks, the arena."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tvm
from hypothesis import given
from hypothesis import strategies as st
from tvm import relax, topi

from rdpass.core.comparison import relative_error
from rdpass.deploy.lowering import import_onnx, lower_for, tvm_target
from rdpass.kernels.machine import machine_of
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.memory.arena import Interval, assign_offsets
from rdpass.passes.lowering.memory.planned_memory import planned_memory
from rdpass.passes.lowering.pipeline import lowering
from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from rdpass.passes.lowering.rewrite.restore_extrema import RestoreExtrema
from rdpass.passes.tir.pipeline import NAME as TIR_PIPELINE
from rdpass.targets.lookup import host_target
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import kinds_of, lower_checked


@pytest.fixture
def target() -> Any:
    return host_target()


@pytest.fixture
def module(residual_onnx: Path) -> Any:
    return import_onnx(read_onnx(residual_onnx))


def _run(lowered: Any, target: Any, x: np.ndarray) -> np.ndarray:
    machine = relax.VirtualMachine(
        tvm.compile(lowered, target=tvm_target(target), relax_pipeline=None, tir_pipeline=TIR_PIPELINE), tvm.cpu()
    )
    result = machine["main"](tvm.runtime.tensor(x))
    output: np.ndarray = (result if isinstance(result, tvm.runtime.Tensor) else result[0]).numpy()
    return output


def _check_computes(lowered: Any, target: Any, residual_onnx: Path) -> None:
    x = np.random.default_rng(5).standard_normal((1, 3, 17, 15)).astype(np.float32)
    (expected,) = run_onnx(onnx.load(residual_onnx), [x])
    assert relative_error(_run(lowered, target, x), expected) <= 1e-5


def _function_names(module: Any) -> set[str]:
    return {variable.name_hint for variable in module.get_global_vars()}


def _operators(module: Any) -> list[str]:
    names: list[str] = []

    def collect(node: Any) -> None:
        if isinstance(node, relax.Call) and isinstance(node.op, tvm.ir.Op):
            names.append(node.op.name)

    relax.analysis.post_order_visit(module["main"], collect)
    return names


def test_the_pipeline_puts_kernels_between_restored_operators_and_tvms_own_lowering(target: Any) -> None:
    names = [step.info.name for step in lowering(machine_of(target), {})]
    order = ["RestoreExtrema", "FoldConstant", "PlaceKernels", "LegalizeOps", "FuseOps", "PlanArena"]
    assert [name for name in dict.fromkeys(names) if name in order] == order
    assert names[-1] == "AttachGlobalSymbol"


def test_lowering_leaves_its_input_as_it_was(module: Any, target: Any) -> None:
    before = module.script()
    lower_for(module, target)
    assert module.script() == before


def test_bounds_per_channel_are_not_blown_up_to_whole_maps(module: Any, target: Any, residual_onnx: Path) -> None:
    assert "relax.stack" in _operators(module)
    restored = RestoreExtrema()(module)
    assert {"relax.maximum", "relax.minimum"} <= set(_operators(restored))
    restored = relax.transform.DeadCodeElimination()(restored)
    assert not {"relax.stack", "relax.max", "relax.min", "relax.broadcast_to"} & set(_operators(restored))
    _check_computes(lower_for(module, target), target, residual_onnx)


def test_a_clip_is_an_operator_that_a_layer_can_take_in(module: Any) -> None:
    assert _operators(module).count("relax.call_tir") == 2
    restored = RestoreExtrema()(module)
    assert _operators(restored).count("relax.call_tir") == 0
    assert _operators(restored).count("relax.maximum") == 2


def test_another_lowered_function_of_two_tensors_is_left_alone() -> None:
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((2, 3), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(builder.emit_te(topi.add, x, x))
        builder.emit_func_output(result)
    module = builder.get()
    assert _operators(RestoreExtrema()(module)) == ["relax.call_tir"]


def test_a_real_reduction_is_not_taken_for_an_extremum_of_two() -> None:
    text = (
        '<ir_version: 9, opset_import: ["" : 18]> net (float[2, 3] x) => (float[3] y)'
        " <int64[1] axes = {0}> { y = ReduceMax<keepdims = 0>(x, axes) }"
    )
    module = import_onnx(read_onnx(onnx.parser.parse_model(text)))
    assert _operators(RestoreExtrema()(module)) == _operators(module)


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


def test_a_kept_shortcut_is_added_in_place_by_the_convolution_before_it() -> None:
    net = Net((1, 8, 10, 10))
    x = net.relu(net.conv("x0", 8, 16, 3))
    y = net.relu(net.add(net.conv(net.relu(net.conv(x, 16, 16, 3)), 16, 16, 3), x))
    lowered, called = lower_checked(net, net.conv(y, 16, 4))
    assert len([kind for kind in kinds_of(called) if kind.startswith(("winograd", "direct", "pointwise"))]) == 4
    assert not any("add" in name for name in called)
    kept = 16 * 10 * 10 * 4
    assert planned_memory(lowered).activations < 3 * kept + _workspace(lowered) + 4 * 10 * 10 * 4 * 4


def _workspace(lowered: Any) -> int:
    return max(
        4 * int(f.attrs["rdpass.workspace"]) for _, f in lowered.functions_items() if "rdpass.workspace" in f.attrs
    )


def test_a_map_that_is_read_again_later_is_not_written_over() -> None:
    net = Net((1, 8, 6, 6))
    x = net.relu(net.conv("x0", 8, 16, 3))
    y = net.relu(net.add(net.conv(x, 16, 16), x))
    z = net.relu(net.add(net.conv(y, 16, 16, 3), x))
    lower_checked(net, z, net.conv(x, 16, 4))


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


def test_a_norm_before_a_padded_convolution_is_a_kernel_and_so_is_a_sum_of_maps_that_no_layer_ends() -> None:
    net = Net((2, 6, 9, 7))
    x = net.relu(net.conv("x0", 6, 12, 3))
    y = net.node("PRelu", net.conv(net.norm(x, 12), 12, 12, 3), net.numbers(12, 1, 1))
    pooled = net.node("MaxPool", y, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    last = net.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    lowered, called = lower_checked(net, net.conv(net.relu(net.add(pooled, last)), 12, 4, 3))
    kinds = Counter(kinds_of(called))
    assert kinds["scale"] == kinds["relu"] == 1
    assert kinds["max"] == 2
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


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


@pytest.mark.parametrize("ceil", [0, 1])
def test_poolings_that_round_up_and_count_or_leave_out_the_border(ceil: int) -> None:
    net = Net((1, 8, 10, 9))
    x = net.relu(net.conv("x0", 8, 8, 3))
    a = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0], ceil_mode=ceil)
    b = net.node("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 0], ceil_mode=ceil)
    lowered, _ = lower_checked(net, net.conv(net.add(a, b), 8, 4))
    assert not any("max_pool" in f.function for f in find_fallbacks(lowered))


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


def test_planned_memory_counts_the_arena_and_the_outputs() -> None:
    net = Net((1, 16, 12, 12))
    x = net.relu(net.conv(net.relu(net.conv("x0", 16, 32, 3)), 32, 16, 3))
    lowered, _ = lower_checked(net, net.conv(x, 16, 8))
    wide, narrow, out = (channels * 12 * 12 * 4 for channels in (32, 16, 8))
    memory = planned_memory(lowered)
    assert memory.activations <= wide + narrow + _workspace(lowered) + 3 * out


INTERVALS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 12), st.integers(0, 5)), min_size=1, max_size=14)


@given(INTERVALS)
def test_no_two_maps_alive_together_overlap_and_the_arena_is_no_larger_than_all_of_them(raw: list[Any]) -> None:
    intervals = [Interval(64 * size, first, first + length) for size, first, length in raw]
    offsets, size = assign_offsets(intervals)
    placed = list(zip(intervals, offsets, strict=True))
    for index, (a, at) in enumerate(placed):
        assert at % 64 == 0
        assert at + a.size <= size
        for b, other in placed[:index]:
            assert not a.meets(b) or at + a.size <= other or other + b.size <= at
    alive = [sum(a.size for a in intervals if a.first <= step <= a.last) for step in range(20)]
    assert max(alive) <= size <= sum(a.size for a in intervals)
