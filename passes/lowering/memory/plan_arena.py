"""One arena for the maps between kernels, every map at an offset that no map alive at the same time overlaps.

1. A map may lie in the arena if only kernels of ours touch it: they accept a tensor that begins anywhere, TVM's own
   functions do not. What the function returns is the caller's, and lies elsewhere.
2. A map lives from the kernel that writes it to the last that reads it. Where a kernel writes over the map that it
   adds, both are one.
3. A part of a map (``share_maps``) lies where the map does.

What is left over is laid out by TVM (``StaticPlanBlockMemory``), in blocks of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import tvm
from tvm import relax

from rdpass.passes.lowering.dataflow import bytes_of, operator_of, type_of, variables_of
from rdpass.passes.lowering.memory.arena import Interval, assign_offsets, whole_lines
from rdpass.passes.lowering.rewrite.place_kernels import SCHEDULED

ALLOCATE, VIEW = "relax.builtin.alloc_tensor", "relax.memory.view"


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
    """An allocation, or a view of one, as a tensor in the arena."""
    value = binding.value
    if binding.var in places:
        place, shape = places[binding.var], value.args[0]
    elif operator_of(value) == VIEW and value.args[0] in places:
        place, shape = places[value.args[0]] + int(value.args[3].value), value.args[1]
    else:
        return binding
    tensor = relax.op.memory.alloc_tensor(arena, place, shape, type_of(binding.var))
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
        elif operator_of(value) == VIEW:
            homes[binding.var] = _homes_of(value.args[0], homes)
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
    if operator_of(value) != ALLOCATE:
        return None
    size = bytes_of(value)
    return None if size is None else whole_lines(size)
