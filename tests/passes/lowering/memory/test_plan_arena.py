"""The arena of a lowered network: which maps lie in it, where, and how large it is."""

from __future__ import annotations

from typing import Any

import pytest
import tvm
from tvm import relax

from rdpass.core.numeric_types import FLOAT16, FLOAT32, NumericType
from rdpass.passes.lowering import dataflow
from rdpass.passes.lowering.memory.plan_arena import PlanArena
from rdpass.passes.lowering.rewrite.place_kernels import SCHEDULED


@pytest.mark.parametrize(("numeric", "size"), [(FLOAT32, 2 * 4096), (FLOAT16, 2 * 2048)])
def test_the_arena_is_as_large_as_the_maps_types_make_it(
    numeric: NumericType, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataflow, "KERNEL_TYPES", frozenset({FLOAT32, FLOAT16}))
    planned = PlanArena()(_chain(numeric))["main"]
    first, *rest = planned.body.blocks[0].bindings
    assert int(first.value.args[0].values[0]) == size
    tensors = [b for b in rest if dataflow.operator_of(b.value) == "relax.memory.alloc_tensor"]
    assert [(dataflow.type_of(b.var), int(b.value.args[1].value)) for b in tensors] == [
        (numeric, 0), (numeric, size // 2),
    ]  # fmt: skip


def _chain(numeric: NumericType) -> Any:
    """Three kernels, one behind the other: two maps of 1024 numbers between them."""
    shape = (1, 1024)
    x = tvm.te.placeholder(shape, numeric)
    kernel = tvm.te.create_prim_func([x, tvm.te.compute(shape, lambda *index: x[index])])
    builder = relax.BlockBuilder()
    given = relax.Var("x", relax.TensorType(shape, numeric))
    with builder.function("main", [given]):
        callee = builder.add_func(kernel.with_attr(SCHEDULED, True).without_attr("global_symbol"), "kernel")
        maps = [builder.emit(relax.op.builtin.alloc_tensor(relax.ShapeExpr(shape), numeric, 0)) for _ in range(3)]
        for read, written in zip([given, *maps], maps, strict=False):
            builder.emit(relax.Call(callee, [read, written], ty_args=[relax.TupleType([])]))
        builder.emit_func_output(maps[-1])
    return builder.get()


def _written_by(calls: list[tuple[str, int, int]], maps: int) -> Any:
    """Calls (function, map read, map written) on so many maps of 1024 numbers, -1 the input; the last is returned."""
    shape = (1, 1024)
    x = tvm.te.placeholder(shape, FLOAT32)
    copy = tvm.te.create_prim_func([x, tvm.te.compute(shape, lambda *index: x[index])]).without_attr("global_symbol")
    builder = relax.BlockBuilder()
    given = relax.Var("x", relax.TensorType(shape, FLOAT32))
    with builder.function("main", [given]):
        callees = {
            "kernel": builder.add_func(copy.with_attr(SCHEDULED, True), "kernel"),
            "tvms": builder.add_func(copy, "tvms"),
        }
        found = [builder.emit(relax.op.builtin.alloc_tensor(relax.ShapeExpr(shape), FLOAT32, 0)) for _ in range(maps)]
        for name, read, written in calls:
            arguments = [given if read < 0 else found[read], found[written]]
            builder.emit(relax.Call(callees[name], arguments, ty_args=[relax.TupleType([])]))
        builder.emit_func_output(found[-1])
    return builder.get()


def _offsets(module: Any) -> tuple[list[int], int]:
    """Where the maps in the arena begin, and its size; nothing and 0 where there is no arena."""
    bindings = PlanArena()(module)["main"].body.blocks[0].bindings
    storage = [b for b in bindings if dataflow.operator_of(b.value) == "relax.memory.alloc_storage"]
    tensors = [b for b in bindings if dataflow.operator_of(b.value) == "relax.memory.alloc_tensor"]
    size = int(storage[0].value.args[0].values[0]) if storage else 0
    return [int(tensor.value.args[1].value) for tensor in tensors], size


def test_maps_that_only_kernels_touch_lie_in_the_arena_and_results_do_not() -> None:
    calls = [("kernel", -1, 0), ("kernel", 0, 1), ("kernel", 1, 2), ("kernel", 2, 3)]
    offsets, size = _offsets(_written_by(calls, 4))
    assert offsets == [0, 4096, 0]
    assert size == 8192


def test_a_map_that_another_function_reads_or_writes_does_not() -> None:
    calls = [("kernel", -1, 0), ("tvms", 0, 1), ("kernel", 1, 2), ("kernel", 2, 3)]
    assert _offsets(_written_by(calls, 4)) == ([0], 4096)


def test_where_no_map_may_lie_in_it_there_is_no_arena() -> None:
    module = _written_by([("tvms", -1, 0), ("tvms", 0, 1)], 2)
    before = module.script()
    assert _offsets(module) == ([], 0)
    assert PlanArena()(module).script() == before


def test_a_map_that_is_read_again_late_keeps_its_place() -> None:
    calls = [("kernel", -1, 0), ("kernel", 0, 1), ("kernel", 1, 2), ("kernel", 0, 3)]
    offsets, _ = _offsets(_written_by(calls, 4))
    assert offsets[0] not in offsets[1:]
