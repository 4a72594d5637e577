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

from rdpass.comparison import relative_error
from rdpass.kernels.machine import machine_of
from rdpass.lowering import import_onnx, lower_for, tvm_target
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.relax.arena import Interval, assign_offsets
from rdpass.passes.relax.fallbacks import find_fallbacks
from rdpass.passes.relax.pipeline import lowering
from rdpass.passes.relax.planned_memory import planned_memory
from rdpass.passes.relax.restore_extrema import RestoreExtrema
from rdpass.passes.tir.pipeline import NAME as TIR_PIPELINE
from rdpass.targets.lookup import host_target
from tests.deploy.nets import Net


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


def _lowered(net: Net, *outputs: str) -> tuple[Any, list[str]]:
    """The lowered module, its numbers compared with ONNX Runtime's, and the functions it calls in order."""
    model, inputs = net.model(*outputs), net.example()
    target = host_target()
    lowered = lower_for(import_onnx(read_onnx(model)), target)
    executable = tvm.compile(lowered, target=tvm_target(target), relax_pipeline=None, tir_pipeline=TIR_PIPELINE)
    given = [tvm.runtime.tensor(value) for value in inputs]
    result = relax.VirtualMachine(executable, tvm.cpu())["main"](*given)
    results = [result] if isinstance(result, tvm.runtime.Tensor) else list(result)
    for name, got, expected in zip(outputs, results, run_onnx(model, inputs), strict=True):
        assert relative_error(got.numpy(), expected) <= 1e-5, name
    assert all(np.array_equal(before, after.numpy()) for before, after in zip(inputs, given, strict=True))
    return lowered, _called(lowered)


def _called(lowered: Any) -> list[str]:
    calls = [binding.value for block in lowered["main"].body.blocks for binding in block.bindings]
    return [
        call.op.name_hint for call in calls if isinstance(call, relax.Call) and isinstance(call.op, relax.GlobalVar)
    ]


def _kinds(called: list[str]) -> list[str]:
    """What the functions are: a kernel's name without type and shape, or TVM's whole name."""
    return [name.split("_")[1] if name.startswith("f32_") else name.removeprefix("fused_") for name in called]


def test_a_plain_network_is_kernels_from_the_image_to_the_classes() -> None:
    net = Net((1, 3, 33, 31))
    x = net.relu(net.conv("x0", 3, 16, 7, stride=2))
    x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    x = net.relu(net.conv(net.relu(net.conv(x, 16, 24, 3, stride=2)), 24, 24, 3))
    x = net.node("Flatten", net.node("GlobalAveragePool", x))
    lowered, called = _lowered(net, net.node("Gemm", x, net.numbers(24, 10), net.numbers(10)))
    stem, strided, narrow, head = _kinds(called)
    assert (stem, strided, head) == ("stem", "direct", "head")
    assert narrow in ("direct", "winograd2", "winograd4")
    assert not find_fallbacks(lowered)


def test_two_pointwise_layers_are_one_kernel_where_nobody_else_reads_the_map_between() -> None:
    net = Net((1, 8, 9, 9))
    wide = net.relu(net.conv("x0", 8, 32))
    narrow = net.relu(net.conv(wide, 32, 12))
    _, called = _lowered(net, net.conv(narrow, 12, 20, 3))
    assert _kinds(called).count("pair") == 1
    net = Net((1, 8, 9, 9))
    wide = net.relu(net.conv("x0", 8, 32))
    _, called = _lowered(net, net.conv(wide, 32, 12), net.conv(wide, 32, 5))
    assert _kinds(called).count("pair") == 0
    assert _kinds(called).count("pointwise") == 3


def test_a_kept_shortcut_is_added_in_place_by_the_convolution_before_it() -> None:
    net = Net((1, 8, 10, 10))
    x = net.relu(net.conv("x0", 8, 16, 3))
    y = net.relu(net.add(net.conv(net.relu(net.conv(x, 16, 16, 3)), 16, 16, 3), x))
    lowered, called = _lowered(net, net.conv(y, 16, 4))
    assert len([kind for kind in _kinds(called) if kind.startswith(("winograd", "direct", "pointwise"))]) == 4
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
    _lowered(net, z, net.conv(x, 16, 4))


def test_an_add_of_two_convolutions_belongs_to_the_later_one() -> None:
    net = Net((2, 8, 11, 11))
    x = net.relu(net.conv("x0", 8, 16))
    body = net.conv(net.relu(net.conv(x, 16, 24, 3, stride=2)), 24, 24, 3)
    lowered, called = _lowered(net, net.relu(net.add(body, net.conv(x, 16, 24, stride=2))))
    assert not any("add" in name for name in called)
    assert len(called) == 4 + 2  # and a change of layout at either end
    assert set(_kinds([f.function for f in find_fallbacks(lowered)])) == {"blocked", "planar"}


@pytest.mark.parametrize("channels", [3, 5, 12, 21])
@pytest.mark.parametrize("activation", ["Relu", "clip", "bounds", "none"])
def test_channels_that_fill_no_vector_and_every_activation(channels: int, activation: str) -> None:
    net = Net((1, channels, 7, 9), seed=channels)
    x = net.conv(net.conv("x0", channels, channels + 2, 3), channels + 2, channels, 3)
    if activation == "Relu":
        x = net.relu(x)
    elif activation == "clip":
        x = net.node("Clip", x, net.constant(np.float32(-0.5)), net.constant(np.float32(0.25)))
    elif activation == "bounds":
        low = np.where(np.arange(channels) % 2, -np.inf, -0.1).astype(np.float32).reshape(1, channels, 1, 1)
        high = np.where(np.arange(channels) % 3, np.inf, 0.2).astype(np.float32).reshape(1, channels, 1, 1)
        x = net.node("Min", net.node("Max", x, net.constant(low)), net.constant(high))
    _, called = _lowered(net, net.conv(x, channels, 6))
    assert not any("conv" in name or "max" in name for name in called)


def test_grouped_depthwise_dilated_and_strided_convolutions_are_kernels() -> None:
    net = Net((1, 24, 13, 11))
    x = net.relu(net.conv("x0", 24, 24, 3, groups=24))
    x = net.relu(net.conv(x, 24, 48, 3, groups=6, stride=2))
    x = net.node("Conv", x, net.numbers(16, 48, 3, 3), kernel_shape=[3, 3], dilations=[2, 2], pads=[2, 0, 2, 1])
    lowered, called = _lowered(net, x)
    assert _kinds(called) == ["blocked", "depthwise", "direct", "direct", "planar"]
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


@pytest.mark.parametrize("gate", ["Sigmoid", "HardSigmoid"])
def test_a_squeeze_and_its_gate_are_kernels(gate: str) -> None:
    net = Net((1, 16, 8, 8))
    x = net.relu(net.conv("x0", 16, 32, 3))
    squeezed = net.relu(net.conv(net.node("GlobalAveragePool", x), 32, 8))
    alpha = {"alpha": 1 / 6} if gate == "HardSigmoid" else {}
    x = net.node("Mul", x, net.node(gate, net.conv(squeezed, 8, 32), **alpha))
    lowered, called = _lowered(net, net.conv(x, 32, 16))
    assert _kinds(called)[2:] == ["head", "pointwise", "pointwise", "gate", "pointwise", "planar"]
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def _hard_swish_of_clip(net: Net, x: str) -> str:
    """x * relu6(x + 3) / 6"""
    bounds = net.constant(np.float32(0)), net.constant(np.float32(6))
    gate = net.node("Clip", net.add(x, net.constant(np.float32(3))), *bounds)
    return net.node("Div", net.node("Mul", x, gate), net.constant(np.float32(6)))


def _hard_swish_of_sigmoid(net: Net, x: str) -> str:
    return net.node("Mul", net.node("HardSigmoid", x, alpha=1 / 6), x)


ACTIVATIONS = {
    "prelu": lambda net, x: net.node("PRelu", x, net.numbers(10, 1, 1)),
    "prelu of one slope": lambda net, x: net.node("PRelu", x, net.numbers(1, 1, 1)),
    "leaky relu": lambda net, x: net.node("LeakyRelu", x, alpha=0.1),
    "hard swish": lambda net, x: net.node("HardSwish", x),
    "hard swish of clip": _hard_swish_of_clip,
    "hard swish of hard sigmoid": _hard_swish_of_sigmoid,
    "hard sigmoid": lambda net, x: net.node("HardSigmoid", x, alpha=1 / 6),
    "sigmoid": lambda net, x: net.node("Sigmoid", x),
    "silu": lambda net, x: net.node("Mul", x, net.node("Sigmoid", x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_as_exporters_write_it_ends_its_layer(name: str) -> None:
    net = Net((1, 6, 9, 7))
    x = net.conv(net.conv("x0", 6, 10, 3), 10, 10)
    x = ACTIVATIONS[name](net, net.add(net.conv(x, 10, 10, 3), x))
    lowered, called = _lowered(net, net.conv(x, 10, 4, 3))
    assert len(called) == 4 + 2  # and a change of layout at either end
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def _other_alpha(net: Net, x: str) -> str:
    return net.node("HardSigmoid", x, alpha=0.2)


def _read_elsewhere(net: Net, x: str) -> str:
    return net.add(_hard_swish_of_clip(net, x), net.node("Exp", x))


def _negative_factor(net: Net, x: str) -> str:
    bounds = net.constant(np.float32(0)), net.constant(np.float32(6))
    gate = net.node("Clip", net.add(x, net.constant(np.float32(3))), *bounds)
    return net.node("Mul", net.node("Mul", x, gate), net.constant(np.float32(-1 / 6)))


def _other_map(net: Net, x: str) -> str:
    return net.node("Mul", net.conv("x0", 6, 10), net.node("Sigmoid", x))


@pytest.mark.parametrize("almost", [_other_alpha, _read_elsewhere, _negative_factor, _other_map])
def test_what_only_looks_like_an_activation_keeps_its_value(almost: Any) -> None:
    net = Net((1, 6, 9, 7))
    _lowered(net, net.conv(almost(net, net.conv("x0", 6, 10, 3)), 10, 4, 3))


def test_a_norm_before_a_padded_convolution_is_a_kernel_and_so_is_a_sum_of_maps_that_no_layer_ends() -> None:
    net = Net((2, 6, 9, 7))
    x = net.relu(net.conv("x0", 6, 12, 3))
    variance = net.constant(np.linspace(0.5, 2, 12, dtype=np.float32))
    normed = net.node("BatchNormalization", x, net.numbers(12), net.numbers(12), net.numbers(12), variance)
    y = net.node("PRelu", net.conv(normed, 12, 12, 3), net.numbers(12, 1, 1))
    pooled = net.node("MaxPool", y, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    last = net.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    lowered, called = _lowered(net, net.conv(net.relu(net.add(pooled, last)), 12, 4, 3))
    kinds = Counter(_kinds(called))
    assert kinds["scale"] == kinds["relu"] == 1
    assert kinds["max"] == 2
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def _squared(net: Net, pooled: str) -> str:
    mean = net.node("GlobalAveragePool", pooled)
    return net.add(pooled, net.node("Mul", mean, mean))


def _doubled(net: Net, pooled: str) -> str:
    return net.add(pooled, pooled)


def _bounded(net: Net, pooled: str) -> str:
    bounds = net.constant(np.float32(-0.25)), net.constant(np.float32(0.5))
    return net.add(net.node("Clip", pooled, *bounds), net.relu(pooled))


@pytest.mark.parametrize("alone", [*ACTIVATIONS.values(), _squared, _doubled, _bounded])
def test_an_epilogue_of_a_map_that_no_convolution_gave_keeps_its_value(alone: Any) -> None:
    net = Net((1, 6, 9, 7))
    pooled = net.node("MaxPool", net.conv("x0", 6, 10, 3), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    _lowered(net, net.conv(alone(net, pooled), 10, 4, 3))


def test_a_layer_of_one_pixel_does_not_take_in_what_spreads_it_over_a_map() -> None:
    net = Net((1, 6, 9, 7))
    x = net.relu(net.conv("x0", 6, 10, 3))
    one = net.conv(net.node("GlobalAveragePool", x), 10, 10)
    _lowered(net, net.conv(net.relu(net.add(x, one)), 10, 4, 3))


@pytest.mark.parametrize("channels", [16, 10])
def test_dense_layers_of_a_flattened_map_and_of_a_vector_are_kernels(channels: int) -> None:
    net = Net((2, 6, 5, 4))
    flat = net.node("Flatten", net.relu(net.conv("x0", 6, channels, 3)))
    hidden = net.relu(net.node("Gemm", flat, net.numbers(channels * 20, 32), net.numbers(32)))
    lowered, called = _lowered(net, net.node("Gemm", hidden, net.numbers(32, 7), net.numbers(7)))
    assert _kinds(called).count("head") == 2
    assert not any("matmul" in fallback.function for fallback in find_fallbacks(lowered))


def test_what_no_kernel_computes_is_lowered_by_tvm_and_listed() -> None:
    net = Net((1, 8, 6, 6), (8, 8, 3, 3))
    x = net.relu(net.conv("x0", 8, 8, 3))
    x = net.node("Conv", x, "x1", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    x = net.conv(net.node("Softmax", x, axis=1), 8, 4)
    lowered, _ = _lowered(net, x)
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
    lowered, _ = _lowered(net, net.conv(net.add(a, b), 8, 4))
    assert not any("max_pool" in f.function for f in find_fallbacks(lowered))


def test_an_intermediate_map_may_be_an_output_and_an_input_may_be_added() -> None:
    net = Net((1, 8, 6, 6), (1, 8, 6, 6))
    x = net.relu(net.add(net.conv("x0", 8, 8, 3), "x1"))
    _lowered(net, x, net.conv(x, 8, 4), net.relu(net.conv(x, 8, 8)))


def test_whole_blocks_are_joined_without_a_change_of_layout() -> None:
    net = Net((1, 16, 6, 6))
    a, b = net.relu(net.conv("x0", 16, 16, 3)), net.relu(net.conv("x0", 16, 32))
    _, called = _lowered(net, net.conv(net.node("Concat", a, b, axis=1), 48, 8))
    assert Counter(_kinds(called))["planar"] == 1


def test_equal_layers_share_one_function_and_each_weight_is_stored_once() -> None:
    net = Net((1, 16, 12, 12))
    x = "x0"
    for _ in range(3):
        x = net.relu(net.conv(x, 16, 16, 3))
    lowered, called = _lowered(net, x)
    assert len({name for name in called if name.startswith("f32")}) == 1
    assert len([name for name in called if name.startswith("f32")]) == 3
    assert lowered is not None


def test_planned_memory_counts_the_arena_and_the_outputs() -> None:
    net = Net((1, 16, 12, 12))
    x = net.relu(net.conv(net.relu(net.conv("x0", 16, 32, 3)), 32, 16, 3))
    lowered, _ = _lowered(net, net.conv(x, 16, 8))
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
