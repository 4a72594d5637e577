"""One arena for the maps between kernels, every map at an offset that no map alive at the same time overlaps.

1. A map may lie in the arena if only kernels of ours touch it: they accept a tensor that begins anywhere, TVM's own
   functions do not. What the function returns is the caller's, and lies elsewhere.
2. A map lives from the kernel that writes it to the last that reads it. Where a kernel writes over the map that it
   adds, both are one.
3. Maps are placed one after the other, each at the lowest offset that is free while it lives. Orders by size and by
   time are tried, and the lowest arena is taken: offline dynamic storage allocation, which is NP-hard, and where for
   chains the largest first is optimal as a rule.

What is left over is laid out by TVM (``StaticPlanBlockMemory``), in blocks of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import tvm
from tvm import relax

from rdpass.passes.relax.dataflow import operator_of, shape_of, variables_of
from rdpass.passes.relax.place_kernels import SCHEDULED

ALIGNMENT = 64
_ALLOCATE = "relax.builtin.alloc_tensor"


@dataclass(frozen=True)
class Interval:
    """A buffer of ``size`` bytes that is alive from binding ``first`` to binding ``last``."""

    size: int
    first: int
    last: int

    def meets(self, other: Interval) -> bool:
        return self.first <= other.last and other.first <= self.last


@tvm.transform.module_pass(opt_level=0, name="PlanArena")
class PlanArena:
    """Preserves every value."""

    def transform_module(self, module: tvm.IRModule, context: Any) -> tvm.IRModule:
        kernels = {
            variable.name_hint
            for variable, function in module.functions_items()
            if function.attrs and function.attrs.get(SCHEDULED)
        }
        result = tvm.IRModule(module.functions, attrs=module.attrs)
        for variable, function in module.functions_items():
            if isinstance(function, relax.Function):
                result.update_func(variable, _in_arena(function, kernels))
        return result


def assign_offsets(intervals: Sequence[Interval]) -> tuple[tuple[int, ...], int]:
    """An offset for each interval, and the bytes of the arena that holds them."""
    orders: tuple[Callable[[int], Any], ...] = (
        lambda index: (-intervals[index].size, intervals[index].first),
        lambda index: (-(intervals[index].last - intervals[index].first), -intervals[index].size),
        lambda index: intervals[index].first,
    )
    tried = (_place(intervals, sorted(range(len(intervals)), key=order)) for order in orders)
    return min(tried, key=lambda found: found[1])


def _place(intervals: Sequence[Interval], order: Sequence[int]) -> tuple[tuple[int, ...], int]:
    offsets: dict[int, int] = {}
    for index in order:
        taken = sorted(
            (offset, offset + intervals[other].size)
            for other, offset in offsets.items()
            if intervals[index].meets(intervals[other])
        )
        at = 0
        for begin, end in taken:
            if begin - at >= intervals[index].size:
                break
            at = max(at, end)
        offsets[index] = at
    size = max((offset + intervals[index].size for index, offset in offsets.items()), default=0)
    return tuple(offsets[index] for index in range(len(intervals))), size


def _in_arena(function: Any, kernels: set[str]) -> Any:
    bindings = [binding for block in function.body.blocks for binding in block.bindings]
    if not all(isinstance(binding, relax.VarBinding) for binding in bindings):
        return function
    lives = _lives(bindings, function.body.body, kernels)
    if not lives:
        return function
    offsets, size = assign_offsets(list(lives.values()))
    places = dict(zip(lives, offsets, strict=True))
    builder = relax.BlockBuilder()
    allocation = relax.op.memory.alloc_storage(relax.ShapeExpr([size]), 0, "global", "uint8")
    arena = relax.VarBinding(relax.Var("arena", builder.normalize(allocation).ty), builder.normalize(allocation))
    written = [_moved(builder, binding, arena.var, places) for binding in bindings]
    body = relax.SeqExpr([relax.BindingBlock([arena, *written])], function.body.body)
    return relax.Function(function.params, body, function.ret_ty, function.is_pure, function.attrs)


def _moved(builder: relax.BlockBuilder, binding: Any, arena: Any, places: dict[Any, int]) -> Any:
    if binding.var not in places:
        return binding
    shape = binding.value.args[0]
    tensor = relax.op.memory.alloc_tensor(arena, places[binding.var], shape, "float32")
    return relax.VarBinding(binding.var, builder.normalize(tensor))


def _lives(bindings: Sequence[Any], result: Any, kernels: set[str]) -> dict[Any, Interval]:
    """The allocations that may lie in the arena, by their variable."""
    homes: dict[Any, list[Any]] = {}
    lives: dict[Any, Interval] = {}
    barred: set[Any] = set()
    for index, binding in enumerate(bindings):
        value = binding.value
        size = _bytes(value)
        if size is not None:
            homes[binding.var] = [binding.var]
            lives[binding.var] = Interval(size, len(bindings), -1)
        elif isinstance(value, relax.Var | relax.Tuple | relax.TupleGetItem):
            homes[binding.var] = _homes_of(value, homes)
        else:
            by_kernel = isinstance(value, relax.Call) and getattr(value.op, "name_hint", "") in kernels
            for home in (home for variable in variables_of(value) for home in homes.get(variable, [])):
                life = lives[home]
                lives[home] = replace(life, first=min(life.first, index), last=index)
                if not by_kernel:
                    barred.add(home)
    barred.update(home for variable in variables_of(result) for home in homes.get(variable, []))
    return {variable: life for variable, life in lives.items() if variable not in barred}


def _homes_of(value: Any, homes: dict[Any, list[Any]]) -> list[Any]:
    """The allocations that an alias, a tuple or a field of one stands for."""
    if isinstance(value, relax.TupleGetItem):
        found = _homes_of(value.tuple_value, homes)
        return found[value.index : value.index + 1]
    if isinstance(value, relax.Tuple):
        return [home for field in value.fields for home in _homes_of(field, homes)[:1]]
    return homes.get(value, [])


def _bytes(value: Any) -> int | None:
    """The size of a tensor allocation of static shape, whole lines of cache."""
    if operator_of(value) != _ALLOCATE:
        return None
    shape = shape_of(value)
    return None if shape is None else -(-4 * prod(shape) // ALIGNMENT) * ALIGNMENT
