"""The passes between ONNX and machine code: order, extrema, kernels of our own, fallbacks, planned memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tvm
from tvm import relax, te, tirx, topi
from tvm.relax.dpl import is_op, wildcard

from rdpass.comparison import relative_error
from rdpass.kernels import RULES, Kernel, KernelRule, Workload
from rdpass.lowering import import_onnx, tvm_target
from rdpass.onnx_runtime import run_onnx
from rdpass.onnx_source import read_onnx
from rdpass.passes.relax.apply_kernels import ApplyKernels
from rdpass.passes.relax.fallbacks import find_fallbacks
from rdpass.passes.relax.pipeline import lower, lowering
from rdpass.passes.relax.planned_memory import planned_memory
from rdpass.passes.relax.restore_extrema import RestoreExtrema
from rdpass.targets import host_target

LANES = 4


def _blocked_relu(channels: int, height: int, width: int) -> Any:
    """max(x, 0) over (1, channels / 4, height, width, 4)."""
    x = te.placeholder((1, channels // LANES, height, width, LANES), name="x")
    return te.create_prim_func([x, te.compute(x.shape, lambda *i: tirx.max(x(*i), tirx.const(0.0, "float32")))])


@dataclass
class BlockedRelu:
    """A rule that takes ReLUs of channel counts that its lanes divide, in its own layout."""

    name: str = "relu_nchw4c"
    x: Any = field(default_factory=wildcard)
    seen: list[tuple[int, ...]] = field(default_factory=list)
    wants: bool = True

    @property
    def pattern(self) -> Any:
        return is_op("relax.nn.relu")(self.x)

    def kernel(self, workload: Workload, target: Any) -> Kernel | None:
        shape = tuple(int(extent) for extent in workload.root.ty.shape)
        self.seen.append(shape)
        if not self.wants or len(shape) != 4 or shape[1] % LANES:
            return None
        _, channels, height, width = shape
        blocked = relax.op.layout_transform(workload.parts[self.x], lambda n, c, h, w: (n, c // LANES, h, w, c % LANES))
        back = tvm.tirx.IndexMap.from_func(lambda n, c, h, w, i: (n, c * LANES + i, h, w), index_dtype="int64")
        writes = relax.TensorType((1, channels // LANES, height, width, LANES), "float32")
        return Kernel(_blocked_relu(channels, height, width), (blocked,), writes, back)


@dataclass
class DenseWithPackedWeight:
    """A rule that takes a dense layer and transposes its constant weight at compile time."""

    name: str = "dense_packed"
    x: Any = field(default_factory=wildcard)
    weight: Any = field(default_factory=wildcard)

    @property
    def pattern(self) -> Any:
        return is_op("relax.matmul")(self.x, self.weight)

    def kernel(self, workload: Workload, target: Any) -> Kernel | None:
        weight = workload.parts[self.weight]
        if not isinstance(weight, tvm.ir.GenericConst):
            return None
        packed = np.ascontiguousarray(weight.value.numpy().T)
        outputs, inputs = packed.shape
        x = te.placeholder((1, inputs), name="x")
        w = te.placeholder((outputs, inputs), name="w")
        k = te.reduce_axis((0, inputs), name="k")
        y = te.compute((1, outputs), lambda i, j: te.sum(x[i, k] * w[j, k], axis=k))
        function = te.create_prim_func([x, w, y])
        arguments = (workload.parts[self.x], relax.const(packed))
        return Kernel(function, arguments, relax.TensorType((1, outputs), "float32"))


@pytest.fixture
def target() -> Any:
    return tvm_target(host_target())


@pytest.fixture
def module(residual_onnx: Path) -> Any:
    return import_onnx(read_onnx(residual_onnx))


def _run(lowered: Any, target: Any, x: np.ndarray) -> np.ndarray:
    machine = relax.VirtualMachine(tvm.compile(lowered, target=target, relax_pipeline=None), tvm.cpu())
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
    names = [step.info.name for step in lowering(target)]
    order = ["RestoreExtrema", "FoldConstant", "ApplyKernels", "LegalizeOps", "FuseOps", "StaticPlanBlockMemory"]
    assert [name for name in dict.fromkeys(names) if name in order] == order
    assert names[-1] == "AttachGlobalSymbol"


def test_lowering_leaves_its_input_as_it_was(module: Any, target: Any) -> None:
    before = module.script()
    lower(module, target)
    assert module.script() == before


def test_bounds_per_channel_are_not_blown_up_to_whole_maps(module: Any, target: Any, residual_onnx: Path) -> None:
    assert "relax.stack" in _operators(module)
    restored = RestoreExtrema()(module)
    assert {"relax.maximum", "relax.minimum"} <= set(_operators(restored))
    restored = relax.transform.DeadCodeElimination()(restored)
    assert not {"relax.stack", "relax.max", "relax.min", "relax.broadcast_to"} & set(_operators(restored))
    _check_computes(lower(module, target), target, residual_onnx)


def test_a_clip_is_an_operator_that_rules_can_see(module: Any) -> None:
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


def test_without_rules_everything_falls_back_to_tvm(module: Any, target: Any) -> None:
    assert RULES == ()
    lowered = lower(module, target)
    found = find_fallbacks(lowered)
    assert sum("conv2d" in fallback.function for fallback in found) == 2
    assert found[0].operations >= 2 * 8 * 8 * 9 * 9 * 8 > found[-1].operations
    assert [f.operations for f in found] == sorted((f.operations for f in found), reverse=True)


def test_a_rules_kernel_is_used_and_the_numbers_stay(module: Any, target: Any, residual_onnx: Path) -> None:
    rule: KernelRule = BlockedRelu()
    lowered = lower(module, target, (rule,))
    assert "relu_nchw4c" in _function_names(lowered)
    left, all_of_it = find_fallbacks(lowered), find_fallbacks(lower(module, target))
    assert sum(f.operations for f in left) < sum(f.operations for f in all_of_it)
    assert not any(fallback.function.startswith("relu") for fallback in left)
    _check_computes(lowered, target, residual_onnx)


def test_a_rule_packs_weights_at_compile_time(module: Any, target: Any, residual_onnx: Path) -> None:
    lowered = lower(module, target, (DenseWithPackedWeight(), BlockedRelu()))
    assert {"dense_packed", "relu_nchw4c"} <= _function_names(lowered)
    assert not any("matmul" in fallback.function for fallback in find_fallbacks(lowered))
    _check_computes(lowered, target, residual_onnx)


def test_what_no_rule_wants_is_lowered_by_tvm(module: Any, target: Any, residual_onnx: Path) -> None:
    rule = BlockedRelu(wants=False)
    lowered = lower(module, target, (rule,))
    assert rule.seen == [(1, 8, 9, 8)]
    assert "relu_nchw4c" not in _function_names(lowered)
    assert find_fallbacks(lowered) == find_fallbacks(lower(module, target))
    _check_computes(lowered, target, residual_onnx)


def test_the_first_rule_that_has_a_kernel_is_taken(module: Any, target: Any) -> None:
    second = BlockedRelu(name="second")
    names = _function_names(ApplyKernels((BlockedRelu(wants=False), BlockedRelu(), second), target)(module))
    assert "relu_nchw4c" in names
    assert second.seen == []


def test_equal_workloads_share_one_function(target: Any) -> None:
    text = (
        '<ir_version: 9, opset_import: ["" : 18]> net (float[1, 8, 4, 4] x) => (float[1, 8, 4, 4] y)'
        " { a = Relu(x) b = Neg(a) c = Relu(b) y = Add(c, a) }"
    )
    module = import_onnx(read_onnx(onnx.parser.parse_model(text)))
    applied = ApplyKernels((BlockedRelu(),), target)(module)
    assert _operators(applied).count("relax.call_tir") == 2
    assert [name for name in _function_names(applied) if "relu" in name] == ["relu_nchw4c"]


def test_planned_memory_counts_blocks_outputs_and_the_largest_scratch(target: Any) -> None:
    text = (
        '<ir_version: 9, opset_import: ["" : 18]> net (float[1, 4, 16, 16] x) => (float[1, 4] y)'
        " { a = MaxPool<kernel_shape = [3, 3], strides = [1, 1], pads = [1, 1, 1, 1]>(x)"
        "   b = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a)"
        "   c = ReduceMean<keepdims = 0>(b, axes) y = Relu(c) }"
    )
    text = text.replace("float[1, 4] y)", "float[1, 4] y) <int64[2] axes = {2, 3}>")
    memory = planned_memory(lower(import_onnx(read_onnx(onnx.parser.parse_model(text))), target))
    maps, halves, output = 4 * 16 * 16 * 4, 4 * 8 * 8 * 4, 4 * 4
    assert maps + halves + output <= memory.activations <= maps + halves + 3 * output
    assert memory.workspace >= 4 * 18 * 18 * 4  # the padded map of the first pooling
